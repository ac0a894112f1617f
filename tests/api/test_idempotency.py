"""A request sent again with its Idempotency-Key is done once, and answered as the first time."""

import json
import secrets
import socket
from datetime import timedelta

import httpx
import psycopg
import pytest
from sqlalchemy import text

from api.kept_answers import KEPT, find_kept, is_same_request, keep, lock_key, read_kept
from core import clock
from core.actor import Grant
from core.keyring import Key, KeyRing
from tests.api.people import sign_in
from tests.api.running import ROOT, wait_until
from tests.api.test_problems import assert_problem
from tests.api.trial import trial
from tests.conftest import create_database, drop_database, url_of

PHONE = "13893112345"


@pytest.fixture(scope="module")
def served(tmp_path_factory, server_url, template, redis_url):
    """A server with the trial's calls, and its database's address."""
    name = create_database(server_url, template)
    log = tmp_path_factory.mktemp("trial") / "log"
    with trial(log, database_url=url_of(server_url, name), redis_url=redis_url) as one:
        yield one, url_of(server_url, name)
    drop_database(server_url, name)


@pytest.fixture
def client(served):
    with httpx.Client(base_url=served[0].url, trust_env=False, timeout=15) as one:
        yield one


@pytest.fixture(scope="module")
def stored(served):
    """How many things of a name there are."""
    with psycopg.connect(served[1], autocommit=True) as connection:
        yield lambda name: connection.execute(
            "select count(*) from trial_thing where name = %s", (name,)
        ).fetchone()[0]


@pytest.fixture(scope="module")
def resident(served):
    return sign_in(served[1], kind="resident")


def new_key():
    return {"Idempotency-Key": secrets.token_urlsafe(18)}


def new_name():
    return f"thing-{secrets.token_hex(6)}"


def test_the_same_request_again_gets_the_same_answer_and_is_done_once(client, stored, resident):
    name, headers = new_name(), resident | new_key()
    first, again = (client.post("/trial/things", json={"name": name}, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    for header in ("location", "etag", "content-type", "cache-control"):
        assert first.headers[header] == again.headers[header]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert stored(name) == 1


def test_without_a_key_it_is_done_each_time(client, stored, resident):
    name = new_name()
    for _ in range(2):
        assert client.post("/trial/things", json={"name": name}, headers=resident).status_code == 201
    assert stored(name) == 2


def test_an_answer_without_a_body_is_repeated_too(client, resident):
    headers = resident | new_key()
    first, again = (client.post("/trial/nothing", headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (204, 204)
    assert (first.content, again.content) == (b"", b"")
    assert again.headers["idempotent-replayed"] == "true"


def test_a_call_that_needs_a_key_says_so(client, stored, resident):
    name = new_name()
    body = assert_problem(
        client.post("/trial/required", json={"name": name}, headers=resident), 400, "bad-request"
    )
    assert "Idempotency-Key" in body["detail"]
    assert stored(name) == 0
    assert (
        client.post("/trial/required", json={"name": name}, headers=resident | new_key()).status_code == 201
    )


def test_the_documentation_says_where_a_key_is_required(client):
    paths = client.get("/openapi.json").json()["paths"]
    for path, required in (("/trial/things", False), ("/trial/required", True), ("/trial/nothing", False)):
        (header,) = [
            one for one in paths[path]["post"]["parameters"] if one["name"].lower() == "idempotency-key"
        ]
        assert (header["in"], header["required"]) == ("header", required)


# Reads with a body, secrets that are shown once, and what hashes a password: no key, and docs/idempotency.md says so.
WITHOUT = {
    "/v1/staff/persons/search",
    "/v1/staff/persons/{person_id}/reveal",
    "/v1/staff/corrections/{correction_id}/contact",
    "/v1/staff/desk/search",
    "/v1/auth/enrolments",
    "/v1/auth/enrolments/confirm",
    "/v1/me/password",
}


def test_every_post_takes_a_key_but_those_that_are_documented(client):
    def takes(call):
        return any(one["name"].lower() == "idempotency-key" for one in call.get("parameters", ()))

    paths = client.get("/openapi.json").json()["paths"]
    bare = {path for path, calls in paths.items() if "post" in calls and not takes(calls["post"])}
    bare = {path for path in bare if not path.startswith("/trial/")}
    assert bare == WITHOUT
    documented = (ROOT / "docs" / "idempotency.md").read_text()
    assert [path for path in bare if f"`POST {path}`" not in documented] == []


@pytest.mark.parametrize("key", ["short", "x" * 201, "has a space", "中文钥匙中文钥匙".encode(), ""])
def test_a_key_is_8_to_200_visible_ascii_characters(client, resident, key):
    answer = client.post(
        "/trial/things", json={"name": "never"}, headers={**resident, "Idempotency-Key": key}
    )
    assert_problem(answer, 422, "invalid-request")
    assert answer.json()["errors"][0]["pointer"].lower() == "/header/idempotency-key"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/trial/things", {"name": "other"}),
        ("/trial/things/a", None),
        ("/trial/things/b?x=1", None),
        ("/trial/required", None),
    ],
    ids=["body", "path", "query", "route"],
)
def test_the_key_of_another_request_is_refused(client, resident, path, body):
    headers, name = resident | new_key(), new_name()
    assert client.post("/trial/things", json={"name": name}, headers=headers).status_code == 201
    answer = client.post(path, json=body or {"name": name}, headers=headers)
    assert_problem(answer, 422, "idempotency-key-reused")


def test_a_refusal_keeps_nothing_so_that_the_same_key_may_try_again(client, stored, resident):
    name, headers = new_name(), resident | new_key()
    refused = client.post("/trial/things", json={"name": name, "outcome": "refused"}, headers=headers)
    assert_problem(refused, 409, "trial-refused")
    invalid = client.post("/trial/things", json={"nom": name}, headers=headers)
    assert_problem(invalid, 422, "invalid-request")
    error = client.post(
        "/trial/things",
        json={"name": name, "outcome": "error"},
        headers=headers | {"Connection": "close"},  # uvicorn closes it behind an error
    )
    assert_problem(error, 500, "internal")
    answer = client.post("/trial/things", json={"name": name}, headers=headers)
    assert answer.status_code == 201
    assert "idempotent-replayed" not in answer.headers
    assert stored(name) == 1


def test_a_key_is_its_callers_own(client, served, stored, resident):
    """Two accounts, and a caller who is not signed in, may use the same key without learning of each other."""
    name, key = new_name(), new_key()
    callers = [resident, sign_in(served[1], kind="resident"), {}]
    ids = {
        client.post("/trial/things", json={"name": name}, headers=caller | key).json()["id"]
        for caller in callers
    }
    assert len(ids) == stored(name) == len(callers)


def test_signed_out_a_key_belongs_to_the_address_and_to_the_same_request_from_another(client, stored):
    """A phone that changed from one network to the next asks again."""
    name, key = new_name(), new_key()
    at_home, on_the_way = ({"X-Forwarded-For": address} for address in ("203.0.113.7", "2001:db8::7"))
    first = client.post("/trial/things", json={"name": name}, headers=at_home | key)
    again = client.post("/trial/things", json={"name": name}, headers=on_the_way | key)
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert stored(name) == 1
    reused = client.post("/trial/things", json={"name": "other"}, headers=at_home | key)
    assert_problem(reused, 422, "idempotency-key-reused")
    # Somebody else who happens to have chosen the same key is not held up by it.
    other = client.post("/trial/things", json={"name": "other"}, headers=on_the_way | key)
    assert other.status_code == 201
    assert other.json()["name"] == "other"


def test_a_caller_who_may_no_longer_do_it_gets_no_answer_of_earlier(client, served):
    key = new_key()
    staff = sign_in(served[1], Grant("site_staff", "district"))
    first = client.post("/trial/staff", json={"name": new_name()}, headers=staff | key)
    assert first.status_code == 201
    anyone = client.post("/trial/staff", json={"name": "x"}, headers=key)
    assert_problem(anyone, 401, "not-signed-in")
    resident = sign_in(served[1], kind="resident")
    assert_problem(
        client.post("/trial/staff", json={"name": "x"}, headers=resident | key), 403, "not-allowed"
    )


def test_an_answer_lost_on_the_way_is_given_again(served, client, stored, resident):
    """The phone goes into a tunnel once it has sent; the work commits; the phone asks again."""
    name, headers = new_name(), resident | new_key()
    body = json.dumps({"name": name, "pause_seconds": 0.5}).encode()
    said = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    address = httpx.URL(served[0].url)
    with socket.create_connection((address.host, address.port), timeout=10) as connection:
        connection.sendall(
            f"POST /trial/things HTTP/1.1\r\nHost: x\r\n{said}Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        # Gone without reading: an RST instead of a farewell.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wait_until(lambda: stored(name) == 1, "the work is committed though nobody listens")
    again = client.post("/trial/things", content=body, headers=headers | {"Content-Type": "application/json"})
    assert again.status_code == 201
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["name"] == name
    assert stored(name) == 1


def test_while_it_is_worked_on_the_same_request_is_told_to_wait(served, client, stored, resident):
    name, headers = new_name(), resident | new_key()
    body = json.dumps({"name": name, "pause_seconds": 1.5}).encode()
    said = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    address = httpx.URL(served[0].url)
    with socket.create_connection((address.host, address.port), timeout=10) as connection:
        connection.sendall(
            f"POST /trial/things HTTP/1.1\r\nHost: x\r\n{said}Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            + body
        )
        wait_until(lambda: locks(served[1]), "the first one holds its key")
        busy = client.post(
            "/trial/things", content=body, headers=headers | {"Content-Type": "application/json"}
        )
        assert_problem(busy, 409, "request-in-progress")
        assert busy.headers["retry-after"] == "1"
        received = b""
        while part := connection.recv(65536):
            received += part
    assert received.startswith(b"HTTP/1.1 201 ")
    assert stored(name) == 1


def locks(database_url):
    with psycopg.connect(database_url) as connection:
        return connection.execute(
            "select count(*) from pg_locks where locktype = 'advisory' and database ="
            " (select oid from pg_database where datname = current_database())"
        ).fetchone()[0]


def test_the_table_tells_nobody_who_asked_for_what(served, client, resident):
    """Personal data in body, answer and key: none of it is legible in what is kept."""
    name = f"张桂兰 {PHONE}"
    key = {"Idempotency-Key": f"for-{PHONE}"}
    assert client.post("/trial/things", json={"name": name}, headers=resident | key).status_code == 201
    with psycopg.connect(served[1]) as connection:
        kept = connection.execute("select kept_answer::text from kept_answer").fetchall()
        plain = connection.execute("select trial_thing::text from trial_thing").fetchall()
    forms = [form for said in ("张桂兰", PHONE) for form in (said, said.encode().hex())]
    assert any(PHONE in row for (row,) in plain)  # negative control: where it is plain, it is found
    assert [row for (row,) in kept if any(form in row for form in forms)] == []


async def test_an_answer_is_kept_for_a_day_and_then_the_key_may_be_used_again(session, ring):
    now = clock.now()
    asked = {"owner": "account:1", "key": "key-of-a-day"}
    told = {"request": "r", "route": "POST /x", "status": 201, "body": b"{}", "headers": {"ETag": '"v1"'}}
    await keep(session, ring, **asked, **told, now=now)
    kept = await find_kept(session, ring, **asked, now=now + KEPT - timedelta(seconds=1))
    assert read_kept(ring, kept) == (b"{}", {"ETag": '"v1"'})
    assert await find_kept(session, ring, **asked, now=now + KEPT) is None
    await keep(session, ring, **asked, **told, now=now + KEPT)


async def test_an_answer_is_found_while_keys_are_replaced(session, ring):
    now = clock.now()
    asked = {"owner": "account:2", "key": "key-of-before"}
    await keep(
        session, ring, **asked, request="r", route="POST /x", status=200, body=b"1", headers={}, now=now
    )
    newer = KeyRing([Key.create("t3", "gm"), *ring.keys.values()])
    kept = await find_kept(session, newer, **asked, now=now)
    assert is_same_request(newer, kept, "r")
    assert not is_same_request(newer, kept, "s")
    assert read_kept(newer, kept)[0] == b"1"


async def test_a_key_in_use_is_locked_for_everyone_else_until_the_transaction_ends(database):
    asked = {"owner": "account:3", "key": "key-in-use"}
    async with database.transaction() as other:
        async with database.transaction() as first:
            assert await lock_key(first, **asked)
            assert not await lock_key(other, **asked)
            assert await lock_key(other, owner="account:4", key="key-in-use")
        assert await lock_key(other, **asked)


@pytest.mark.parametrize(
    ("index", "query"),
    [
        (
            "kept_answer_key_blind_key",
            "select * from kept_answer where key_blind in ('\\x01'::bytea, '\\x02'::bytea)",
        ),
        (
            "kept_answer_expires_at_idx",
            "select ctid from kept_answer where expires_at < now() limit 1000",
        ),
    ],
)
async def test_the_look_up_and_the_purge_use_their_indexes(session, index, query):
    await session.execute(
        text(
            "insert into kept_answer select gen_random_uuid(), sha256(i::text::bytea), '', 'POST /x', 201, '', now(),"
            " now() + i * interval '1 second' from generate_series(1, 20000) i"
        )
    )
    await session.execute(text("analyze kept_answer"))
    plan = "\n".join((await session.execute(text(f"explain {query}"))).scalars())
    assert index in plan
