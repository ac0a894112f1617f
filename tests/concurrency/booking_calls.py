"""Many clients at once over real HTTP, each patient as a phone is: what got no answer is sent again under its key.

A client of our own, since two hundred of a library's cost more than the server that they ask.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self
from uuid import UUID, uuid4

import httpx

from booking.models import Offering, Slot
from tests.concurrency.booking_world import Client, World

TRIES = 60
PAUSE_SECONDS = 0.15
PATIENCE_SECONDS = 60
# Said by a server that is busy, or that is working on the same request already: ask again.
AGAIN = ("unavailable", "request-in-progress", "loading")


@dataclass(frozen=True)
class Call:
    """One request; ``key``: its Idempotency-Key."""

    headers: dict[str, str]
    body: dict[str, Any] | None = None
    path: str = "/v1/reservations"
    method: str = "POST"
    key: str = field(default_factory=lambda: str(uuid4()))


@dataclass(frozen=True)
class Answer:
    """What came back; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def replayed(self) -> bool:
        return "idempotent-replayed" in self.headers

    @property
    def busy(self) -> bool:
        """Whether it says to ask again."""
        return self.status in (409, 503) and self.json()["code"] in AGAIN

    def json(self) -> Any:
        return json.loads(self.content)


class Connection:
    """To one server, kept open between requests. Raises OSError or EOFError when there is no whole answer."""

    def __init__(self, url: str) -> None:
        self.url = httpx.URL(url)
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.close()

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection(self.url.host, self.url.port)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None

    async def ask(self, one: Call) -> Answer:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                if self.writer is None:
                    await self.open()
                assert self.writer is not None
                self.writer.write(written(one))
                answer = await self._read()
        except (OSError, EOFError, TimeoutError):
            self.close()
            raise
        if answer.headers.get("connection") == "close":
            self.close()
        return answer

    async def _read(self) -> Answer:
        assert self.reader is not None
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])
        }
        content = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(head[0].split()[1]), headers, content)


def written(one: Call) -> bytes:
    """The request as it goes over the line."""
    content = b"" if one.body is None else json.dumps(one.body).encode()
    headers = {"Host": "xinban", **one.headers}
    if one.method == "POST":
        headers |= {"Idempotency-Key": one.key, "Content-Type": "application/json"}
        headers["Content-Length"] = str(len(content))
    lines = [f"{one.method} {one.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content


def booking(client: Client, slot_id: UUID, key: str | None = None, **more: Any) -> Call:
    """A wish for a place in a slot."""
    body = {"slot_id": str(slot_id), "person_id": str(client.person_id), **more}
    return Call(client.headers, body, key=key or str(uuid4()))


def at_once(url: str, calls: Sequence[Call]) -> list[Answer]:
    """The final answers to ``calls``, all sent when everybody has a connection and stands at the barrier."""

    async def run() -> list[Answer]:
        barrier = asyncio.Barrier(len(calls))
        return await asyncio.gather(*(one_of(barrier, call) for call in calls))

    async def one_of(barrier: asyncio.Barrier, call: Call) -> Answer:
        async with Connection(url) as connection:
            await connection.open()
            await barrier.wait()
            for _ in range(TRIES):
                answer = await connection.ask(call)
                if not answer.busy:
                    break
                await asyncio.sleep(PAUSE_SECONDS)
            return answer

    return asyncio.run(run())


def told(answers: Sequence[Answer]) -> dict[str, int]:
    """How many were answered what: by code of the problem, or the state that was reached."""
    return dict(Counter(one.json()["state" if one.ok else "code"] for one in answers))


def taken(world: World, slot: Slot) -> int:
    """People who have a place in a slot."""
    return world.value(
        "select coalesce(sum(party_size), 0) from reservation where slot_id = %s and state in ('held', 'confirmed')",
        slot.id,
    )


def courts(world: World) -> Offering:
    """Five courts in a window of five hours."""
    offering = world.offering(kind="venue", shape="interval")
    world.resources(offering, 5)
    world.slot(offering, hours=4, minutes=300)
    return offering


def spans(world: World, offering: Offering, crowd: Sequence[Client]) -> list[Call]:
    """Everybody wants a court in one of ten half hours; those who want the same one stand together."""
    begin, calls = world.start + timedelta(hours=4), []
    for at, one in enumerate(crowd):
        starts_at = begin + timedelta(minutes=30 * (at * 10 // len(crowd)))
        body = {
            "offering_id": str(offering.id),
            "person_id": str(one.person_id),
            "starts_at": starts_at.isoformat(),
            "ends_at": (starts_at + timedelta(minutes=30)).isoformat(),
        }
        calls.append(Call(one.headers, body))
    return calls
