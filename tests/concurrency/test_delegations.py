"""Delegations under races: settled once, accepted once, and never used after a revocation."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import psycopg
import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from booking.people.delegations import activate, require_person
from booking.people.errors import PersonNotFound
from booking.people.models import Account, Delegation, Person
from booking.people.offers import accept_delegation, offer_delegation, revoke_delegation
from booking.people.persons import lock_person, set_name
from core import clock
from core.actor import Actor
from core.audit import AuditEntry
from core.ids import new_id
from tests.api.residents import id_number, last_code, phone, resident
from tests.api.running import serving

PAUSE_SECONDS = 0.3


def actor(account: Account) -> Actor:
    return Actor(name=f"account:{account.id}", channel="app", account_id=account.id)


def account_with(ring, number: str) -> Account:
    one = Account(id=new_id(), kind="resident", created_at=clock.now())
    one.phone = ring.encrypt("account.phone", one.id, number)
    one.phone_blind = ring.blind("account.phone", number)
    return one


@pytest.fixture
async def offered(database, ring):
    """A mother, a son, and what she offers to his phone."""
    mother, son = account_with(ring, "+8613900000001"), account_with(ring, "+8613900000002")
    now = clock.now()
    person = Person(id=new_id(), account_id=mother.id, created_at=now)
    set_name(ring, person, "王秀英")
    async with database.transaction() as session:
        session.add_all([mother, son])
        await session.flush()
        session.add(person)
        await session.flush()
        one, _ = await offer_delegation(
            session,
            actor(mother),
            ring=ring,
            person=person,
            phone="+8613900000002",
            relation="child",
            scopes=["book.all"],
            purpose=None,
            until_on=now.date() + timedelta(days=30),
            now=now,
        )
    return mother, son, person, one


async def accept(database, ring, son, delegation_id) -> None:
    async with database.transaction() as session:
        await accept_delegation(session, actor(son), ring=ring, delegation_id=delegation_id, now=clock.now())
        await asyncio.sleep(PAUSE_SECONDS)


async def accept_without_lock(database, son, delegation_id) -> None:
    """What accepting would be if nobody's row were locked: looked at, then written."""
    async with database.transaction() as session:
        one = await session.get_one(Delegation, delegation_id)
        if one.state == "pending":
            await asyncio.sleep(PAUSE_SECONDS)
            await activate(session, actor(son), one, grantee_id=son.id, way="app", now=clock.now())


async def acceptances(database) -> int:
    async with database.transaction() as session:
        query = select(func.count()).where(AuditEntry.action == "delegation.accept")
        return await session.scalar(query) or 0


async def test_an_offer_accepted_twice_at_once_is_accepted_once(database, ring, offered):
    _, son, _, one = offered
    await asyncio.gather(*(accept(database, ring, son, one.id) for _ in range(4)))
    assert await acceptances(database) == 1


async def test_without_the_lock_it_would_be_accepted_twice(database, offered):
    _, son, _, one = offered
    await asyncio.gather(*(accept_without_lock(database, son, one.id) for _ in range(2)))
    assert await acceptances(database) == 2


async def use(database, son, person_id, *, locked: bool) -> bool:
    """Whether something could be done for the person, as a booking does it: lock, ask, write."""
    async with database.transaction() as session:
        if locked:
            await lock_person(session, actor(son), person_id=person_id)
        try:
            await require_person(session, actor(son), person_id=person_id, scope="book.meal", now=clock.now())
        except PersonNotFound:
            return False
        return True


async def revoke(database, ring, mother, delegation_id, began: asyncio.Event) -> None:
    async with database.transaction() as session:
        await revoke_delegation(
            session, actor(mother), ring=ring, delegation_id=delegation_id, now=clock.now()
        )
        began.set()
        await asyncio.sleep(PAUSE_SECONDS)


async def used_while_revoked(database, ring, offered, *, locked: bool) -> bool:
    mother, son, person, one = offered
    await accept(database, ring, son, one.id)
    began = asyncio.Event()
    revoking = asyncio.create_task(revoke(database, ring, mother, one.id, began))
    await began.wait()
    used = await use(database, son, person.id, locked=locked)
    await revoking
    assert not await use(database, son, person.id, locked=locked)
    return used


async def test_a_use_that_meets_a_revocation_waits_for_it_and_is_refused(database, ring, offered):
    assert not await used_while_revoked(database, ring, offered, locked=True)


async def test_without_the_lock_a_use_overtakes_the_revocation(database, ring, offered):
    assert await used_while_revoked(database, ring, offered, locked=False)


async def test_offers_made_at_once_to_one_phone_leave_one(database, ring, offered):
    mother, _, person, _ = offered

    async def offer() -> None:
        async with database.transaction() as session:
            await offer_delegation(
                session,
                actor(mother),
                ring=ring,
                person=await session.get_one(Person, person.id),
                phone="+8613900000002",
                relation="child",
                scopes=["view"],
                purpose=None,
                until_on=clock.now().date() + timedelta(days=30),
                now=clock.now(),
            )

    await asyncio.gather(*(offer() for _ in range(4)))
    async with database.transaction() as session:
        query = select(func.count()).where(Delegation.state == "pending")
        assert await session.scalar(query) == 1


async def test_two_delegations_of_one_pair_cannot_both_be_in_force(database, offered):
    _, son, person, one = offered
    async with database.transaction() as session:
        await session.execute(
            update(Delegation)
            .where(Delegation.id == one.id)
            .values(state="active", grantee_id=son.id, grantee_phone=None, grantee_phone_blind=None)
        )
    second = Delegation(
        id=new_id(),
        person_id=person.id,
        grantee_id=son.id,
        relation="child",
        scopes=["view"],
        until_on=date(2099, 1, 1),
        state="active",
        offered_at=clock.now(),
    )
    async with database.transaction() as session:
        session.add(second)
        with pytest.raises(IntegrityError, match="delegation_person_id_grantee_id_key"):
            await session.flush()
        session.expunge_all()


@pytest.fixture
def place(tmp_path, database_url, redis_url):
    with serving(
        tmp_path / "log", ready=False, database_url=database_url, redis_url=redis_url, limits="off"
    ) as one:
        yield one.url, database_url


def test_a_code_entered_many_times_at_once_settles_one_request_once(place):
    daughter, mother_phone = resident(*place), phone()
    daughter.agree("id")
    body = {
        "relation": "child",
        "name": "王秀英",
        "id_number": id_number(),
        "phone": mother_phone,
        "scopes": ["view"],
        "until": (clock.now().date() + timedelta(days=30)).isoformat(),
    }
    asked = daughter.call("POST", "/v1/me/people", body).json()
    code = {"code": last_code(place[1], mother_phone)}
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda _: daughter.call("POST", f"/v1/me/people/{asked['id']}/verify", code).status_code,
                range(8),
            )
        )
    assert answers.count(200) == 1
    assert set(answers) <= {200, 404, 422}
    with psycopg.connect(place[1]) as connection:
        assert connection.execute("select count(*) from delegation").fetchone() == (1,)
        assert connection.execute("select count(*) from person").fetchone() == (1,)


def test_one_new_document_brought_by_many_at_once_makes_one_person(place):
    number, callers = id_number(), [resident(*place) for _ in range(6)]
    requests = []
    for one in callers:
        one.agree("id")
        body = {"relation": "self", "name": "王秀英", "id_number": number}
        requests.append(one.call("POST", "/v1/me/people", body).json()["id"])
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(
                lambda pair: pair[0].call("POST", f"/v1/me/people/{pair[1]}/verify", {}).status_code,
                zip(callers, requests, strict=True),
            )
        )
    assert sorted(answers) == [200, 409, 409, 409, 409, 409]
    with psycopg.connect(place[1]) as connection:
        assert connection.execute("select count(*) from person").fetchone() == (1,)
