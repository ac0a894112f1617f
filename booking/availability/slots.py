"""Slots of an offering with what is free, in one query of buckets however many reservations there are.

Plan: slot_offering_id_starts_at_idx, and for each slot slot_bucket_pkey, waitlist_entry_queue_idx and slot_need_pkey; for
a bucket with held places reservation_held_idx and allocation_reservation_id_idx (holds that ran out and that nobody has
freed yet). Reservations are never summed up.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from booking.offerings.closed_texts import TEMPLATE_CHANGED

MOST = 2_000
_FREE = """
bucket.capacity - bucket.held - bucket.confirmed - bucket.set_aside
+ case when bucket.held = 0 or {kept} then 0 else coalesce((
    select sum(allocation.held)
    from {holders} join allocation on allocation.reservation_id = reservation.id
    where reservation.state = 'held' and reservation.expires_at <= %(now)s and {whose}
      and allocation.slot_id is not distinct from bucket.slot_id
      and allocation.tier is not distinct from bucket.tier), 0) end
"""
# Places of ``slot``'s ``bucket``. A hold that ran out keeps nobody away, since whoever books ends it first, unless somebody
# waits for the slot: then what it gives back is theirs. "is not distinct from" cannot use allocation_slot_id_idx, by which
# a small table tempts the planner to read all that was ever booked of the slot.
FREE = _FREE.format(kept="waits.waits", holders="reservation", whose="reservation.slot_id = slot.id")
_FREE_OPEN_SUPPLY = _FREE.format(
    kept="false",
    holders="slot_need as taker join reservation on reservation.slot_id = taker.slot_id",
    whose="""taker.needs_slot_id = bucket.slot_id and not coalesce((
        select true from waitlist_entry
        where waitlist_entry.slot_id = taker.slot_id and waitlist_entry.state = 'waiting' limit 1), false)""",
)
# The same of a supply's ``bucket``, which several slots may take from; nothing when the supply is closed.
FREE_SUPPLY = f"""
case when (select supply.state from slot as supply where supply.id = bucket.slot_id) = 'closed' then 0
    else {_FREE_OPEN_SUPPLY} end
"""
WAITS = """
left join lateral (
    select true as waits from waitlist_entry
    where waitlist_entry.slot_id = slot.id and waitlist_entry.state = 'waiting' limit 1
) waits on true
"""
SLOTS = f"""
select slot.id, slot.on_date, slot.starts_at, slot.ends_at, slot.opens_at, slot.closes_at, slot.state,
    slot.closed_reason, places.tiers, places.free, places.released, supplies.needs
from slot
{WAITS}
left join lateral (
    select array_agg(bucket.tier) as tiers, array_agg(({FREE})::int) as free,
        array_agg(coalesce(bucket.released_at <= %(now)s, false)) as released
    from slot_bucket as bucket where bucket.slot_id = slot.id
) places on true
left join lateral (
    select jsonb_agg(jsonb_build_array(slot_need.modes, slot_need.per, (
        select jsonb_object_agg(bucket.tier, jsonb_build_array({FREE_SUPPLY}, coalesce(bucket.released_at <= %(now)s, false)))
        from slot_bucket as bucket where bucket.slot_id = slot_need.needs_slot_id))) as needs
    from slot_need where slot_need.slot_id = slot.id
) supplies on true
where slot.offering_id = %(offering_id)s and slot.closed_reason is distinct from '{TEMPLATE_CHANGED}'
  and slot.starts_at >= %(starts_from)s and slot.starts_at < %(starts_before)s
order by slot.starts_at, slot.id limit {MOST + 1}
"""


@dataclass(frozen=True, slots=True)
class Supply:
    """What a booking takes along of a supply slot: a place for each of the party, or one; for these modes, none: any."""

    modes: frozenset[str]
    each: bool
    places: Mapping[str, tuple[int, bool]]


@dataclass(frozen=True, slots=True)
class SlotState:
    """A slot as it is now. ``places``: tier -> places free, and whether they are everyone's by now."""

    id: UUID
    on_date: date
    starts_at: datetime
    ends_at: datetime
    opens_at: datetime
    closes_at: datetime
    state: str
    closed_reason: str | None
    places: Mapping[str, tuple[int, bool]] = field(default_factory=dict)
    supplies: Sequence[Supply] = ()

    def by_tier(self, tiers: Collection[str]) -> dict[str, int]:
        """Places free in each bucket that somebody with ``tiers`` may take from."""
        return _by_tier(self.places, tiers)

    def free(self, tiers: Collection[str], modes: Collection[str] = ()) -> int:
        """Places that somebody with ``tiers`` can have, with what has to be taken along, in the mode that leaves most."""
        places = sum(self.by_tier(tiers).values())
        if not self.supplies or not places:
            return places
        return max(self._with_supplies(places, tiers, mode) for mode in (modes or (None,)))

    def _with_supplies(self, places: int, tiers: Collection[str], mode: str | None) -> int:
        for one in self.supplies:
            if not one.modes or mode in one.modes:
                left = sum(_by_tier(one.places, tiers).values())
                places = min(places, left) if one.each else places if left else 0
        return places


def _by_tier(places: Mapping[str, tuple[int, bool]], tiers: Collection[str]) -> dict[str, int]:
    return {
        tier: max(0, free) for tier, (free, released) in sorted(places.items()) if released or tier in tiers
    }


async def slot_states(
    connection: AsyncConnection[Any],
    *,
    offering_id: UUID,
    starts_from: datetime,
    starts_before: datetime,
    now: datetime,
) -> list[SlotState]:
    """Slots that start in the range, in order: all, or the first ``MOST`` and one more."""
    asked = {
        "offering_id": offering_id,
        "starts_from": starts_from,
        "starts_before": starts_before,
        "now": now,
    }
    cursor = await connection.execute(SLOTS, asked)
    return [_state(row) for row in await cursor.fetchall()]


def _state(row: Sequence[Any]) -> SlotState:
    tiers, free, released, needs = row[8:]
    places = dict(zip(tiers or (), zip(free or (), released or (), strict=True), strict=True))
    return SlotState(*[*row[:8], places, tuple([_supply(*one) for one in needs or ()])])


def _supply(modes: list[str], per: str, places: dict[str, list[Any]] | None) -> Supply:
    return Supply(
        frozenset(modes),
        per == "person",
        {tier: (free, released) for tier, (free, released) in (places or {}).items()},
    )
