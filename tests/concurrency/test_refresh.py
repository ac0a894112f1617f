"""A refresh token used twice at once: one of the two gets new tokens, and then the session ends."""

import asyncio

import httpx
import psycopg
import pytest
from sqlalchemy import func, select

from api.identity import sessions
from api.identity.models import AccountSession
from api.identity.sessions import open_session, refresh_session
from api.identity.tokens import AccessTokens
from booking.people.models import Account
from core import clock
from core.database import Database
from core.ids import new_id
from core.settings import Settings
from tests.api.running import serving
from tests.api.signing_in import RING, sign_in_by_phone

AT_ONCE = 8


@pytest.fixture
async def crowd(anyio_backend, database_url):
    """Doors wide enough that all callers are inside at once."""
    async with Database(Settings(database_url=database_url, pool_size=16)) as database:
        yield database


@pytest.fixture
def tokens():
    return AccessTokens(RING, environment="production")


@pytest.fixture
async def opened(crowd, tokens):
    async with crowd.transaction() as session:
        account = Account(
            id=new_id(), kind="resident", state="active", assurance="phone", created_at=clock.now()
        )
        session.add(account)
        await session.flush()
        return await open_session(
            session, tokens, ring=RING, account=account, channel="app", device=None, now=clock.now()
        )


async def refresh_at_once(database, tokens, opened):
    """What each of several copies of one refresh token was answered."""

    async def refresh():
        async with database.transaction() as session:
            answer = await refresh_session(
                session, tokens, refresh_token=opened.refresh_token, now=clock.now()
            )
        return getattr(answer, "code", "refreshed")

    return sorted(await asyncio.gather(*(refresh() for _ in range(AT_ONCE))))


async def end_of(database, opened):
    async with database.hot() as connection:
        ((reason,),) = await (
            await connection.execute(
                "select end_reason from account_session where id = %s", (opened.session_id,)
            )
        ).fetchall()
    return reason


async def test_of_several_copies_at_once_one_is_good_and_the_session_ends(crowd, tokens, opened):
    answers = await refresh_at_once(crowd, tokens, opened)
    assert answers == ["refresh-refused"] * (AT_ONCE - 2) + ["refresh-reused", "refreshed"]
    assert await end_of(crowd, opened) == "refresh_reused"


async def test_without_the_lock_several_copies_are_good(crowd, tokens, opened, monkeypatch):
    """Negative control: all read the same generation before any of them writes."""

    def unlocked(session_id):
        return select(AccountSession).where(AccountSession.id == session_id, func.pg_sleep(0.2).is_not(None))

    monkeypatch.setattr(sessions, "locked_session_query", unlocked)
    answers = await refresh_at_once(crowd, tokens, opened)
    assert answers.count("refreshed") > 1


@pytest.mark.parametrize("key", [None, "a-key-of-one-refresh"])
async def test_over_http_the_second_copy_ends_the_session_unless_it_is_the_same_request(
    database_url, redis_url, tmp_path, key
):
    with serving(tmp_path / "log", database_url=database_url, redis_url=redis_url) as one:
        signed_in = sign_in_by_phone(one.url, database_url, "13800000001")
        body = {"grant": "refresh", "refresh_token": signed_in["refresh_token"]}
        headers = {"Idempotency-Key": key} if key else {}
        async with httpx.AsyncClient(base_url=one.url, trust_env=False, timeout=30) as client:

            async def refresh():
                answer = await client.post("/v1/auth/tokens", json=body, headers=headers)
                while answer.status_code == 409:  # the first copy is at work: the client waits and asks again
                    await asyncio.sleep(0.05)
                    answer = await client.post("/v1/auth/tokens", json=body, headers=headers)
                return answer

            answers = await asyncio.gather(*(refresh() for _ in range(4)))
    good = [answer.json()["refresh_token"] for answer in answers if answer.status_code == 200]
    with psycopg.connect(database_url) as connection:
        ((reason,),) = connection.execute("select end_reason from account_session").fetchall()
    if key:
        assert len(good) == 4
        assert len(set(good)) == 1
        assert reason is None
    else:
        assert len(good) == 1
        assert reason == "refresh_reused"
