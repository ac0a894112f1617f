"""When a person leaves: what they booked ahead is given back, and they wait no longer."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Reservation, StandingBooking, WaitlistEntry
from booking.reservations.life import cancel
from booking.reservations.states import MOVABLE
from core.actor import Actor


async def cancel_all(session: AsyncSession, actor: Actor, *, person_id: UUID, why: str, now: datetime) -> int:
    """Cancel everything of a person that has not begun; how many. Nobody is told but those who get the places.

    In the order of slots, as buckets are locked. The caller holds the person's lock.
    """
    await session.execute(
        update(WaitlistEntry)
        .where(WaitlistEntry.person_id == person_id, WaitlistEntry.state == "waiting")
        .values(state="left", decided_at=now)
    )
    # One that is being booked just now is locked before the person: it ends itself when it finds them gone.
    standing = (
        select(StandingBooking.id)
        .where(StandingBooking.person_id == person_id, StandingBooking.state == "active")
        .with_for_update(skip_locked=True)
    )
    await session.execute(
        update(StandingBooking)
        .where(StandingBooking.id.in_((await session.scalars(standing)).all()))
        .values(state="ended", ended_at=now)
    )
    ahead = await session.scalars(
        select(Reservation.id)
        .where(
            Reservation.person_id == person_id,
            Reservation.state.in_(MOVABLE),
            Reservation.starts_at > now,
        )
        .order_by(Reservation.slot_id, Reservation.id)
    )
    ids = ahead.all()
    for reservation_id in ids:
        await cancel(session, actor, reservation_id=reservation_id, why=why, tell=None, now=now)
    return len(ids)
