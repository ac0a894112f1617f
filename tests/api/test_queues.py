"""What the worker does for holds, queues and standing bookings, on databases that commit."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, text, update

from api.tasks.queues import (
    POLL_SECONDS,
    Patience,
    close_all,
    expire_all,
    move_queues,
    sweep_aside,
    sweep_free,
)
from booking.models import Reservation, Slot, SlotBucket, WaitlistEntry
from booking.recording.entitlement import LOCK
from booking.reservations.life import cancel
from booking.reservations.reserve import Wish, reserve
from booking.waitlist.queue import Joining, join
from core.actor import SYSTEM
from core.ids import new_id
from core.settings import Settings
from tests.booking.bookable import NOON, NOW, Bookable


class Queue:
    """A full slot with one place, and two who wait."""

    def __init__(self, database, ring):
        self.database, self.ring = database, ring

    async def open(self):
        async with self.database.transaction() as session:
            world = await Bookable(session, self.ring).open()
            slot = await world.slot(await world.offering(), {"general": 1})
            who = await world.resident()
            wish = Wish(person_id=who.person_id, slot_id=slot.id)
            one = await reserve(session, who.actor, ring=self.ring, wish=wish, now=NOW)
            self.slot_id, self.reservation_id, self.first = slot.id, one.id, await world.resident()
            for waiting in (self.first, await world.resident()):
                asked = Joining(slot.id, waiting.person_id)
                await join(session, waiting.actor, ring=self.ring, wish=asked, now=NOW)
        return self

    async def cancel(self):
        async with self.database.transaction() as session:
            await cancel(session, SYSTEM, reservation_id=self.reservation_id, now=NOW)

    async def states(self):
        async with self.database.transaction() as session:
            query = select(WaitlistEntry.state).order_by(WaitlistEntry.number)
            return list(await session.scalars(query))


@pytest.fixture
async def queue(database, ring):
    return await Queue(database, ring).open()


async def test_offers_move_on_as_they_run_out_and_the_last_place_is_free_again(queue):
    await queue.cancel()
    assert await expire_all(queue.database, now=NOW + timedelta(minutes=29)) == 0
    assert await expire_all(queue.database, now=NOW + timedelta(minutes=30)) == 1
    assert await queue.states() == ["expired", "offered"]
    assert await expire_all(queue.database, now=NOW + timedelta(minutes=60)) == 1
    assert await queue.states() == ["expired", "expired"]
    async with queue.database.transaction() as session:
        bucket = await session.get_one(SlotBucket, (queue.slot_id, "general"))
        assert (bucket.held, bucket.confirmed, bucket.set_aside) == (0, 0, 0)


async def test_a_place_whose_turn_could_not_be_taken_is_offered_by_the_sweep(queue):
    async with queue.database.transaction() as session:
        await session.execute(LOCK, {"person_id": queue.first.person_id})
        await queue.cancel()
        patience = Patience()
        assert await sweep_aside(queue.database, patience, now=NOW) == 0
    assert await sweep_aside(queue.database, patience, now=NOW) == 0  # not yet: it was just looked at
    assert await sweep_aside(queue.database, patience, now=NOW + timedelta(seconds=1)) == 1
    assert await queue.states() == ["offered", "waiting"]


async def test_more_places_are_offered_within_a_minute(queue):
    async with queue.database.transaction() as session:
        await session.execute(update(SlotBucket).values(capacity=2))
    assert await sweep_free(queue.database, now=NOW) == 1
    assert await queue.states() == ["offered", "waiting"]


async def test_queues_end_with_booking(queue):
    assert await close_all(queue.database, now=NOW) == 0
    assert await close_all(queue.database, now=NOON) == 1
    assert await queue.states() == ["closed", "closed"]
    async with queue.database.transaction() as session:
        assert await session.scalar(select(Reservation.state)) == "confirmed"
        assert await session.scalar(select(Slot.state)) == "open"


def test_a_slot_where_nothing_can_be_done_is_looked_at_less_and_less_often():
    patience, slot_id, now, looked = Patience(), new_id(), NOW, []
    for _ in range(200):
        if patience.is_due(slot_id, now):
            patience.note(slot_id, 0, now)
            looked.append(int((now - NOW).total_seconds()))
        now += timedelta(seconds=1)
    assert looked[:6] == [0, 1, 3, 7, 15, 31]
    assert looked[6] - looked[5] == 30
    patience.note(slot_id, 1, now)
    assert patience.is_due(slot_id, now + timedelta(seconds=1))
    patience.keep(set())
    assert patience.waits == {}


async def test_beside_the_jobs_the_worker_moves_queues_on_and_survives_an_outage(queue, database_url):
    await queue.cancel()
    # By the clock on the wall the offer ran out; that a connection is killed meanwhile is waited for.
    moving = asyncio.create_task(move_queues(Settings(database_url=database_url)))
    try:
        async with asyncio.timeout(20):
            while (await queue.states())[0] != "expired":  # noqa: ASYNC110  # what another connection writes
                await asyncio.sleep(0.05)
            async with queue.database.transaction() as session:
                await session.execute(
                    text(
                        "select pg_terminate_backend(pid) from pg_stat_activity"
                        " where datname = current_database() and pid <> pg_backend_pid()"
                    )
                )
            await asyncio.sleep(1.5 * POLL_SECONDS)
            assert not moving.done()
    finally:
        moving.cancel()
        await asyncio.gather(moving, return_exceptions=True)
