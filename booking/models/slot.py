"""Slots: a time at which an offering takes place, and the buckets that guard how many come."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id


class Slot(Base):
    """``starts_at`` to ``ends_at``, bookable from ``opens_at`` to ``closes_at``; ``on_date`` is the local date it starts on.

    Of an interval offering a slot is a window within which spans are booked. ``state``: ``open``, or ``closed`` with the
    reason; a closed slot takes nobody and its reservations are cancelled or moved. ``edited``: staff changed this one
    slot, so a changed template leaves it as it is.
    """

    __tablename__ = "slot"
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="times"),
        CheckConstraint("opens_at <= closes_at", name="window"),
        CheckConstraint("state in ('open', 'closed')", name="state"),
        CheckConstraint("(state = 'closed') = (closed_reason is not null)", name="closed"),
        Index("slot_template_id_starts_at_key", "template_id", "starts_at", unique=True),
        Index("slot_offering_id_starts_at_idx", "offering_id", "starts_at"),
        Index("slot_starts_at_idx", "starts_at"),
        # Closed slots whose reservations still have to be cancelled or moved.
        Index("slot_moved_to_idx", "moved_to", postgresql_where="moved_to is not null"),
        Index("slot_unsettled_idx", "closed_at", postgresql_where="state = 'closed' and settled_at is null"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    offering_id: Mapped[UUID] = mapped_column(ForeignKey("offering.id", ondelete="CASCADE"))
    template_id: Mapped[UUID | None] = mapped_column(ForeignKey("offering_template.id"))
    on_date: Mapped[date]
    starts_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    ends_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    opens_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    closes_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    state: Mapped[str] = mapped_column(server_default="open")
    closed_reason: Mapped[str | None]
    closed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    moved_to: Mapped[UUID | None] = mapped_column(ForeignKey("slot.id"))
    settled_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    edited: Mapped[bool] = mapped_column(server_default="false")


class SlotBucket(Base):
    """Places of one tier of a slot. ``set_aside`` are freed places kept for the waiting list.

    From ``released_at`` on everyone may take what is left of a reserved tier. The CHECK is the guard that no place is
    sold twice: every change is a conditional UPDATE of this row.
    """

    __tablename__ = "slot_bucket"
    __table_args__ = (
        CheckConstraint("held >= 0 and confirmed >= 0 and set_aside >= 0", name="counts"),
        CheckConstraint("held + confirmed + set_aside <= capacity", name="capacity"),
        CheckConstraint("tier ~ '^[a-z][a-z0-9_]{0,29}$'", name="tier"),
        Index("slot_bucket_set_aside_idx", "slot_id", postgresql_where="set_aside > 0"),
        {
            "postgresql_with": {"fillfactor": 50}
        },  # counters change in place (HOT) on the morning that everyone books
    )

    slot_id: Mapped[UUID] = mapped_column(ForeignKey("slot.id", ondelete="CASCADE"), primary_key=True)
    tier: Mapped[str] = mapped_column(primary_key=True)
    capacity: Mapped[int]
    held: Mapped[int] = mapped_column(server_default="0")
    confirmed: Mapped[int] = mapped_column(server_default="0")
    set_aside: Mapped[int] = mapped_column(server_default="0")
    released_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class SlotNeed(Base):
    """Booking ``slot_id`` also takes places of ``needs_slot_id`` (a supply slot): all or nothing.

    ``per``: as many as the party, or one a booking. ``modes``: only bookings of these modes; empty: all.
    """

    __tablename__ = "slot_need"
    __table_args__ = (
        CheckConstraint("per in ('person', 'booking')", name="per"),
        Index("slot_need_needs_slot_id_idx", "needs_slot_id"),
    )

    slot_id: Mapped[UUID] = mapped_column(ForeignKey("slot.id", ondelete="CASCADE"), primary_key=True)
    needs_slot_id: Mapped[UUID] = mapped_column(ForeignKey("slot.id"), primary_key=True)
    per: Mapped[str]
    modes: Mapped[list[str]] = mapped_column(ARRAY(String), server_default="{}")


class SlotWarning(Base):
    """Why a template made no slot on a date, or a booked slot no longer fits: for staff to see.

    ``code``: ``calendar_not_announced``, ``site_closed``, ``does_not_fit``. Gone once it no longer holds.
    """

    __tablename__ = "slot_warning"
    __table_args__ = (Index("slot_warning_offering_id_idx", "offering_id", "on_date"),)

    template_id: Mapped[UUID] = mapped_column(
        ForeignKey("offering_template.id", ondelete="CASCADE"), primary_key=True
    )
    on_date: Mapped[date] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    offering_id: Mapped[UUID] = mapped_column(ForeignKey("offering.id", ondelete="CASCADE"))
    slot_id: Mapped[UUID | None] = mapped_column(ForeignKey("slot.id", ondelete="CASCADE"))
    found_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class Allotment(Base):
    """A block of places another system lends us for a slot (号源池). At ``return_at`` what is unused goes back."""

    __tablename__ = "allotment"
    __table_args__ = (
        CheckConstraint("lent >= 0 and returned between 0 and lent", name="counts"),
        CheckConstraint("(returned is null) = (returned_at is null)", name="returned"),
        CheckConstraint("(reported_used is null) = (reported_at is null)", name="reported"),
        Index("allotment_return_at_idx", "return_at", postgresql_where="returned_at is null"),
    )

    slot_id: Mapped[UUID] = mapped_column(ForeignKey("slot.id", ondelete="CASCADE"), primary_key=True)
    lender: Mapped[str]
    reference: Mapped[str]
    lent: Mapped[int]
    return_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    returned: Mapped[int | None]
    returned_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    reported_used: Mapped[int | None]
    reported_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
