"""What the worker looks after: places left set aside, queues that are over. Correctness never waits for it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.capacity.buckets import lock_buckets
from booking.recording.targets import needs_of
from booking.waitlist.promote import promote
from booking.waitlist.settling import close_queues

# The person whose turn it was could not be asked at that moment, or a party waits for more. Uses slot_bucket_set_aside_idx.
ASIDE = text("select distinct slot_id from slot_bucket where set_aside > 0 order by slot_id")
# Free although somebody waits: a reserved tier became everyone's, or there are more places now.
FREE = text(
    """
    select queue.slot_id from (select distinct slot_id from waitlist_entry where state = 'waiting') as queue
    where exists (
        select from slot_bucket as bucket where bucket.slot_id = queue.slot_id
          and bucket.held + bucket.confirmed + bucket.set_aside < bucket.capacity
    )
    order by queue.slot_id
    """
)
OVER = text(
    """
    select queue.slot_id from (select distinct slot_id from waitlist_entry where state = 'waiting') as queue
    join slot on slot.id = queue.slot_id
    where slot.state = 'closed' or slot.closes_at <= :now
    order by queue.slot_id limit :most
    """
)


async def set_aside(session: AsyncSession) -> Sequence[UUID]:
    """Slots with places that are kept for whoever waits."""
    return (await session.scalars(ASIDE)).all()


async def free_though_waited_for(session: AsyncSession) -> Sequence[UUID]:
    """Slots in which somebody waits and there is a free place, if perhaps not enough of them."""
    return (await session.scalars(FREE)).all()


async def sweep(session: AsyncSession, *, slot_id: UUID, now: datetime) -> int:
    """Promote in one slot; how many offers were made. A transaction of its own, which takes no lock before."""
    needed = [one.needs_slot_id for one in await needs_of(session, slot_id=slot_id)]
    await lock_buckets(session, [slot_id, *needed])
    return await promote(session, slot_ids=[slot_id], now=now)


async def close_over(session: AsyncSession, *, most: int = 50, now: datetime) -> int:
    """End queues of slots whose booking has ended; how many slots, at most ``most``."""
    slot_ids = (await session.scalars(OVER, {"now": now, "most": most})).all()
    if slot_ids:
        await close_queues(session, slot_ids=slot_ids, now=now)
    return len(slot_ids)
