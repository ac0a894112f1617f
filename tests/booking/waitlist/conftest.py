"""A bookable site, and the things people do with a queue."""

import pytest

from booking.reservations.life import cancel
from booking.reservations.offers import accept_offer, decline_offer
from booking.reservations.reserve import Wish, reserve
from booking.waitlist.queue import Joining, join
from core.actor import SYSTEM
from tests.booking.bookable import NOW, Bookable


class Queue:
    """Residents who book, wait, cancel and answer, at ``now``."""

    def __init__(self, world: Bookable) -> None:
        self.world, self.session, self.now = world, world.session, NOW

    async def book(self, slot, party_size=1, *, who=None, **wish):
        who = who or await self.world.resident()
        asked = Wish(person_id=who.person_id, slot_id=slot.id, party_size=party_size, **wish)
        return await reserve(self.session, who.actor, ring=self.world.ring, wish=asked, now=self.now)

    async def wait(self, slot, party_size=1, *, who=None, actor=None, **wish):
        who = who or await self.world.resident()
        asked = Joining(slot.id, who.person_id, party_size, **wish)
        entry = await join(self.session, actor or who.actor, ring=self.world.ring, wish=asked, now=self.now)
        entry.who = who
        return entry

    async def cancel(self, reservation, why="cancelled"):
        return await cancel(self.session, SYSTEM, reservation_id=reservation.id, why=why, now=self.now)

    async def accept(self, entry):
        return await accept_offer(self.session, entry.who.actor, entry_id=entry.id, now=self.now)

    async def decline(self, entry):
        return await decline_offer(self.session, entry.who.actor, entry_id=entry.id, now=self.now)

    async def states(self, *entries):
        for one in entries:
            await self.session.refresh(one)
        return [one.state for one in entries]


@pytest.fixture
async def world(session, ring) -> Bookable:
    return await Bookable(session, ring).open()


@pytest.fixture
def queue(world) -> Queue:
    return Queue(world)
