"""Sites and those who run them."""

import pytest

from booking.reservations.reserve import Wish, reserve
from booking.waitlist.queue import Joining, join
from tests.booking.bookable import Bookable
from tests.booking.feedback.conftest import account, clerk  # noqa: F401  fixtures
from tests.booking.offerings.worlds import NOW, announce
from tests.geo.test_site_store import a_site
from tests.geo.test_site_workflow import imported


@pytest.fixture
async def sites(session):
    """Two sites; the holidays of 2026 and 2027 are announced."""
    await announce(session, 2026, 2027)
    return await imported(session, a_site("1"), a_site("2"))


@pytest.fixture
def book(session, ring):
    """Somebody new books a slot."""
    world = Bookable(session, ring)

    async def one(slot, party_size=1, now=NOW, **wish):
        who = await world.resident()
        asked = Wish(person_id=who.person_id, slot_id=slot.id, party_size=party_size, **wish)
        return await reserve(session, who.actor, ring=ring, wish=asked, now=now)

    return one


@pytest.fixture
def wait(session, ring):
    """Somebody new waits for a slot."""
    world = Bookable(session, ring)

    async def one(slot, party_size=1, now=NOW):
        who = await world.resident()
        asked = Joining(slot.id, who.person_id, party_size)
        return await join(session, who.actor, ring=ring, wish=asked, now=now)

    return one


@pytest.fixture
def counts(session, ring):
    """Held, confirmed and set aside of a slot by tier, as buckets and ledger agree."""
    return Bookable(session, ring).counts
