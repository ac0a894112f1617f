"""A bookable site where two places left empty pause booking."""

import pytest

from booking.people.documents import check_document
from booking.people.models import Person
from booking.people.persons import set_document
from booking.reservations.reserve import Wish, reserve
from tests.api.residents import id_number
from tests.booking.bookable import NOW, Bookable

RULE = {"attendance": {"most": 2, "within_days": 90, "blocks_days": 14}}


@pytest.fixture
async def world(session, ring) -> Bookable:
    return await Bookable(session, ring).open()


@pytest.fixture
def book(world):
    async def book(who, slot, now=NOW):
        wish = Wish(person_id=who.person_id, slot_id=slot.id)
        return await reserve(world.session, who.actor, ring=world.ring, wish=wish, now=now)

    return book


@pytest.fixture
def born(world):
    """Makes residents with a document, which says their age."""

    async def born(day, name="王秀英"):
        who = await world.resident(name)
        person = await world.session.get_one(Person, who.person_id)
        document = check_document("id_card", id_number(day), today=NOW.date())
        set_document(world.ring, person, document, birth_on=None, sex=None)
        await world.session.flush()
        return who

    return born
