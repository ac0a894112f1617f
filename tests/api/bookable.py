"""Something bookable at a served demo city, and residents who are signed in."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
from sqlalchemy import select

from booking.models import Offering, Slot
from core import clock
from core.actor import Assurance
from core.database import Database
from core.keyring import KeyRing
from core.settings import Settings
from geo.models import Site
from tests.api.people import sign_in
from tests.booking.bookable import Bookable
from tests.conftest import TEST_RING


@dataclass
class Caller:
    """A resident with a person of their own."""

    client: httpx.Client
    headers: dict[str, str]
    person_id: UUID

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self.client.request(method, path, json=body, headers={**self.headers, **headers})

    def post(self, path: str, body: Any = None, key: str | None = None) -> httpx.Response:
        return self.call("POST", path, body, **{"Idempotency-Key": key or str(uuid4())})

    def book(self, slot: UUID | str, key: str | None = None, **more: Any) -> httpx.Response:
        body = {"slot_id": str(slot), "person_id": str(self.person_id), **more}
        return self.post("/v1/reservations", body, key)


class BookableCity:
    """Makes offerings, slots and residents in a served database."""

    def __init__(self, url: str, database_url: str) -> None:
        self.database_url = database_url
        self.client = httpx.Client(base_url=url, trust_env=False, timeout=30)
        self.tomorrow = (clock.now() + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)

    def __enter__(self) -> "BookableCity":
        return self

    def __exit__(self, *exc: object) -> None:
        self.client.close()

    def make(self, work: Any) -> Any:
        """What ``work(world)`` makes, committed."""

        async def run() -> Any:
            async with (
                Database(Settings(database_url=self.database_url)) as database,
                database.transaction() as session,
            ):
                world = Bookable(session, KeyRing.parse(TEST_RING))
                found = await session.scalar(
                    select(Site.id).where(Site.category_code == "meal_point").order_by(Site.id).limit(1)
                )
                assert found is not None
                world.site_id = found
                return await work(world)

        return asyncio.run(run())

    def offering(self, **more: Any) -> Offering:
        return self.make(lambda world: world.offering(**more))

    def slot(
        self,
        places: dict[str, int] | None = None,
        offering: Offering | None = None,
        starts_at: datetime | None = None,
        **more: Any,
    ) -> Slot:
        async def work(world: Bookable) -> Slot:
            one = offering or await world.offering()
            starts = starts_at or self.tomorrow
            said = {"opens_at": clock.now() - timedelta(hours=1), "closes_at": starts, **more}
            return await world.slot(one, places, starts_at=starts, **said)

        return self.make(work)

    def caller(self, assurance: Assurance = "phone") -> Caller:
        one = self.make(lambda world: world.resident())
        headers = sign_in(
            self.database_url, kind="resident", account_id=one.actor.account_id, assurance=assurance
        )
        return Caller(self.client, headers, one.person_id)
