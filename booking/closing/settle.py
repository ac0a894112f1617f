"""What becomes of those who were booked in a closed slot: moved where staff said, else cancelled; and each is told.

A slot counts as settled a minute after nobody was left in it: whoever was booking while it closed is found then.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from booking.closing.affected import affected_query
from booking.events import emit, said_of
from booking.models import Offering, Reservation, Slot
from booking.recording.alternatives import next_free
from booking.recording.record import booker_of
from booking.reservations.find import get_reservation
from booking.reservations.life import cancel
from booking.reservations.reschedule import reschedule
from booking.waitlist.settling import close_queues
from core.actor import SYSTEM
from core.errors import DomainError
from core.keyring import KeyRing

Outcome = Literal["moved", "cancelled", "nothing"]
WHY = "slot_closed"
# Longer than any request that may still be booking.
GRACE = timedelta(minutes=1)
# As slot_unsettled_idx says it: a parameter would hide the index from a generic plan.
UNSETTLED = text("slot.state = 'closed' and slot.settled_at is null")


async def find_unsettled(
    session: AsyncSession, *, but: Collection[UUID] = (), limit: int = 100
) -> Sequence[UUID]:
    """Closed slots in which somebody may still be booked, other than ``but``; those that begin first come first.

    Uses slot_unsettled_idx.
    """
    query = select(Slot.id).where(UNSETTLED, Slot.id.not_in(but)).order_by(Slot.starts_at, Slot.id)
    return (await session.scalars(query.limit(limit))).all()


async def find_affected(session: AsyncSession, *, slot_id: UUID, limit: int = 500) -> Sequence[UUID]:
    """Reservations that have places of a slot and are not used yet; who came first is moved first."""
    query = affected_query(slot_id).order_by(Reservation.created_at, Reservation.id)
    return (await session.scalars(query.limit(limit))).all()


async def end_queue(session: AsyncSession, *, slot_id: UUID, now: datetime) -> int:
    """Those who waited for a closed slot are told; how many. Comes first, so that nothing is offered to them."""
    if await _closed(session, slot_id) is None:
        return 0
    return await close_queues(session, slot_ids=[slot_id], now=now)


async def settle_reservation(
    session: AsyncSession, *, ring: KeyRing, slot_id: UUID, reservation_id: UUID, now: datetime
) -> Outcome:
    """Move one reservation to where staff said if there is room for it, else cancel it; the person is told.

    Nothing happens when the slot is open again, or the reservation was changed meanwhile. One transaction for each.
    """
    slot = await _closed(session, slot_id)
    if slot is None:
        return "nothing"
    # Person and row are locked before the state is looked at: of two workers one finds nothing left to do.
    one = await get_reservation(session, SYSTEM, reservation_id=reservation_id, change=True, now=now)
    if await session.scalar(affected_query(slot_id).where(Reservation.id == reservation_id)) is None:
        return "nothing"
    if (
        slot.moved_to is not None
        and one.slot_id == slot_id
        and await _move(session, ring, slot, one, slot.moved_to, now)
    ):
        return "moved"
    # The event says more than a plain cancellation's.
    cancelled = await cancel(session, SYSTEM, reservation_id=reservation_id, why=WHY, tell=None, now=now)
    if cancelled.person_id is not None:
        await emit(
            session,
            kind="slot_closed",
            person_id=cancelled.person_id,
            account_id=booker_of(cancelled.account_id, cancelled.channel),
            subject_id=cancelled.id,
            data={
                **said_of(cancelled, WHY),
                "version": cancelled.version,
                "reason": slot.closed_reason,
                "alternatives": await next_free(
                    session,
                    offering_id=cancelled.offering_id,
                    but=cancelled.slot_id,
                    places=cancelled.party_size,
                    now=now,
                ),
            },
            now=now,
        )
    return "cancelled"


async def finish(session: AsyncSession, *, slot_id: UUID, now: datetime) -> bool:
    """Note that nobody is left in a closed slot; False while it is too early to be sure, or somebody is."""
    left = affected_query(slot_id)
    done = await session.execute(
        update(Slot)
        .where(Slot.id == slot_id, UNSETTLED, Slot.closed_at <= now - GRACE, ~left.exists())
        .values(settled_at=now)
    )
    return bool(done.rowcount)  # type: ignore[attr-defined]  # a CursorResult


async def _move(
    session: AsyncSession, ring: KeyRing, slot: Slot, one: Reservation, target_id: UUID, now: datetime
) -> bool:
    """Whether the reservation could be moved; refused, it is as it was."""
    target = await session.get(Slot, target_id, populate_existing=True)
    if target is None or target.state != "open" or target.ends_at <= now:
        return False
    starts_at = ends_at = None
    if (await session.get_one(Offering, target.offering_id)).shape == "interval":
        later = target.starts_at - slot.starts_at  # as long after the window opens as before
        starts_at, ends_at = one.starts_at + later, one.ends_at + later
    try:
        async with session.begin_nested():
            await reschedule(
                session,
                SYSTEM,
                ring=ring,
                reservation_id=one.id,
                slot_id=target_id,
                starts_at=starts_at,
                ends_at=ends_at,
                why=WHY,
                tell="reservation_moved",
                now=now,
            )
    except DomainError:  # no room, or they are somewhere else then
        return False
    return True


async def _closed(session: AsyncSession, slot_id: UUID) -> Slot | None:
    """The slot, if it is closed; it cannot be opened again before this transaction ends."""
    return await session.scalar(
        select(Slot)
        .where(Slot.id == slot_id, Slot.state == "closed")
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    )


async def count_unsettled(session: AsyncSession) -> int:
    """How many closed slots wait, for those who watch the worker."""
    return await session.scalar(select(func.count()).select_from(Slot).where(UNSETTLED)) or 0
