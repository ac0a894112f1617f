"""Holds that ran out: freed by whoever wants the place, or by the worker, whichever comes first."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from booking.capacity.buckets import claims_of, lock_buckets
from booking.events import Kind
from booking.models import Reservation, WaitlistEntry
from booking.recording.targets import needs_of
from booking.reservations.steps import give_back, step
from booking.waitlist.promote import promote
from core.actor import SYSTEM


async def expire_locked(session: AsyncSession, *, slot_id: UUID, now: datetime) -> int:
    """Expire what is due of one slot, whose buckets (or resources) the caller has locked; how many.

    Reservations locked by others are theirs to decide: nobody waits for them here, since it is behind the buckets.
    Uses reservation_held_idx.
    """
    due = await session.scalars(
        select(Reservation)
        .where(Reservation.slot_id == slot_id, Reservation.state == "held", Reservation.expires_at <= now)
        .order_by(Reservation.id)
        .with_for_update(skip_locked=True),
        execution_options={"populate_existing": True},
    )
    expired = waited = 0
    for one in due.all():
        claims = await claims_of(session, reservation_id=one.id)
        waited += await give_back(session, one, claims, now=now)
        await _expire(session, one, now=now)
        expired += 1
    if waited:
        await promote(session, slot_ids=[slot_id], now=now)
    return expired


async def _expire(session: AsyncSession, one: Reservation, *, now: datetime) -> None:
    offered = await session.scalar(
        update(WaitlistEntry)
        .where(WaitlistEntry.reservation_id == one.id, WaitlistEntry.state == "offered")
        .values(state="expired", decided_at=now)
        .returning(WaitlistEntry.id)
    )
    tell: Kind = "reservation_expired" if offered is None else "waitlist_expired"
    await step(session, SYSTEM, one, state="expired", why="hold_over", tell=tell, now=now)


async def expire_due(session: AsyncSession, *, now: datetime) -> int:
    """Expire what is due of the slot whose hold ran out first; 0 when there is none. One transaction a slot.

    Uses reservation_expires_at_idx.
    """
    slot_id = await session.scalar(
        select(Reservation.slot_id)
        .where(Reservation.state == "held", Reservation.expires_at <= now)
        .order_by(Reservation.expires_at)
        .limit(1)
    )
    return 0 if slot_id is None else await expire_slot(session, slot_id=slot_id, now=now)


async def expire_slot(session: AsyncSession, *, slot_id: UUID, now: datetime) -> int:
    """Expire what is due of one slot, in a transaction that has locked nothing yet. Uses reservation_held_idx."""
    due = select(Reservation.id).where(
        Reservation.slot_id == slot_id, Reservation.state == "held", Reservation.expires_at <= now
    )
    if await session.scalar(due.limit(1)) is None:
        return 0
    needed = [one.needs_slot_id for one in await needs_of(session, slot_id=slot_id)]
    await lock_buckets(session, [slot_id, *needed])
    return await expire_locked(session, slot_id=slot_id, now=now)
