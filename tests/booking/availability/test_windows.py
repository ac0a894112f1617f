"""What is free of courts and rooms: on the grid, long enough, something of each role at the same time.

Half hours are drawn: # taken, . free.
"""

from datetime import timedelta

import pytest
from psycopg.types.range import Range

from booking.availability.slots import SlotState
from booking.availability.windows import Grid, Window, free_of
from booking.models import ResourceSpan
from booking.reservations.reserve import Wish, reserve
from core.ids import new_id
from tests.booking.bookable import NOON, NOW

HALF, HOUR, MINUTE = timedelta(minutes=30), timedelta(hours=1), timedelta(minutes=1)
GRID = Grid(HALF, HOUR)


def runs(drawn, sign):
    """Where ``sign`` stands, as runs of half hours."""
    found, start = [], None
    for at, char in enumerate(drawn + " "):
        if char == sign and start is None:
            start = at
        elif char != sign and start is not None:
            found.append((NOON + start * HALF, NOON + at * HALF))
            start = None
    return found


def window(drawn):
    return SlotState(new_id(), NOON.date(), NOON, NOON + len(drawn) * HALF, NOW, NOON, "open", None)


def free(drawn, *, now=NOW, role="place", grid=GRID):
    slot = window(drawn)
    spans = [Range(*run) for run in runs(drawn, ".")]
    return slot, list(free_of(slot, new_id(), "1号场", role, spans, grid=grid, now=now))


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ("........", "XXXXXXXX"),
        ("##......", "..XXXXXX"),
        ("..##..##", "XX..XX.."),
        # One half hour is shorter than may be booked.
        ("##.##...", ".....XXX"),
        ("########", "........"),
    ],
)
def test_what_is_free_is_shown_where_it_is_long_enough(taken, expected):
    _, found = free(taken)
    assert [(one.starts_at, one.ends_at) for one in found] == runs(expected, "X")


def test_what_has_begun_is_free_from_the_next_step_of_the_grid_on():
    _, (one,) = free("....", now=NOON + 40 * MINUTE)
    assert (one.starts_at, one.ends_at) == (NOON + HOUR, NOON + 2 * HOUR)
    assert free("....", now=NOON + 61 * MINUTE)[1] == []


def test_what_was_booked_off_the_grid_leaves_whole_steps():
    """From before the grid was changed: taken until 11:50, so free from 12:00 on."""
    slot = window("......")
    spans = [Range(NOON + 20 * MINUTE, NOON + 3 * HOUR - 10 * MINUTE)]
    (one,) = free_of(slot, new_id(), "1号场", "place", spans, grid=GRID, now=NOW)
    assert (one.starts_at, one.ends_at) == (NOON + HALF, NOON + 5 * HALF)


@pytest.mark.parametrize(
    ("room", "doctor", "starts"),
    [
        ("....####", "####....", []),
        ("...#####", "##...###", []),  # both free for half an hour, which is too short
        ("....####", "..######", [0]),
        ("....####", "#...####", [1, 2]),
        ("##....##", "........", [2, 3, 4]),
    ],
)
def test_a_booking_starts_where_something_of_each_role_is_free_all_the_while(room, doctor, starts):
    slot, rooms = free(room, role="room")
    _, doctors = free(doctor, role="practitioner")
    found = Window(slot, frozenset({"room", "practitioner"}), (*rooms, *doctors)).starts(GRID)
    assert sorted(found) == [NOON + at * HALF for at in starts]


async def court(world, drawn, *, roles=("place",), **more):
    """An offering with a window as long as ``drawn``; each role's resources, taken as drawn, if any."""
    offering = await world.offering(shape="interval", kind="venue", shortest_minutes=60, **more)
    slot = await world.slot(offering, minutes=30 * len(drawn))
    return offering, slot, {role: await world.resource(offering, f"{role}1", role) for role in roles}


async def take(world, offering, resource, run, **more):
    who = await world.resident()
    wish = Wish(
        person_id=who.person_id,
        offering_id=offering.id,
        resource_id=resource.id,
        starts_at=run[0],
        ends_at=run[1],
        **more,
    )
    return who, await reserve(world.session, who.actor, ring=world.ring, wish=wish, now=NOW)


async def test_each_resource_shows_what_is_left_of_it(world):
    offering, _, courts = await court(world, "........")
    other = await world.resource(offering, "二号场")
    inactive = await world.resource(offering, "三号场")
    inactive.status = "inactive"
    await take(world, offering, courts["place"], runs("..##....", "#")[0])
    await take(world, offering, courts["place"], runs("....##..", "#")[0])
    (found,) = await world.windows(offering)
    said = {(one.name, one.starts_at, one.ends_at) for one in found.free}
    assert said == {
        ("place1", NOON, NOON + HOUR),
        ("place1", NOON + 3 * HOUR, NOON + 4 * HOUR),
        (other.name, NOON, NOON + 4 * HOUR),
    }


async def test_a_held_span_is_free_again_when_its_time_is_over(world):
    offering, _, courts = await court(world, "....")
    await take(world, offering, courts["place"], (NOON, NOON + 2 * HOUR), hold=True)
    assert (await world.windows(offering))[0].free == ()
    assert await world.window_reasons(offering) == ["full"]
    (found,) = await world.windows(offering, now=NOW + 5 * MINUTE)
    assert [(one.starts_at, one.ends_at) for one in found.free] == [(NOON, NOON + 2 * HOUR)]
    assert await world.window_reasons(offering, now=NOW + 5 * MINUTE) == ["ok"]


async def test_a_window_without_resources_has_nothing_to_book(world):
    offering, _, _ = await court(world, "....", roles=())
    assert await world.window_reasons(offering) == ["full"]


async def test_it_is_full_when_no_two_roles_are_free_together(world):
    offering, _, of = await court(world, "....", roles=("room", "practitioner"))
    _, one = await take(world, offering, of["room"], (NOON, NOON + HOUR))
    assert await world.window_reasons(offering) == ["ok"]
    for resource, run in ((of["practitioner"], (NOON + HOUR, NOON + 2 * HOUR)),):
        world.session.add(ResourceSpan(resource_id=resource.id, reservation_id=one.id, during=Range(*run)))
    await world.session.flush()
    assert await world.window_reasons(offering) == ["full"]


async def test_who_is_busy_part_of_the_time_can_book_the_rest(world):
    offering, _, _ = await court(world, "....")
    elsewhere, _, others = await court(world, "........")
    who, _ = await take(world, elsewhere, others["place"], (NOON, NOON + HOUR))
    assert await world.window_reasons(offering, who) == ["ok"]
    wish = Wish(
        person_id=who.person_id,
        offering_id=elsewhere.id,
        starts_at=NOON + HOUR,
        ends_at=NOON + 2 * HOUR,
    )
    await reserve(world.session, who.actor, ring=world.ring, wish=wish, now=NOW)
    assert await world.window_reasons(offering, who) == ["busy"]
    assert await world.window_reasons(offering) == ["ok"]


def test_what_begins_too_soon_to_be_booked_is_not_shown():
    lead = Grid(HALF, HOUR, timedelta(minutes=20))
    for minutes, first in ((-20, 1), (-21, 0), (9, 1), (10, 2)):
        _, found = free("........", now=NOON + timedelta(minutes=minutes), grid=lead)
        assert found[0].starts_at == NOON + first * HALF, minutes
