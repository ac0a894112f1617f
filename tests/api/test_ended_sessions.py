"""Following which sessions ended: whatever happens to the follower, nobody is let through unseen or locked out for good."""

import asyncio
from datetime import timedelta

import pytest

from api.identity import ended as module
from api.identity.ended import BLIND_SECONDS, POLL_SECONDS, EndedSessions, SessionsUnknown
from api.identity.tokens import AccessTokens, Claims
from core import clock
from core.database import Database
from core.ids import new_id
from core.settings import Settings
from tests.api.people import sign_in


def claims_of(database_url, ring) -> Claims:
    token = sign_in(database_url, kind="resident")["Authorization"].removeprefix("Bearer ")
    return AccessTokens(ring, environment="production").verify(token, now=clock.now())


async def test_an_error_nobody_thought_of_does_not_end_the_following(database, database_url, ring):
    claims, asked = claims_of(database_url, ring), 0

    def now():
        nonlocal asked
        asked += 1
        if asked == 2:  # the first reading in the background
            raise RuntimeError("a clock that fails once")
        return clock.now()

    ended = EndedSessions(database, clock=now)
    await ended.start()
    try:
        await asyncio.sleep(2 * POLL_SECONDS + 1)
        assert asked >= 3
        ended.check(claims, now=clock.now())
    finally:
        await ended.stop()


async def test_nobody_signed_in_is_let_through_while_the_list_cannot_be_read(
    tmp_path, database, database_url, ring
):
    claims = claims_of(database_url, ring)
    async with Database(Settings(database_url=f"postgresql:///nothing?host={tmp_path}")) as away:
        never = EndedSessions(away, clock=clock.now)
        await never.poll()
        with pytest.raises(SessionsUnknown):
            never.check(claims, now=clock.now())
    once = EndedSessions(database, clock=clock.now)
    await once.poll()
    now = clock.now()
    once.check(claims, now=now)
    assert BLIND_SECONDS < 5  # an ended session must stop within 5 s
    with pytest.raises(SessionsUnknown):
        once.check(claims, now=now + timedelta(seconds=BLIND_SECONDS))


async def test_sessions_that_ended_long_ago_are_not_read_again_and_again(database, database_url):
    """Their tokens have run out; the list stays as short as what happened in a token's lifetime."""
    async with database.hot() as connection:
        await connection.execute(
            "insert into account (id, kind, created_at) values (%s, 'resident', now())",
            (account := new_id(),),
        )
        await connection.execute(
            "insert into account_session (id, account_id, channel, refresh_digest, created_at, seen_at, expires_at,"
            " ended_at, end_reason, changed_at) select gen_random_uuid(), %s, 'app', '', now(), now(), now(), at,"
            " 'signed_out', at from (select now() - i * interval '1 minute' as at from generate_series(0, 9999) i) as t",
            (account,),
        )
        await connection.execute("analyze account_session")
        plan = await (
            await connection.execute("explain " + module.CHANGED, (clock.now() - module.REMEMBERED,))
        ).fetchall()
        rows = await (await connection.execute(module.CHANGED, (clock.now() - module.REMEMBERED,))).fetchall()
    assert "account_session_changed_at_idx" in str(plan)
    assert len(rows) <= 18
