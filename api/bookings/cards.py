"""Slots as a process remembers them for some minutes, and those it has just found full.

A card only words the answer: the statement that books asks again for all that counts, so an old card grants nothing. A
slot that was full a moment ago is refused without asking again, to keep the database free for those who get a place;
one second later it is asked.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

from booking.errors import SlotFull, SlotNotFound
from booking.models import Offering, Slot
from booking.recording.targets import Target
from booking.reservations.hot import Card, find_slot, read_offer
from booking.rules.reading import read_rules
from core.database import Database
from geo.models import Site

Thing = TypeVar("Thing")

KEPT = timedelta(minutes=5)
FULL_FOR = timedelta(seconds=1)
# The alternatives that a refusal names may be this old.
WORDED_FOR = timedelta(seconds=30)
MOST = 20_000


# A slot, and the tiers somebody may take from: what is full for one is not for another.
Who = tuple[UUID, tuple[str, ...]]


@dataclass
class Full:
    """A party of ``party_size`` was refused with ``refusal``; believed until ``until``, then ``asking`` is one of us."""

    party_size: int
    refusal: SlotFull
    until: datetime
    worded_until: datetime
    asking: bool = False


class Cards:
    """Of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cards: OrderedDict[UUID, Card] = OrderedDict()
        self._offers: OrderedDict[UUID, tuple[Offering, Site, datetime]] = OrderedDict()
        self._full: dict[Who, Full] = {}
        self._locks: WeakValueDictionary[UUID | Who, asyncio.Lock] = WeakValueDictionary()

    def one_by_one(self, what: UUID | Who) -> asyncio.Lock:
        """For what one caller finds out for all who come meanwhile."""
        lock = self._locks.get(what)
        if lock is None:
            lock = self._locks[what] = asyncio.Lock()
        return lock

    async def get(self, slot_id: UUID, *, now: datetime) -> Card:
        """Raises SlotNotFound."""
        card = self._present(slot_id, now)
        if card is not None:
            return card
        async with self.one_by_one(slot_id):
            card = self._present(slot_id, now)
            if card is None:
                card = await self._read(slot_id, now=now)
                _remember(self._cards, slot_id, card)
        return card

    def _present(self, slot_id: UUID, now: datetime) -> Card | None:
        card = self._cards.get(slot_id)
        return None if card is None or now - card.read_at >= KEPT else card

    async def _read(self, slot_id: UUID, *, now: datetime) -> Card:
        async with self._database.hot() as connection:
            found = await find_slot(connection, slot_id=slot_id)
        if found is None:
            raise SlotNotFound("请刷新后重选时段。", "Refresh and choose again.", slot_id=slot_id)
        slot, has_needs, version = found
        offering, site = await self._offer(slot, version, now=now)
        return Card(Target(offering, slot, read_rules(offering.rules)), site, has_needs, now)

    async def _offer(self, slot: Slot, version: int, *, now: datetime) -> tuple[Offering, Site]:
        known = self._offers.get(slot.offering_id)
        if known is None or known[0].version != version or now - known[2] >= KEPT:
            async with self._database.transaction() as session:
                known = (*await read_offer(session, slot_id=slot.id), now)
            _remember(self._offers, slot.offering_id, known)
        return known[0], known[1]

    def forget(self, slot_id: UUID) -> None:
        """Read it again next time."""
        self._cards.pop(slot_id, None)

    def note_full(self, who: Who, party_size: int, refusal: SlotFull, *, now: datetime) -> None:
        """Somebody for ``party_size`` was just refused."""
        if len(self._full) >= MOST:
            self._full.clear()
        self._full[who] = Full(party_size, refusal, now + FULL_FOR, now + WORDED_FOR)

    def note_free(self, who: Who) -> None:
        """There may be a place again."""
        self._full.pop(who, None)

    def full(self, who: Who, party_size: int, *, now: datetime) -> Full | None:
        """What a party no larger than this was refused with of late; ``until`` says whether to ask again."""
        noted = self._full.get(who)
        if noted is None or party_size < noted.party_size:
            return None
        if now >= noted.worded_until:
            del self._full[who]
            return None
        return noted


def _remember(kept: OrderedDict[UUID, Thing], key: UUID, thing: Thing) -> None:
    kept[key] = thing
    kept.move_to_end(key)
    if len(kept) > MOST:
        kept.popitem(last=False)
