"""Residents sign in with a code sent to their phone; what is wrong with a code is refused, and how."""

import json
import secrets

import httpx
import psycopg
import pytest

from core.ids import new_id
from tests.api.people import sign_in
from tests.api.running import free_port, serving
from tests.api.signing_in import (
    RING,
    ask_for_code,
    bearer,
    code_of,
    later,
    messages,
    new_phone,
    post,
    sign_in_by_phone,
    try_code,
)


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


def get(url, path, headers):
    return httpx.get(url + path, headers=headers, trust_env=False)


def wrong(code):
    return f"{(int(code) + 1) % 1_000_000:06}"


def test_a_phone_signs_in_with_its_code_and_is_known_the_next_time(url, database):
    phone = new_phone()
    first = sign_in_by_phone(url, database, phone, X_Channel="app")
    assert first["token_type"] == "Bearer"
    assert 890 <= first["expires_in"] <= 900
    assert first["assurance"] == "phone"
    assert first["account"]["kind"] == "resident"
    (session,) = get(url, "/v1/me/sessions", bearer(first)).json()["items"]
    assert (session["id"], session["channel"], session["current"]) == (first["session_id"], "app", True)
    later(database, phone, 2)
    second = sign_in_by_phone(url, database, phone)
    assert second["account"] == first["account"]
    assert second["session_id"] != first["session_id"]


def test_tokens_are_not_kept_by_anybody_on_the_way(url, database):
    phone = new_phone()
    ask_for_code(url, phone)
    answer = try_code(url, phone, code_of(database, phone))
    assert answer.headers["cache-control"] == "no-store"


def test_asking_for_a_code_tells_nothing_about_whether_there_is_an_account(url, database):
    known, unknown = new_phone(), new_phone()
    sign_in_by_phone(url, database, known)
    later(database, known, 2)
    answers = [ask_for_code(url, phone) for phone in (known, unknown)]
    assert [one.status_code for one in answers] == [202, 202]
    assert answers[0].content == answers[1].content == b'{"expires_in":300,"again_in":60}'
    unequal = {"x-request-id", "date"}
    first, second = (
        {name: value for name, value in one.headers.items() if name not in unequal} for one in answers
    )
    assert first == second
    assert [len(messages(database, phone)[-1][1]["code"]) for phone in (known, unknown)] == [6, 6]


def test_one_phone_however_it_is_written_is_one_account(url, database):
    phone = new_phone()
    accounts = set()
    full_width = "".join(chr(ord(digit) + 0xFEE0) for digit in phone)
    for written in (phone, f"+86 {phone[:3]} {phone[3:7]} {phone[7:]}", f"0086-{phone}", full_width):
        assert ask_for_code(url, written).status_code == 202
        answer = try_code(url, written, code_of(database, phone))
        accounts.add(answer.json()["account"]["id"])
        later(database, phone, 2)
    assert len(accounts) == 1


def test_another_code_within_a_minute_is_refused_and_says_when(url, database):
    phone = new_phone()
    ask_for_code(url, phone)
    answer = ask_for_code(url, phone)
    assert (answer.status_code, answer.json()["code"]) == (429, "code-too-soon")
    assert 55 <= int(answer.headers["retry-after"]) <= 60
    assert len(messages(database, phone)) == 1


def test_ten_codes_a_day_and_no_more(url, database):
    phone = new_phone()
    for _ in range(10):
        assert ask_for_code(url, phone).status_code == 202
        later(database, phone, 2)
    answer = ask_for_code(url, phone)
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-codes")
    assert 23 * 3600 < int(answer.headers["retry-after"]) <= 24 * 3600
    later(database, phone, 24 * 60 - 19)
    assert ask_for_code(url, phone).status_code == 202


def test_a_code_is_good_once(url, database):
    phone = new_phone()
    sign_in_by_phone(url, database, phone)
    answer = try_code(url, phone, code_of(database, phone))
    assert (answer.status_code, answer.json()["code"]) == (401, "code-refused")


def test_after_five_wrong_tries_the_right_code_is_refused(url, database):
    phone = new_phone()
    ask_for_code(url, phone)
    code = code_of(database, phone)
    for _ in range(5):
        assert try_code(url, phone, wrong(code)).status_code == 401
    assert try_code(url, phone, code).status_code == 401


def test_the_fifth_try_still_counts(url, database):
    phone = new_phone()
    ask_for_code(url, phone)
    code = code_of(database, phone)
    for _ in range(4):
        try_code(url, phone, wrong(code))
    assert try_code(url, phone, code).status_code == 200


def test_a_new_code_voids_the_one_before(url, database):
    phone = new_phone()
    ask_for_code(url, phone)
    old = code_of(database, phone)
    later(database, phone, 2)
    ask_for_code(url, phone)
    new = code_of(database, phone)
    if new != old:  # once in a million
        assert try_code(url, phone, old).status_code == 401
    assert try_code(url, phone, new).status_code == 200


def test_a_code_is_good_for_five_minutes(url, database):
    phone = new_phone()
    ask_for_code(url, phone)
    later(database, phone, 5)
    assert try_code(url, phone, code_of(database, phone)).status_code == 401


def test_a_code_is_of_no_use_with_another_phone(url, database):
    mine, theirs = new_phone(), new_phone()
    ask_for_code(url, mine)
    ask_for_code(url, theirs)
    if code_of(database, mine) != code_of(database, theirs):
        assert try_code(url, theirs, code_of(database, mine)).status_code == 401


@pytest.mark.parametrize("state", ["locked", "erased"])
def test_who_is_locked_or_gone_gets_the_answer_of_a_wrong_code(url, database, sql, state):
    phone = new_phone()
    account = sign_in_by_phone(url, database, phone)["account"]["id"]
    later(database, phone, 2)
    clear = ", phone = null, phone_blind = null" if state == "erased" else ""
    sql.execute(f"update account set state = %s{clear} where id = %s", (state, account))
    ask_for_code(url, phone)
    code = code_of(database, phone)
    wrong_answer, answer = try_code(url, phone, wrong(code)), try_code(url, phone, code)
    if state == "locked":
        assert (answer.status_code, answer.content) == (401, wrong_answer.content)
    else:  # the phone is free again, and whoever has it now is somebody new
        assert answer.json()["account"]["id"] != account


def test_staff_do_not_get_round_their_password_with_a_phone(url, database, sql):
    phone, account = new_phone(), new_id()
    sql.execute(
        "insert into account (id, kind, phone, phone_blind, created_at) values (%s, 'staff', %s, %s, now())",
        (
            account,
            RING.encrypt("account.phone", account, f"+86{phone}"),
            RING.blind("account.phone", f"+86{phone}"),
        ),
    )
    ask_for_code(url, phone)
    answer = try_code(url, phone, code_of(database, phone))
    assert (answer.status_code, answer.json()["code"]) == (401, "code-refused")


def test_the_same_request_sent_again_gets_the_same_tokens(url, database):
    phone = new_phone()
    ask_for_code(url, phone)
    code, key = code_of(database, phone), secrets.token_hex(8)
    first, again = (try_code(url, phone, code, Idempotency_Key=key) for _ in range(2))
    assert first.status_code == again.status_code == 200
    assert again.headers["idempotent-replayed"] == "true"
    assert again.content == first.content


@pytest.mark.parametrize("phone", ["12345", "abc", "", "138000000011", "+86 23800000001", "1" * 41, "+999 1"])
def test_what_is_no_phone_is_refused_without_being_repeated(url, phone):
    answer = ask_for_code(url, phone)
    assert answer.status_code == 422
    assert answer.json()["code"] in ("invalid-phone", "invalid-request")
    assert "138000000011" not in answer.text


@pytest.mark.parametrize("phone", ["0931-8888888", "+1 415 555 2671", "+44 7400 123456"])
def test_no_code_goes_to_a_fixed_line_or_a_country_that_is_not_served(url, phone):
    answer = ask_for_code(url, phone)
    assert (answer.status_code, answer.json()["code"]) == (422, "phone-not-reached")


def test_a_phone_of_hong_kong_gets_a_code(url):
    assert ask_for_code(url, "+852 9123 4567").status_code == 202


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"grant": "phone_code"}, ["/body/phone", "/body/code"]),
        ({"grant": "phone_code", "phone": "13800000001", "code": "12345"}, ["/body/code"]),
        ({"grant": "phone_code", "phone": "13800000001", "code": "１２３４５６"}, ["/body/code"]),
        ({"grant": "phone_code", "phone": "1", "code": "123456", "more": 1}, ["/body/more"]),
        ({"grant": "phone_code", "phone": "1\x00", "code": "123456"}, ["/body/phone"]),
        ({"grant": "phone_code", "phone": "1", "code": "123456", "device": "\ud800"}, ["/body/device"]),
        ({"grant": "magic"}, ["/body"]),
        ({}, ["/body"]),
        ([], ["/body"]),
        ({"grant": "refresh", "refresh_token": 1}, ["/body/refresh_token"]),
    ],
)
def test_what_is_wrong_with_a_request_is_named(url, body, pointers):
    sent = json.dumps(body)
    answer = httpx.post(
        f"{url}/v1/auth/tokens",
        content=sent,
        headers={"Content-Type": "application/json"},
        trust_env=False,
    )
    assert answer.status_code == 422
    assert [one["pointer"] for one in answer.json()["errors"]] == pointers
    assert "无效" not in answer.json()["detail"]


def test_what_is_no_json_is_said_of_the_whole_body(url):
    answer = httpx.post(
        f"{url}/v1/auth/tokens",
        content='{"grant": ',
        headers={"Content-Type": "application/json"},
        trust_env=False,
    )
    assert answer.status_code == 422
    assert [one["pointer"] for one in answer.json()["errors"]] == ["/body"]


def test_an_unknown_channel_is_refused(url):
    assert try_code(url, "13800000001", "123456", X_Channel="system").status_code == 422


def test_neither_phones_nor_codes_can_be_read_in_the_tables(url, database, sql):
    phone = new_phone()
    sign_in_by_phone(url, database, phone)
    code = code_of(database, phone)
    tables = ("account", "one_time_code", "message", "account_session", "audit_entry")

    def dumped():
        return "".join(
            str(row) for table in tables for row in sql.execute(f"select to_jsonb(t)::text from {table} t")
        )

    def legible(said):
        return said in dumped() or said.encode().hex() in dumped()

    assert not legible(phone)
    assert not legible(f'"{code}"')
    # Negative control: what is written down plainly is found.
    sql.execute(
        "update account set language = %s where id = (select max(id::text)::uuid from account)", (phone,)
    )
    assert legible(phone)
    sql.execute("update account set language = 'zh-CN' where language = %s", (phone,))


def test_neither_phones_nor_codes_are_logged(edited, database):
    phone = new_phone()
    sign_in_by_phone(edited[0].url, database, phone)
    log = edited[0].log_path.read_text()
    assert phone not in log
    assert code_of(database, phone) not in log


def test_signing_in_is_on_record(url, database, sql):
    tokens = sign_in_by_phone(url, database, new_phone(), X_Channel="kiosk")
    rows = sql.execute(
        "select action, object_id, channel, detail from audit_entry where account_id = %s",
        (tokens["account"]["id"],),
    ).fetchall()
    assert rows == [("session.start", tokens["session_id"], "kiosk", {"grant": "phone_code"})]


def test_without_redis_no_code_is_sent_and_nobody_can_guess(own_city_url, tmp_path):
    dead = f"redis://127.0.0.1:{free_port()}/0"
    with serving(
        tmp_path / "log", ready=False, database_url=own_city_url, redis_url=dead, limits="on"
    ) as one:
        for answer in (ask_for_code(one.url, "13800000001"), try_code(one.url, "13800000001", "123456")):
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) >= 1


def test_staff_have_sessions_too(url, database):
    headers = sign_in(database)
    assert len(get(url, "/v1/me/sessions", headers).json()["items"]) == 1
    answer = post(
        url,
        "/v1/me/identities",
        {"grant": "phone_code", "phone": "13800000001", "code": "123456"},
        **headers,
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "code-refused")
