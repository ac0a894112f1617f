"""One's own account: profile, consents, and a verifier that is asked over real HTTP."""

import hashlib
import hmac
import json
import threading
import time
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import psycopg
import pytest

from tests.api.residents import id_number, resident
from tests.api.running import serving
from tests.conftest import create_database, drop_database, url_of

SECRET = "a secret that both sides know"


class Register(BaseHTTPRequestHandler):
    """A register of names, as an operator's service speaks for it."""

    asked: list[dict] = []  # noqa: RUF012  # what arrived, for the tests
    answer = "match"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        stamp = self.headers["X-Xinban-Timestamp"]
        wanted = hmac.digest(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hex()
        assert self.headers["X-Xinban-Signature"] == f"sha256={wanted}"
        assert abs(time.time() - int(stamp)) < 60
        Register.asked.append(json.loads(body))
        self.send_response(200 if Register.answer != "broken" else 500)
        self.end_headers()
        self.wfile.write(json.dumps({"result": Register.answer}).encode())

    def log_message(self, *args):
        """Quiet."""


@pytest.fixture(scope="module")
def register():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Register)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def place(tmp_path_factory, server_url, template, redis_url, register):
    """A server that asks the register."""
    name = create_database(server_url, template)
    url = url_of(server_url, name)
    log = tmp_path_factory.mktemp("me") / "log"
    with serving(
        log,
        ready=False,
        database_url=url,
        redis_url=redis_url,
        limits="off",
        verifier="webhook",
        verifier_url=register,
        verifier_secret=SECRET,
    ) as one:
        yield one.url, url
        said = log.read_text()
        assert [line for line in one.log() if line["level"] == "ERROR"] == []
        for asked in Register.asked:
            assert asked["subject"]["id_number"] not in said
            assert asked["subject"]["name"] not in said
    drop_database(server_url, name)


@pytest.fixture
def somebody(place):
    Register.answer = "match"
    one = resident(*place)
    one.agree("id")
    return one


def waiting(somebody, number=None):
    body = {"relation": "self", "name": "赵敏行", "id_number": number or id_number()}
    return somebody.call("POST", "/v1/me/people", body).json()["id"]


def eventually(check, seconds=6):
    """Sessions are called in within five seconds."""
    end = time.monotonic() + seconds
    while not check() and time.monotonic() < end:
        time.sleep(0.2)
    assert check()


def test_a_register_that_confirms_name_and_number_gives_the_level_real_name(place, somebody):
    number = id_number()
    done = somebody.call("POST", f"/v1/me/people/{waiting(somebody, number)}/verify", {})
    assert (done.status_code, done.json()["verification"]) == (200, "webhook")
    asked = Register.asked[-1]
    assert asked["subject"] == {
        "name": "赵敏行",
        "id_kind": "id_card",
        "id_number": number,
        "phone": f"+86{somebody.phone}",
    }
    # Tokens of before are called in, so that the next one says the new level.
    eventually(lambda: somebody.call("GET", "/v1/me").status_code == 401)
    with psycopg.connect(place[1]) as connection:
        level = connection.execute(
            "select assurance from account where id = %s", (somebody.account_id,)
        ).fetchone()
    assert level == ("real_name",)


def test_a_register_that_does_not_confirm_leaves_the_request_and_a_trace(place, somebody):
    Register.answer = "no_match"
    request = waiting(somebody)
    refused = somebody.call("POST", f"/v1/me/people/{request}/verify", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "not-confirmed")
    assert [one["state"] for one in somebody.call("GET", "/v1/me/people").json()["items"]] == ["waiting"]
    with psycopg.connect(place[1]) as connection:
        traces = connection.execute(
            "select count(*) from audit_entry where action = 'person.not_confirmed' and account_id = %s",
            (somebody.account_id,),
        ).fetchone()
    assert traces == (1,)


@pytest.mark.parametrize("answer", ["broken", "perhaps"])
def test_a_register_that_is_unwell_is_never_a_match(somebody, answer):
    request = waiting(somebody)
    Register.answer = answer
    refused = somebody.call("POST", f"/v1/me/people/{request}/verify", {})
    assert (refused.status_code, refused.json()["code"]) == (503, "verifier-away")
    assert refused.headers["Retry-After"] == "30"


def test_who_is_confirmed_takes_a_document_back_from_somebody_who_is_not(place, somebody):
    number = id_number()
    squatter = resident(*place)
    squatter.agree("id")
    squatted = squatter.call("POST", f"/v1/me/people/{waiting(squatter, number)}/verify", {}).json()["id"]
    with psycopg.connect(place[1]) as connection:
        connection.execute("update person set verification = 'checksum' where id = %s", (squatted,))
    request = waiting(somebody, number)
    done = somebody.call("POST", f"/v1/me/people/{request}/verify", {})
    assert (done.status_code, done.json()["id"]) == (200, squatted)
    # And from somebody who is confirmed as well, only the desk takes it.
    third = resident(*place)
    third.agree("id")
    refused = third.call("POST", f"/v1/me/people/{waiting(third, number)}/verify", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "person-claimed")
    assert "窗口" in refused.json()["detail"]


def test_a_guardian_is_asked_about_together_with_the_child(somebody):
    """Before the guardian's tokens are called in: the level changed with the guardian's own confirmation."""
    own, child = id_number(), id_number(date(date.today().year - 6, 3, 1))  # noqa: DTZ011
    body = {"relation": "guardian", "name": "赵小行", "id_number": child}
    asked = somebody.call("POST", "/v1/me/people", body).json()
    alone = somebody.call("POST", f"/v1/me/people/{asked['id']}/verify", {})
    assert (alone.status_code, alone.json()["code"]) == (404, "person-not-found")
    request = waiting(somebody, own)
    assert somebody.call("POST", f"/v1/me/people/{request}/verify", {}).status_code == 200
    # A name and number that only a phone stands for are anybody's: the register's word on the child is not enough.
    with psycopg.connect(somebody.database_url) as connection:
        proven = "update person set verification = %s where account_id = %s"
        connection.execute(proven, ("phone", somebody.account_id))
        connection.commit()
        unproven = somebody.signed_in_again().call("POST", f"/v1/me/people/{asked['id']}/verify", {})
        assert (unproven.status_code, unproven.json()["code"]) == (409, "code-needed")
        connection.execute(proven, ("webhook", somebody.account_id))
    eventually(lambda: somebody.call("GET", "/v1/me").status_code == 401)
    again = somebody.signed_in_again()
    done = again.call("POST", f"/v1/me/people/{asked['id']}/verify", {})
    assert (done.status_code, done.json()["relation"]) == (200, "guardian")
    assert Register.asked[-1]["guardian"]["id_number"] == own
    assert Register.asked[-1]["subject"]["id_number"] == child


def test_a_profile_is_changed_with_the_version_that_was_read(place):
    one = resident(*place)
    seen = one.call("GET", "/v1/me")
    assert seen.json()["phone"] == f"139****{one.phone[-4:]}"
    assert (seen.headers["ETag"], seen.json()["language"]) == ('"v1"', "zh-CN")
    assert one.call("PUT", "/v1/me", {"language": "en"}).status_code == 428
    changed = one.call("PUT", "/v1/me", {"language": "en"}, **{"If-Match": '"v1"'})
    assert (changed.json()["language"], changed.headers["ETag"]) == ("en", '"v2"')
    late = one.call("PUT", "/v1/me", {"language": "zh-CN"}, **{"If-Match": '"v1"'})
    assert (late.status_code, late.json()["code"]) == (412, "account-changed")


def test_consents_are_given_one_by_one_and_taken_back_and_the_ledger_keeps_both(place):
    one = resident(*place)
    texts = {said["purpose"]: said for said in one.call("GET", "/v1/me/consents").json()["texts"]}
    assert {name for name, said in texts.items() if said["separate"]} == {"id", "health", "location"}
    old = one.call("POST", "/v1/me/consents", {"purpose": "health", "text_version": "2020-01"})
    assert (old.status_code, old.json()["code"]) == (409, "consent-outdated")
    body = {"purpose": "health", "text_version": texts["health"]["version"]}
    given = one.call("POST", "/v1/me/consents", body).json()
    assert one.call("POST", "/v1/me/consents", body).json()["id"] == given["id"]
    other = resident(*place)
    assert other.call("DELETE", f"/v1/me/consents/{given['id']}").status_code == 404
    back = one.call("DELETE", f"/v1/me/consents/{given['id']}").json()
    assert back["withdrawn_at"] is not None
    assert one.call("POST", "/v1/me/consents", body).json()["id"] != given["id"]
    ledger = one.call("GET", "/v1/me/consents").json()["items"]
    assert [said["withdrawn_at"] is None for said in ledger] == [True, False]


def test_nobody_signed_out_reads_or_changes_anything(place):
    for method, path in (
        ("GET", "/v1/me"),
        ("GET", "/v1/me/people"),
        ("GET", "/v1/me/export"),
        ("DELETE", "/v1/me?confirm=erase"),
        ("GET", "/v1/me/delegations"),
    ):
        answer = httpx.request(method, place[0] + path, trust_env=False)
        assert (answer.status_code, answer.json()["code"]) == (401, "not-signed-in")
