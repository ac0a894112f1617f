"""The list of reservations somebody may see, by time, in pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID

import orjson
from sqlalchemy import tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Reservation
from booking.people.dates import ZONE
from booking.reservations.find import mine_query
from core.actor import Actor
from core.paging import next_cursor, read_cursor


@dataclass(frozen=True)
class Page:
    """Some of them, and the cursor to go on with."""

    items: Sequence[Reservation]
    next: str | None


async def list_mine(
    session: AsyncSession,
    actor: Actor,
    *,
    person_id: UUID | None,
    states: Sequence[str],
    from_on: date | None,
    limit: int,
    cursor: str | None,
    now: datetime,
) -> Page:
    """The latest time first; ``from_on``: nothing that begins before this local date. Raises InvalidCursor."""
    asked = orjson.dumps(["reservations", person_id, sorted(states), from_on], default=str)
    query = await mine_query(session, actor, person_id=person_id, now=now)
    if states:
        query = query.where(Reservation.state.in_(states))
    if from_on is not None:
        query = query.where(Reservation.starts_at >= datetime.combine(from_on, time(), ZONE))
    after = read_cursor(asked, cursor, datetime.fromisoformat, UUID)
    if after is not None:
        query = query.where(tuple_(Reservation.starts_at, Reservation.id) < tuple_(*after))
    query = query.order_by(Reservation.starts_at.desc(), Reservation.id.desc()).limit(limit + 1)
    found = (await session.scalars(query)).all()
    return Page(
        found[:limit], next_cursor(asked, found, limit, lambda one: (one.starts_at.isoformat(), one.id))
    )
