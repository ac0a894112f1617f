"""How many places a slot has: buckets made larger or smaller, never below what is taken, and the waiting list first.

The lock order is that of booking/capacity: buckets by slot id and tier.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.rules.reading import GENERAL

LOCK = text(
    """
    select slot_id, tier, capacity, held, confirmed, set_aside, released_at from slot_bucket
    where slot_id = any(:slot_ids) order by slot_id, tier for update
    """
)
# Uses waitlist_entry_queue_idx.
WAITING = text(
    """
    select slot_id, array_agg(distinct tier) as tiers from waitlist_entry, unnest(tiers) as tier
    where state = 'waiting' and slot_id = any(:slot_ids) group by slot_id
    """
)
WRITE = text(
    """
    insert into slot_bucket as bucket (slot_id, tier, capacity, released_at, set_aside)
    select * from unnest(cast(:slot_ids as uuid[]), cast(:tiers as varchar[]), cast(:capacities as int[]),
        cast(:released as timestamptz[]), cast(:set_aside as int[]))
    on conflict (slot_id, tier) do update
    set capacity = excluded.capacity, released_at = excluded.released_at, set_aside = excluded.set_aside
    """
)
# What is put aside for the waiting list is on the ledger, as everywhere.
NOTE = text(
    """
    insert into allocation (slot_id, tier, reservation_id, held, confirmed, set_aside, at)
    select slot_id, tier, null, 0, 0, more, :now
    from unnest(cast(:slot_ids as uuid[]), cast(:tiers as varchar[]), cast(:more as int[])) as noted(slot_id, tier, more)
    """
)


@dataclass(frozen=True, slots=True)
class Size:
    """What one bucket should be."""

    slot_id: UUID
    tier: str
    capacity: int
    released_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Over:
    """A bucket in which more is taken than it should hold; it keeps what is taken."""

    slot_id: UUID
    tier: str
    taken: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Resized:
    """``promotable``: slots with new places that people wait for (``booking.waitlist.promote``)."""

    changed: int
    over: Sequence[Over]
    promotable: Collection[UUID]


async def resize_buckets(
    session: AsyncSession, sizes: Sequence[Size], *, complete: bool, refuse: bool, now: datetime
) -> Resized:
    """Make buckets what ``sizes`` say; with ``complete`` those of these slots that it does not name lose their free places.

    New places go to those who wait and may take them. Where more is taken than there should be, the bucket keeps what is
    taken; with ``refuse`` nothing at all is changed then. Locks all buckets of these slots.
    """
    slot_ids = sorted({one.slot_id for one in sizes})
    if not slot_ids:
        return Resized(0, (), frozenset())
    rows = {(one.slot_id, one.tier): one for one in await session.execute(LOCK, {"slot_ids": slot_ids})}
    waiting: dict[UUID, set[str]] = defaultdict(set)
    for queue in await session.execute(WAITING, {"slot_ids": slot_ids}):
        waiting[queue.slot_id] |= set(queue.tiers)
    wanted = {(one.slot_id, one.tier): one for one in sizes}
    if complete:
        for slot_id, tier in rows.keys() - wanted.keys():
            wanted[slot_id, tier] = Size(slot_id, tier, 0)
    over: list[Over] = []
    written: list[tuple[Size, int, int]] = []  # as it will be, what is set aside, how much of it is new
    for key in sorted(wanted, key=lambda key: (key[0], key[1])):
        size, row = wanted[key], rows.get(key)
        taken = 0 if row is None else row.held + row.confirmed + row.set_aside
        before = 0 if row is None else row.capacity
        if taken > size.capacity:
            over.append(Over(size.slot_id, size.tier, taken, size.capacity))
        capacity = max(size.capacity, taken)
        if row is not None and (capacity, size.released_at) == (row.capacity, row.released_at):
            continue
        everyones = size.tier == GENERAL or (size.released_at is not None and size.released_at <= now)
        for_them = size.tier in waiting[size.slot_id] or (everyones and bool(waiting[size.slot_id]))
        more = max(0, capacity - before) if for_them else 0
        aside = (0 if row is None else row.set_aside) + more
        written.append((Size(size.slot_id, size.tier, capacity, size.released_at), aside, more))
    if over and refuse:
        return Resized(0, over, frozenset())
    if written:
        await session.execute(
            WRITE,
            {
                "slot_ids": [one.slot_id for one, _, _ in written],
                "tiers": [one.tier for one, _, _ in written],
                "capacities": [one.capacity for one, _, _ in written],
                "released": [one.released_at for one, _, _ in written],
                "set_aside": [aside for _, aside, _ in written],
            },
        )
    grown = [(one, more) for one, _, more in written if more]
    if grown:
        await session.execute(
            NOTE,
            {
                "slot_ids": [one.slot_id for one, _ in grown],
                "tiers": [one.tier for one, _ in grown],
                "more": [more for _, more in grown],
                "now": now,
            },
        )
    return Resized(len(written), over, frozenset(one.slot_id for one, _ in grown))
