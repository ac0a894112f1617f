"""Copies of one request that arrive together: the work is done by one of them, and the others wait or repeat its answer."""

import asyncio

import httpx
import psycopg
import pytest

from tests.api.people import sign_in
from tests.api.trial import trial

COPIES = 12
# Found before PostgreSQL's own once the search path names pg_catalog last: everyone gets the lock at once.
NO_LOCK = (
    "create function pg_try_advisory_xact_lock(bigint) returns boolean language sql as 'select true'",
    "do $$ begin execute format('alter database %I set search_path = public, pg_catalog', current_database()); end $$",
)
NO_UNIQUE_KEY = ("drop index kept_answer_key_blind_key",)


@pytest.fixture
def served(tmp_path, database_url, redis_url):
    """Starts a server on this test's own database, after ``statements`` changed it."""

    def start(*statements):
        with psycopg.connect(database_url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)
        return trial(tmp_path / "log", database_url=database_url, redis_url=redis_url)

    return start


async def send_copies(url, headers):
    """All at once, each on a connection of its own; the work takes long enough for all of them to arrive meanwhile."""
    limits = httpx.Limits(max_connections=COPIES)
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30, limits=limits) as client:
        return await asyncio.gather(
            *(
                client.post(
                    "/trial/things",
                    json={"name": "one", "pause_seconds": 0.5},
                    headers={**headers, "Idempotency-Key": "sent-many-times"},
                )
                for _ in range(COPIES)
            )
        )


def count(database_url):
    with psycopg.connect(database_url) as connection:
        return connection.execute("select count(*) from trial_thing").fetchone()[0]


async def test_of_many_copies_at_once_exactly_one_is_done(served, database_url):
    headers = sign_in(database_url, kind="resident")
    with served() as one:
        answers = await send_copies(one.url, headers)
        again = await send_copies(one.url, headers)
    done = [answer for answer in answers if "idempotent-replayed" not in answer.headers and answer.is_success]
    assert len(done) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {
        "request-in-progress"
    }
    assert count(database_url) == 1
    # Those who were told to wait ask again.
    settled = [answer for answer in again if answer.status_code == 201]
    assert settled
    assert {answer.json()["id"] for answer in settled} == {done[0].json()["id"]}


async def test_without_the_lock_and_the_unique_key_it_is_done_many_times(served, database_url):
    """Negative control of the test above."""
    headers = sign_in(database_url, kind="resident")
    with served(*NO_LOCK, *NO_UNIQUE_KEY) as one:
        answers = await send_copies(one.url, headers)
    assert len([answer for answer in answers if answer.status_code == 201]) > 1
    assert count(database_url) > 1


async def test_without_the_lock_alone_the_unique_key_still_lets_one_through(served, database_url):
    """The last guard; its refusals are errors, which is why the lock comes first."""
    headers = sign_in(database_url, kind="resident")
    with served(*NO_LOCK) as one:
        answers = await send_copies(one.url, headers)
    assert sorted({answer.status_code for answer in answers}) == [201, 500]
    assert count(database_url) == 1
