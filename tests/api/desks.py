"""A desk at a served demo city: a meal point with lunch right now, its clerk, and people who booked."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg

from booking.desk.tickets import ticket_of
from booking.models import Reservation
from core import clock
from core.actor import Actor, Grant
from core.database import Database
from core.keyring import KeyRing
from core.settings import Settings
from tests.api.people import sign_in, who
from tests.api.running import ask
from tests.booking.desk.meals import Desk, minutes, offering_of, person_of, slot_of
from tests.conftest import TEST_RING

RING = KeyRing.parse(TEST_RING)
SITES = "select id, name from site where category_code = 'meal_point' order by id"


class ServedDesk:
    """The desk of the ``number``-th meal point; lunch began ten minutes ago and takes 90."""

    def __init__(self, url: str, database_url: str, *, number: int = 0, **said: Any) -> None:
        self.url, self.database_url = url, database_url
        with psycopg.connect(database_url) as connection:
            self.site_id, self.site_name = connection.execute(SITES).fetchall()[number]
        self.headers = self.staff("site_staff")
        account_id = who(self.headers)
        self.clerk = Actor(
            f"account:{account_id}", "counter", account_id=account_id, grants=(self.grant("site_staff"),)
        )
        self.begins = clock.now() - minutes(10)
        self.on = str((self.begins + timedelta(hours=8)).date())
        places = said.pop("places", {"general": 10})

        async def lunch(session: Any) -> Any:
            offering = await offering_of(session, self.site_id, **said)
            return offering, await slot_of(session, offering, at=self.begins, **places)

        self.offering, self.slot = self.make(lunch)

    def grant(self, role: Any) -> Grant:
        return Grant(role, "site", str(self.site_id))

    def staff(self, role: Any) -> dict[str, str]:
        """Headers of somebody new who works here."""
        return sign_in(self.database_url, self.grant(role))

    def make(self, work: Any) -> Any:
        """What ``work(session)`` makes, committed."""

        async def run() -> Any:
            async with (
                Database(Settings(database_url=self.database_url)) as database,
                database.transaction() as session,
            ):
                return await work(session)

        return asyncio.run(run())

    def guest(
        self, name: str = "王秀英", phone: str | None = "+8613800000001", slot: Any = None
    ) -> Reservation:
        """Somebody with a reservation."""

        async def book(session: Any) -> Reservation:
            at = Desk(session, RING, self.site_id, self.site_name, self.clerk, self.offering, self.slot)
            person = await person_of(session, RING, name, phone)
            return await at.book(person, slot=slot, now=clock.now() - timedelta(hours=1))

        return self.make(book)

    def slot_at(self, later: timedelta, **places: int) -> Any:
        return self.make(lambda session: slot_of(session, self.offering, at=self.begins + later, **places))

    def ticket(self, one: Reservation) -> str:
        return ticket_of(RING, one)

    def call(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        sent = {"Idempotency-Key": str(uuid4())} if method == "POST" else {}
        return ask(
            method,
            self.url + path,
            json=body,
            headers={**(headers or self.headers), **sent, **more.pop("said", {})},
            params=more.pop("params", None),
            timeout=30,
        )

    def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return self.call("POST", path, body, **more)

    def get(self, path: str, **params: Any) -> httpx.Response:
        asked = {"site_id": str(self.site_id), "on": self.on, **params}
        return self.call(
            "GET", path, params={name: value for name, value in asked.items() if value is not None}
        )

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(statement, values).fetchall()

    def state(self, reservation_id: UUID | str) -> str:
        return str(self.query("select state from reservation where id = %s", str(reservation_id))[0][0])
