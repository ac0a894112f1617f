"""Queues under races: their order, places that go to nobody else, and persons who are busy elsewhere."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from booking.capacity.buckets import Move, move
from booking.errors import SlotFull
from booking.models import Event, Reservation, Slot, WaitlistEntry
from booking.recording.entitlement import LOCK
from booking.reservations.expiry import expire_slot
from booking.reservations.life import cancel
from booking.reservations.offers import accept_offer, decline_offer
from booking.reservations.reserve import Wish, reserve
from booking.reservations.steps import lock_places, step
from booking.waitlist.queue import Joining, join, leave
from booking.waitlist.sweep import set_aside, sweep
from core.actor import SYSTEM
from core.database import Database
from core.errors import DomainError
from core.settings import Settings
from tests.booking.bookable import NOW, Bookable, Resident

PAUSE_SECONDS = 0.2
POLLERS = 200
CONNECTIONS = 24
# What would be if nobody took the queue's lock: the number is drawn, then somebody else commits first.
UNLOCKED = text(
    "insert into waitlist_entry (id, slot_id, person_id, party_size, channel, tiers, joined_at)"
    " values (gen_random_uuid(), :slot_id, :person_id, 1, 'web', '{general}', now())"
)


@dataclass
class Hall:
    """A full slot, who booked it, and residents who have nothing yet."""

    database: Database
    ring: object
    slot_id: UUID
    taken: list[UUID]
    residents: list[Resident]

    async def join(self, who, pause=0.0, party_size=1, committed=None):
        async with self.database.transaction() as session:
            asked = Joining(self.slot_id, who.person_id, party_size)
            entry = await join(session, who.actor, ring=self.ring, wish=asked, now=NOW)
            await asyncio.sleep(pause)
        if committed is not None:
            committed.append(entry.number)
        return entry

    async def cancel(self, reservation_id, pause=0.0):
        async with self.database.transaction() as session:
            await cancel(session, SYSTEM, reservation_id=reservation_id, now=NOW)
            await asyncio.sleep(pause)

    async def cancel_past_the_queue(self, reservation_id):
        """What cancelling would be without promotion: the place is simply free."""
        async with self.database.transaction() as session:
            one = await session.get_one(Reservation, reservation_id, with_for_update=True)
            claims = await lock_places(session, one)
            moves = [Move(claim.slot_id, claim.tier, confirmed=-claim.places) for claim in claims]
            await move(session, moves, reservation_id=one.id, now=NOW)
            await step(session, SYSTEM, one, state="cancelled", why="test", tell=None, now=NOW)

    async def poll(self, who) -> bool:
        """Whether a place was got by asking for it."""
        async with self.database.transaction() as session:
            wish = Wish(person_id=who.person_id, slot_id=self.slot_id)
            try:
                await reserve(session, who.actor, ring=self.ring, wish=wish, now=NOW)
            except SlotFull:
                return False
        return True

    async def sweep(self):
        async with self.database.transaction() as session:
            return await sweep(session, slot_id=self.slot_id, now=NOW)

    async def states(self):
        """States in the order of the queue."""
        async with self.database.transaction() as session:
            rows = await session.scalars(select(WaitlistEntry).order_by(WaitlistEntry.number))
            return [one.state for one in rows]

    async def counts(self):
        async with self.database.transaction() as session:
            world = Bookable(session, self.ring)
            return (await world.counts(await session.get_one(Slot, self.slot_id)))["general"]


@pytest.fixture
async def crowd(anyio_backend, database_url):
    async with Database(Settings(database_url=database_url, pool_size=CONNECTIONS)) as database:
        yield database


@pytest.fixture
def hall(crowd, ring):
    async def make(places: int, residents: int, **more) -> Hall:
        async with crowd.transaction() as session:
            world = await Bookable(session, ring).open()
            slot = await world.slot(await world.offering(**more), {"general": places})
            taken = []
            for _ in range(places):
                who = await world.resident()
                wish = Wish(person_id=who.person_id, slot_id=slot.id)
                taken.append((await reserve(session, who.actor, ring=ring, wish=wish, now=NOW)).id)
            people = [await world.resident() for _ in range(residents)]
        return Hall(crowd, ring, slot.id, taken, people)

    return make


async def test_numbers_are_drawn_in_the_order_of_commits(hall):
    one = await hall(1, 12)
    committed: list[int] = []
    await asyncio.gather(*(one.join(who, pause=0.02, committed=committed) for who in one.residents))
    assert committed == sorted(committed)
    assert len(committed) == 12


async def test_without_the_lock_a_later_number_commits_first(hall):
    one = await hall(1, 2)
    committed = []

    async def insert(who, pause):
        async with one.database.transaction() as session:
            await session.execute(UNLOCKED, {"slot_id": one.slot_id, "person_id": who.person_id})
            await asyncio.sleep(pause)
        committed.append(who)

    slow = asyncio.create_task(insert(one.residents[0], 3 * PAUSE_SECONDS))
    await asyncio.sleep(PAUSE_SECONDS)
    await insert(one.residents[1], 0)
    await slow
    assert committed == [one.residents[1], one.residents[0]]


async def test_who_joins_while_a_place_is_freed_gets_it(hall):
    one = await hall(1, 1)
    joining = asyncio.create_task(one.join(one.residents[0], pause=PAUSE_SECONDS))
    await asyncio.sleep(PAUSE_SECONDS / 2)
    await one.cancel(one.taken[0])
    await joining
    assert await one.states() == ["offered"]
    assert await one.counts() == (1, 0, 0)


async def test_cancellations_at_once_keep_the_order_and_sell_nothing_twice(hall):
    one = await hall(6, 10)
    for who in one.residents:
        await one.join(who)
    await asyncio.gather(*(one.cancel(reservation, pause=0.02) for reservation in one.taken))
    await asyncio.gather(one.sweep(), one.sweep())
    assert await one.states() == ["offered"] * 6 + ["waiting"] * 4
    assert await one.counts() == (6, 0, 0)


async def test_two_cancellations_and_two_sweeps_at_once_offer_each_place_once(hall):
    one = await hall(2, 3)
    for who in one.residents:
        await one.join(who)
    await asyncio.gather(
        *(one.cancel(reservation, pause=PAUSE_SECONDS) for reservation in one.taken), one.sweep(), one.sweep()
    )
    assert await one.states() == ["offered", "offered", "waiting"]
    assert await one.counts() == (2, 0, 0)


async def polled_while_freed(one: Hall, free) -> int:
    """How many of many who keep asking get a place, while places are freed one after the other."""
    gate, over = asyncio.Semaphore(CONNECTIONS - 4), asyncio.Event()

    async def keep_asking(who) -> bool:
        while True:
            last = over.is_set()
            async with gate:
                if await one.poll(who):
                    return True
            if last:
                return False

    pollers = [asyncio.create_task(keep_asking(who)) for who in one.residents[-POLLERS:]]
    await asyncio.sleep(PAUSE_SECONDS)
    for reservation in one.taken:
        await free(reservation)
    over.set()
    return sum(await asyncio.gather(*pollers))


async def test_no_freed_place_goes_to_one_of_two_hundred_who_keep_asking(hall):
    one = await hall(3, POLLERS + 3)
    for who in one.residents[:3]:
        await one.join(who)
    assert await polled_while_freed(one, one.cancel) == 0
    assert await one.states() == ["offered"] * 3
    assert await one.counts() == (3, 0, 0)


async def test_without_promotion_those_who_keep_asking_get_them(hall):
    one = await hall(3, POLLERS + 3)
    for who in one.residents[:3]:
        await one.join(who)
    assert await polled_while_freed(one, one.cancel_past_the_queue) == 3
    assert await one.states() == ["waiting"] * 3


async def test_a_party_of_four_is_not_starved_by_singles_who_wait_and_ask(hall):
    one = await hall(4, POLLERS + 4)
    await one.join(one.residents[0], party_size=4)
    for who in one.residents[1:4]:
        await one.join(who)
    assert await polled_while_freed(one, one.cancel) == 0
    assert await one.states() == ["offered", "waiting", "waiting", "waiting"]
    assert await one.counts() == (4, 0, 0)


async def test_while_somebody_else_has_the_person_nobody_passes_and_the_sweep_comes_back(hall):
    one = await hall(1, 2)
    for who in one.residents:
        await one.join(who)
    async with one.database.transaction() as session:
        await session.execute(LOCK, {"person_id": one.residents[0].person_id})
        await one.cancel(one.taken[0])
        assert await one.states() == ["waiting", "waiting"]
        assert await one.counts() == (0, 0, 1)
        assert await one.sweep() == 0
        async with one.database.transaction() as other:
            assert list(await set_aside(other)) == [one.slot_id]
    assert not await one.poll(one.residents[1])
    assert await one.sweep() == 1
    assert await one.states() == ["offered", "waiting"]
    assert await one.counts() == (1, 0, 0)


async def act(one: Hall, who, choice: random.Random) -> str:
    """Something that somebody may do; the code of the refusal, if it was refused."""
    async with one.database.transaction() as session:
        mine = (
            await session.execute(
                select(WaitlistEntry.id, WaitlistEntry.state)
                .where(WaitlistEntry.person_id == who.person_id)
                .order_by(WaitlistEntry.number.desc())
                .limit(1)
            )
        ).first()
        booked = await session.scalar(
            select(Reservation.id).where(
                Reservation.person_id == who.person_id, Reservation.state.in_(("held", "confirmed"))
            )
        )
    now = NOW + timedelta(minutes=choice.randrange(0, 40))
    try:
        async with one.database.transaction() as session:
            match choice.randrange(7):
                case 0 if mine and mine.state == "offered":
                    await accept_offer(session, who.actor, entry_id=mine.id, now=now)
                case 1 if mine and mine.state == "offered":
                    await decline_offer(session, who.actor, entry_id=mine.id, now=now)
                case 2 if mine and mine.state == "waiting":
                    await leave(session, who.actor, entry_id=mine.id, now=now)
                case 3 if booked:
                    await cancel(session, who.actor, reservation_id=booked, now=now)
                case 4:
                    await expire_slot(session, slot_id=one.slot_id, now=now)
                case 5:
                    await sweep(session, slot_id=one.slot_id, now=now)
                case 6:
                    wish = Wish(person_id=who.person_id, slot_id=one.slot_id)
                    await reserve(session, who.actor, ring=one.ring, wish=wish, now=now)
                case _:
                    asked = Joining(one.slot_id, who.person_id)
                    await join(session, who.actor, ring=one.ring, wish=asked, now=now)
    except DomainError as error:
        return error.code
    return "done"


async def test_whatever_people_do_at_once_offers_go_in_the_order_of_the_queue(hall):
    one = await hall(4, 14)
    outcomes = Counter()

    async def live(who, seed) -> None:
        choice = random.Random(seed)
        for _ in range(20):
            outcomes[await act(one, who, choice)] += 1

    await asyncio.gather(
        *(one.cancel(reservation) for reservation in one.taken),
        *(live(who, seed) for seed, who in enumerate(one.residents)),
    )
    # Nothing but refusals: no deadlock, no broken constraint.
    assert outcomes["done"] > 100, outcomes
    held, confirmed, aside = await one.counts()  # also that the ledger says the same
    async with one.database.transaction() as session:
        live_now = await session.scalar(
            select(func.coalesce(func.sum(Reservation.party_size), 0)).where(
                Reservation.state.in_(("held", "confirmed"))
            )
        )
        offered = await session.scalars(
            select(WaitlistEntry.number)
            .join(Event, Event.subject_id == WaitlistEntry.id)
            .where(Event.kind == "waitlist_offer")
            .order_by(Event.id)
        )
        numbers = list(offered)
    assert held + confirmed == live_now
    assert held + confirmed + aside <= 4
    assert len(numbers) > 5
    assert numbers == sorted(numbers)
