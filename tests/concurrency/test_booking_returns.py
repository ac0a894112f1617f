"""Requests that come twice, and places that come back: while many ask at once, over real HTTP."""

import socket
import time
from uuid import uuid4

import httpx
import pytest

from tests.concurrency.booking_calls import Call, at_once, booking, taken, told, written
from tests.concurrency.booking_world import served_world


@pytest.fixture(scope="module")
def city(tmp_path_factory, server_url, template, redis_url):
    """A server process and a world; nothing it was asked may be an error of its own."""
    log = tmp_path_factory.mktemp("returns") / "log"
    with served_world(log, server_url, template, redis_url) as (server, world):
        yield server, world
        errors = [line for line in server.log() if line["level"] == "ERROR" or line.get("status") == 500]
        assert errors == []
        assert world.findings() == {}


@pytest.fixture(scope="module")
def crowd(city):
    _, world = city
    return world.people(60)


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


@pytest.mark.parametrize("what", ["the person", "a limit", "a supply"])
def test_a_hold_that_ran_out_binds_nobody_without_any_worker(city, what):
    """Not the person's time, not their limit, not the rider: though nobody asks for the very slot it was in."""
    server, world = city
    hours = {"the person": 80, "a limit": 110, "a supply": 140}[what]
    rules = {"limits": [{"per": "day", "most": 1}]} if what == "a limit" else {}
    held, wanted = world.offering(rules=rules), world.offering(rules=rules)
    riders = world.slot(world.offering(kind="supply"), {"general": 1}, hours=hours)
    needs = (riders, "person", []) if what == "a supply" else None
    first = world.slot(held, {"general": 5}, hours=hours, needs=needs)
    second = world.slot(
        held if what == "a limit" else wanted,
        {"general": 5},
        hours=hours + (2 if what == "a limit" else 0),
        needs=needs,
    )
    one, other = world.people(2)
    assert told(at_once(server.url, [booking(one, first.id, hold=True)])) == {"held": 1}
    world.sql("update reservation set expires_at = now() - interval '1 second' where slot_id = %s", first.id)
    asks = other if what == "a supply" else one
    assert told(at_once(server.url, [booking(asks, second.id)])) == {"confirmed": 1}


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
