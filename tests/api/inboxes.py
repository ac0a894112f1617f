"""A server with something bookable, events that people are to be told, and a worker's rounds."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from redis.asyncio import Redis

from api.inbox.delivering import deliver_once
from api.inbox.undelivered import settle_undelivered
from api.messages.relay import DEAD, SENT
from booking.events import emit
from booking.models import Event
from booking.people.persons import set_phone
from core import clock
from core.database import Database
from core.ids import new_id
from core.settings import Settings
from tests.api.people import sign_in
from tests.api.running import Running, ask, serving
from tests.concurrency.booking_world import RING, Client, World
from tests.conftest import create_database, drop_database, url_of


class Telling(World):
    """The world of bookings, with its worker's part in telling people."""

    def __init__(self, server: Running, database_url: str, redis_url: str) -> None:
        super().__init__(database_url)
        self.server, self.redis_url = server, redis_url

    def call(
        self, who: Client | dict[str, str], method: str, path: str, body: Any = None, **more: Any
    ) -> httpx.Response:
        headers = who.headers if isinstance(who, Client) else who
        sent = {**headers, "Idempotency-Key": str(new_id()), **more.pop("headers", {})}
        return ask(method, self.server.url + path, json=body, headers=sent, timeout=40, **more)

    def book(self, who: Client, slot: Any, person_id: UUID | None = None) -> dict[str, Any]:
        body = {"slot_id": str(slot.id), "person_id": str(person_id or who.person_id)}
        answer = self.call(who, "POST", "/v1/reservations", body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def inbox(self, who: Client | dict[str, str], after: int = 0, **more: Any) -> dict[str, Any]:
        query = "&".join(f"{name}={value}" for name, value in {"after": after, **more}.items())
        answer = self.call(who, "GET", f"/v1/inbox?{query}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def emit(
        self,
        kind: str,
        *,
        person_id: UUID | None = None,
        account_id: UUID | None = None,
        count: int = 1,
        subject_id: UUID | None = None,
        **data: Any,
    ) -> None:
        """Events as the domain writes them."""

        async def work(rows: Any) -> None:
            for _ in range(count):
                await emit(
                    rows.session,
                    kind=kind,
                    person_id=person_id,
                    account_id=account_id,
                    subject_id=subject_id or new_id(),
                    data=data,
                    now=clock.now(),
                )

        self.make(work)

    def doors(self) -> Database:
        return Database(Settings(database_url=self.database_url))

    def deliver(self, *, wake: bool = True, now: datetime | None = None) -> int:
        """All that waits, as a worker passes it on; without ``wake`` Redis is not told."""

        async def run() -> int:
            count = 0
            async with self.doors() as database, Redis.from_url(self.redis_url) as redis:
                while taken := await deliver_once(
                    database, RING, redis if wake else None, now=now or clock.now()
                ):
                    count += taken
                await settle_undelivered(database, RING, now=now or clock.now())
            return count

        return asyncio.run(run())

    def finish_messages(self, outcome: str) -> None:
        """The relay of text messages sent, or gave up, all that waits."""
        ids = [row[0] for row in self.sql("select id from message where state = 'waiting'")]
        for message_id in ids:
            values = (clock.now(), message_id) if outcome == "sent" else (clock.now(), "http-410", message_id)
            self.sql(SENT if outcome == "sent" else DEAD, *values)

    def messages(self) -> list[tuple[str, str, dict[str, str]]]:
        """Recipient, template and parameters of all text messages."""
        return [
            (
                RING.decrypt("message.recipient", row_id, recipient),
                template,
                json.loads(RING.decrypt("message.parameters", row_id, parameters)),
            )
            for row_id, recipient, template, parameters in self.sql(
                "select id, recipient, template, parameters from message order by created_at, id"
            )
        ]

    def give_phone(self, who: Client, number: str) -> None:
        """The phone that an account signs in with."""
        self.sql(
            "update account set phone = %s, phone_blind = %s where id = %s",
            RING.encrypt("account.phone", who.account_id, number),
            RING.blind("account.phone", number),
            who.account_id,
        )

    def person(self, phone: str | None = None) -> UUID:
        """Somebody without an account."""

        async def work(rows: Any) -> UUID:
            resident = await rows.resident("王秀英")
            from booking.people.models import Person

            one = await rows.session.get(Person, resident.person_id)
            one.account_id = None
            set_phone(RING, one, phone)
            return one.id

        return self.make(work)

    def waiting_events(self) -> int:
        return self.value("select count(*) from event where relayed_at is null")

    def staff(self, *grants: Any) -> dict[str, str]:
        return sign_in(self.database_url, *grants)


@contextmanager
def telling(log: Path, server_url: str, template: str, redis_url: str, **settings: str) -> Iterator[Telling]:
    """One server on a database of its own."""
    name = create_database(server_url, template)
    url = url_of(server_url, name)
    try:
        with serving(log, database_url=url, redis_url=redis_url, **settings) as one:
            yield Telling(one, url, redis_url)
            assert [line for line in one.log() if line["level"] == "ERROR" or line.get("status") == 500] == []
    finally:
        drop_database(server_url, name)


def kinds(page: dict[str, Any]) -> list[str]:
    return [one["kind"] for one in page["items"]]


__all__ = ["Event", "Telling", "kinds", "telling"]
