"""A storm of mixed bookings over real HTTP, and the record of it: what was asked, when, and what came back.

Each operation is noted when it is sent and when its outcome is known: ``ok`` (2xx), ``fail`` (a refusal), or ``unknown``
(no answer, or a refusal after an attempt without one). Clients are phones: what got no answer goes to the other server
under the same key, a few times.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from time import monotonic
from typing import Any, Literal
from uuid import UUID

from booking.models import Offering, Slot
from tests.concurrency.booking_calls import Answer, Call, Connection, booking
from tests.concurrency.booking_world import Client, World

Outcome = Literal["ok", "fail", "unknown"]
TRIES = 8
PAUSE_SECONDS = 0.1
KINDS = {
    "reserve": 22,
    "hold": 12,
    "confirm": 9,
    "cancel": 15,
    "reschedule": 10,
    "join": 12,
    "look": 9,
    "lapse": 4,
    "replay": 5,
    "copies": 3,
}


@dataclass
class Operation:
    """One thing a client wanted done. ``subject``: the reservation or entry it is about, or that came of it."""

    number: int
    kind: str
    client: Client
    call: Call | None
    sent_at: float
    subject: str | None = None
    ended_at: float = 0
    outcome: Outcome = "unknown"
    answers: list[Answer] = field(default_factory=list)
    doubt: bool = False

    @property
    def answer(self) -> Answer | None:
        return self.answers[-1] if self.answers else None


@dataclass
class Stage:
    """What can be booked in the storm."""

    places: list[tuple[Offering, list[Slot]]]
    venue: Offering
    windows: list[Slot]


def set_stage(world: World) -> Stage:
    """Few places and many who want them: every shape, tiers, supplies, limits, both rules of the queue."""
    hours = iter(range(1, 1000))

    def slots(offering: Offering, count: int, places: dict[str, int] | None, **more: Any) -> list[Slot]:
        return [world.slot(offering, places, hours=next(hours), **more) for _ in range(count)]

    plain = world.offering(party_max=4)
    tiers = {"tiers": {"counter": {"channels": ["counter", "phone"]}}, "limits": [{"per": "week", "most": 6}]}
    loose = world.offering(
        party_max=4, exclusive=False, rules={**tiers, "waitlist": {"strict_until_minutes": 100_000}}
    )
    delivered = world.offering(modes=["dine_in", "delivery"], party_max=3)
    riders = world.offering(kind="supply")
    lunch = []
    for _ in range(3):
        hour = next(hours)
        rider = world.slot(riders, {"general": 4}, hours=hour)
        lunch.append(world.slot(delivered, {"general": 8}, hours=hour, needs=(rider, "person", ["delivery"])))
    theatre = world.offering(kind="performance", shape="seated", party_max=4)
    venue = world.offering(kind="venue", shape="interval", exclusive=False)
    world.resources(venue, 2)
    world.resources(venue, 2, "coach")
    return Stage(
        places=[
            (plain, slots(plain, 4, {"general": 8})),
            (
                loose,
                slots(
                    loose,
                    3,
                    {"general": 5, "counter": 3},
                    released_at={"counter": world.start - timedelta(days=2)},
                ),
            ),
            (delivered, lunch),
            (theatre, slots(theatre, 2, None, seats=["oooowc", "oooooo"])),
        ],
        venue=venue,
        windows=slots(venue, 2, None, minutes=60 * 4),
    )


class Storm:
    """``clients`` at work until ``most`` operations were sent; several tasks, each with a connection to each server."""

    def __init__(
        self, world: World, stage: Stage, clients: list[Client], urls: list[str], *, seed: int, most: int
    ) -> None:
        self.world, self.stage, self.clients, self.urls, self.most = world, stage, clients, urls, most
        self.random = random.Random(seed)
        self.record: list[Operation] = []
        # What clients know of: reservation id -> owner and offering, entry id -> owner.
        self.known: dict[str, tuple[Client, UUID]] = {}
        self.held: set[str] = set()
        self.waiting: list[Client] = []
        # Those that still have places as far as anybody was told, in the order of their making.
        self.live: dict[str, None] = {}
        self.lapsed: set[str] = set()
        self.lapse: Callable[[str], Awaitable[bool]] | None = None

    async def run(self, tasks: int) -> None:
        await asyncio.gather(*(self._work() for _ in range(tasks)))

    async def _work(self) -> None:
        connections = [Connection(url) for url in self.urls]
        try:
            while len(self.record) < self.most:
                kind = self.random.choices(list(KINDS), weights=list(KINDS.values()))[0]
                await getattr(self, f"_{kind}")(connections)
        finally:
            for one in connections:
                one.close()

    def _note(self, kind: str, client: Client, call: Call | None, subject: str | None = None) -> Operation:
        one = Operation(len(self.record), kind, client, call, monotonic(), subject)
        self.record.append(one)
        return one

    async def _send(
        self, connections: list[Connection], kind: str, client: Client, call: Call, subject: str | None = None
    ) -> Operation:
        """Send a new operation until something is known of it."""
        one = self._note(kind, client, call, subject)
        await self._settle(connections, one)
        return one

    async def _settle(self, connections: list[Connection], one: Operation) -> None:
        assert one.call is not None
        order = self.random.sample(connections, len(connections))
        for attempt in range(TRIES):
            try:
                answer = await order[attempt % len(order)].ask(one.call)
            except (OSError, EOFError, TimeoutError):
                one.doubt = True
            else:
                if answer.status < 500 and not answer.busy:
                    one.answers.append(answer)
                    one.outcome = "ok" if answer.ok else "unknown" if one.doubt else "fail"
                    break
                one.doubt = one.doubt or answer.status >= 500
            await asyncio.sleep(PAUSE_SECONDS * (attempt + 1))
        one.ended_at = monotonic()

    # Wishes

    def _wish(self, client: Client, **more: Any) -> Call:
        at = self.random.randrange(len(self.stage.places) + 1)
        if at == len(self.stage.places):
            window = self.random.choice(self.stage.windows)
            starts_at = window.starts_at + timedelta(minutes=30 * self.random.randrange(6))
            span = {
                "offering_id": str(self.stage.venue.id),
                "starts_at": starts_at.isoformat(),
                "ends_at": (starts_at + timedelta(minutes=30 * self.random.randint(1, 3))).isoformat(),
            }
            return Call(client.headers, {"person_id": str(client.person_id), **span, **more})
        offering, slots = self.stage.places[at]
        if offering.modes:
            more["mode"] = self.random.choice(offering.modes)
        if offering.shape == "seated" and self.random.random() < 0.15:
            more["wheelchair"] = True
        party = min(offering.party_max, self.random.choice((1, 1, 1, 1, 2, 2, 3)))
        return booking(client, self.random.choice(slots).id, party_size=party, **more)

    async def _reserve(self, connections: list[Connection], *, hold: bool = False) -> None:
        client = self.random.choice(self.clients)
        more = {"hold": True} if hold else {}
        one = await self._send(connections, "hold" if hold else "reserve", client, self._wish(client, **more))
        self._learn(one)

    async def _hold(self, connections: list[Connection]) -> None:
        await self._reserve(connections, hold=True)

    def _learn(self, one: Operation) -> None:
        if one.outcome == "ok" and one.answer is not None:
            said = one.answer.json()
            one.subject = said["id"]
            self.known[said["id"]] = (one.client, UUID(said["offering_id"]))
            self.live[said["id"]] = None
            if said["state"] == "held":
                self.held.add(said["id"])

    async def _act(
        self, connections: list[Connection], act: str, chosen: list[str], body: Any = None
    ) -> None:
        if not chosen:
            return
        subject = self.random.choice(chosen)
        client = self.known[subject][0]
        call = Call(client.headers, body, f"/v1/reservations/{subject}/{act}")
        one = await self._send(connections, act, client, call, subject)
        if one.outcome == "ok":
            self.held.discard(subject)
            if act == "cancel":
                self.live.pop(subject, None)

    async def _confirm(self, connections: list[Connection]) -> None:
        await self._act(connections, "confirm", sorted(self.held))

    async def _cancel(self, connections: list[Connection]) -> None:
        await self._act(connections, "cancel", self._some())

    def _some(self) -> list[str]:
        """Mostly reservations that can still be changed; now and then any."""
        return list(self.known if self.random.random() < 0.1 else self.live)

    async def _reschedule(self, connections: list[Connection]) -> None:
        some = self._some()
        if not some:
            return
        subject = self.random.choice(some)
        client, offering_id = self.known[subject]
        slots = next((slots for offering, slots in self.stage.places if offering.id == offering_id), None)
        if slots is None:
            wish = self._wish(client)
            while "starts_at" not in (wish.body or {}):
                wish = self._wish(client)
            assert wish.body is not None
            body = {name: wish.body[name] for name in ("starts_at", "ends_at")}
        else:
            body = {"slot_id": str(self.random.choice(slots).id)}
        call = Call(client.headers, body, f"/v1/reservations/{subject}/reschedule")
        await self._send(connections, "reschedule", client, call, subject)

    # Waiting lists

    async def _join(self, connections: list[Connection]) -> None:
        client = self.random.choice(self.clients)
        wish = self._wish(client)
        if "starts_at" in (wish.body or {}):
            return
        one = await self._send(connections, "join", client, replace(wish, path="/v1/waitlist"))
        if one.outcome == "ok" and one.answer is not None:
            one.subject = one.answer.json()["id"]
            self.waiting.append(client)

    async def _look(self, connections: list[Connection]) -> None:
        """Somebody looks at what they wait for, and answers an offer, or leaves."""
        client = self.random.choice(self.waiting[-30:] or self.clients)
        seen = await self._send(
            connections, "look", client, Call(client.headers, None, "/v1/waitlist", "GET")
        )
        if seen.outcome != "ok" or seen.answer is None:
            return
        for entry in seen.answer.json()["items"]:
            chance = self.random.random()
            if entry["state"] == "offered" and chance < 0.9:
                act = "accept" if chance < 0.6 else "decline"
                call = Call(client.headers, None, f"/v1/waitlist/{entry['id']}/{act}")
                one = await self._send(connections, act, client, call, entry["id"])
                if one.outcome == "ok":
                    self.known[entry["reservation_id"]] = (client, UUID(entry["offering_id"]))
                    if act == "accept":
                        self.live[entry["reservation_id"]] = None
            elif entry["state"] == "waiting" and chance < 0.1:
                call = Call(client.headers, None, f"/v1/waitlist/{entry['id']}", "DELETE")
                await self._send(connections, "leave", client, call, entry["id"])

    async def _lapse(self, _: list[Connection]) -> None:
        """Time passes for one hold or offer: it runs out now."""
        chosen = sorted(self.held)
        if self.lapse is None or not chosen:
            return
        subject = self.random.choice(chosen)
        one = self._note("lapse", self.known[subject][0], None, subject)
        self.lapsed.add(subject)
        self.held.discard(subject)
        if self.random.random() < 0.7:
            self.live.pop(subject, None)
        one.outcome = "ok" if await self.lapse(subject) else "fail"
        one.ended_at = monotonic()

    # Sent again

    async def _replay(self, connections: list[Connection]) -> None:
        done = [
            one
            for one in self.record[-400:]
            if one.outcome == "ok" and one.call and one.call.method == "POST"
        ]
        if done:
            first = self.random.choice(done)
            again = self._note("replay", first.client, first.call, first.subject)
            await self._settle(connections, again)
            if again.answer is not None:
                first.answers.insert(0, again.answer)

    async def _copies(self, connections: list[Connection]) -> None:
        """The same twice at once, to both servers."""
        client = self.random.choice(self.clients)
        call = self._wish(client)
        pair = [self._note("reserve", client, call), self._note("copy", client, call)]
        await asyncio.gather(
            *(self._settle([connection], one) for connection, one in zip(connections, pair, strict=False))
        )
        for one in pair:
            self._learn(one)
