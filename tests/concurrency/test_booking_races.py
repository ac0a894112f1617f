"""Two hundred callers at one moment: exactly as many win as there are places, and everybody else is told why not."""

import socket
import time
from datetime import timedelta
from itertools import pairwise
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.concurrency.booking_calls import Call, at_once, booking, told, written
from tests.concurrency.booking_world import TAG, served_world, unlock

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


@pytest.fixture
def unguarded(tmp_path, server_url, template, redis_url):
    """The same on a database from which a test takes guards."""
    with served_world(tmp_path / "log", server_url, template, redis_url) as (server, world):
        yield server, world


def taken(world, slot):
    return world.value(
        "select coalesce(sum(party_size), 0) from reservation where slot_id = %s and state in ('held', 'confirmed')",
        slot.id,
    )


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


def spans(world, offering, crowd):
    """Everybody wants one of ten half hours, twenty callers each."""
    begin = world.start + timedelta(hours=4)
    for at, one in enumerate(crowd):
        starts_at = begin + timedelta(minutes=30 * (at % 10))
        body = {
            "offering_id": str(offering.id),
            "person_id": str(one.person_id),
            "starts_at": starts_at.isoformat(),
            "ends_at": (starts_at + timedelta(minutes=30)).isoformat(),
        }
        yield Call(one.headers, body)


def courts(world):
    offering = world.offering(kind="venue", shape="interval")
    world.resources(offering, 5)
    world.slot(offering, hours=4, minutes=300)
    return offering


def test_of_200_callers_50_get_a_court(city, crowd):
    server, world = city
    offering = courts(world)
    answers = at_once(server.url, list(spans(world, offering, crowd)))
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


# The same request again


@pytest.mark.parametrize("shape", ["counted", "seated"])
def test_copies_that_arrive_together_book_once(city, shape):
    server, world = city
    offering = world.offering(shape=shape, exclusive=False)
    places = {"places": {"general": 50}} if shape == "counted" else {"seats": ["oooooooooo"]}
    slot = world.slot(offering, hours=50, **places)
    for one in world.people(3):
        key = str(uuid4())
        answers = at_once(server.url, [booking(one, slot.id, key) for _ in range(8)])
        assert {answer.status for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert sum(not answer.replayed for answer in answers) == 1
        assert world.value("select count(*) from reservation where person_id = %s", one.person_id) == 1


def test_an_answer_that_never_arrived_is_given_again(city):
    """The client is gone before the answer: the booking stands, and the same key gets the answer of then."""
    server, world = city
    slot = world.slot(world.offering(), {"general": 1}, hours=52)
    (one,) = world.people(1)
    call = booking(one, slot.id)
    address = httpx.URL(server.url)
    with socket.create_connection((address.host, address.port)) as connection:
        connection.sendall(written(call))
    deadline = time.monotonic() + 15
    while not taken(world, slot) and time.monotonic() < deadline:
        time.sleep(0.02)
    made = str(world.value("select id from reservation where slot_id = %s", slot.id))
    (again,) = at_once(server.url, [call])
    assert (again.status, again.json()["id"], again.replayed) == (201, made, True)


def test_a_code_that_somebody_has_is_drawn_again(city):
    """Codes are drawn by chance, and a slot keeps those of cancelled reservations too."""
    server, world = city
    seated, counted = world.offering(shape="seated"), world.offering()
    hall = world.slot(seated, hours=74, seats=["oooo"])
    old, new = (world.slot(counted, {"general": 5}, hours=hours) for hours in (76, 78))
    one, two = world.people(2)
    moving = at_once(server.url, [booking(one, old.id)])[0].json()["id"]
    world.sql("create sequence drawn")
    world.sql(
        "create function draw() returns trigger language plpgsql as $$ begin"
        " new.code := case when nextval('drawn') <= 2 then '000001' else new.code end; return new; end $$"
    )
    for event in ("insert", "update of slot_id"):
        world.sql(
            f"create trigger draw_{event[:6]} before {event} on reservation for each row"
            f" when (new.slot_id in ('{hall.id}', '{new.id}')) execute function draw()"
        )
    for who in (one, two):
        assert told(at_once(server.url, [booking(who, hall.id)])) == {"confirmed": 1}
    world.sql("alter sequence drawn restart")
    assert told(at_once(server.url, [booking(two, new.id)])) == {"confirmed": 1}
    move = Call(one.headers, {"slot_id": str(new.id)}, f"/v1/reservations/{moving}/reschedule")
    assert told(at_once(server.url, [move])) == {"confirmed": 1}


# Places that come back


def test_a_hold_that_ran_out_is_free_without_any_worker(city, crowd):
    server, world = city
    slot = world.slot(world.offering(hold_seconds=30), {"general": 5}, hours=54)
    held = at_once(server.url, [booking(one, slot.id, hold=True) for one in crowd[:5]])
    assert told(held) == {"held": 5}
    assert told(at_once(server.url, [booking(crowd[5], slot.id)])) == {"slot-full": 1}
    world.sql("update reservation set expires_at = now() - interval '1 second' where slot_id = %s", slot.id)
    time.sleep(1.1)  # a process remembers for a second that it was full, and then lets one ask
    assert told(at_once(server.url, [booking(crowd[6], slot.id)])) == {"confirmed": 1}
    answers = at_once(server.url, [booking(one, slot.id) for one in crowd[7:40]])
    assert told(answers) == {"confirmed": 4, "slot-full": 29}
    late = at_once(
        server.url,
        [Call(crowd[0].headers, {}, f"/v1/reservations/{held[0].json()['id']}/confirm")],
    )
    assert told(late) == {"hold-expired": 1}


def test_moving_into_a_full_slot_keeps_the_old_place(city, crowd):
    server, world = city
    offering = world.offering()
    old, full = (world.slot(offering, {"general": 10}, hours=hours) for hours in (56, 58))
    mine = at_once(server.url, [booking(one, old.id) for one in crowd[:10]])
    at_once(server.url, [booking(one, full.id) for one in crowd[10:18]])  # two places left
    answers = at_once(
        server.url,
        [
            Call(one.headers, {"slot_id": str(full.id)}, f"/v1/reservations/{made.json()['id']}/reschedule")
            for one, made in zip(crowd[:10], mine, strict=True)
        ],
    )
    assert told(answers) == {"confirmed": 2, "slot-full": 8}
    assert (taken(world, old), taken(world, full)) == (8, 10)


def test_moving_away_frees_the_old_place_for_whoever_waits(city, crowd):
    server, world = city
    offering = world.offering()
    full, other = (world.slot(offering, {"general": 3}, hours=hours) for hours in (60, 62))
    mine = at_once(server.url, [booking(one, full.id) for one in crowd[:3]])
    waiting = at_once(
        server.url,
        [Call(one.headers, booking(one, full.id).body, "/v1/waitlist") for one in crowd[3:8]],
    )
    assert told(waiting) == {"waiting": 5}
    # Everyone who polls for the place at that moment comes second to the queue.
    moves = [
        Call(one.headers, {"slot_id": str(other.id)}, f"/v1/reservations/{made.json()['id']}/reschedule")
        for one, made in zip(crowd[:3], mine, strict=True)
    ]
    answers = at_once(server.url, [*moves, *(booking(one, full.id) for one in crowd[10:60])])
    assert told(answers) == {"confirmed": 3, "slot-full": 50}
    states = world.sql("select state from waitlist_entry where slot_id = %s order by number", full.id)
    assert [state for (state,) in states] == ["offered"] * 3 + ["waiting"] * 2


# Negative controls: without the guard, the same oversells


def test_without_the_guard_of_buckets_counted_places_are_sold_twice(unguarded):
    server, world = unguarded
    slot = world.slot(world.offering(), {"general": PLACES})
    crowd = world.people(CALLERS)
    with psycopg.connect(world.database_url) as connection:
        unlock(connection, "slot_bucket", "held", "confirmed", "set_aside")
    answers = at_once(server.url, [booking(one, slot.id) for one in crowd])
    assert told(answers)["confirmed"] > PLACES
    assert "bucket-capacity" in world.findings()


def test_without_the_guard_of_buckets_tiers_and_supplies_are_sold_twice(unguarded):
    server, world = unguarded
    rules = {"tiers": {"elder": {"who": [{"rule": "tag", "any": [TAG]}]}}}
    riders = world.slot(world.offering(kind="supply"), {"general": 10})
    slot = world.slot(
        world.offering(rules=rules, modes=["delivery", "dine_in"]),
        {"general": 5, "elder": 5},
        needs=(riders, "person", ["delivery"]),
    )
    elders = world.people(60, TAG)
    with psycopg.connect(world.database_url) as connection:
        unlock(connection, "slot_bucket", "held", "confirmed", "set_aside")
    answers = at_once(server.url, [booking(one, slot.id, mode="delivery") for one in elders])
    assert told(answers)["confirmed"] > 10
    over = world.sql("select slot_id from slot_bucket where held + confirmed > capacity")
    assert {slot_id for (slot_id,) in over} == {slot.id, riders.id}


def test_without_the_guard_of_seats_a_seat_is_sold_twice(unguarded):
    server, world = unguarded
    slot = world.slot(world.offering(shape="seated"), seats=["oooooooooo"] * 2)
    crowd = world.people(60)
    with psycopg.connect(world.database_url) as connection:
        unlock(connection, "slot_bucket", pause=0, writes=False)
        unlock(connection, "slot_seat")
    answers = at_once(server.url, [booking(one, slot.id) for one in crowd])
    assert told(answers).get("confirmed", 0) > 20, told(answers)
    assert "seats-of-reservations" in world.findings()


def test_without_the_lock_and_the_constraint_a_court_is_sold_twice(unguarded):
    server, world = unguarded
    offering = courts(world)
    crowd = world.people(CALLERS)
    with psycopg.connect(world.database_url) as connection:
        connection.execute("alter table resource_span drop constraint resource_span_overlap_excl")
        unlock(connection, "resource")
    answers = at_once(server.url, list(spans(world, offering, crowd)))
    assert told(answers)["confirmed"] > PLACES
    assert "spans-overlap" in world.findings()


def test_without_the_lock_alone_the_constraint_still_lets_one_through(unguarded):
    """The last guard: refusals instead of a queue."""
    server, world = unguarded
    offering = courts(world)
    crowd = world.people(CALLERS)
    with psycopg.connect(world.database_url) as connection:
        unlock(connection, "resource")
    answers = at_once(server.url, list(spans(world, offering, crowd)))
    assert told(answers).keys() <= {"confirmed", "resource-taken", "unavailable"}
    assert told(answers)["confirmed"] <= PLACES
    assert "spans-overlap" not in world.findings()


def test_without_their_constraints_persons_are_in_two_places_and_beyond_limits(unguarded):
    server, world = unguarded
    limited = world.offering(rules={"limits": [{"per": "day", "most": 1}]})
    slots = [world.slot(limited, {"general": 50}) for _ in range(4)]
    (one,) = world.people(1)
    with psycopg.connect(world.database_url) as connection:
        connection.execute("alter table person_commitment drop constraint person_commitment_overlap_excl")
        connection.execute("alter table person_quota drop constraint person_quota_most_check")
    answers = at_once(server.url, [booking(one, slot.id) for slot in slots])
    assert told(answers) == {"confirmed": 4}
    assert "commitments-overlap" in world.findings()


def test_without_its_key_a_request_sent_twice_books_twice(unguarded):
    server, world = unguarded
    slot = world.slot(world.offering(exclusive=False), {"general": 50})
    people = world.people(6)
    with psycopg.connect(world.database_url) as connection:
        connection.execute("drop index kept_answer_key_blind_key")
    for one in people:
        at_once(server.url, [booking(one, slot.id, "sent-many-times") for _ in range(8)])
    assert taken(world, slot) > len(people)
