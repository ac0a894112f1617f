"""Planned slots into rows: COPY into a temporary table, then slots with buckets, seats and needs in one statement.

Measured on one core: docs/offerings.md. ``on conflict do nothing`` and the unique (template_id, starts_at) make it safe to
repeat and to run twice at once.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg import AsyncConnection
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Offering
from booking.offerings.patterns import ONE_DAY
from booking.offerings.plans import Plan
from booking.rules.reading import GENERAL
from core.database import driver_connection
from core.ids import new_id

# Dropped at the end of the transaction; emptied, since one may make slots twice.
DRAFT = """
create temporary table if not exists slot_draft (
    id uuid, template_id uuid, on_date date, starts_at timestamptz, ends_at timestamptz, opens_at timestamptz
) on commit drop
"""
EMPTY = "truncate slot_draft"
COPY = "copy slot_draft from stdin"
# A slot whose supply is not there yet would promise what nobody brings: it is left out, and staff are told.
# Uses slot_offering_id_starts_at_idx for each; a supply slot is at most a day long.
WITHOUT_SUPPLY = """
delete from slot_draft as draft using unnest(%(templates)s::uuid[], %(offerings)s::uuid[]) as need(template_id, offering_id)
where need.template_id = draft.template_id and not exists (
    select from slot where slot.offering_id = need.offering_id and slot.state = 'open'
        and slot.starts_at between draft.starts_at - interval '1 day' and draft.starts_at
        and slot.ends_at >= draft.ends_at
)
returning draft.template_id, draft.on_date
"""
MAKE = """
with made as (
    insert into slot (id, offering_id, template_id, on_date, starts_at, ends_at, opens_at, closes_at)
    select draft.id, plan.offering_id, draft.template_id, draft.on_date, draft.starts_at, draft.ends_at,
        least(draft.opens_at, closes.at), closes.at
    from slot_draft as draft join unnest(%(templates)s::uuid[], %(offerings)s::uuid[], %(closings)s::interval[])
        as plan(template_id, offering_id, closing) using (template_id)
    join offering on offering.id = plan.offering_id
    -- Within a window each span has a start of its own to close before.
    cross join lateral (
        select case when offering.shape = 'interval' then draft.ends_at else draft.starts_at end - plan.closing as at
    ) closes
    on conflict (template_id, starts_at) do nothing
    returning id, template_id, starts_at, ends_at
), counted as (
    insert into slot_bucket (slot_id, tier, capacity, released_at)
    select made.id, tier.tier, tier.capacity, made.starts_at - make_interval(mins => tier.release)
    from made join unnest(%(tier_templates)s::uuid[], %(tiers)s::varchar[], %(capacities)s::int[], %(releases)s::int[])
        as tier(template_id, tier, capacity, release) using (template_id)
), seated as (
    insert into slot_seat (slot_id, seat_id)
    select made.id, seat.id
    from made join unnest(%(map_templates)s::uuid[], %(map_sites)s::uuid[], %(maps)s::varchar[])
        as hall(template_id, site_id, map) using (template_id)
    join seat on seat.site_id = hall.site_id and seat.map = hall.map
), needed as (
    insert into slot_need (slot_id, needs_slot_id, per, modes)
    select made.id, supply.id, need.per, string_to_array(nullif(need.modes, ''), ',')
    from made join unnest(%(need_templates)s::uuid[], %(need_offerings)s::uuid[], %(need_pers)s::varchar[],
        %(need_modes)s::varchar[]) as need(template_id, offering_id, per, modes) using (template_id)
    cross join lateral (
        select slot.id from slot where slot.offering_id = need.offering_id and slot.state = 'open'
            and slot.starts_at between made.starts_at - interval '1 day' and made.starts_at
            and slot.ends_at >= made.ends_at
        order by slot.starts_at desc, slot.ends_at, slot.id limit 1
    ) as supply
)
select count(*) from made
"""
SEATS = """
select site_id, map, count(*) filter (where kind <> 'wheelchair'), count(*) filter (where kind = 'wheelchair')
from seat where (site_id, map) in (select * from unnest(%s::uuid[], %s::varchar[])) group by site_id, map
"""
WHEELCHAIR = "wheelchair"  # the tier that counts wheelchair spaces


@dataclass(frozen=True, slots=True)
class Made:
    """How many slots are new, and the dates of templates whose supply is not there."""

    slots: int
    without_supply: frozenset[tuple[UUID, date]]


async def make_slots(session: AsyncSession, plans: Sequence[Plan], *, now: datetime) -> Made:
    """Make what ``plans`` call for and is not there yet, with all that belongs to each slot."""
    connection = await driver_connection(session)
    await connection.execute(DRAFT)
    await connection.execute(EMPTY)
    async with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for lines in _lines(plans, now):
            await copy.write(lines)
    needs = [(plan.template.id, need) for plan in plans for need in plan.template.needs]
    missing: frozenset[tuple[UUID, date]] = frozenset()
    if needs:
        found = await connection.execute(
            WITHOUT_SUPPLY,
            {
                "templates": [template_id for template_id, _ in needs],
                "offerings": [UUID(need["offering_id"]) for _, need in needs],
            },
        )
        missing = frozenset(await found.fetchall())
    tiers = list(await _tiers(connection, plans))
    halls = [plan for plan in plans if plan.template.seat_map is not None]
    made = await connection.execute(
        MAKE,
        {
            "templates": [plan.template.id for plan in plans],
            "offerings": [plan.offering.id for plan in plans],
            "closings": [timedelta(minutes=plan.offering.closes_minutes_before) for plan in plans],
            "tier_templates": [one[0] for one in tiers],
            "tiers": [one[1] for one in tiers],
            "capacities": [one[2] for one in tiers],
            "releases": [one[3] for one in tiers],
            "map_templates": [plan.template.id for plan in halls],
            "map_sites": [plan.offering.site_id for plan in halls],
            "maps": [plan.template.seat_map for plan in halls],
            "need_templates": [template_id for template_id, _ in needs],
            "need_offerings": [UUID(need["offering_id"]) for _, need in needs],
            "need_pers": [need["per"] for _, need in needs],
            "need_modes": [",".join(need["modes"]) for _, need in needs],
        },
    )
    row = await made.fetchone()
    assert row is not None
    return Made(row[0], missing)


def _lines(plans: Iterable[Plan], now: datetime) -> Iterator[str]:
    """Rows of slot_draft as COPY reads them; one text a template."""
    for plan in plans:
        template_id, lines, day = plan.template.id, [], ""
        before: date | None = None
        for on, starts_at, ends_at in plan.windows:
            if on != before:
                before, day = on, str(opening(plan.offering, plan.zone, on) or now)
            lines.append(f"{new_id()}\t{template_id}\t{on}\t{starts_at}\t{ends_at}\t{day}\n")
        yield "".join(lines)


def opening(offering: Offering, zone: ZoneInfo, on: date) -> datetime | None:
    """When booking for ``on`` opens; None: at once."""
    if offering.opens_at is None:
        return None
    return _opening(offering.opens_days_before, offering.opens_at, zone, on)


@lru_cache(maxsize=8192)
def _opening(days: int, at: time, zone: ZoneInfo, on: date) -> datetime:
    return datetime.combine(on - days * ONE_DAY, at, zone).astimezone(UTC)


async def tiers_of(
    session: AsyncSession, plans: Sequence[Plan]
) -> dict[UUID, dict[str, tuple[int, int | None]]]:
    """By template: capacity of each tier and the minutes before the start from which it is everyone's."""
    found: dict[UUID, dict[str, tuple[int, int | None]]] = {plan.template.id: {} for plan in plans}
    for template_id, tier, capacity, release in await _tiers(await driver_connection(session), plans):
        found[template_id][tier] = (capacity, release)
    return found


async def _tiers(
    connection: AsyncConnection[Any], plans: Sequence[Plan]
) -> Iterable[tuple[UUID, str, int, int | None]]:
    """(template, tier, capacity, release minutes). Everyone's tier is always there; places lent come with their block."""
    halls = [plan for plan in plans if plan.template.seat_map is not None]
    seats: dict[tuple[UUID, str], tuple[int, int]] = {}
    if halls:
        rows = await connection.execute(
            SEATS,
            ([plan.offering.site_id for plan in halls], [plan.template.seat_map for plan in halls]),
        )
        seats = {(row[0], row[1]): (row[2], row[3]) for row in await rows.fetchall()}
    found: list[tuple[UUID, str, int, int | None]] = []
    for plan in plans:
        template = plan.template
        if plan.offering.shape == "interval":
            continue
        if template.seat_map is not None:
            general, wheelchair = seats.get((plan.offering.site_id, template.seat_map), (0, 0))
            found += [(template.id, GENERAL, general, None), (template.id, WHEELCHAIR, wheelchair, None)]
        elif plan.offering.capacity_authority == "allotted":
            found.append((template.id, GENERAL, 0, None))
        else:
            for tier, capacity in {GENERAL: 0, **template.places}.items():
                found.append((template.id, tier, capacity, template.release_minutes.get(tier)))
    return found
