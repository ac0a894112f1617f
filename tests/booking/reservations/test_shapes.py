"""Seats and intervals: this very seat, this court from … to …"""

from datetime import timedelta

import pytest
from sqlalchemy import select

from booking import errors
from booking.capacity.seats import FreeSeat, best_seats, best_wheelchair
from booking.models import SlotSeat
from booking.reservations.life import cancel
from booking.reservations.reschedule import reschedule
from booking.reservations.reserve import Wish, reserve
from core.ids import new_id
from tests.booking.bookable import NOON, NOW

HALF_HOUR = timedelta(minutes=30)


def drawn(*rows):
    """Free seats of a hall drawn row by row, the stage above; ``.`` is taken, space a gap."""
    kinds = {"o": "standard", "w": "wheelchair", "c": "companion"}
    return [
        FreeSeat(new_id(), str(rank), rank, str(x), x, kinds[sign])
        for rank, row in enumerate(rows, 1)
        for x, sign in enumerate(row)
        if sign in kinds
    ]


def shown(seats, *rows):
    """The same drawing with the chosen seats as ``X``."""
    chosen = {(seat.row_rank, seat.x) for seat in seats}
    return tuple(
        "".join("X" if (rank, x) in chosen else sign for x, sign in enumerate(row))
        for rank, row in enumerate(rows, 1)
    )


@pytest.mark.parametrize(
    ("party", "rows", "expected"),
    [
        (2, ("oooooo", "oooooo", "oooooo", "oooooo"), ("oooooo", "ooXXoo", "oooooo", "oooooo")),
        (3, ("o.o.o.", "ooo.oo", "......"), ("o.o.o.", "XXX.oo", "......")),
        (2, ("oo oo", "o...o"), ("XX oo", "o...o")),
        # No four side by side: two groups, not four single seats.
        (4, ("oo.oo.o", "o.o.o.o"), ("XX.XX.o", "o.o.o.o")),
        (1, ("ccoo",), ("ccXo",)),
    ],
)
def test_a_party_sits_together_in_the_middle_where_it_can(party, rows, expected):
    assert shown(best_seats(drawn(*rows), party), *rows) == expected


def test_wheelchair_spaces_are_not_given_to_others_and_bring_a_seat_beside():
    rows = ("oooo", "cwoo")
    free = drawn(*rows)
    assert shown(best_wheelchair(free, 2), *rows) == ("oooo", "XXoo")
    assert best_seats(drawn("w"), 1) is None
    assert best_wheelchair(drawn("oo"), 1) is None


@pytest.fixture
async def hall(world):
    slot = await world.slot(await world.offering(shape="seated", kind="performance"))
    seats = await world.seats(slot, ["oooo", "wcoo"])
    return slot, seats


async def taken(world, slot, seats):
    rows = await world.session.execute(
        select(SlotSeat.seat_id).where(SlotSeat.slot_id == slot.id, SlotSeat.reservation_id.is_not(None))
    )
    names = {seat_id: name for name, seat_id in seats.items()}
    return sorted(names[row.seat_id] for row in rows)


def book(world, who, slot, now=NOW, **wish):
    return reserve(
        world.session,
        who.actor,
        ring=world.ring,
        wish=Wish(person_id=who.person_id, slot_id=slot.id, **wish),
        now=now,
    )


async def test_named_seats_are_taken_all_or_none(world, hall):
    slot, seats = hall
    wang, li = await world.resident(), await world.resident()
    one = await book(world, wang, slot, party_size=2, seats=(seats["1-1"], seats["1-2"]))
    with pytest.raises(errors.SeatTaken) as refused:
        await book(world, li, slot, party_size=2, seats=(seats["1-2"], seats["1-3"]))
    assert refused.value.fields["seats"] == [str(seats["1-2"])]
    assert await taken(world, slot, seats) == ["1-1", "1-2"]
    await cancel(world.session, wang.actor, reservation_id=one.id, now=NOW)
    assert await taken(world, slot, seats) == []
    assert await world.counts(slot) == {"general": (0, 0, 0), "wheelchair": (0, 0, 0)}


async def test_the_best_seats_are_found_and_a_wheelchair_gets_its_space(world, hall):
    slot, seats = hall
    await book(world, await world.resident(), slot, party_size=2, wheelchair=True)
    assert await taken(world, slot, seats) == ["2-1", "2-2"]
    assert await world.counts(slot) == {"general": (0, 1, 0), "wheelchair": (0, 1, 0)}
    await book(world, await world.resident(), slot, party_size=6)
    with pytest.raises(errors.SlotFull):
        await book(world, await world.resident(), slot)


async def test_seats_and_party_must_agree(world, hall):
    slot, seats = hall
    wang = await world.resident()
    with pytest.raises(errors.InvalidWish):
        await book(world, wang, slot, party_size=2, seats=(seats["1-1"],))
    with pytest.raises(errors.InvalidWish):
        await book(world, wang, slot, seats=(new_id(),))
    counted = await world.slot(await world.offering(), {"general": 1}, starts_at=NOON + timedelta(days=1))
    with pytest.raises(errors.InvalidWish):
        await book(world, wang, counted, seats=(seats["1-1"],))


async def test_other_seats_of_the_same_performance_can_be_chosen(world, hall):
    slot, seats = hall
    wang = await world.resident()
    one = await book(world, wang, slot, seats=(seats["1-1"],))
    await reschedule(
        world.session,
        wang.actor,
        ring=world.ring,
        reservation_id=one.id,
        slot_id=slot.id,
        seats=(seats["1-4"],),
        now=NOW,
    )
    assert await taken(world, slot, seats) == ["1-4"]


@pytest.fixture
async def courts(world):
    offering = await world.offering(shape="interval", kind="venue", title="羽毛球场")
    window = await world.slot(offering, starts_at=NOON, minutes=240)
    return offering, window, [await world.resource(offering, name) for name in ("1号场", "2号场")]


def span(world, who, offering, start, minutes=60, **wish):
    starts_at = NOON + timedelta(minutes=start)
    return reserve(
        world.session,
        who.actor,
        ring=world.ring,
        wish=Wish(
            person_id=who.person_id,
            offering_id=offering.id,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(minutes=minutes),
            **wish,
        ),
        now=NOW,
    )


async def test_a_court_is_booked_once_at_a_time_and_any_free_one_will_do(world, courts):
    offering, _, (first, _) = courts
    people = [await world.resident() for _ in range(4)]
    await span(world, people[0], offering, 0, resource_id=first.id)
    with pytest.raises(errors.ResourceTaken):
        await span(world, people[1], offering, 30, resource_id=first.id)
    await span(world, people[1], offering, 30)
    with pytest.raises(errors.ResourceTaken):
        await span(world, people[2], offering, 30)
    # The end is not part of it.
    await span(world, people[3], offering, 60, resource_id=first.id)


@pytest.mark.parametrize(("start", "minutes"), [(15, 60), (0, 45), (0, 150), (0, 0), (-30, 60), (210, 60)])
async def test_spans_lie_in_the_open_hours_on_the_grid_and_have_a_length_that_goes(
    world, courts, start, minutes
):
    offering, _, _ = courts
    with pytest.raises((errors.InvalidWish, errors.SlotNotFound)):
        await span(world, await world.resident(), offering, start, minutes)


async def test_a_room_and_a_practitioner_are_taken_together(world, courts):
    offering, _, _ = courts
    await world.resource(offering, "王医生", role="practitioner")
    await span(world, await world.resident(), offering, 0)
    with pytest.raises(errors.ResourceTaken) as refused:
        await span(world, await world.resident(), offering, 30)
    assert refused.value.fields["role"] == "practitioner"


async def test_a_span_may_move_over_itself(world, courts):
    offering, _, (first, _) = courts
    wang = await world.resident()
    one = await span(world, wang, offering, 0, resource_id=first.id)
    await reschedule(
        world.session,
        wang.actor,
        ring=world.ring,
        reservation_id=one.id,
        resource_id=first.id,
        starts_at=NOON + HALF_HOUR,
        ends_at=NOON + HALF_HOUR * 3,
        now=NOW,
    )
    assert one.starts_at == NOON + HALF_HOUR
    await span(world, await world.resident(), offering, 90, resource_id=first.id)


async def test_a_held_span_that_ran_out_is_free(world, courts):
    offering, _, (first, _) = courts
    one = await span(world, await world.resident(), offering, 0, resource_id=first.id, hold=True)
    li = await world.resident()
    with pytest.raises(errors.ResourceTaken):
        await span(world, li, offering, 0, resource_id=first.id)
    again = await reserve(
        world.session,
        li.actor,
        ring=world.ring,
        wish=Wish(
            person_id=li.person_id,
            offering_id=offering.id,
            starts_at=one.starts_at,
            ends_at=one.ends_at,
            resource_id=first.id,
        ),
        now=one.expires_at,
    )
    assert again.state == "confirmed"


async def test_a_court_is_booked_on_its_own_day_until_each_time_begins(world, courts):
    offering, window, _ = courts
    offering.closes_minutes_before = 30
    window.closes_at = window.ends_at - HALF_HOUR
    await world.session.flush()
    half_past = NOON + HALF_HOUR

    def book_at(who, start, now=half_past, actor=None):
        starts_at = NOON + timedelta(minutes=start)
        wish = Wish(
            person_id=who.person_id,
            offering_id=offering.id,
            starts_at=starts_at,
            ends_at=starts_at + HALF_HOUR,
        )
        return reserve(world.session, actor or who.actor, ring=world.ring, wish=wish, now=now)

    wang = await world.resident()
    with pytest.raises(errors.BookingClosed):
        await book_at(wang, 60)
    await book_at(wang, 90)
    li = await world.resident()
    await book_at(li, 30, actor=world.clerk())  # the desk, as long as it is not over
    with pytest.raises(errors.BookingClosed):
        await book_at(li, 0, actor=world.clerk())


async def test_a_wheelchair_space_is_named_only_by_who_says_it_is_needed(world, hall):
    slot, seats = hall
    wang = await world.resident()
    with pytest.raises(errors.InvalidWish):
        await book(world, wang, slot, seats=(seats["2-1"],))
    with pytest.raises(errors.InvalidWish):
        await book(world, wang, slot, seats=(seats["1-1"],), wheelchair=True)
    await book(world, wang, slot, seats=(seats["2-1"],), wheelchair=True)
