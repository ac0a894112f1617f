"""Negative controls of the races: without the guard, the same callers are sold more than there is.

Guards are taken away in the database alone (``booking_world.unlock``); the code that runs is the one that ships.
"""

from datetime import timedelta

import psycopg
import pytest

from tests.concurrency.booking_calls import Call, at_once, booking, courts, spans, taken, told
from tests.concurrency.booking_world import TAG, pause_before, served_world, unlock

CALLERS, PLACES = 200, 50


@pytest.fixture
def unguarded(tmp_path, server_url, template, redis_url):
    """The same on a database from which a test takes guards."""
    with served_world(tmp_path / "log", server_url, template, redis_url) as (server, world):
        yield server, world


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


@pytest.mark.parametrize(
    ("rule", "channel", "party_size"),
    [("released", "app", 1), ("kept", "counter", 1), ("parties", "app", 2)],
)
def test_without_the_guard_of_buckets_each_rule_oversells(unguarded, rule, channel, party_size):
    """A tier that was released to all, one that is kept for the counter, and parties: the cases of the races."""
    server, world = unguarded
    rules = {"tiers": {"counter": {"channels": ["counter", "phone"]}}} if rule != "parties" else {}
    places = {"general": 6, "counter": 4} if rules else {"general": 10}
    released = {"counter": world.start - timedelta(days=2)} if rule == "released" else {}
    slot = world.slot(world.offering(rules=rules), places, released_at=released)
    clerk = world.clerk() if channel == "counter" else None
    crowd = world.people(60)
    with psycopg.connect(world.database_url) as connection:
        unlock(connection, "slot_bucket", "held", "confirmed", "set_aside")
    calls = [booking(one, slot.id, party_size=party_size) for one in crowd]
    if clerk is not None:
        calls = [Call(clerk, one.body) for one in calls]
    assert told(at_once(server.url, calls))["confirmed"] * party_size > 10
    assert taken(world, slot) > 10
    assert "bucket-capacity" in world.findings()


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
        pause_before(connection, "resource_span")
    answers = at_once(server.url, spans(world, offering, crowd))
    assert told(answers)["confirmed"] > PLACES
    assert "spans-overlap" in world.findings()


def test_without_the_lock_alone_the_constraint_still_lets_one_through(unguarded):
    """The last guard: refusals instead of a queue."""
    server, world = unguarded
    offering = courts(world)
    crowd = world.people(CALLERS)
    with psycopg.connect(world.database_url) as connection:
        unlock(connection, "resource")
        pause_before(connection, "resource_span")
    answers = at_once(server.url, spans(world, offering, crowd))
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
