"""Two hundred callers at one moment: exactly as many win as there are places, and everybody else is told why not."""

from datetime import timedelta
from itertools import pairwise

import pytest

from tests.concurrency.booking_calls import Call, at_once, booking, courts, spans, taken, told
from tests.concurrency.booking_world import TAG, served_world

CALLERS, PLACES = 200, 50


@pytest.fixture(scope="module")
def city(tmp_path_factory, server_url, template, redis_url):
    """A server process and a world; nothing it was asked may be an error of its own."""
    log = tmp_path_factory.mktemp("races") / "log"
    with served_world(log, server_url, template, redis_url) as (server, world):
        yield server, world
        errors = [line for line in server.log() if line["level"] == "ERROR" or line.get("status") == 500]
        assert errors == []
        assert world.findings() == {}


@pytest.fixture(scope="module")
def crowd(city):
    _, world = city
    return world.people(CALLERS)


# Each shape


def test_of_200_callers_50_get_a_counted_place(city, crowd):
    server, world = city
    slot = world.slot(world.offering(), {"general": PLACES})
    answers = at_once(server.url, [booking(one, slot.id) for one in crowd])
    assert told(answers) == {"confirmed": PLACES, "slot-full": CALLERS - PLACES}
    assert {one.status for one in answers} == {201, 409}
    assert all(one.json()["detail"] for one in answers if one.status == 409)
    assert taken(world, slot) == PLACES


def test_of_200_callers_50_get_a_seat_and_no_seat_is_given_twice(city, crowd):
    server, world = city
    slot = world.slot(world.offering(kind="performance", shape="seated"), hours=2, seats=["oooooooooo"] * 5)
    answers = at_once(server.url, [booking(one, slot.id) for one in crowd])
    assert told(answers) == {"confirmed": PLACES, "slot-full": CALLERS - PLACES}
    seats = [seat["id"] for one in answers if one.ok for seat in one.json()["seats"]]
    assert len(seats) == len(set(seats)) == PLACES


def test_of_200_callers_50_get_a_court(city, crowd):
    server, world = city
    offering = courts(world)
    answers = at_once(server.url, spans(world, offering, crowd))
    assert told(answers) == {"confirmed": PLACES, "resource-taken": CALLERS - PLACES}
    assert world.value("select count(*) from resource_span") == PLACES


def test_overlapping_spans_of_one_court_go_to_one_caller_each(city, crowd):
    server, world = city
    offering = world.offering(kind="venue", shape="interval")
    world.resources(offering, 1)
    world.slot(offering, hours=30, minutes=240)
    begin = world.start + timedelta(hours=30)
    calls = []
    for at, one in enumerate(crowd[:60]):  # lengths and starts that overlap in every way
        starts_at = begin + timedelta(minutes=30 * (at % 5))
        body = {
            "offering_id": str(offering.id),
            "person_id": str(one.person_id),
            "starts_at": starts_at.isoformat(),
            "ends_at": (starts_at + timedelta(minutes=30 * (1 + at % 4))).isoformat(),
        }
        calls.append(Call(one.headers, body))
    answers = at_once(server.url, calls)
    assert told(answers).keys() <= {"confirmed", "resource-taken"}
    won = sorted((one.json()["starts_at"], one.json()["ends_at"]) for one in answers if one.ok)
    assert won
    assert all(one[1] <= following[0] for one, following in pairwise(won))


# Each rule of a bucket


def test_places_of_a_tier_go_to_those_it_is_kept_for(city, crowd):
    server, world = city
    rules = {"tiers": {"elder": {"who": [{"rule": "tag", "any": [TAG]}]}}}
    slot = world.slot(world.offering(rules=rules), {"general": 30, "elder": 20}, hours=10)
    elders = world.people(60, TAG)
    answers = at_once(server.url, [booking(one, slot.id) for one in [*elders, *crowd[:140]]])
    assert told(answers) == {"confirmed": PLACES, "slot-full": CALLERS - PLACES}
    assert sum(one.ok for one in answers[:60]) >= 20
    assert sum(one.ok for one in answers[60:]) <= 30


def test_a_tier_that_was_released_is_everyones(city, crowd):
    server, world = city
    rules = {"tiers": {"counter": {"channels": ["counter", "phone"]}}}
    slot = world.slot(
        world.offering(rules=rules),
        {"general": 30, "counter": 20},
        hours=12,
        released_at={"counter": world.start - timedelta(days=2)},
    )
    answers = at_once(server.url, [booking(one, slot.id) for one in crowd])
    assert told(answers) == {"confirmed": PLACES, "slot-full": CALLERS - PLACES}


def test_what_is_kept_for_the_counter_is_left_to_it(city, crowd):
    server, world = city
    rules = {"tiers": {"counter": {"channels": ["counter", "phone"]}}}
    slot = world.slot(world.offering(rules=rules), {"general": 40, "counter": 10}, hours=14)
    answers = at_once(server.url, [booking(one, slot.id) for one in crowd])
    assert told(answers) == {"confirmed": 40, "slot-full": CALLERS - 40}
    clerk = world.clerk()
    walked_in = world.people(15)
    at_desk = at_once(
        server.url,
        [Call(clerk, {"slot_id": str(slot.id), "person_id": str(one.person_id)}) for one in walked_in],
    )
    assert told(at_desk) == {"confirmed": 10, "slot-full": 5}


@pytest.mark.parametrize("per", ["person", "booking"])
def test_a_supply_is_never_used_twice(city, crowd, per):
    """Lunch for all, and riders for fifty of them; whoever asks for delivery takes one along."""
    server, world = city
    hours = 16 if per == "person" else 18
    riders = world.slot(world.offering(kind="supply"), {"general": PLACES}, hours=hours)
    offering = world.offering(modes=["dine_in", "delivery"])
    slot = world.slot(offering, {"general": 400}, hours=hours, needs=(riders, per, ["delivery"]))
    party = 2 if per == "booking" else 1
    answers = at_once(
        server.url,
        [booking(one, slot.id, mode="delivery", party_size=party) for one in crowd],
    )
    assert told(answers) == {"confirmed": PLACES, "slot-full": CALLERS - PLACES}
    assert taken(world, slot) == PLACES * party
    # There are meals left for those who come themselves.
    alone = at_once(server.url, [booking(world.people(1)[0], slot.id, mode="dine_in")])
    assert told(alone) == {"confirmed": 1}


def test_whoever_names_no_mode_takes_along_what_the_only_one_needs(city):
    server, world = city
    riders = world.slot(world.offering(kind="supply"), {"general": 1}, hours=70)
    slot = world.slot(
        world.offering(modes=["delivery"]), {"general": 9}, hours=70, needs=(riders, "person", ["delivery"])
    )
    answers = at_once(server.url, [booking(one, slot.id) for one in world.people(4)])
    assert told(answers) == {"confirmed": 1, "slot-full": 3}


def test_a_refusal_is_remembered_only_for_those_it_holds_for(city):
    """A process remembers that a slot was full: for whoever may have what others may not, it is not."""
    server, world = city
    rules = {"tiers": {"kiosk": {"channels": ["kiosk"]}}}
    slot = world.slot(world.offering(rules=rules), {"general": 1, "kiosk": 1}, hours=72)
    for one, said in zip(world.people(3), ("confirmed", "slot-full", "slot-full"), strict=True):
        assert told(at_once(server.url, [booking(one, slot.id)])) == {said: 1}
    (there,) = world.people(1, channel="kiosk")
    assert told(at_once(server.url, [booking(there, slot.id)])) == {"confirmed": 1}


def test_parties_get_all_their_places_or_none(city, crowd):
    server, world = city
    slot = world.slot(world.offering(), {"general": PLACES}, hours=20)
    answers = at_once(
        server.url, [booking(one, slot.id, party_size=2 + at % 2) for at, one in enumerate(crowd)]
    )
    assert told(answers).keys() == {"confirmed", "slot-full"}
    won = sum(one.json()["party_size"] for one in answers if one.ok)
    assert won == taken(world, slot)
    assert PLACES - won in (0, 1)  # no party of two was refused while there was room for it


def test_the_last_place_goes_to_exactly_one_of_two_callers(city, crowd):
    server, world = city
    offering = world.offering()
    for number in range(5):
        slot = world.slot(offering, {"general": 1}, hours=22 + number)
        answers = at_once(server.url, [booking(one, slot.id) for one in crowd[:2]])
        assert told(answers) == {"confirmed": 1, "slot-full": 1}


# Persons


def test_a_person_gets_one_of_two_places_at_the_same_time(city):
    server, world = city
    slots = [world.slot(world.offering(kind=kind), {"general": 50}, hours=40) for kind in ("meal", "course")]
    for one in world.people(5):
        answers = at_once(server.url, [booking(one, slot.id) for slot in slots])
        assert told(answers) == {"confirmed": 1, "person-busy": 1}


def test_a_limit_is_the_persons_whichever_account_books(city):
    server, world = city
    offering = world.offering(exclusive=False, rules={"limits": [{"per": "day", "most": 2}]})
    day = world.start.replace(hour=1) + timedelta(days=3)
    slots = [
        world.slot(offering, {"general": 50}, hours=(day - world.start) / timedelta(hours=1) + number / 4)
        for number in range(10)
    ]
    mother, daughter = world.people(2)
    world.delegate(mother.person_id, daughter.account_id)
    answers = at_once(
        server.url,
        [
            Call(who.headers, {"slot_id": str(slot.id), "person_id": str(mother.person_id)})
            for slot in slots
            for who in (mother, daughter)
        ],
    )
    assert told(answers) == {"confirmed": 2, "limit-reached": 18}
