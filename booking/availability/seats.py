"""Seats: the plan of a hall, and which of its seats are free in a slot."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.availability.slots import SlotState
from booking.capacity.seats import WHEELCHAIR
from booking.models import Offering, OfferingTemplate, Seat
from booking.rules.reading import GENERAL

# Uses slot_seat_pkey. A hold that ran out keeps nobody away, unless somebody waits.
FREE_SEATS = """
select slot_seat.slot_id, seat.id, seat.map, seat.row_name, seat.number, seat.x, seat.kind
from slot_seat join seat on seat.id = slot_seat.seat_id
where slot_seat.slot_id = any(%(slot_ids)s) and (slot_seat.reservation_id is null or (
    exists (select from reservation where reservation.id = slot_seat.reservation_id
      and reservation.state = 'held' and reservation.expires_at <= %(now)s)
    and not exists (select from waitlist_entry
      where waitlist_entry.slot_id = slot_seat.slot_id and waitlist_entry.state = 'waiting')))
order by slot_seat.slot_id, seat.row_rank, seat.x
"""


@dataclass(frozen=True, slots=True)
class FreeSeat:
    """A seat that can be chosen; ``x`` counts along the row, with gaps where people cannot sit side by side."""

    slot_id: UUID
    id: UUID
    map: str
    row: str
    number: str
    x: int
    kind: str


async def free_seats(
    connection: AsyncConnection[Any], *, slots: Iterable[SlotState], now: datetime
) -> list[FreeSeat]:
    """Free seats of some slots, row by row; none of a kind whose places are all kept for those who wait."""
    left = {
        one.id: {tier for tier, places in one.by_tier((GENERAL, WHEELCHAIR)).items() if places}
        for one in slots
    }
    cursor = await connection.execute(FREE_SEATS, {"slot_ids": list(left), "now": now})
    found = [FreeSeat(*row) for row in await cursor.fetchall()]
    return [one for one in found if (WHEELCHAIR if one.kind == WHEELCHAIR else GENERAL) in left[one.slot_id]]


async def seats_of(session: AsyncSession, *, offering: Offering) -> Sequence[Seat]:
    """The plans of the halls that its slots take place in, row by row from the front."""
    maps = select(OfferingTemplate.seat_map).where(
        OfferingTemplate.offering_id == offering.id,
        OfferingTemplate.seat_map.is_not(None),
        OfferingTemplate.ended_at.is_(None),
    )
    return (
        await session.scalars(
            select(Seat)
            .where(Seat.site_id == offering.site_id, Seat.map.in_(maps))
            .order_by(Seat.map, Seat.row_rank, Seat.x)
        )
    ).all()
