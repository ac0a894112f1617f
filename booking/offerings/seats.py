"""The seats of a hall: a map put whole, and the slots ahead that follow it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Seat
from booking.offerings.buckets import Size, resize_buckets
from booking.offerings.errors import SeatsInvalid, SeatsTaken
from booking.offerings.held import ACTION, record_change
from booking.offerings.input import SeatIn
from booking.rules.reading import GENERAL
from core.actor import Actor
from core.ids import new_id
from core.permissions import require, require_at
from geo.sites.places import place_of

MOST_SEATS = 5_000
WHEELCHAIR = "wheelchair"
# Slots ahead that use the map. Uses offering_site_id_idx, slot_template_id_starts_at_key.
SLOTS = text(
    """
    select slot.id from offering join offering_template as template on template.offering_id = offering.id
    join slot on slot.template_id = template.id
    where offering.site_id = :site_id and template.seat_map = :map and slot.starts_at > :now order by slot.id
    """
)
LOCK = text("select from slot_bucket where slot_id = any(:slots) order by slot_id, tier for update")
BOOKED = text(
    """
    select distinct seat_id from slot_seat
    where slot_id = any(:slots) and seat_id = any(:seats) and reservation_id is not null
    """
)
TAKE_OUT = text("delete from slot_seat where slot_id = any(:slots) and seat_id = any(:seats)")
PUT_IN = text(
    """
    insert into slot_seat (slot_id, seat_id)
    select slot_id, seat_id from unnest(cast(:slots as uuid[])) as slot_id, unnest(cast(:seats as uuid[])) as seat_id
    on conflict do nothing
    """
)


@dataclass(frozen=True)
class SeatMap:
    """A hall's plan as it is now, and how many slots ahead follow it."""

    name: str
    seats: Sequence[Seat]
    slots: int


async def put_seat_map(
    session: AsyncSession, actor: Actor, *, site_id: UUID, name: str, seats: Sequence[SeatIn], now: datetime
) -> SeatMap:
    """Make ``seats``, row by row from the front, the plan ``name`` of a site. Slots ahead get and lose seats with it.

    A seat is known by its row and number. Raises SiteNotFound, NotSignedIn, NotAllowed, SeatsInvalid, SeatsTaken when a
    seat that would go, or be of another kind, is booked.
    """
    require(actor, ACTION)
    require_at(actor, ACTION, await place_of(session, site_id=site_id))
    _check(seats)
    await session.execute(  # one at a time for each hall
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"seat_map:{site_id}:{name}", 0)))
    )
    present = {
        (seat.row_name, seat.number): seat
        for seat in await session.scalars(select(Seat).where(Seat.site_id == site_id, Seat.map == name))
    }
    wanted = {(seat.row, seat.number): seat for seat in seats}
    gone = [seat for key, seat in present.items() if key not in wanted]
    turned = [seat for key, seat in present.items() if key in wanted and wanted[key].kind != seat.kind]
    slots = list(await session.scalars(SLOTS, {"site_id": site_id, "map": name, "now": now}))
    await session.execute(LOCK, {"slots": slots})
    await _refuse_booked(session, slots, [*gone, *turned])
    if gone:
        ids = [seat.id for seat in gone]
        await session.execute(TAKE_OUT, {"slots": slots, "seats": ids})
        # Seats of past slots stay on record, under a name of their own.
        past = f"{name}@{now:%Y%m%d%H%M%S%f}"
        await session.execute(update(Seat).where(Seat.id.in_(ids)).values(map=past))
    await _write(session, site_id, name, seats, present)
    now_there = (
        await session.scalars(
            select(Seat)
            .where(Seat.site_id == site_id, Seat.map == name)
            .order_by(Seat.row_rank, Seat.x)
            .execution_options(populate_existing=True)
        )
    ).all()
    if slots:
        await session.execute(PUT_IN, {"slots": slots, "seats": [seat.id for seat in now_there]})
        await _resize(session, slots, now_there, now)
    await record_change(
        session,
        actor,
        object_kind="site",
        object_id=site_id,
        act="seat_map_put",
        detail={"map": name, "seats": len(now_there), "slots": len(slots)},
        now=now,
    )
    return SeatMap(name, now_there, len(slots))


async def _refuse_booked(session: AsyncSession, slots: Sequence[UUID], seats: Sequence[Seat]) -> None:
    if not seats or not slots:
        return
    booked = set(await session.scalars(BOOKED, {"slots": slots, "seats": [seat.id for seat in seats]}))
    named = [seat for seat in seats if seat.id in booked]
    if named:
        said = [f"{seat.row_name}排{seat.number}号" for seat in named[:20]]
        raise SeatsTaken(
            f"请先为这些座位的观众改约：{'、'.join(said)}。",
            f"Move those who booked them first ({len(named)} seats).",
            seats=[{"row": seat.row_name, "number": seat.number} for seat in named[:20]],
        )


async def _write(
    session: AsyncSession,
    site_id: UUID,
    name: str,
    seats: Sequence[SeatIn],
    present: dict[tuple[str, str], Seat],
) -> None:
    """New seats and changed ones. Places of seats are freed first: two may change places."""
    ranks = {row: rank for rank, row in enumerate(dict.fromkeys(seat.row for seat in seats), start=1)}
    said = {
        (seat.row, seat.number): {"row_rank": ranks[seat.row], "x": seat.x, "kind": seat.kind}
        for seat in seats
    }
    changed: list[dict[str, Any]] = [
        {"id": present[key].id, **values}
        for key, values in said.items()
        if key in present and any(getattr(present[key], field) != value for field, value in values.items())
    ]
    if changed:
        ids = [one["id"] for one in changed]
        await session.execute(update(Seat).where(Seat.id.in_(ids)).values(row_rank=-Seat.row_rank))
        await session.execute(update(Seat), changed)
    new = [
        {"id": new_id(), "site_id": site_id, "map": name, "row_name": key[0], "number": key[1], **values}
        for key, values in said.items()
        if key not in present
    ]
    if new:
        await session.execute(insert(Seat), new)


async def _resize(session: AsyncSession, slots: Sequence[UUID], seats: Sequence[Seat], now: datetime) -> None:
    counts = Counter(WHEELCHAIR if seat.kind == WHEELCHAIR else GENERAL for seat in seats)
    resized = await resize_buckets(
        session,
        [Size(slot_id, tier, counts[tier]) for slot_id in slots for tier in (GENERAL, WHEELCHAIR)],
        complete=True,
        refuse=True,
        now=now,
    )
    if resized.over:  # places set aside for those who wait, who have no seat yet
        raise SeatsTaken(
            "减少后的座位少于已占用的名额（含候补保留的），请先处理候补。",
            "Fewer seats than are taken or set aside for those who wait; see to the waiting list first.",
        )


def _check(seats: Sequence[SeatIn]) -> None:
    """Raises SeatsInvalid."""
    if not 1 <= len(seats) <= MOST_SEATS:
        raise SeatsInvalid(f"座位数应为 1 到 {MOST_SEATS}。", f"A map has 1 to {MOST_SEATS} seats.")
    numbers, spots = set[tuple[str, str]](), set[tuple[str, int]]()
    for at, seat in enumerate(seats):
        if (seat.row, seat.number) in numbers or (seat.row, seat.x) in spots:
            zh, en = "同一排有重复的号码或位置", "a number or an x twice in one row"
            raise SeatsInvalid(
                f"{seat.row}排{seat.number}号：{zh}。",
                f"Row {seat.row} seat {seat.number}: {en}.",
                errors=[{"field": f"seats/{at}", "reason": f"{zh} / {en}"}],
            )
        numbers.add((seat.row, seat.number))
        spots.add((seat.row, seat.x))


async def list_seats(session: AsyncSession, actor: Actor, *, site_id: UUID) -> Sequence[Seat]:
    """The seats of all maps of a site as they are now. Raises SiteNotFound, NotSignedIn, NotAllowed."""
    require(actor, ACTION)
    require_at(actor, ACTION, await place_of(session, site_id=site_id))
    query = (
        select(Seat)
        .where(Seat.site_id == site_id, func.strpos(Seat.map, "@") == 0)
        .order_by(Seat.map, Seat.row_rank, Seat.x)
    )
    return (await session.scalars(query)).all()
