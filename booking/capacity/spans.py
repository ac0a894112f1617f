"""Intervals: a resource from … to …. The resource rows are locked first; the EXCLUDE constraint is the last guard."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.errors import BookingClosed, InvalidWish, NotBookable, ResourceTaken
from booking.models import Offering, Slot
from core.ids import new_id

LOCK = text(
    """
    select id, role, name, position from resource where offering_id = :offering_id and status = 'active'
    order by id for no key update
    """
)
# Uses resource_span_overlap_excl.
TAKEN = text(
    """
    select distinct resource_id from resource_span
    where resource_id = any(:ids) and during && tstzrange(:starts_at, :ends_at)
      and reservation_id is distinct from cast(:own as uuid)
    """
)
TAKE = text(
    """
    insert into resource_span (id, resource_id, reservation_id, during)
    values (:id, :resource_id, :reservation_id, tstzrange(:starts_at, :ends_at))
    """
)
FREE = text("delete from resource_span where reservation_id = :reservation_id")
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An active resource, locked."""

    id: UUID
    role: str
    name: str
    position: int


async def lock_resources(session: AsyncSession, *, offering_id: UUID) -> list[Candidate]:
    """All active resources of an offering, locked in the order of their ids until the transaction ends."""
    rows = await session.execute(LOCK, {"offering_id": offering_id})
    return [Candidate(*row) for row in rows]


def refuse_span(starts_at: datetime | None, ends_at: datetime | None, resource_id: UUID | None) -> None:
    """Raises InvalidWish when a span is asked of what is booked by slot: the whole slot would be taken instead."""
    if starts_at is not None or ends_at is not None or resource_id is not None:
        raise InvalidWish(
            "该项目按时段预约，请只给 slot_id，不填起止时间和场地。",
            "It is booked by slot: give slot_id alone, neither times nor a resource.",
        )


def check_span(
    offering: Offering, window: Slot, starts_at: datetime, ends_at: datetime, *, at_desk: bool, now: datetime
) -> None:
    """Raises InvalidWish unless the span lies in the window, on its grid, and is neither too short nor too long.

    Raises BookingClosed when it begins too soon; the desk may book until it is over.
    """
    grid, shortest, longest = (
        offering.granularity_minutes or 1,
        offering.shortest_minutes or 1,
        offering.longest_minutes or 1,
    )
    length = (ends_at - starts_at) / MINUTE
    if not window.starts_at <= starts_at < ends_at <= window.ends_at:
        raise InvalidWish("所选时间不在开放时段内。", "This is outside of the open hours.")
    if ((starts_at - window.starts_at) / MINUTE) % grid or length % grid:
        raise InvalidWish(
            f"起止时间请按 {grid} 分钟一格选择。",
            f"Start and end on a grid of {grid} minutes.",
            grid_minutes=grid,
        )
    closes_at = ends_at if at_desk else starts_at - offering.closes_minutes_before * MINUTE
    if now >= closes_at:
        raise BookingClosed("请选择以后的时间。", "Choose a later time.")
    if not shortest <= length <= longest:
        raise InvalidWish(
            f"时长应为 {shortest} 到 {longest} 分钟。",
            f"Between {shortest} and {longest} minutes, please.",
            shortest_minutes=shortest,
            longest_minutes=longest,
        )


async def pick_resources(
    session: AsyncSession,
    candidates: Sequence[Candidate],
    *,
    resource_id: UUID | None,
    starts_at: datetime,
    ends_at: datetime,
    own: UUID | None = None,
    prefer: Collection[UUID] = (),
) -> list[Candidate]:
    """One free resource of each role, the named one for its own, else one of ``prefer`` if it is free.

    ``own``: a reservation whose spans count as free.

    Raises InvalidWish for an unknown resource, ResourceTaken.
    """
    if not candidates:
        raise NotBookable("目前没有可预约的场地。", "There is nothing to book at the moment.")
    named = next((one for one in candidates if one.id == resource_id), None)
    if resource_id is not None and named is None:
        raise InvalidWish("没有这个场地。", "There is no such resource.")
    rows = await session.scalars(
        TAKEN,
        {"ids": [one.id for one in candidates], "starts_at": starts_at, "ends_at": ends_at, "own": own},
    )
    taken = set(rows)
    chosen = []
    for role in sorted({one.role for one in candidates}):
        able = (
            [named]
            if named is not None and named.role == role
            else [one for one in candidates if one.role == role]
        )
        free = [one for one in able if one.id not in taken]
        if not free:
            raise ResourceTaken("请换一个时间或场地。", "Try another time or another one.", role=role)
        chosen.append(min(free, key=lambda one: (one.id not in prefer, one.position, one.name)))
    return chosen


async def take_spans(
    session: AsyncSession,
    resources: Sequence[Candidate],
    *,
    reservation_id: UUID,
    starts_at: datetime,
    ends_at: datetime,
) -> None:
    """Book each of ``resources``, whose locks the caller holds."""
    for one in resources:
        await session.execute(
            TAKE,
            {
                "id": new_id(),
                "resource_id": one.id,
                "reservation_id": reservation_id,
                "starts_at": starts_at,
                "ends_at": ends_at,
            },
        )


async def free_spans(session: AsyncSession, *, reservation_id: UUID) -> None:
    """Give back all spans of a reservation."""
    await session.execute(FREE, {"reservation_id": reservation_id})
