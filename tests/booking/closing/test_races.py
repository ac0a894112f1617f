"""Closing against booking: however they meet, nobody is left in a closed slot, and nobody is told twice."""

import asyncio

from sqlalchemy import func, select, text

from api.tasks.booking import settle_all
from booking.closing.slots import close_slot
from booking.errors import SlotClosed
from booking.models import Event, Reservation
from booking.offerings.slots import TierSize, change_places
from booking.reservations.reserve import Wish, reserve
from core.actor import SYSTEM
from core.errors import DomainError
from tests.booking.bookable import Bookable
from tests.booking.offerings.worlds import NOW, announce, buckets_of, offer, pattern, slots_of
from tests.geo.test_site_store import a_site
from tests.geo.test_site_workflow import imported

PEOPLE = 20


async def a_slot(database, ring, places):
    """A slot with so many places, and people who want to book it."""
    async with database.transaction() as session:
        await announce(session, 2026, 2027)
        (site,) = await imported(session, a_site())
        offering = await offer(session, site, pattern(places={"general": places}))
        slot = (await slots_of(session, offering))[1]
        world = Bookable(session, ring)
        return slot, [await world.resident() for _ in range(PEOPLE)]


async def book(database, ring, slot, who):
    try:
        async with database.transaction() as session:
            wish = Wish(person_id=who.person_id, slot_id=slot.id)
            await reserve(session, who.actor, ring=ring, wish=wish, now=NOW)
    except DomainError as error:
        return type(error)
    return None


async def test_whoever_books_while_it_closes_is_told_once_and_has_no_place(database, ring):
    slot, people = await a_slot(database, ring, PEOPLE)

    async def close():
        await asyncio.sleep(0.02)
        async with database.transaction() as session:
            await close_slot(session, SYSTEM, slot_id=slot.id, reason="停电", now=NOW)
        # Two workers at once, while some still book.
        await asyncio.gather(*(settle_all(database, ring, now=NOW) for _ in range(2)))

    answers = (await asyncio.gather(close(), *(book(database, ring, slot, one) for one in people)))[1:]
    assert set(answers) <= {None, SlotClosed}
    await settle_all(database, ring, now=NOW)
    async with database.transaction() as session:
        states = (await session.scalars(select(Reservation.state))).all()
        told = await session.scalar(select(func.count()).where(Event.kind == "slot_closed"))
        bucket = (await buckets_of(session, slot))["general"]
    assert states == ["cancelled"] * answers.count(None)
    assert told == answers.count(None)
    assert (bucket.held, bucket.confirmed) == (0, 0)


async def test_fewer_places_while_people_book_leave_nobody_without(database, ring):
    slot, people = await a_slot(database, ring, PEOPLE)

    async def shrink(places):
        try:
            async with database.transaction() as session:
                sizes = {"general": TierSize(places)}
                await change_places(session, SYSTEM, slot_id=slot.id, tiers=sizes, now=NOW)
        except DomainError as error:
            return type(error)
        return None

    await asyncio.gather(
        *(book(database, ring, slot, one) for one in people), *(shrink(places) for places in (12, 6, 3))
    )
    async with database.transaction() as session:
        count = await session.scalar(select(func.count()).select_from(Reservation))
        bucket = (await buckets_of(session, slot))["general"]
    assert count == bucket.confirmed <= bucket.capacity


async def test_without_lock_and_check_somebody_is_left_without(database, ring):
    """Negative control of the one above."""
    slot, people = await a_slot(database, ring, PEOPLE)
    async with database.transaction() as session:
        await session.execute(text("alter table slot_bucket drop constraint slot_bucket_capacity_check"))

    async def shrink():
        await asyncio.gather(*(book(database, ring, slot, one) for one in people[:10]))
        async with database.transaction() as session:
            await session.execute(
                text("update slot_bucket set capacity = 3 where slot_id = :id"), {"id": slot.id}
            )

    await asyncio.gather(shrink(), *(book(database, ring, slot, one) for one in people[10:]))
    async with database.transaction() as session:
        bucket = (await buckets_of(session, slot))["general"]
    assert bucket.confirmed > bucket.capacity
