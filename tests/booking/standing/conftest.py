"""A bookable site and a week of slots."""

from datetime import date, time, timedelta

import pytest

from booking.standing.book import Asked, ask
from booking.standing.dates import report
from tests.booking.bookable import NOON, NOW, Bookable

ZONE = "Asia/Shanghai"
WEDNESDAY = date(2026, 11, 25)


class Standing:
    """Slots at 11:30 from Wednesday on, and what people ask for."""

    def __init__(self, world: Bookable) -> None:
        self.world, self.session = world, world.session

    async def slots(self, offering, days, places=2, **more):
        made = []
        for day in days:
            starts_at = NOON + timedelta(days=day)
            said = {name: value(starts_at) if callable(value) else value for name, value in more.items()}
            made.append(await self.world.slot(offering, {"general": places}, starts_at=starts_at, **said))
        return made

    async def ask(self, who, offering, *, actor=None, now=NOW, until=WEDNESDAY + timedelta(days=6), **more):
        asked = Asked(
            **{
                "offering_id": offering.id,
                "person_id": who.person_id,
                "weekdays": (1, 2, 3, 4, 5, 6, 7),
                "starts_at": time(11, 30),
                "from_on": WEDNESDAY,
                "until_on": until,
                **more,
            }
        )
        return await ask(self.session, actor or who.actor, ring=self.world.ring, asked=asked, now=now)

    async def report(self, standing, now=NOW):
        found = await report(self.session, standing, zone=ZONE, now=now)
        return {(one.on - WEDNESDAY).days: (one.state, one.reason) for one in found}


@pytest.fixture
async def world(session, ring) -> Bookable:
    return await Bookable(session, ring).open()


@pytest.fixture
def standing(world) -> Standing:
    return Standing(world)
