"""Two workers, two phones: each date is booked once, and one standing booking is made."""

import asyncio
from datetime import time, timedelta

import pytest
from sqlalchemy import func, select

from booking.errors import StandingExists
from booking.models import Reservation, StandingBooking, StandingDate
from booking.standing.book import Asked, ask
from booking.standing.run import due, run_one
from core.database import Database
from core.settings import Settings
from tests.booking.bookable import NOON, NOW, Bookable

OPENED = NOON - timedelta(hours=1)


@pytest.fixture
async def crowd(anyio_backend, database_url):
    async with Database(Settings(database_url=database_url, pool_size=8)) as database:
        yield database


@pytest.fixture
async def lunch(crowd, ring):
    """An offering whose slot opens an hour before, and a resident."""
    async with crowd.transaction() as session:
        world = await Bookable(session, ring).open()
        offering = await world.offering()
        await world.slot(offering, {"general": 5}, opens_at=OPENED)
        return offering, await world.resident()


async def asks(crowd, ring, offering, who):
    asked = Asked(offering.id, who.person_id, (1, 2, 3, 4, 5, 6, 7), time(11, 30), NOON.date())
    async with crowd.transaction() as session:
        return await ask(session, who.actor, ring=ring, asked=asked, now=NOW)


async def test_workers_at_once_book_a_date_once(crowd, ring, lunch):
    offering, who = lunch
    one = await asks(crowd, ring, offering, who)

    async def run():
        async with crowd.transaction() as session:
            tried = await run_one(session, ring=ring, standing_id=one.id, now=OPENED)
            await asyncio.sleep(0.2)
            return tried

    assert sorted(await asyncio.gather(*(run() for _ in range(4)))) == [0, 0, 0, 1]
    async with crowd.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(StandingDate)) == 1
        assert await session.scalar(select(func.count()).select_from(Reservation)) == 1
        assert await due(session, now=OPENED) == []


async def test_the_same_asked_for_twice_at_once_is_made_once(crowd, ring, lunch):
    offering, who = lunch
    results = await asyncio.gather(
        *(asks(crowd, ring, offering, who) for _ in range(4)), return_exceptions=True
    )
    assert [type(one) for one in results if not isinstance(one, StandingBooking)] == [StandingExists] * 3
