"""Two at once: one rating a visit, one answer, one escalation, and so many reports: each guard, and what happens without it."""

import asyncio
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import httpx
import psycopg
import pytest
import shapely

from booking.feedback.answering import escalate_overdue
from core.actor import Grant
from core.ids import new_id
from geo.corrections.report import REPORTS_A_DAY
from tests.api.people import sign_in, who
from tests.api.running import serving
from tests.api.visits import visit
from tests.conftest import create_database, drop_database, url_of
from tests.geo.cities import CitySite, insert_sites

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
FILE = (
    "insert into complaint (id, account_id, site_id, category, channel, state, created_at, deadline_on, deadline_basis)"
    " values (%s, %s, %s, 'other', 'app', 'open', now(), %s, 'workdays')"
)


def add_site(url):
    """A published site; its id."""
    one = CitySite(id=new_id(), geometry=shapely.Point(103.6, 36.5))
    with psycopg.connect(url) as connection:
        insert_sites(connection, [one])
    return str(one.id)


@pytest.fixture(scope="module")
def shared(tmp_path_factory, server_url, template, redis_url):
    """A server and its database; each test has a site of its own there."""
    name = create_database(server_url, template)
    url, log = url_of(server_url, name), tmp_path_factory.mktemp("feedback") / "log"
    with serving(log, database_url=url, redis_url=redis_url) as one:
        yield one, url
    drop_database(server_url, name)


@pytest.fixture
def server(shared):
    return shared[0]


@pytest.fixture
def url(shared):
    return shared[1]


@pytest.fixture
def site(url):
    return add_site(url)


@contextmanager
def without(url, index):
    """A unique index away for a while; what it would not have let in goes before it comes back."""
    with psycopg.connect(url, autocommit=True) as connection:
        (definition,) = connection.execute("select pg_get_indexdef(%s::regclass)", (index,)).fetchone()
        connection.execute(f"drop index {index}")
        yield
        connection.execute("truncate rating, rating_sheet")
        connection.execute(definition)


async def at_once(server, *requests):
    """Send all requests, each on a connection that is open already; their statuses."""
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=30) as client:
        await asyncio.gather(*(client.get("/healthz") for _ in requests))
        answers = await asyncio.gather(*(client.request(**request) for request in requests))
    return sorted(answer.status_code for answer in answers)


def ratings(url, site, times):
    """Of one visit."""
    resident = sign_in(url, kind="resident")
    said = {"site_id": site, "level": 5, "reservation_id": visit(url, resident, site)}
    return [{"method": "POST", "url": "/v1/ratings", "json": said, "headers": resident}] * times


def count(url, what):
    with psycopg.connect(url) as connection:
        return connection.execute(f"select count(*) from {what}").fetchone()[0]


async def test_of_eight_ratings_of_one_visit_at_once_one_counts(server, url, site):
    assert await at_once(server, *ratings(url, site, 8)) == [201] + [409] * 7
    assert count(url, f"rating where site_id = '{site}'") == 1


async def test_without_the_unique_index_all_eight_count(server, url, site):
    """Negative control."""
    with without(url, "rating_reservation_id_key"):
        assert await at_once(server, *ratings(url, site, 8)) == [201] * 8


def sheets(url, site):
    """One sheet, entered by four clerks."""
    body = {"site_id": site, "on": "2026-11-20", "counts": {"5": 3}, "sheet_reference": "A3"}
    said = {"method": "POST", "url": "/v1/staff/ratings/batch", "json": body}
    return [{**said, "headers": sign_in(url, Grant("site_staff", "site", site))} for _ in range(4)]


async def test_of_four_clerks_entering_one_sheet_one_does(server, url, site):
    assert await at_once(server, *sheets(url, site)) == [201, 409, 409, 409]
    assert count(url, f"rating where site_id = '{site}'") == 1


async def test_without_the_sheets_unique_index_all_four_do(server, url, site):
    """Negative control."""
    with without(url, "rating_sheet_site_id_reference_key"):
        assert await at_once(server, *sheets(url, site)) == [201] * 4


def reports(site, times):
    body = {"field": "hours", "text": "不对"}
    return [{"method": "POST", "url": f"/v1/sites/{site}/corrections", "json": body}] * times


async def test_of_many_reports_from_one_address_at_once_exactly_so_many_are_taken(server, url, site):
    assert await at_once(server, *reports(site, 8)) == [201] * REPORTS_A_DAY + [429] * (8 - REPORTS_A_DAY)
    assert count(url, f"correction where site_id = '{site}'") == REPORTS_A_DAY


async def test_without_the_lock_more_are_taken(tmp_path, database_url, redis_url):
    """Negative control: a schema in front of the system's turns the lock into a pause before the count."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("create schema unlocked")
        connection.execute(
            "create function unlocked.pg_advisory_xact_lock(bigint) returns void language sql"
            " as 'select pg_sleep(0.5)'"
        )
        name = connection.info.dbname
        connection.execute(f'alter database "{name}" set search_path = unlocked, pg_catalog, public')
    with serving(tmp_path / "unlocked", database_url=database_url, redis_url=redis_url) as server:
        statuses = await at_once(server, *reports(add_site(database_url), 8))
    assert statuses.count(201) > REPORTS_A_DAY


def file(database_url, site, *, deadline_on=date(2026, 11, 20), times=1):
    """Complaints of one resident; their ids."""
    resident = who(sign_in(database_url, kind="resident"))
    ids = [new_id() for _ in range(times)]
    with psycopg.connect(database_url) as connection:
        for one in ids:
            connection.execute(FILE, (one, resident, site, deadline_on))
    return ids


async def test_of_two_answers_to_one_complaint_the_later_is_told_of_the_earlier(server, url, site):
    (complaint,) = file(url, site, deadline_on=date(2999, 1, 1))
    clerks = [sign_in(url, Grant("site_staff", "site", site)) for _ in range(4)]
    requests = [
        {
            "method": "POST",
            "url": f"/v1/staff/complaints/{complaint}/reply",
            "json": {"text": "好"},
            "headers": headers | {"Idempotency-Key": str(uuid4())},
        }
        for headers in clerks
    ]
    assert await at_once(server, *requests) == [200, 409, 409, 409]
    assert count(url, f"complaint_entry where complaint_id = '{complaint}'") == 1


@pytest.mark.parametrize(
    ("lock", "answers"), [("for update", 1), ("", 2)], ids=["locked", "negative control"]
)
async def test_the_row_lock_is_what_lets_one_answer_through(database_url, lock, answers):
    """The statements of an answer, by two who both read before either writes; without the lock both find it open."""
    (complaint,) = file(database_url, add_site(database_url))
    reading = asyncio.Event()

    async def answer(first):
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            if not first:
                await reading.wait()
            cursor = await connection.execute(
                f"select state from complaint where id = %s {lock}", (complaint,)
            )
            (state,) = await cursor.fetchone()
            reading.set()
            await asyncio.sleep(0.3)
            if state == "open":
                await connection.execute(
                    "update complaint set state = 'replied', replied_at = now() where id = %s", (complaint,)
                )
        return state == "open"

    assert sum(await asyncio.gather(answer(True), answer(False))) == answers


async def test_of_many_workers_each_overdue_complaint_is_escalated_by_one(database, database_url, ring):
    file(database_url, add_site(database_url), times=60)

    async def work():
        async with database.transaction() as session:
            return await escalate_overdue(session, ring=ring, today=date(2026, 11, 24), now=NOW)

    assert sum(await asyncio.gather(*(work() for _ in range(6)))) == 60
    assert count(database_url, "complaint_entry") == 60
    assert count(database_url, "complaint where state = 'escalated'") == 60


async def test_a_complaint_that_is_being_answered_is_left_for_the_next_time(
    database, database_url, ring, site
):
    busy, free = file(database_url, add_site(database_url), times=2)
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("select 1 from complaint where id = %s for update", (busy,))
        async with asyncio.timeout(5), database.transaction() as session:
            assert await escalate_overdue(session, ring=ring, today=date(2026, 11, 24), now=NOW) == 1
        await connection.execute(
            "update complaint set state = 'replied', replied_at = %s where id = %s", (NOW, busy)
        )
    later = NOW + timedelta(minutes=10)
    async with database.transaction() as session:
        assert await escalate_overdue(session, ring=ring, today=date(2026, 11, 24), now=later) == 0
    with psycopg.connect(database_url) as connection:
        states = dict(connection.execute("select id, state from complaint").fetchall())
    assert states == {busy: "replied", free: "escalated"}


async def test_without_skipping_locked_rows_a_worker_waits_for_whoever_answers(database_url):
    """Negative control: the statement of the job without SKIP LOCKED."""
    (busy,) = file(database_url, add_site(database_url))
    async with (
        await psycopg.AsyncConnection.connect(database_url) as answering,
        await psycopg.AsyncConnection.connect(database_url) as worker,
    ):
        await answering.execute("select 1 from complaint where id = %s for update", (busy,))
        await worker.execute("set statement_timeout = '500ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            await worker.execute("select id from complaint where state = 'open' for update")
