"""Two phones agree to the same text at the same moment: the ledger gets one line."""

import asyncio

import pytest
from sqlalchemy import func, select, text

from booking.people.consents import consent_texts, give_consent, record_consents, withdraw_consent
from booking.people.models import Account, Consent, Person
from booking.people.persons import set_name
from core import clock
from core.actor import Actor
from core.ids import new_id

AT_ONCE = 6
PAUSE_SECONDS = 0.2
HEALTH = consent_texts()["health"]


@pytest.fixture
async def resident(database):
    account = Account(id=new_id(), kind="resident", created_at=clock.now())
    async with database.transaction() as session:
        session.add(account)
    return Actor(name=f"account:{account.id}", channel="app", account_id=account.id)


async def agree(database, actor):
    async with database.transaction() as session:
        given = await give_consent(
            session, actor, purpose="health", text_version=HEALTH.version, now=clock.now()
        )
        await asyncio.sleep(PAUSE_SECONDS)
        return given.id


async def lines(database, *conditions):
    async with database.transaction() as session:
        return await session.scalar(select(func.count()).select_from(Consent).where(*conditions))


async def test_of_those_who_agree_at_once_one_writes_and_all_get_its_line(database, resident):
    assert len({*await asyncio.gather(*(agree(database, resident) for _ in range(AT_ONCE)))}) == 1
    assert await lines(database) == 1


async def test_without_the_unique_index_each_would_write(database, resident):
    """Negative control."""
    async with database.transaction() as session:
        await session.execute(text("drop index consent_account_id_purpose_key"))
    written = await asyncio.gather(
        *(agree(database, resident) for _ in range(AT_ONCE)), return_exceptions=True
    )
    assert len(written) == AT_ONCE
    assert await lines(database) > 1


async def test_what_was_withdrawn_can_be_given_again_and_a_newer_text_ends_the_older(database, resident):
    first = await agree(database, resident)
    async with database.transaction() as session:
        await withdraw_consent(session, resident, consent_id=first, now=clock.now())
    second = await agree(database, resident)
    async with database.transaction() as session:
        await session.execute(text("update consent set text_version = 'before' where withdrawn_at is null"))
    third = await agree(database, resident)
    assert len({first, second, third}) == 3
    assert await lines(database, Consent.withdrawn_at.is_(None)) == 1


async def test_what_staff_and_a_code_write_down_at_once_for_a_person_is_one_line(database, ring, resident):
    person = Person(id=new_id(), created_at=clock.now())
    set_name(ring, person, "王秀英")
    async with database.transaction() as session:
        session.add(person)

    async def write(how):
        async with database.transaction() as session:
            await record_consents(
                session,
                resident,
                person_id=person.id,
                purposes=["service", "id"],
                how=how,
                now=clock.now(),
            )
            await asyncio.sleep(PAUSE_SECONDS)

    await asyncio.gather(write("desk"), write("code"))
    assert await lines(database, Consent.person_id == person.id) == 2
