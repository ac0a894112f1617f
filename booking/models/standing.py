"""Standing bookings (长期预约): lunch every weekday until June, in one request."""

from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, SmallInteger
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id


class StandingBooking(Base):
    """Book each slot of ``offering_id`` that starts at ``starts_at`` (local) on ``weekdays`` (ISO), first to last date."""

    __tablename__ = "standing_booking"
    __table_args__ = (
        CheckConstraint(
            "weekdays <@ array[1,2,3,4,5,6,7]::smallint[] and cardinality(weekdays) > 0", name="weekdays"
        ),
        CheckConstraint("from_on <= until_on", name="dates"),
        CheckConstraint("party_size >= 1", name="party_size"),
        CheckConstraint("state in ('active', 'ended')", name="state"),
        Index("standing_booking_person_id_idx", "person_id"),
        Index("standing_booking_offering_id_idx", "offering_id", postgresql_where="state = 'active'"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    offering_id: Mapped[UUID] = mapped_column(ForeignKey("offering.id"))
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    channel: Mapped[str]
    weekdays: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    starts_at: Mapped[time]
    from_on: Mapped[date]
    until_on: Mapped[date]
    party_size: Mapped[int] = mapped_column(SmallInteger)
    mode: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default="active")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class StandingDate(Base):
    """What became of one date: a reservation, or the code of why not. A date not opened yet has no row."""

    __tablename__ = "standing_date"

    standing_id: Mapped[UUID] = mapped_column(
        ForeignKey("standing_booking.id", ondelete="CASCADE"), primary_key=True
    )
    on_date: Mapped[date] = mapped_column(primary_key=True)
    reservation_id: Mapped[UUID | None] = mapped_column(ForeignKey("reservation.id"))
    reason: Mapped[str | None]
    tried_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
