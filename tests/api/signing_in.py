"""Residents who sign in with a code; the code is read from the outbox, as whoever sends text messages would."""

import itertools
from datetime import timedelta

import httpx
import orjson
import psycopg

from core.keyring import KeyRing
from tests.api.running import ask
from tests.conftest import TEST_RING

RING = KeyRing.parse(TEST_RING)
_numbers = itertools.count(13_900_000_001)


def new_phone() -> str:
    """A phone that no other test uses."""
    return str(next(_numbers))


def messages(database_url: str, phone: str) -> list[tuple[str, dict[str, str]]]:
    """Templates and parameters that were written down for ``phone``, the oldest first."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(
            "select id, template, recipient, parameters from message order by created_at, id"
        ).fetchall()
    return [
        (template, orjson.loads(RING.decrypt("message.parameters", row, parameters)))
        for row, template, recipient, parameters in rows
        if RING.decrypt("message.recipient", row, recipient) == f"+86{phone}"
    ]


def code_of(database_url: str, phone: str) -> str:
    """The youngest code sent to ``phone``."""
    return messages(database_url, phone)[-1][1]["code"]


def post(url: str, path: str, body: object, **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask("POST", url + path, json=body, headers=sent, timeout=30)


def ask_for_code(url: str, phone: str) -> httpx.Response:
    return post(url, "/v1/auth/codes", {"phone": phone})


def try_code(url: str, phone: str, code: str, **headers: str) -> httpx.Response:
    return post(url, "/v1/auth/tokens", {"grant": "phone_code", "phone": phone, "code": code}, **headers)


def sign_in_by_phone(url: str, database_url: str, phone: str, **headers: str) -> dict[str, object]:
    """Ask for a code and sign in with it: the answer of ``POST /v1/auth/tokens``."""
    assert ask_for_code(url, phone).status_code == 202
    answer = try_code(url, phone, code_of(database_url, phone), **headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def bearer(tokens: dict[str, object]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def later(database_url: str, phone: str, minutes: int) -> None:
    """Put the codes of ``phone`` so far into the past."""
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "update one_time_code set created_at = created_at - %(by)s, expires_at = expires_at - %(by)s"
            " where phone_blind = any(%(phones)s)",
            {
                "by": timedelta(minutes=minutes),
                "phones": RING.blinds("one_time_code.phone", f"+86{phone}"),
            },
        )
