"""What became of offers and of queues that are over. The caller holds the locks of the slots' buckets."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.capacity.buckets import Move, lock_buckets, move
from booking.events import Kind, emit
from booking.recording.record import booker_of

# An offer is the held reservation: what becomes of one became of the other. Uses waitlist_entry_person_key's condition.
SETTLE = text(
    """
    update waitlist_entry as entry
    set state = case
            when reservation.state = 'expired' then 'expired'
            when reservation.state <> 'cancelled' then 'accepted'
            when slot.state = 'closed' then 'closed'
            else 'declined' end,
        reason = case when reservation.state = 'cancelled' and slot.state = 'closed' then 'slot-closed' end,
        decided_at = :now
    from reservation, slot
    where entry.slot_id = any(:slot_ids) and entry.state = 'offered'
      and reservation.id = entry.reservation_id and reservation.state <> 'held' and slot.id = entry.slot_id
    returning entry.id, entry.slot_id, entry.person_id, entry.account_id, entry.channel,
        entry.party_size, entry.state, entry.reason
    """
)
CLOSE = text(
    """
    update waitlist_entry as entry
    set state = 'closed', decided_at = :now,
        reason = case when slot.state = 'closed' then 'slot-closed' else 'booking-closed' end
    from slot
    where entry.slot_id = any(:slot_ids) and entry.state = 'waiting' and slot.id = entry.slot_id
      and (slot.state = 'closed' or slot.closes_at <= :now)
    returning entry.id, entry.slot_id, entry.person_id, entry.account_id, entry.channel,
        entry.party_size, entry.state, entry.reason
    """
)


async def settle(session: AsyncSession, *, slot_ids: Collection[UUID], now: datetime) -> None:
    """Note which offers were accepted, declined or ran out; those who let one run out are told."""
    for row in (await session.execute(SETTLE, {"slot_ids": list(slot_ids), "now": now})).all():
        if row.state == "expired":
            await _tell(session, "waitlist_expired", row, now)


async def close_queues(session: AsyncSession, *, slot_ids: Collection[UUID], now: datetime) -> int:
    """End the queues of slots that were closed, or whose booking has; those who waited are told. How many waited.

    A slot that is still open keeps its queue.
    """
    buckets = await lock_buckets(session, slot_ids)
    await settle(session, slot_ids=slot_ids, now=now)
    rows = (await session.execute(CLOSE, {"slot_ids": list(slot_ids), "now": now})).all()
    for row in rows:
        await _tell(session, "waitlist_closed", row, now)
    over = {row.slot_id for row in rows}
    moves = [
        Move(one.slot_id, one.tier, set_aside=-one.set_aside)
        for one in buckets.values()
        if one.slot_id in over and one.set_aside
    ]
    await move(session, moves, reservation_id=None, now=now)
    return len(rows)


async def _tell(session: AsyncSession, kind: Kind, row: Row[Any], now: datetime) -> None:
    data = {"entry_id": str(row.id), "slot_id": str(row.slot_id), "party_size": row.party_size}
    await emit(
        session,
        kind=kind,
        person_id=row.person_id,
        account_id=booker_of(row.account_id, row.channel),
        subject_id=row.id,
        data={**data, "why": row.reason or row.state},
        now=now,
    )
