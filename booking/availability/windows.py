"""Windows of an interval offering with what is free of each resource, in one query, and the grid that bookings keep to.

Plan: slot_offering_id_starts_at_idx, resource_offering_id_name_key, and for each window and resource
resource_span_overlap_excl.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.types.range import Range

from booking.availability.slots import MOST, SlotState
from booking.offerings.closed_texts import TEMPLATE_CHANGED

# A hold that ran out is no longer in the way: whoever books ends it first. LIMIT, so that each span asks for its own
# reservation by key, and never for all holds that ran out.
FREE = """
select tstzmultirange(tstzrange(slot.starts_at, slot.ends_at)) - coalesce(range_agg(span.during), '{}')
from resource_span as span
left join lateral (
    select true as lapsed from reservation where reservation.id = span.reservation_id
      and reservation.state = 'held' and reservation.expires_at <= %(now)s limit 1
) hold on true
where span.resource_id = resource.id and span.during && tstzrange(slot.starts_at, slot.ends_at)
  and hold.lapsed is null
"""
WINDOWS = f"""
with slot as materialized (
    select id, on_date, starts_at, ends_at, opens_at, closes_at, state, closed_reason from slot
    where offering_id = %(offering_id)s and closed_reason is distinct from '{TEMPLATE_CHANGED}'
      and starts_at >= %(starts_from)s and starts_at < %(starts_before)s
    order by starts_at, id limit {MOST + 1}
)
select slot.id, slot.on_date, slot.starts_at, slot.ends_at, slot.opens_at, slot.closes_at, slot.state,
    slot.closed_reason, resource.id, resource.name, resource.role, ({FREE})
from slot left join resource on resource.offering_id = %(offering_id)s and resource.status = 'active'
order by slot.starts_at, slot.id, resource.role, resource.position, resource.name
"""
Span = tuple[datetime, datetime]
MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Free:
    """A resource that can be had from … to …"""

    resource_id: UUID
    name: str
    role: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Grid:
    """Bookings start and end at multiples of ``step`` from a window's start, last ``shortest`` at least, and are made
    more than ``lead`` before they start."""

    step: timedelta
    shortest: timedelta
    lead: timedelta = timedelta()

    def fit(self, opens: datetime, span: Span, now: datetime) -> Span | None:
        """What of ``span`` lies on the grid and ahead; None when it is too short to be booked."""
        earliest = max(span[0], now + self.lead + MOMENT)
        first = opens + -(-(earliest - opens) // self.step) * self.step
        last = opens + (span[1] - opens) // self.step * self.step
        return (first, last) if last - first >= self.shortest else None

    def starts(self, span: Span) -> Iterator[datetime]:
        """When something of the shortest length may start in ``span``, which lies on the grid."""
        at = span[0]
        while at + self.shortest <= span[1]:
            yield at
            at += self.step


@dataclass(frozen=True, slots=True)
class Window:
    """A window with what is free in it, by role, then resource, then time. ``roles``: all that a booking takes."""

    slot: SlotState
    roles: frozenset[str]
    free: Sequence[Free]

    def starts(self, grid: Grid) -> set[datetime]:
        """When a booking of the shortest length may start: something of each role is free all the while."""
        by_role: dict[str, set[datetime]] = {role: set() for role in self.roles}
        for one in self.free:
            by_role[one.role].update(grid.starts((one.starts_at, one.ends_at)))
        return set.intersection(*by_role.values()) if by_role else set()


async def windows(
    connection: AsyncConnection[Any],
    *,
    offering_id: UUID,
    grid: Grid,
    starts_from: datetime,
    starts_before: datetime,
    now: datetime,
) -> list[Window]:
    """Windows that start in the range, in order: all, or the first ``MOST`` and one more."""
    asked = {
        "offering_id": offering_id,
        "starts_from": starts_from,
        "starts_before": starts_before,
        "now": now,
    }
    found: dict[UUID, tuple[SlotState, set[str], list[Free]]] = {}
    for row in await (await connection.execute(WINDOWS, asked)).fetchall():
        slot, roles, free = found.setdefault(row[0], (SlotState(*row[:8]), set(), []))
        if row[8] is not None:
            roles.add(row[10])
            free += free_of(slot, row[8], row[9], row[10], row[11], grid=grid, now=now)
    return [Window(slot, frozenset(roles), tuple(free)) for slot, roles, free in found.values()]


def free_of(
    slot: SlotState,
    resource_id: UUID,
    name: str,
    role: str,
    spans: Iterable[Range[datetime]],
    *,
    grid: Grid,
    now: datetime,
) -> Iterator[Free]:
    """What can be booked of a resource that is free in ``spans`` of a window."""
    for span in spans:
        assert span.lower is not None  # within the window
        assert span.upper is not None
        fitting = grid.fit(slot.starts_at, (span.lower, span.upper), now)
        if fitting is not None:
            yield Free(resource_id, name, role, *fitting)
