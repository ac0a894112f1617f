"""The waiting list (候补) of a slot."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Identity, Index, SmallInteger, String
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id

STATES = ("waiting", "offered", "accepted", "declined", "expired", "left", "passed", "closed")
_STATES = ", ".join(f"'{one}'" for one in STATES)


class WaitlistEntry(Base):
    """A party that waits. ``number`` is given at the end of a transaction's queue lock, so it is the order of the queue.

    ``offered``: a held reservation (``reservation_id``) is theirs until it expires; then the next is asked. ``passed``:
    could not be offered (``reason``: another booking at that time, a limit). ``closed``: the slot began or was closed.
    ``tiers``: which buckets the party may take from. ``details`` become those of the reservation.
    """

    __tablename__ = "waitlist_entry"
    __table_args__ = (
        CheckConstraint(f"state in ({_STATES})", name="state"),
        CheckConstraint("party_size >= 1", name="party_size"),
        CheckConstraint(
            "(state in ('offered', 'accepted', 'declined', 'expired')) <= (reservation_id is not null)",
            name="reservation",
        ),
        Index("waitlist_entry_queue_idx", "slot_id", "number", postgresql_where="state = 'waiting'"),
        Index(
            "waitlist_entry_person_key",
            "slot_id",
            "person_id",
            unique=True,
            postgresql_where="state in ('waiting', 'offered')",
        ),
        Index("waitlist_entry_person_id_idx", "person_id", "id"),
        Index("waitlist_entry_reservation_id_idx", "reservation_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    slot_id: Mapped[UUID] = mapped_column(ForeignKey("slot.id", ondelete="CASCADE"))
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    party_size: Mapped[int] = mapped_column(SmallInteger)
    mode: Mapped[str | None]
    channel: Mapped[str]
    tiers: Mapped[list[str]] = mapped_column(ARRAY(String))
    wheelchair: Mapped[bool] = mapped_column(server_default="false")
    price_fen: Mapped[int | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    state: Mapped[str] = mapped_column(server_default="waiting")
    reason: Mapped[str | None]
    reservation_id: Mapped[UUID | None] = mapped_column(ForeignKey("reservation.id"))
    joined_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    decided_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
