"""Seats: this very one for one reservation. The caller holds the locks of the slot's buckets, which count them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.capacity.buckets import Claim
from booking.errors import InvalidWish, SeatTaken
from booking.rules.reading import GENERAL

WHEELCHAIR = "wheelchair"
# Uses slot_seat_pkey.
FREE = text(
    """
    select seat.id, seat.row_name, seat.row_rank, seat.number, seat.x, seat.kind
    from slot_seat join seat on seat.id = slot_seat.seat_id
    where slot_seat.slot_id = :slot_id and slot_seat.reservation_id is null
    order by seat.row_rank, seat.x
    """
)
NAMED = text(
    """
    select seat.id, seat.row_name, seat.row_rank, seat.number, seat.x, seat.kind, slot_seat.reservation_id
    from slot_seat join seat on seat.id = slot_seat.seat_id
    where slot_seat.slot_id = :slot_id and slot_seat.seat_id = any(:seat_ids)
    order by slot_seat.seat_id for update of slot_seat
    """
)
# Each row goes to one reservation: a seat that is taken is not updated, and the count shows it.
TAKE = text(
    """
    update slot_seat set reservation_id = :reservation_id
    where slot_id = :slot_id and seat_id = any(:seat_ids) and reservation_id is null
    """
)
FREE_THEM = text("update slot_seat set reservation_id = null where reservation_id = :reservation_id")


@dataclass(frozen=True, slots=True)
class FreeSeat:
    """A seat; ``x`` counts along the row, with a gap where nobody can sit side by side."""

    id: UUID
    row_name: str
    row_rank: int
    number: str
    x: int
    kind: str


def claims_for(slot_id: UUID, seats: Iterable[FreeSeat]) -> list[Claim]:
    """The buckets that count ``seats``: wheelchair spaces have one of their own."""
    counts: dict[str, int] = {}
    for seat in seats:
        tier = WHEELCHAIR if seat.kind == WHEELCHAIR else GENERAL
        counts[tier] = counts.get(tier, 0) + 1
    return [Claim(slot_id, tier, places) for tier, places in sorted(counts.items())]


async def find_named(
    session: AsyncSession, *, slot_id: UUID, seat_ids: Sequence[UUID], own: UUID | None = None
) -> list[FreeSeat]:
    """These very seats, all or none; ``own``: a reservation whose seats count as free.

    Raises InvalidWish for a seat that is not there, SeatTaken with those that are taken.
    """
    rows = (await session.execute(NAMED, {"slot_id": slot_id, "seat_ids": list(seat_ids)})).all()
    if len(rows) < len(set(seat_ids)) or len(set(seat_ids)) < len(seat_ids):
        raise InvalidWish("座位号有误，请重新选座。", "Some of these seats are not there, or named twice.")
    taken = [row for row in rows if row.reservation_id not in (None, own)]
    if taken:
        raise SeatTaken(
            "请换其他座位：" + "、".join(f"{row.row_name}排{row.number}号" for row in taken),
            "Choose others; taken: " + ", ".join(f"row {row.row_name} seat {row.number}" for row in taken),
            seats=[str(row.id) for row in taken],
        )
    return [FreeSeat(*row[:6]) for row in rows]


async def find_best(
    session: AsyncSession, *, slot_id: UUID, party_size: int, wheelchair: bool
) -> list[FreeSeat] | None:
    """The best free seats for a party: side by side in the middle of a good row; else in as few groups as can be.

    With ``wheelchair`` one of them is a wheelchair space with the others next to it. None when they are too few.
    """
    free = [FreeSeat(*row) for row in await session.execute(FREE, {"slot_id": slot_id})]
    return best_wheelchair(free, party_size) if wheelchair else best_seats(free, party_size)


def best_seats(free: Sequence[FreeSeat], party_size: int) -> list[FreeSeat] | None:
    """Pure part of ``find_best``. Companion seats go last, since those who need them come later."""
    usable = [seat for seat in free if seat.kind != WHEELCHAIR]
    if len(usable) < party_size:
        return None
    rows = [seat.row_rank for seat in usable]
    middle_row = min(rows) + (max(rows) - min(rows)) / 3  # a third of the way back is where halls sell first
    middle_x = (min(seat.x for seat in usable) + max(seat.x for seat in usable)) / 2

    def cost(group: Sequence[FreeSeat]) -> tuple[float, ...]:
        centre = sum(seat.x for seat in group) / len(group)
        companions = sum(seat.kind == "companion" for seat in group)
        return (
            companions,
            2 * abs(group[0].row_rank - middle_row) + abs(centre - middle_x),
            group[0].row_rank,
            group[0].x,
        )

    left, chosen = list(usable), list[FreeSeat]()
    while len(chosen) < party_size:
        wanted = party_size - len(chosen)
        runs = _runs(left)
        size = min(wanted, max(len(run) for run in runs))
        groups = [run[at : at + size] for run in runs for at in range(len(run) - size + 1)]
        best = min(groups, key=cost)
        chosen += best
        left = [seat for seat in left if seat not in best]
    return chosen


def best_wheelchair(free: Sequence[FreeSeat], party_size: int) -> list[FreeSeat] | None:
    """A wheelchair space and the free seats nearest to it, companion seats first."""
    others = [seat for seat in free if seat.kind != WHEELCHAIR]
    if len(others) < party_size - 1:
        return None
    best: tuple[float, list[FreeSeat]] | None = None
    for space in (seat for seat in free if seat.kind == WHEELCHAIR):
        near = sorted(
            others,
            key=lambda seat: (
                10 * abs(seat.row_rank - space.row_rank) + abs(seat.x - space.x),
                seat.kind != "companion",
            ),
        )[: party_size - 1]
        far = sum(10 * abs(seat.row_rank - space.row_rank) + abs(seat.x - space.x) for seat in near)
        if best is None or far < best[0]:
            best = (far, [space, *near])
    return None if best is None else best[1]


def _runs(seats: Sequence[FreeSeat]) -> list[list[FreeSeat]]:
    """Seats that are side by side, in groups; ``seats`` by row and x."""
    runs: list[list[FreeSeat]] = [[seats[0]]]
    for one, following in pairwise(seats):
        if (following.row_rank, following.x) == (one.row_rank, one.x + 1):
            runs[-1].append(following)
        else:
            runs.append([following])
    return runs


async def take_seats(
    session: AsyncSession, *, slot_id: UUID, seat_ids: Sequence[UUID], reservation_id: UUID
) -> None:
    """Give free seats to a reservation, if any. Raises SeatTaken unless each of them was free."""
    if not seat_ids:
        return
    done = await session.execute(
        TAKE, {"slot_id": slot_id, "seat_ids": list(seat_ids), "reservation_id": reservation_id}
    )
    if done.rowcount != len(seat_ids):  # type: ignore[attr-defined]  # a CursorResult
        raise SeatTaken("请重新选座。", "Choose again.")


async def free_seats(session: AsyncSession, *, reservation_id: UUID) -> None:
    """Give back all seats of a reservation."""
    await session.execute(FREE_THEM, {"reservation_id": reservation_id})
