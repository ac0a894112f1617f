"""Moving a reservation: the new place first, then the old one is free."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from booking import errors
from booking.models import Event
from booking.reservations.reschedule import reschedule
from booking.reservations.reserve import Wish, reserve
from core.actor import SYSTEM
from tests.booking.bookable import NOON, NOW


@pytest.fixture
async def two(world):
    offering = await world.offering(rules={"limits": [{"per": "day", "most": 1}]})
    first = await world.slot(offering, {"general": 1})
    second = await world.slot(offering, {"general": 1}, starts_at=NOON + timedelta(minutes=30))
    wang = await world.resident()
    one = await reserve(
        world.session,
        wang.actor,
        ring=world.ring,
        wish=Wish(person_id=wang.person_id, slot_id=first.id),
        now=NOW,
    )
    return first, second, wang, one


def move(world, who, one, slot, now=NOW):
    return reschedule(
        world.session, who.actor, ring=world.ring, reservation_id=one.id, slot_id=slot.id, now=now
    )


async def test_the_old_place_is_free_and_the_person_is_told(world, two):
    first, second, wang, one = two
    await move(world, wang, one, second)
    assert await world.counts(first) == {"general": (0, 0, 0)}
    assert await world.counts(second) == {"general": (0, 1, 0)}
    assert (one.slot_id, one.starts_at, one.version) == (second.id, second.starts_at, 2)
    kinds = await world.session.scalars(select(Event.kind).order_by(Event.id))
    assert list(kinds) == ["reservation_confirmed", "reservation_changed"]


async def test_the_new_time_may_overlap_the_old_and_the_days_limit_counts_once(world, two):
    first, second, wang, one = two
    await move(world, wang, one, second)
    await move(world, wang, one, first)
    assert await world.counts(second) == {"general": (0, 0, 0)}


async def test_into_a_full_slot_the_old_place_stays(world, two):
    first, second, wang, one = two
    li = await world.resident()
    await reserve(
        world.session,
        li.actor,
        ring=world.ring,
        wish=Wish(person_id=li.person_id, slot_id=second.id),
        now=NOW,
    )
    with pytest.raises(errors.SlotFull):
        await move(world, wang, one, second)
    assert await world.counts(first) == {"general": (0, 1, 0)}


async def test_not_to_itself_not_to_another_offering_not_when_it_has_begun(world, two):
    first, second, wang, one = two
    other = await world.slot(await world.offering(), {"general": 1}, starts_at=NOON + timedelta(days=1))
    for slot in (first, other):
        with pytest.raises(errors.InvalidWish):
            await move(world, wang, one, slot)
    with pytest.raises(errors.TooLate):
        await move(world, wang, one, second, now=NOON)


async def test_after_the_cut_off_moving_away_is_no_way_around_a_late_cancellation(world):
    offering = await world.offering(cancel_minutes_before=60)
    first = await world.slot(offering, {"general": 1})
    later = await world.slot(offering, {"general": 1}, starts_at=NOON + timedelta(days=7))
    wang = await world.resident()
    wish = Wish(person_id=wang.person_id, slot_id=first.id)
    one = await reserve(world.session, wang.actor, ring=world.ring, wish=wish, now=NOW)
    cut_off = NOON - timedelta(minutes=60)
    with pytest.raises(errors.TooLate):
        await move(world, wang, one, later, now=cut_off + timedelta(seconds=1))
    await move(world, wang, one, later, now=cut_off)


async def test_whom_we_move_ourselves_keeps_the_places_and_the_limit_that_are_theirs(world):
    rules = {
        "tiers": {"kiosk": {"channels": ["kiosk"]}},
        "limits": [{"per": "day", "most": 1}],
    }
    offering = await world.offering(rules=rules)
    first = await world.slot(offering, {"general": 0, "kiosk": 1})
    second = await world.slot(offering, {"general": 0, "kiosk": 1}, starts_at=NOON + timedelta(hours=2))
    third = await world.slot(offering, {"general": 1}, starts_at=NOON + timedelta(hours=4))
    wang = await world.resident()
    wish = Wish(person_id=wang.person_id, slot_id=first.id)
    at_kiosk = replace(wang.actor, channel="kiosk")
    one = await reserve(world.session, at_kiosk, ring=world.ring, wish=wish, now=NOW)
    await reschedule(
        world.session, SYSTEM, ring=world.ring, reservation_id=one.id, slot_id=second.id, now=NOW
    )
    assert await world.counts(second) == {"general": (0, 0, 0), "kiosk": (0, 1, 0)}
    again = Wish(person_id=wang.person_id, slot_id=third.id)
    with pytest.raises(errors.LimitReached):
        await reserve(world.session, wang.actor, ring=world.ring, wish=again, now=NOW)
