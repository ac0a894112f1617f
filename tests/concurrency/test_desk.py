"""Many clerks and devices at once: one check-in a person, each item once, no place sold twice, and nobody deadlocks."""

import asyncio
import random
from datetime import timedelta
from uuid import uuid4

import httpx
import psycopg
import pytest
import shapely

from core import clock
from core.ids import new_id
from tests.api.desks import ServedDesk
from tests.api.running import serving
from tests.conftest import create_database, drop_database, url_of
from tests.geo.cities import CitySite, insert_sites

CLERKS = 8


@pytest.fixture(scope="module")
def served(tmp_path_factory, server_url, template, redis_url):
    """A server and its database with a meal point; each test has a lunch of its own there."""
    name = create_database(server_url, template)
    with psycopg.connect(url_of(server_url, name)) as connection:
        insert_sites(connection, [CitySite(id=new_id(), geometry=shapely.Point(103.6, 36.5))])
    url, log = url_of(server_url, name), tmp_path_factory.mktemp("desk") / "log"
    with serving(log, database_url=url, redis_url=redis_url) as one:
        yield one.url, url
        assert [line for line in one.log() if line["level"] == "ERROR" or line.get("status") == 500] == []
    drop_database(server_url, name)


@pytest.fixture
def desk(served):
    return ServedDesk(*served, places={"general": 30})


async def at_once(url, *requests):
    """Post all of them, each on a connection that is open already; their answers."""
    limits = httpx.Limits(max_connections=len(requests))
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60, limits=limits) as client:
        await asyncio.gather(*(client.get("/healthz") for _ in requests))
        return await asyncio.gather(
            *(
                client.post(path, json=body, headers={**headers, "Idempotency-Key": str(uuid4())})
                for path, body, headers in requests
            )
        )


def confirmed(desk, slot=None):
    """What the buckets of a slot count as confirmed."""
    ((count,),) = desk.query(
        "select sum(confirmed) from slot_bucket where slot_id = %s", (slot or desk.slot).id
    )
    return count


async def test_of_all_clerks_who_check_somebody_in_at_once_exactly_one_does_it(desk):
    one = await asyncio.to_thread(desk.guest)
    clerks = [desk.staff("site_staff") for _ in range(CLERKS)]
    body = {"ticket": desk.ticket(one)}
    answers = await at_once(desk.url, *[("/v1/staff/checkins", body, clerk) for clerk in clerks])
    assert [answer.status_code for answer in answers] == [200] * CLERKS
    said = [answer.json() for answer in answers]
    assert sorted(each["already"] for each in said) == [False] + [True] * (CLERKS - 1)
    # All are told the same instant, and exactly one that it was them.
    assert len({each["checked_in_at"] for each in said}) == 1
    assert sum(each["by_me"] for each in said) == 1
    steps = desk.query("select state from reservation_step where reservation_id = %s", one.id)
    assert [state for (state,) in steps].count("checked_in") == 1


def test_without_the_lock_two_clerks_would_both_have_done_it(desk):
    """The negative control: what they read is the same, and nothing tells the second that it was first for nothing."""
    one = desk.guest()
    with psycopg.connect(desk.database_url) as first, psycopg.connect(desk.database_url) as second:
        done = 0
        seen = [
            each.execute("select state from reservation where id = %s", (one.id,)).fetchone()
            for each in (first, second)
        ]
        for each, (state,) in zip((first, second), seen, strict=True):
            if state == "confirmed":
                each.execute("update reservation set state = 'checked_in' where id = %s", (one.id,))
                each.commit()
                done += 1
    assert done == 2


def batch(desk, device="desk-1", *items):
    return {"site_id": str(desk.site_id), "device_id": device, "items": list(items)}


def item(kind, **said):
    return {"id": str(uuid4()), "kind": kind, "at": clock.now().isoformat(), **said}


async def copies_of_a_batch(desk):
    """Send one batch with three walk-ins several times at once; the results of all items."""
    walks = [item("walk_in", slot_id=str(desk.slot.id)) for _ in range(3)]
    body = batch(desk, "desk-1", *walks)
    answers = await at_once(desk.url, *[("/v1/staff/desk/sync", body, desk.headers)] * 6)
    assert [answer.status_code for answer in answers] == [200] * 6, [answer.text for answer in answers]
    return [report["result"] for answer in answers for report in answer.json()["items"]]


async def test_a_batch_that_arrives_several_times_at_once_is_applied_once(desk):
    results = await copies_of_a_batch(desk)
    assert (results.count("done"), results.count("already")) == (3, 15)
    assert confirmed(desk) == 3


async def test_without_the_key_of_items_a_batch_is_applied_as_often_as_it_comes(desk):
    """The negative control."""
    with psycopg.connect(desk.database_url, autocommit=True) as connection:
        connection.execute("alter table desk_sync_item drop constraint desk_sync_item_pkey")
        try:
            results = await copies_of_a_batch(desk)
        finally:
            connection.execute("delete from desk_sync_item")
            connection.execute(
                "alter table desk_sync_item add constraint desk_sync_item_pkey"
                " primary key (site_id, device_id, item_id)"
            )
    assert results.count("done") > 3
    assert confirmed(desk) > 3


async def test_devices_that_send_the_same_people_in_any_order_check_each_in_once(desk):
    guests = await asyncio.to_thread(lambda: [desk.guest(f"王{number}", None) for number in range(12)])
    other = await asyncio.to_thread(lambda: desk.slot_at(timedelta(0), general=10))
    devices = []
    for number in range(5):
        items = [item("check_in", reservation_id=str(guest.id)) for guest in guests]
        items += [item("walk_in", slot_id=str(slot.id)) for slot in (desk.slot, other) for _ in range(4)]
        random.Random(number).shuffle(items)
        body = batch(desk, f"device-{number}", *items)
        devices.append(("/v1/staff/desk/sync", body, desk.staff("site_staff")))
    online = [
        ("/v1/staff/checkins", {"reservation_id": str(guest.id)}, desk.staff("carer")) for guest in guests[:3]
    ]
    answers = await at_once(desk.url, *devices, *online)
    assert [answer.status_code for answer in answers] == [200] * 8, [answer.text[:300] for answer in answers]
    done, codes = {}, []
    for (_, body, _), answer in zip(devices, answers, strict=False):
        kinds = {one["id"]: one["kind"] for one in body["items"]}
        for report in answer.json()["items"]:
            if report["result"] == "conflict":
                codes.append(report["conflict"]["code"])
            elif kinds[report["id"]] == "check_in":
                assert report["result"] == "done"
                done[report["reservation_id"]] = done.get(report["reservation_id"], 0) + 1
    for answer in answers[len(devices) :]:
        if not answer.json()["already"]:
            reservation_id = answer.json()["reservation"]["id"]
            done[reservation_id] = done.get(reservation_id, 0) + 1
    assert done == {str(guest.id): 1 for guest in guests}
    assert set(codes) == {"checked-in-elsewhere", "over-capacity"}
    # 20 walked in at each lunch: 18 and 10 places were left.
    assert (confirmed(desk), confirmed(desk, other)) == (30, 10)
    assert codes.count("over-capacity") == 2 + 10


async def test_the_last_places_go_to_exactly_as_many_walk_ins(served):
    desk = await asyncio.to_thread(lambda: ServedDesk(*served, places={"general": 5}))
    body = {"slot_id": str(desk.slot.id)}
    answers = await at_once(desk.url, *[("/v1/staff/walk-ins", body, desk.headers)] * 20)
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [409] * 15
    assert confirmed(desk) == 5
