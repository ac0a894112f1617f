"""Who holds a place: the reservation, each step of its life, and the ledger of places."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, SmallInteger
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id

STATES = ("held", "confirmed", "checked_in", "no_show", "cancelled", "expired")
CHANNELS = ("web", "app", "kiosk", "counter", "phone", "system")
_STATES, _CHANNELS = (", ".join(f"'{one}'" for one in names) for names in (STATES, CHANNELS))


class Reservation(Base):
    """Places of a slot for a person and their party, or spans of resources within it.

    ``account_id`` is whoever booked: the person's own account, a delegate's, or staff's; null for walk-ins of the desk
    that name nobody, where ``person_id`` is null too; both are taken off after three years. ``starts_at`` and ``ends_at`` are the slot's, or the span's.
    ``code``: what is said at the desk; unique among a slot's. ``details`` are codes and counts, never personal data:
    how the price came about, ``wheelchair``, tiers.
    """

    __tablename__ = "reservation"
    __table_args__ = (
        CheckConstraint(f"state in ({_STATES})", name="state"),
        CheckConstraint(f"channel in ({_CHANNELS})", name="channel"),
        CheckConstraint("(state = 'held') <= (expires_at is not null)", name="held"),
        CheckConstraint("party_size >= 1", name="party_size"),
        CheckConstraint("starts_at < ends_at", name="times"),
        CheckConstraint("version >= 1", name="version"),
        Index("reservation_slot_id_code_key", "slot_id", "code", unique=True),
        Index("reservation_person_id_starts_at_idx", "person_id", "starts_at"),
        Index("reservation_account_id_starts_at_idx", "account_id", "starts_at"),
        # Holds to expire: of one slot before somebody is refused, of all by the worker.
        Index("reservation_held_idx", "slot_id", "expires_at", postgresql_where="state = 'held'"),
        Index("reservation_expires_at_idx", "expires_at", postgresql_where="state = 'held'"),
        Index("reservation_live_idx", "starts_at", postgresql_where="state = 'confirmed'"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    slot_id: Mapped[UUID] = mapped_column(ForeignKey("slot.id"))
    offering_id: Mapped[UUID] = mapped_column(ForeignKey("offering.id"))
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    party_size: Mapped[int] = mapped_column(SmallInteger)
    mode: Mapped[str | None]
    state: Mapped[str]
    channel: Mapped[str]
    code: Mapped[str]
    starts_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    ends_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    expires_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    price_fen: Mapped[int | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    version: Mapped[int] = mapped_column(server_default="1")


class ReservationStep(Base):
    """One change of a reservation (办理记录): who, when, through which channel, why. Append-only; ``number`` is the
    reservation's version it led to."""

    __tablename__ = "reservation_step"

    reservation_id: Mapped[UUID] = mapped_column(
        ForeignKey("reservation.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    state: Mapped[str]
    slot_id: Mapped[UUID]
    actor: Mapped[str]
    channel: Mapped[str]
    why: Mapped[str]


class Allocation(Base):
    """The ledger (台账) of places, append-only: each row moves a bucket's ``held``, ``confirmed`` and ``set_aside``.

    What a reservation holds is the sum of its rows; what a bucket counts is the sum of its rows
    (``xinban booking reconcile`` proves it). Rows without a reservation move what is set aside for the waiting list.
    """

    __tablename__ = "allocation"
    __table_args__ = (
        Index(
            "allocation_reservation_id_idx", "reservation_id", postgresql_where="reservation_id is not null"
        ),
        Index("allocation_slot_id_idx", "slot_id", "tier"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    slot_id: Mapped[UUID]
    tier: Mapped[str]
    reservation_id: Mapped[UUID | None]
    held: Mapped[int] = mapped_column(SmallInteger)
    confirmed: Mapped[int] = mapped_column(SmallInteger)
    set_aside: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
