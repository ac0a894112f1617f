"""Residents for tests: with a phone, consents, documents that can be right, and the codes they would get."""

import json
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import Any
from uuid import UUID

import httpx
import psycopg
from stdnum.cn.ric import calc_check_digit

from core.keyring import KeyRing
from tests.api.people import sign_in, who
from tests.api.running import ask
from tests.conftest import TEST_RING

RING = KeyRing.parse(TEST_RING)
_numbers = count(1)
WAITING = "select id, recipient, parameters, template from message order by created_at, id"


def id_number(born: date = date(1950, 3, 7), *, sex: str = "female") -> str:
    """A resident ID number that nobody else in the tests has."""
    order = 2 * (next(_numbers) % 499) + (sex == "male")
    first = f"6201{next(_numbers) % 90 + 10:02d}{born:%Y%m%d}{order:03d}"
    return first + calc_check_digit(first + "0")


def phone() -> str:
    """A mobile number that nobody else in the tests has."""
    return f"139{next(_numbers):08d}"


@dataclass
class Resident:
    """Somebody signed in, at a server."""

    url: str
    database_url: str
    phone: str
    headers: dict[str, str]

    @property
    def account_id(self) -> UUID:
        return who(self.headers)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return ask(method, self.url + path, json=body, headers={**self.headers, **headers}, timeout=15)

    def signed_in_again(self) -> "Resident":
        """The same, in a session that began just now."""
        headers = sign_in(self.database_url, kind="resident", account_id=self.account_id)
        return Resident(self.url, self.database_url, self.phone, headers)

    def agree(self, *purposes: str) -> None:
        """Consent to the present texts."""
        for one in self.call("GET", "/v1/me/consents").json()["texts"]:
            if one["purpose"] in purposes:
                said = {"purpose": one["purpose"], "text_version": one["version"]}
                assert self.call("POST", "/v1/me/consents", said).status_code == 201

    def register(self, name: str = "王小明", number: str | None = None, **more: Any) -> dict[str, Any]:
        """Become a person of one's own; the answer."""
        self.agree("id")
        body = {"relation": "self", "name": name, "id_number": number or id_number(date(1980, 5, 6)), **more}
        asked = self.call("POST", "/v1/me/people", body)
        assert asked.status_code == 201, asked.text
        done = self.call("POST", f"/v1/me/people/{asked.json()['id']}/verify", {})
        assert done.status_code == 200, done.text
        return done.json()


def resident(url: str, database_url: str, number: str | None = None) -> Resident:
    """A new resident with a phone."""
    number = number or phone()
    headers = sign_in(database_url, kind="resident")
    account = who(headers)
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "update account set phone = %s, phone_blind = %s where id = %s",
            (
                RING.encrypt("account.phone", account, f"+86{number}"),
                RING.blind("account.phone", f"+86{number}"),
                account,
            ),
        )
    return Resident(url, database_url, number, headers)


def messages(database_url: str, number: str) -> list[tuple[str, dict[str, str]]]:
    """Template and parameters of all that was sent to a phone."""
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(WAITING).fetchall()
    return [
        (template, json.loads(RING.decrypt("message.parameters", row, parameters)))
        for row, recipient, parameters, template in rows
        if RING.decrypt("message.recipient", row, recipient) == f"+86{number}"
    ]


def last_code(database_url: str, number: str) -> str:
    """The newest code that a phone got."""
    return [said["code"] for template, said in messages(database_url, number) if "code" in said][-1]
