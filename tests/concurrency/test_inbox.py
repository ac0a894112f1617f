"""Many workers, some of which die: each message once, numbers in order and without gaps; and what happens without guards."""

import asyncio
import signal
import subprocess
import sys
import time
from collections import Counter

import psycopg
import pytest
from sqlalchemy import select, text

from api.inbox import delivering
from api.inbox.delivering import deliver_once
from api.inbox.models import Inbox
from api.inbox.undelivered import settle_undelivered
from booking.events import emit
from core import clock
from core.database import Database
from core.ids import new_id
from core.settings import Settings
from tests.api.running import ROOT, environment, wait_until
from tests.concurrency.booking_world import RING, World

WORKER = """
import asyncio
from api.inbox.delivering import deliver_events
from core.settings import Settings
asyncio.run(deliver_events(Settings()))
"""
ROWS = """
select account_id, array_agg(number order by number), array_agg(e.subject_id order by number)
from inbox_event e group by account_id
"""


@pytest.fixture
def world(database_url):
    return World(database_url)


async def happen(database, people, count):
    """``count`` events about each, one after the other, in transactions of some size; their subjects in order."""
    subjects = {one.account_id: [] for one in people}
    for at in range(count):
        async with database.transaction() as session:
            for one in people:
                subject = new_id()
                subjects[one.account_id].append(subject)
                await emit(
                    session,
                    kind="reservation_reminder",
                    person_id=one.person_id,
                    account_id=one.account_id if at % 2 else None,
                    subject_id=subject,
                    data={},
                    now=clock.now(),
                )
    return subjects


async def drain(database, quiet=20):
    """Pass on until nothing waited for a while."""
    empty = 0
    while empty < quiet:
        taken = await deliver_once(database, RING, None, most=7, now=clock.now())
        empty = 0 if taken else empty + 1
        if not taken:
            await asyncio.sleep(0.02)


async def race(url, people, count, workers=3):
    """Workers that pass on while events happen; the subjects, by account."""
    async with Database(Settings(database_url=url, pool_size=12)) as database:
        happening = asyncio.create_task(happen(database, people, count))
        done = await asyncio.gather(*(drain(database) for _ in range(workers)), return_exceptions=True)
        subjects = await happening
        if not any(isinstance(one, Exception) for one in done):
            await drain(database, quiet=3)
        return subjects, [one for one in done if isinstance(one, Exception)]


def test_of_several_workers_each_message_comes_once_in_order_and_without_gaps(world):
    people = world.people(5)
    subjects, failed = asyncio.run(race(world.database_url, people, 40))
    assert failed == []
    found = {row[0]: (row[1], row[2]) for row in world.sql(ROWS)}
    for one in people:
        numbers, told = found[one.account_id]
        assert numbers == list(range(1, 41))
        assert told == subjects[one.account_id]
    assert world.value("select count(*) from event where relayed_at is null") == 0


def test_without_taking_turns_messages_come_in_another_order(world, monkeypatch):
    """Negative control of the test above; once each they come all the same, since rows are taken under their locks."""
    monkeypatch.setattr(delivering, "TURN", text("select true"))
    with psycopg.connect(world.database_url, autocommit=True) as connection:
        # Some workers are slower than others, as on a busy machine.
        connection.execute(
            "create function dawdle() returns trigger language plpgsql as"
            " $$ begin perform pg_sleep(random() * 0.02); return new; end $$"
        )
        connection.execute(
            "create trigger dawdle before insert on inbox_event for each statement execute function dawdle()"
        )
    for _ in range(5):
        people = world.people(5)
        subjects, failed = asyncio.run(race(world.database_url, people, 80, workers=6))
        assert failed == []
        found = {row[0]: (row[1], row[2]) for row in world.sql(ROWS)}
        if any(found[one.account_id][1] != subjects[one.account_id] for one in people):
            return
    pytest.fail("messages came in order all the same")


def test_without_the_lock_of_the_inbox_two_messages_get_one_number(world, monkeypatch):
    """Negative control of numbers: nobody takes turns, and whoever counts up has not locked the row."""
    monkeypatch.setattr(delivering, "TURN", text("select true"))
    with psycopg.connect(world.database_url, autocommit=True) as connection:
        # Who waits for the row goes on with what it read before.
        connection.execute("drop index inbox_event_account_id_number_key")
        connection.execute(
            "create function pause() returns trigger language plpgsql as $$ begin perform pg_sleep(0.01); return new; end $$"
        )
        connection.execute(
            "create trigger pause before insert on inbox_event for each row execute function pause()"
        )

    async def unlocked(session, account_ids):
        await session.execute(delivering.ENSURE, {"ids": list(account_ids)})
        query = select(Inbox).where(Inbox.account_id.in_(account_ids))
        return {one.account_id: one for one in await session.scalars(query)}

    monkeypatch.setattr(delivering, "_lock", unlocked)
    people = world.people(2)
    asyncio.run(race(world.database_url, people, 30, workers=4))
    assert world.sql("select account_id, number from inbox_event group by 1, 2 having count(*) > 1")


def fill(world, people, count):
    async def run():
        async with Database(Settings(database_url=world.database_url)) as database:
            return await happen(database, people, count)

    return asyncio.run(run())


def check_all_told_once(world, subjects):
    told = Counter((row[0], row[1]) for row in world.sql("select account_id, subject_id from inbox_event"))
    assert set(told.values()) == {1}
    assert {account: {s for a, s in told if a == account} for account in subjects} == {
        account: set(all_of) for account, all_of in subjects.items()
    }
    for row in world.sql(ROWS):
        assert row[1] == list(range(1, len(row[1]) + 1))


def test_what_a_killed_worker_leaves_another_passes_on_once(world, redis_url):
    people = world.people(10)
    subjects = fill(world, people, 300)
    environ = environment(database_url=world.database_url, redis_url=redis_url)
    told = "select count(*) from inbox_event"
    killed = 0
    for _ in range(4):
        before = world.value(told)
        if before == 3_000:
            break
        worker = subprocess.Popen([sys.executable, "-c", WORKER], cwd=ROOT, env=environ)
        try:
            wait_until(lambda before=before: world.value(told) > before, "the worker at work")
        finally:
            worker.send_signal(signal.SIGKILL)
            killed += worker.wait() == -signal.SIGKILL
    assert killed >= 1
    second = subprocess.Popen([sys.executable, "-c", WORKER], cwd=ROOT, env=environ)
    try:
        wait_until(
            lambda: world.value("select count(*) from event where relayed_at is null") == 0, "the rest"
        )
    finally:
        second.terminate()
        second.wait()
    check_all_told_once(world, subjects)


def test_a_worker_whose_connection_is_ended_in_the_middle_goes_on(world, redis_url):
    """Held up behind an inbox that somebody else has locked, and ended there: nothing of the batch stays."""
    people = world.people(3)
    fill(world, people, 1)
    worker_environ = environment(database_url=world.database_url, redis_url=redis_url)
    worker = subprocess.Popen([sys.executable, "-c", WORKER], cwd=ROOT, env=worker_environ)
    told, waiting = (
        "select count(*) from inbox_event",
        "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
    )
    try:
        wait_until(lambda: world.value(told) == 3, "the first")
        with psycopg.connect(world.database_url) as holder:
            holder.execute("select from inbox order by account_id desc limit 1 for update")
            subjects = fill(world, people, 20)
            pid = wait_until(lambda: [row[0] for row in world.sql(waiting)], "the worker at the lock")[0]
            assert world.value(told) == 3
            assert world.value("select pg_terminate_backend(%s)", pid)
            time.sleep(0.2)
            assert world.value(told) == 3
        wait_until(lambda: world.value(told) == 63, "the rest")
        assert worker.poll() is None
    finally:
        worker.terminate()
        worker.wait()
    assert {len(all_of) for all_of in subjects.values()} == {20}
    for row in world.sql(ROWS):
        assert row[1] == list(range(1, 22))


def test_two_workers_that_settle_at_once_make_one_task(world):
    """A text message that was given up is looked at by one of them."""
    (who,) = world.people(1)
    event_id, message_id = new_id(), new_id()
    world.sql(
        "insert into event (id, kind, person_id, subject_id, created_at, relayed_at)"
        " values (%s, 'standing_failed', %s, %s, now(), now())",
        event_id,
        who.person_id,
        new_id(),
    )
    world.sql(
        "insert into event_message (id, event_id, person_id, state, important, created_at)"
        " values (%s, %s, %s, 'dead', true, now())",
        message_id,
        event_id,
        who.person_id,
    )

    async def run():
        async with Database(Settings(database_url=world.database_url)) as database:
            return await asyncio.gather(
                *(settle_undelivered(database, RING, now=clock.now()) for _ in range(4))
            )

    assert sum(asyncio.run(run())) == 1
    assert world.value("select count(*) from outreach_task") == 1
