"""Sites with a place that can be booked now, in the coming days: what ``nearby?bookable=true`` keeps."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from booking.availability.slots import FREE, FREE_SUPPLY, WAITS
from booking.availability.windows import FREE as FREE_SPANS

AHEAD = timedelta(days=7)
LONGEST = timedelta(days=1)  # of a slot; some can be booked after they began
_OPEN = """
slot.offering_id = offering.id and slot.starts_at > %(since)s and slot.starts_at < %(until)s
and slot.state = 'open' and slot.opens_at <= %(now)s and slot.closes_at > %(now)s
"""
_ANYONES = "(bucket.tier = 'general' or bucket.released_at <= %(now)s)"
# A place, and in some mode one of each supply that it takes along.
_COUNTED = f"""
select 1 from slot {WAITS}
where {_OPEN}
  and exists (select from slot_bucket as bucket where bucket.slot_id = slot.id and {_ANYONES} and {FREE} > 0)
  and exists (
    select from unnest(case when offering.modes = '{{}}' then array[null]::varchar[] else offering.modes end) as mode
    where not exists (
      select from slot_need where slot_need.slot_id = slot.id
        and (slot_need.modes = '{{}}' or mode = any(slot_need.modes))
        and not exists (select from slot_bucket as bucket where bucket.slot_id = slot_need.needs_slot_id
          and {_ANYONES} and {FREE_SUPPLY} > 0)))
limit 1
"""
# A start on the grid at which each role has something free for the shortest while. For each free stretch of a resource
# these starts are a closed range between two points of the grid, so that what roles have in common is on it too.
_INTERVAL = f"""
select 1 from slot cross join lateral (
    select range_intersect_agg(role.starts) as starts, bool_and(role.starts is not null) as each
    from (
        select resource.role, range_agg(tstzrange(early.at,
            date_bin(grid.step, upper(span) - grid.shortest, slot.starts_at), '[]'))
            filter (where early.at + grid.shortest <= upper(span)) as starts
        from resource
        cross join lateral (
            select make_interval(mins => offering.granularity_minutes) as step,
                make_interval(mins => offering.shortest_minutes) as shortest,
                %(now)s + make_interval(mins => offering.closes_minutes_before) + interval '1 microsecond' as ahead
        ) grid
        left join lateral unnest(({FREE_SPANS})) as span on true
        left join lateral (
            select date_bin(grid.step, greatest(lower(span), grid.ahead) + grid.step - interval '1 microsecond', slot.starts_at) as at
        ) early on true
        where resource.offering_id = offering.id and resource.status = 'active'
        group by resource.role
    ) role
) found
where {_OPEN} and found.each and not isempty(found.starts)
limit 1
"""
# For each site the walk ends at the first offering, and for each offering at the first slot, with a place: LIMIT keeps
# the planner from joining all slots there are. Uses offering_site_id_idx and slot_offering_id_starts_at_idx.
SITES = """
select site.id from (
    select distinct site_id from offering
    where status = 'active' and capacity_authority <> 'external' and kind <> 'supply' and {shape}
) offered
join site on site.id = offered.site_id and site.published_at is not null and site.status = 'active'
cross join lateral (
    select 1 from offering cross join lateral ({place}) place
    where offering.site_id = site.id and offering.status = 'active' and offering.capacity_authority <> 'external'
      and offering.kind <> 'supply' and {shape}
    limit 1
) found
"""
COUNTED = SITES.format(shape="offering.shape <> 'interval'", place=_COUNTED)
INTERVAL = SITES.format(shape="offering.shape = 'interval'", place=_INTERVAL)


async def free_sites(connection: AsyncConnection[Any], *, now: datetime) -> frozenset[UUID]:
    """Ids of published sites with something that anyone can book now and that begins within ``AHEAD``."""
    asked = {"now": now, "since": now - LONGEST, "until": now + AHEAD}
    found: set[UUID] = set()
    async with connection.transaction():
        # The planner cannot know that each walk ends so early; compiling took nine tenths of the time (measured).
        await connection.execute("set local jit = off")
        for statement in (COUNTED, INTERVAL):
            found.update(row[0] for row in await (await connection.execute(statement, asked)).fetchall())
    return frozenset(found)
