"""A recorded storm over two servers and a worker, with connections cut, a server killed and Redis emptied: nothing is sold
twice, nothing that was promised is lost, the queue keeps its order, and the books agree afterwards."""

import asyncio
import os
import random
import signal
import sys
from contextlib import ExitStack
from time import monotonic
from uuid import uuid4

import httpx
import orjson
import psycopg
import pytest
from redis import Redis
from sqlalchemy import make_url
from typer.testing import CliRunner

from api.cli import booking_checks
from tests.api.running import answers as is_ready
from tests.api.running import free_port, running, wait_until
from tests.concurrency.booking_judge import judge
from tests.concurrency.booking_storm import Storm, set_stage
from tests.concurrency.booking_world import World
from tests.conftest import create_database, drop_database, url_of

LONG = bool(os.environ.get("XINBAN_TEST_LONG"))
OPERATIONS = 100_000 if LONG else 2_000
TASKS, PEOPLE = 16, 40
SEED = 4
RENEWED_SECONDS = 300
# A storm of 100,000 takes a quarter of an hour, or two where others use the machine.
pytestmark = pytest.mark.timeout(5_400 if LONG else 300)
TERMINATE = """
select count(pg_terminate_backend(pid)) from (
    select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
    order by random() limit %s
) as chosen
"""
LAPSE = "update reservation set expires_at = now() where id = %s and state = 'held' returning 1"


class Weather:
    """What goes wrong while clients work."""

    def __init__(self, world, servers, redis_url, seed):
        self.world, self.servers, self.redis_url = world, servers, redis_url
        self.random = random.Random(seed)
        self.cut = self.kills = self.flushes = 0

    async def run(self, storm):
        """Until the storm is over; a server is killed each quarter of the way. Tokens are renewed as phones do it."""
        kill_at, renewed = storm.most // 4, monotonic()
        while len(storm.record) < storm.most:
            await asyncio.sleep(1.0)
            await asyncio.to_thread(self._cut_and_flush)
            if monotonic() - renewed > RENEWED_SECONDS:
                renewed = monotonic()
                for client in storm.clients:
                    client.sign_in()
            if len(storm.record) >= kill_at:
                kill_at += storm.most // (40 if LONG else 3)
                await asyncio.to_thread(self.servers.kill_one, self.random)
                self.kills += 1

    def _cut_and_flush(self):
        self.cut += self.world.value(TERMINATE, self.random.randint(1, 3))
        with Redis.from_url(self.redis_url) as redis:
            redis.flushdb()
        self.flushes += 1


class Servers:
    """Two API processes at fixed addresses, and a worker."""

    def __init__(self, stack, folder, **settings):
        self.stack, self.folder, self.settings = stack, folder, settings
        self.ports = [free_port(), free_port()]
        self.urls = [f"http://127.0.0.1:{port}" for port in self.ports]
        self.started = 0
        self.processes = [self.start(port) for port in self.ports]
        self.worker = stack.enter_context(running(folder / "worker", "worker", **settings))
        self.wait()

    def wait(self):
        """Until both are ready: one may have been killed a moment ago."""
        for one in self.processes:
            wait_until(lambda one=one: is_ready(one, "/readyz"), one.log_path.read_text())

    def start(self, port):
        self.started += 1
        log = self.folder / f"server {self.started}"
        one = self.stack.enter_context(running(log, "serve", "--port", str(port), **self.settings))
        one.url = f"http://127.0.0.1:{port}"
        return one

    def kill_one(self, chance):
        at = chance.randrange(len(self.processes))
        self.processes[at].stop(signal.SIGKILL)
        self.processes[at] = self.start(self.ports[at])

    def errors(self):
        """What any of them logged with a traceback, but for the worker's jobs that lost their connection to a cut."""
        lines = [
            orjson.loads(line)
            for log in self.folder.iterdir()
            for line in log.read_text().splitlines()
            if line.startswith("{")
        ]
        return [
            line for line in lines if line["level"] == "ERROR" and "exc_info" in line and not was_cut(line)
        ]


def was_cut(line):
    """A job's connection was terminated. Each job is a sweep that comes again by itself; requests have no such excuse."""
    lost = ("AdminShutdown", "psycopg.OperationalError")
    return line["logger"].startswith("procrastinate.") and any(one in line["exc_info"] for one in lost)


def other_redis(redis_url, number):
    """The same server, another of its databases."""
    address = redis_url.partition("?")[0]
    if address.startswith("unix"):
        return f"{address}?db={number}"
    return "/".join([*address.split("/")[:3], str(number)])


def calm_corner(world, url):
    """What spoils a copy needs to find, however the storm went: places that nobody waits for, and somebody who waits."""
    calm = world.offering(exclusive=False)
    world.slot(calm, {"general": 3})
    full = {"slot_id": str(world.slot(calm, {"general": 1}).id)}
    for client, path in zip(world.people(2), ("/v1/reservations", "/v1/waitlist"), strict=True):
        key = {"Idempotency-Key": str(uuid4())}
        answer = httpx.post(
            url + path, headers=client.headers | key, json=full | {"person_id": str(client.person_id)}
        )
        assert answer.status_code == 201, answer.text


@pytest.fixture(scope="module")
def storm(tmp_path_factory, server_url, template, redis_url):
    """The storm, when it is over; its database is there for the tests."""
    name = create_database(server_url, template)
    world = World(url_of(server_url, name))
    stage = set_stage(world)
    clients = world.people(PEOPLE)
    own_redis = other_redis(redis_url, 9)

    async def blow(servers):
        one = Storm(world, stage, clients, servers.urls, seed=SEED, most=OPERATIONS)

        async def lapse(subject):
            for _ in range(3):
                try:
                    async with await psycopg.AsyncConnection.connect(
                        world.database_url, autocommit=True
                    ) as connection:
                        return await (await connection.execute(LAPSE, (subject,))).fetchone() is not None
                except psycopg.OperationalError:  # it was cut too
                    continue
            raise AssertionError("no connection")

        one.lapse = lapse
        one.weather = Weather(world, servers, own_redis, SEED)
        await asyncio.gather(one.run(TASKS), one.weather.run(one))
        return one

    try:
        with ExitStack() as stack:
            folder = tmp_path_factory.mktemp("storm")
            servers = Servers(stack, folder, database_url=world.database_url, redis_url=own_redis)
            began = monotonic()
            one = asyncio.run(blow(servers))
            one.seconds = monotonic() - began
            servers.wait()
            calm_corner(world, servers.urls[0])
            one.errors = servers.errors()
        yield one
    finally:
        drop_database(server_url, name)


def count(storm):
    told = {}
    for one in storm.record:
        told.setdefault(one.kind, {}).setdefault(one.outcome, 0)
        told[one.kind][one.outcome] += 1
    return told


def test_the_storm_was_one(storm):
    """Enough of everything happened for the other tests to mean something. The counts are docs/booking-checks.md's."""
    told = count(storm)
    sys.stdout.write(
        f"{len(storm.record)} operations in {storm.seconds:.1f} s, {storm.weather.cut} connections cut,"
        f" {storm.weather.kills} servers killed, {storm.weather.flushes} times Redis emptied: {told}\n"
    )
    assert len(storm.record) >= OPERATIONS
    assert storm.weather.cut > 5
    assert storm.weather.kills >= 2
    for kind in (
        "reserve",
        "hold",
        "confirm",
        "cancel",
        "reschedule",
        "join",
        "accept",
        "replay",
        "copy",
        "lapse",
    ):
        assert told[kind].get("ok"), kind
    refused = {one.answer.json()["code"] for one in storm.record if one.outcome == "fail" and one.answer}
    assert refused >= {"slot-full", "person-busy", "resource-taken", "wrong-state"}
    done = sum(one.outcome == "ok" for one in storm.record)
    assert done > len(storm.record) / 4


def test_no_request_ended_in_an_error(storm):
    internal = {
        one.number: (one.kind, one.answer.status, one.answer.content)
        for one in storm.record
        if one.answer
        and one.answer.status in (400, 401, 422, 500)
        and one.answer.json()["code"] != "invalid-wish"
    }
    assert internal == {}
    assert storm.errors == []


def test_nobody_waited_in_a_circle(storm):
    """Locks are taken in the written order; whoever is part of a deadlock is told 503, and tries again in vain for a while."""
    query = "select deadlocks from pg_stat_database where datname = current_database()"
    assert storm.world.value(query) == 0


def test_everything_is_as_it_was_acknowledged(storm):
    assert judge(storm.world, storm.record) == []


def test_both_commands_find_nothing(storm, monkeypatch):
    monkeypatch.setenv("XINBAN_DATABASE_URL", storm.world.database_url)
    for command in ("reconcile", "check-history"):
        done = CliRunner().invoke(booking_checks.app, [command])
        assert done.exit_code == 0, done.output
        assert "一致" in done.output


@pytest.fixture
def copy(storm, server_url):
    """The same after the storm, for what spoils it."""
    name = create_database(server_url, make_url(storm.world.database_url).database)
    one = object.__new__(World)
    one.database_url = url_of(server_url, name)
    yield one
    drop_database(server_url, name)


SPOILED = {
    "a reservation is gone": (
        "delete from reservation where id = (select id from reservation r where state = 'confirmed'"
        " and exists (select from allocation a where a.reservation_id = r.id)"
        " and not exists (select from slot_seat s where s.reservation_id = r.id)"
        " and not exists (select from waitlist_entry w where w.reservation_id = r.id) limit 1)",
        {"ledger-orphan", "reservation-ledger", "slot-reservations"},
    ),
    "a counter is too low": (
        "update slot_bucket set confirmed = confirmed - 1"
        " where (slot_id, tier) = (select slot_id, tier from slot_bucket where confirmed > 0 limit 1)",
        {"bucket-ledger", "slot-reservations"},
    ),
    "a place was sold twice": (
        "alter table slot_bucket drop constraint slot_bucket_capacity_check;"
        " with one as (select slot_id, tier from slot_bucket where confirmed > 0 limit 1), more as ("
        " update slot_bucket b set confirmed = confirmed + 100 from one where (b.slot_id, b.tier) = (one.slot_id, one.tier))"
        " insert into allocation (slot_id, tier, held, confirmed, at) select slot_id, tier, 0, 100, now() from one",
        {"bucket-capacity", "bucket-replay", "slot-reservations"},
    ),
    "it was sold twice for a moment": (
        "with one as (select slot_id, tier from slot_bucket where confirmed > 0 limit 1)"
        " insert into allocation (slot_id, tier, held, confirmed, at)"
        " select slot_id, tier, 0, more, now() from one, unnest(array[100, -100]) as more",
        {"bucket-replay"},
    ),
    "two offers are swapped": (
        "with pair as (select a.id as one, b.id as other, a.person_id as p, a.reservation_id as r, a.party_size as n,"
        " b.person_id as q, b.reservation_id as s, b.party_size as m"
        " from waitlist_entry a join waitlist_entry b on b.slot_id = a.slot_id and b.number > a.number"
        " join slot on slot.id = a.slot_id join offering o on o.id = slot.offering_id"
        " where a.state = b.state and a.state in ('accepted', 'declined') and a.party_size = b.party_size"
        " and a.wheelchair = b.wheelchair and not exists (select from slot_need where slot_need.slot_id = slot.id)"
        " and a.person_id <> b.person_id limit 1)"
        " update waitlist_entry e set person_id = case when e.id = one then q else p end,"
        " reservation_id = case when e.id = one then s else r end from pair where e.id in (one, other)",
        {"offers-in-order"},
    ),
    "somebody went round the queue": (
        "with one as (select w.slot_id, w.party_size from waitlist_entry w where w.state = 'waiting' and not w.wheelchair"
        " and not exists (select from slot_need n where n.slot_id = w.slot_id)"
        " and not exists (select from slot_bucket b where b.slot_id = w.slot_id and b.released_at is not null) limit 1)"
        " insert into allocation (slot_id, tier, reservation_id, held, confirmed, at)"
        " select slot_id, 'general', gen_random_uuid(), 0, party_size, now() + interval '5 minutes' from one",
        {"no-way-round"},
    ),
    "a step is missing": (
        "delete from reservation_step where (reservation_id, number) in"
        " (select reservation_id, 1 from reservation_step where number = 2 limit 1)",
        {"steps-numbered"},
    ),
    "a step is impossible": (
        "update reservation_step set state = 'checked_in' where (reservation_id, number) in"
        " (select reservation_id, 1 from reservation_step where number = 2 and state = 'cancelled' limit 1)",
        {"steps-legal"},
    ),
    "a seat is nobody's": (
        "update slot_seat set reservation_id = null where (slot_id, seat_id) ="
        " (select slot_id, seat_id from slot_seat where reservation_id is not null limit 1)",
        {"seats-of-reservations", "seats-counted"},
    ),
    "a span is moved": (
        "alter table resource_span drop constraint resource_span_overlap_excl;"
        " update resource_span set during = tstzrange(upper(during), upper(during) + interval '1 hour')"
        " where id = (select id from resource_span limit 1)",
        {"spans-of-reservations"},
    ),
    "a person is free who is not": (
        "delete from person_commitment where id = (select c.id from person_commitment c limit 1)",
        {"commitments-of-reservations"},
    ),
    "a limit is not counted": ("update person_quota set used = 0 where used > 0", {"quotas"}),
    "an offer is forgotten": (
        "update waitlist_entry set state = 'left' where id = (select w.id from waitlist_entry w"
        " join reservation r on r.id = w.reservation_id where w.state = 'accepted' and r.state = 'confirmed' limit 1)",
        {"offers-made"},
    ),
    "a place is kept for nobody": (
        "with one as (select slot_id, tier from slot_bucket b where held + confirmed + set_aside < capacity"
        " and not exists (select from waitlist_entry w where w.slot_id = b.slot_id and w.state = 'waiting') limit 1),"
        " more as (update slot_bucket b set set_aside = set_aside + 1 from one"
        " where (b.slot_id, b.tier) = (one.slot_id, one.tier))"
        " insert into allocation (slot_id, tier, held, confirmed, set_aside, at) select slot_id, tier, 0, 0, 1, now() from one",
        {"set-aside"},
    ),
}


@pytest.mark.parametrize("what", SPOILED)
def test_what_is_spoiled_is_found(copy, what):
    """Negative control of the checks: each corruption of a copy, by its own check."""
    statement, codes = SPOILED[what]
    with psycopg.connect(copy.database_url, autocommit=True) as connection:
        for one in statement.split(";"):
            assert connection.execute(one).rowcount != 0
    assert copy.findings().keys() >= codes


def test_the_judge_finds_what_was_lost(storm, copy):
    """Negative control of the judge, which knows only what clients were told."""
    copy.sql("alter table slot_seat drop constraint slot_seat_reservation_id_fkey")
    copy.sql("update waitlist_entry set reservation_id = null, state = 'left'")
    copy.sql("delete from reservation where state = 'confirmed'")
    assert any(line.startswith("lost: reservation") for line in judge(copy, storm.record))
    again = next(one for one in storm.record if one.kind == "reserve" and one.outcome == "ok")
    kept = again.answers[-1]
    again.answers.append(type(kept)(kept.status, kept.headers, kept.content + b" "))
    assert any(line.startswith("two answers") for line in judge(copy, storm.record))
    again.answers.pop()
