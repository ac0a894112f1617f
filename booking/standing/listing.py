"""Standing bookings of persons."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Select, select

from booking.models import Offering, StandingBooking


def own_query(
    person_ids: Collection[UUID], *, ended: bool, after: UUID | None = None, limit: int
) -> Select[StandingBooking, Offering]:
    """Newest first; with ``ended`` also those that ended. Uses standing_booking_person_id_idx."""
    query = (
        select(StandingBooking, Offering)
        .join(Offering, Offering.id == StandingBooking.offering_id)
        .where(StandingBooking.person_id.in_(person_ids))
        .order_by(StandingBooking.id.desc())
        .limit(limit)
    )
    if not ended:
        query = query.where(StandingBooking.state == "active")
    return query if after is None else query.where(StandingBooking.id < after)
