"""Devices stay signed in by refresh tokens, each good once; sessions end, in every process, within five seconds."""

import secrets
import time
from datetime import timedelta

import httpx
import psycopg
import pytest

from api.identity.sessions import end_all_sessions, open_session, recall_tokens, refresh_session
from api.identity.tokens import AccessTokens
from booking.people.models import Account
from core import clock
from core.ids import new_id
from tests.api.running import serving
from tests.api.signing_in import RING, bearer, later, new_phone, post, sign_in_by_phone

EFFECTIVE_SECONDS = 5.0


@pytest.fixture(scope="module")
def url(edited):
    return edited[0].url


@pytest.fixture(scope="module")
def database(edited):
    return edited[1]


@pytest.fixture(scope="module")
def sql(database):
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def phone():
    return new_phone()


def refresh(url, token, **headers):
    return post(url, "/v1/auth/tokens", {"grant": "refresh", "refresh_token": token}, **headers)


def sessions(url, tokens, **query):
    answer = httpx.get(f"{url}/v1/me/sessions", params=query, headers=bearer(tokens), trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.json()


def status(url, tokens):
    return httpx.get(f"{url}/v1/me/sessions", headers=bearer(tokens), trust_env=False).status_code


def delete(url, path, tokens):
    return httpx.delete(url + path, headers=bearer(tokens), trust_env=False)


def seconds_until_refused(url, tokens):
    began = time.monotonic()
    while status(url, tokens) != 401:
        assert time.monotonic() - began < EFFECTIVE_SECONDS
        time.sleep(0.05)
    return time.monotonic() - began


def end_of(sql, tokens):
    return sql.execute(
        "select end_reason from account_session where id = %s", (tokens["session_id"],)
    ).fetchone()[0]


def test_a_refresh_gives_new_tokens_of_the_same_session(url, database, phone):
    first = sign_in_by_phone(url, database, phone)
    second = refresh(url, first["refresh_token"]).json()
    assert second["session_id"] == first["session_id"]
    assert second["refresh_token"] != first["refresh_token"]
    assert status(url, second) == 200
    third = refresh(url, second["refresh_token"])
    assert third.status_code == 200


def test_a_refresh_token_used_again_ends_the_session_and_leaves_a_trace(url, database, sql, phone):
    first = sign_in_by_phone(url, database, phone)
    second = refresh(url, first["refresh_token"]).json()
    answer = refresh(url, first["refresh_token"])
    assert (answer.status_code, answer.json()["code"]) == (401, "refresh-reused")
    assert end_of(sql, first) == "refresh_reused"
    answer = refresh(url, second["refresh_token"])
    assert (answer.status_code, answer.json()["code"]) == (401, "refresh-refused")
    assert seconds_until_refused(url, second) < EFFECTIVE_SECONDS


def test_a_refresh_whose_answer_was_lost_is_asked_again_under_its_key(url, database, phone):
    first = sign_in_by_phone(url, database, phone)
    key = secrets.token_hex(8)
    lost, again = (refresh(url, first["refresh_token"], Idempotency_Key=key) for _ in range(2))
    assert lost.status_code == again.status_code == 200
    assert again.json() == lost.json()
    assert refresh(url, again.json()["refresh_token"]).status_code == 200


def test_a_lost_refresh_is_asked_again_from_another_network(own_city_url, redis_url, tmp_path):
    """A phone leaves the wireless network of its home between the two."""
    with serving(tmp_path / "log", database_url=own_city_url, redis_url=redis_url) as one:
        first = sign_in_by_phone(one.url, own_city_url, "13800000001")
        key = secrets.token_hex(8)
        said = [
            refresh(one.url, first["refresh_token"], Idempotency_Key=key, X_Forwarded_For=address)
            for address in ("198.51.100.7", "203.0.113.9")
        ]
        assert [answer.status_code for answer in said] == [200, 200]
        assert said[0].json() == said[1].json()


@pytest.mark.parametrize(
    "forge",
    [
        lambda _: "",
        lambda _: "x.1.y.z",
        lambda token: token + "x",
        lambda token: token.replace(".1.", ".2.", 1),
        lambda token: ".".join([*token.split(".")[:2], "made-up", token.split(".")[3]]),
        lambda token: ".".join([token.split(".")[0], "0", "made-up", "made-up"]),
        lambda token: token.replace(token.split(".")[0], new_id().hex),
    ],
)
def test_a_refresh_token_made_up_is_refused(url, database, phone, forge):
    first = sign_in_by_phone(url, database, phone)
    answer = refresh(url, forge(first["refresh_token"]))
    assert answer.status_code in (401, 422)


def test_who_knows_only_the_id_of_a_session_cannot_end_it(url, database, sql, phone):
    first = sign_in_by_phone(url, database, phone)
    session_id = first["session_id"].replace("-", "")
    assert refresh(url, f"{session_id}.0.made-up.made-up").json()["code"] == "refresh-refused"
    assert end_of(sql, first) is None


def test_a_session_that_was_not_used_for_thirty_days_is_over(url, database, sql, phone):
    first = sign_in_by_phone(url, database, phone)
    ((days,),) = sql.execute(
        "select extract(day from expires_at - seen_at) from account_session where id = %s",
        (first["session_id"],),
    ).fetchall()
    assert days == 30
    sql.execute("update account_session set expires_at = now() where id = %s", (first["session_id"],))
    assert refresh(url, first["refresh_token"]).json()["code"] == "refresh-refused"
    assert sessions(url, first)["items"] == []


def test_who_is_locked_gets_no_new_tokens(url, database, sql, phone):
    first = sign_in_by_phone(url, database, phone)
    sql.execute("update account set state = 'locked' where id = %s", (first["account"]["id"],))
    assert refresh(url, first["refresh_token"]).json()["code"] == "refresh-refused"
    assert end_of(sql, first) == "locked"


def test_the_list_shows_each_device_and_which_one_asks(url, database, phone):
    devices = []
    for channel in ("app", "web", "kiosk"):
        devices.append(sign_in_by_phone(url, database, phone, X_Channel=channel))
        later(database, phone, 2)
    shown = sessions(url, devices[0])["items"]
    assert [one["channel"] for one in shown] == ["kiosk", "web", "app"]
    assert [one["current"] for one in shown] == [False, False, True]
    first = sessions(url, devices[0], limit=2)
    rest = sessions(url, devices[0], limit=2, next=first["next"])
    assert [one["id"] for one in first["items"] + rest["items"]] == [one["id"] for one in shown]
    assert rest["next"] is None


def test_a_cursor_of_somebody_else_is_refused(url, database):
    mine, theirs = new_phone(), new_phone()
    tokens = [sign_in_by_phone(url, database, mine)]
    later(database, mine, 2)
    sign_in_by_phone(url, database, mine)
    cursor = sessions(url, tokens[0], limit=1)["next"]
    other = sign_in_by_phone(url, database, theirs)
    answer = httpx.get(
        f"{url}/v1/me/sessions", params={"next": cursor}, headers=bearer(other), trust_env=False
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "invalid-cursor")


def test_nobody_ends_the_session_of_somebody_else(url, database, sql):
    mine, theirs = (sign_in_by_phone(url, database, new_phone()) for _ in range(2))
    answer = delete(url, f"/v1/me/sessions/{theirs['session_id']}", mine)
    assert (answer.status_code, answer.json()["code"]) == (404, "session-not-found")
    assert end_of(sql, theirs) is None


def test_a_device_that_was_lost_is_signed_out_from_another_one(url, database, sql, phone):
    lost = sign_in_by_phone(url, database, phone)
    later(database, phone, 2)
    mine = sign_in_by_phone(url, database, phone)
    assert delete(url, f"/v1/me/sessions/{lost['session_id']}", mine).status_code == 204
    assert end_of(sql, lost) == "ended"
    assert refresh(url, lost["refresh_token"]).status_code == 401
    assert seconds_until_refused(url, lost) < EFFECTIVE_SECONDS
    assert [one["id"] for one in sessions(url, mine)["items"]] == [mine["session_id"]]
    assert delete(url, f"/v1/me/sessions/{lost['session_id']}", mine).status_code == 404


def test_a_session_ended_in_one_process_is_over_in_the_other_within_five_seconds(
    own_city_url, redis_url, tmp_path
):
    settings = {"database_url": own_city_url, "redis_url": redis_url}
    with (
        serving(tmp_path / "one", **settings) as one,
        serving(tmp_path / "two", **settings) as two,
    ):
        tokens = sign_in_by_phone(one.url, own_city_url, "13800000001")
        assert status(two.url, tokens) == 200
        assert delete(one.url, "/v1/auth/tokens", tokens).status_code == 204
        taken = max(seconds_until_refused(process.url, tokens) for process in (two, one))
        assert taken < EFFECTIVE_SECONDS
        answer = httpx.get(f"{two.url}/v1/me/sessions", headers=bearer(tokens), trust_env=False)
        assert answer.json()["code"] == "invalid-token"
        assert refresh(two.url, tokens["refresh_token"]).status_code == 401


# In the domain, at times of our choosing.


@pytest.fixture
def tokens():
    return AccessTokens(RING, environment="production")


@pytest.fixture
async def account(session):
    made = Account(id=new_id(), kind="resident", state="active", assurance="phone", created_at=clock.now())
    session.add(made)
    await session.flush()
    return made


async def test_a_refresh_tells_the_assurance_of_now(session, tokens, account):
    now = clock.now()
    first = await open_session(
        session, tokens, ring=RING, account=account, channel="app", device="手机", now=now
    )
    account.assurance = "real_name"
    await session.flush()
    second = await refresh_session(session, tokens, refresh_token=first.refresh_token, now=now)
    assert (first.assurance, second.assurance) == ("phone", "real_name")
    assert tokens.verify(second.access_token, now=now).assurance == "real_name"


async def test_tokens_called_in_are_replaced_by_a_refresh_in_the_same_second(session, tokens, account):
    now = clock.now().replace(microsecond=300_000)
    first = await open_session(
        session, tokens, ring=RING, account=account, channel="app", device=None, now=now
    )
    recalled = now + timedelta(milliseconds=200)
    await recall_tokens(session, account_id=account.id, now=recalled)
    second = await refresh_session(
        session, tokens, refresh_token=first.refresh_token, now=now + timedelta(milliseconds=400)
    )
    # What api/identity/ended.py asks of each:
    assert tokens.verify(first.access_token, now=now).issued_at < recalled.timestamp()
    assert not tokens.verify(second.access_token, now=now).issued_at < recalled.timestamp()


async def test_every_session_of_an_account_ends_and_no_other_one(session, tokens, account):
    now = clock.now()
    other = Account(id=new_id(), kind="resident", state="active", assurance="phone", created_at=now)
    session.add(other)
    await session.flush()
    opened = [
        await open_session(session, tokens, ring=RING, account=whose, channel="app", device=None, now=now)
        for whose in (account, account, other)
    ]
    await end_all_sessions(session, account_id=account.id, reason="erased", now=now)
    after = [
        await refresh_session(session, tokens, refresh_token=one.refresh_token, now=now) for one in opened
    ]
    assert [getattr(one, "code", "refreshed") for one in after] == [
        "refresh-refused",
        "refresh-refused",
        "refreshed",
    ]
