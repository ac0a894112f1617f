"""Holds that ran out: freed by whoever wants the place, or by the worker, whichever comes first."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.capacity.buckets import Buckets, claims_of, lock_buckets
from booking.events import Kind
from booking.models import Reservation, SlotNeed
from booking.reservations.steps import give_back, settle_offer, step
from booking.waitlist.promote import promote
from core.actor import SYSTEM

# Each part by an index: reservation_held_idx, reservation_person_id_starts_at_idx, slot_need_needs_slot_id_idx.
DUE = text(
    """
    select slot_id from reservation
    where slot_id = any(:slot_ids) and state = 'held' and expires_at <= :now
    union
    select slot_id from reservation
    where person_id = cast(:person_id as uuid) and state = 'held' and expires_at <= :now
    union
    select reservation.slot_id from slot_need join reservation on reservation.slot_id = slot_need.slot_id
    where slot_need.needs_slot_id = any(:supplies) and reservation.state = 'held' and reservation.expires_at <= :now
    """
)


async def lock_fresh(
    session: AsyncSession, slot_ids: Collection[UUID], *, person_id: UUID | None, now: datetime
) -> Buckets:
    """Lock the buckets of these slots and of all they need, with no hold left in the way that ran out.

    Such holds may be of these slots, of others that share a supply with them, or the person's own elsewhere, where they
    would still bind the person's time and limits. All their buckets are locked in the same order first.
    """
    needed = await _needed(session, slot_ids)
    asked = {"slot_ids": list(slot_ids), "person_id": person_id, "supplies": list(needed), "now": now}
    due = set(await session.scalars(DUE, asked))
    touched = {*slot_ids, *needed, *due, *(await _needed(session, due) if due else ())}
    buckets = await lock_buckets(session, touched)
    expired = 0
    for slot_id in sorted(due):
        expired += await expire_locked(session, slot_id=slot_id, now=now)
    return await lock_buckets(session, touched) if expired else buckets


async def _needed(session: AsyncSession, slot_ids: Collection[UUID]) -> set[UUID]:
    query = select(SlotNeed.needs_slot_id).where(SlotNeed.slot_id.in_(slot_ids))
    return set(await session.scalars(query))


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
    offered = await settle_offer(session, one.id, "expired", now=now)
    tell: Kind = "waitlist_expired" if offered else "reservation_expired"
    await step(session, SYSTEM, one, state="expired", why="hold_over", tell=tell, now=now)


async def next_due(session: AsyncSession, *, but: Collection[UUID] = (), now: datetime) -> UUID | None:
    """The slot whose hold ran out first, of all others than ``but``. Uses reservation_expires_at_idx."""
    query = select(Reservation.slot_id).where(
        Reservation.state == "held", Reservation.expires_at <= now, Reservation.slot_id.not_in(but)
    )
    return await session.scalar(query.order_by(Reservation.expires_at).limit(1))


async def expire_slot(session: AsyncSession, *, slot_id: UUID, now: datetime) -> int:
    """Expire what is due of one slot, in a transaction that has locked nothing yet. Uses reservation_held_idx."""
    due = select(Reservation.id).where(
        Reservation.slot_id == slot_id, Reservation.state == "held", Reservation.expires_at <= now
    )
    if await session.scalar(due.limit(1)) is None:
        return 0
    await lock_buckets(session, {slot_id, *await _needed(session, [slot_id])})
    return await expire_locked(session, slot_id=slot_id, now=now)
