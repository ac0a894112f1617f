"""A bookable site for each test, and looks at its slots."""

from datetime import timedelta

import pytest

from booking.availability.askers import NOBODY, asker_of
from booking.availability.reasons import Look
from booking.availability.slots import slot_states
from booking.availability.windows import Grid, windows
from booking.rules.reading import read_rules
from core.database import driver_connection
from tests.booking.bookable import NOW, Bookable

DAY = timedelta(days=1)


class Looking(Bookable):
    """Looks as the call does."""

    async def look(self, offering, who=None, now=NOW, actor=None):
        rules = read_rules(offering.rules)
        asker = NOBODY
        if who is not None:
            asker = await asker_of(
                self.session,
                actor or who.actor,
                ring=self.ring,
                offering=offering,
                rules=rules,
                person_id=who.person_id,
                first=NOW - DAY,
                last=NOW + 60 * DAY,
                now=now,
            )
        return Look(offering, rules, asker, now)

    async def states(self, offering, now=NOW):
        return await slot_states(
            await driver_connection(self.session),
            offering_id=offering.id,
            starts_from=NOW - DAY,
            starts_before=NOW + 60 * DAY,
            now=now,
        )

    async def left(self, offering, who=None, now=NOW):
        """Places left of each slot."""
        look = await self.look(offering, who, now)
        return [look.free(slot) for slot in await self.states(offering, now)]

    async def reasons(self, offering, who=None, now=NOW, actor=None):
        """What is said of each slot."""
        look = await self.look(offering, who, now, actor)
        return [look.reason_for(slot) for slot in await self.states(offering, now)]

    async def windows(self, offering, now=NOW):
        return await windows(
            await driver_connection(self.session),
            offering_id=offering.id,
            grid=grid_of(offering),
            starts_from=NOW - DAY,
            starts_before=NOW + 60 * DAY,
            now=now,
        )

    async def window_reasons(self, offering, who=None, now=NOW):
        look = await self.look(offering, who, now)
        return [look.reason_for_window(one, grid_of(offering)) for one in await self.windows(offering, now)]


def grid_of(offering):
    return Grid(timedelta(minutes=offering.granularity_minutes), timedelta(minutes=offering.shortest_minutes))


@pytest.fixture
async def world(session, ring) -> Looking:
    return await Looking(session, ring).open()
