"""How far a delegation reaches."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from booking.people.dates import local_date
from booking.people.delegations import REACH, allows, reach, require_person
from booking.people.errors import DelegationInsufficient, PersonNotFound
from booking.people.models import Account, Delegation, Person
from booking.people.persons import read_facts, set_name, set_phone
from core import clock
from core.actor import Actor
from core.ids import new_id
from core.keyring import KeyRingError


@pytest.mark.parametrize(
    ("held", "asked", "may"),
    [
        ({"self"}, "book.clinic", True),
        ({"book.all"}, "book.clinic", True),
        ({"book.all"}, "view", True),
        ({"book.meal"}, "book.meal", True),
        ({"book.meal"}, "book.clinic", False),
        ({"book.meal"}, "view", True),
        ({"view"}, "book.meal", False),
        ({"view"}, "self", False),
        ({"book.all"}, "self", False),
        (set(), "view", False),
    ],
)
def test_a_scope_goes_as_far_as_it_says(held, asked, may):
    assert allows(held, asked) is may


async def two(session, ring, **delegation):
    """A person, and an account that holds a delegation of theirs."""
    now = clock.now()
    account = Account(id=new_id(), kind="resident", created_at=now)
    person = Person(id=new_id(), created_at=now)
    set_name(ring, person, "王秀英")
    session.add_all([account, person])
    await session.flush()
    session.add(
        Delegation(
            id=new_id(),
            person_id=person.id,
            grantee_id=account.id,
            relation="child",
            offered_at=now,
            **{
                "scopes": ["book.meal"],
                "state": "active",
                "until_on": local_date(now) + timedelta(days=1),
                **delegation,
            },
        )
    )
    await session.flush()
    return Actor(name="account", channel="app", account_id=account.id), person, now


async def test_what_is_in_force_reaches_a_person_until_its_last_day_is_over(session, ring):
    actor, person, now = await two(session, ring)
    assert await reach(session, actor.account_id, now=now) == {person.id: frozenset({"book.meal"})}
    got = await require_person(session, actor, person_id=person.id, scope="book.meal", now=now)
    assert got is person
    assert await reach(session, actor.account_id, now=now + timedelta(days=1)) != {}
    assert await reach(session, actor.account_id, now=now + timedelta(days=2)) == {}
    with pytest.raises(PersonNotFound):
        await require_person(session, actor, person_id=person.id, scope="view", now=now + timedelta(days=2))


@pytest.mark.parametrize("state", ["pending", "declined", "revoked"])
async def test_what_is_not_in_force_reaches_nobody(session, ring, state):
    actor, person, now = await two(session, ring, state=state)
    assert await reach(session, actor.account_id, now=now) == {}
    with pytest.raises(PersonNotFound):
        await require_person(session, actor, person_id=person.id, scope="view", now=now)


async def test_beyond_its_scopes_a_delegation_is_not_enough(session, ring):
    actor, person, now = await two(session, ring)
    with pytest.raises(DelegationInsufficient):
        await require_person(session, actor, person_id=person.id, scope="book.clinic", now=now)


async def test_nobody_signed_out_reaches_anybody(session, ring):
    _, person, now = await two(session, ring)
    anyone = Actor(name="anyone", channel="web")
    with pytest.raises(PersonNotFound):
        await require_person(session, anyone, person_id=person.id, scope="view", now=now)


def test_what_was_moved_to_another_persons_row_does_not_open(ring):
    one, other = (Person(id=new_id(), created_at=clock.now()) for _ in range(2))
    set_name(ring, one, "王秀英")
    set_phone(ring, one, "+8613900000001")
    other.name, other.phone = one.name, one.phone
    assert read_facts(ring, one).phone == "+8613900000001"
    with pytest.raises(KeyRingError):
        read_facts(ring, other)


MANY = """
with account_ as (
    insert into account (id, kind, created_at) select gen_random_uuid(), 'resident', now() from generate_series(1, 3000)
    returning id
), person_ as (
    insert into person (id, account_id, name, name_blind, created_at) select gen_random_uuid(), id, '', '', now() from account_
    returning id, account_id
)
insert into delegation (id, person_id, grantee_id, relation, scopes, until_on, state, offered_at)
select gen_random_uuid(), id, account_id, 'child', array['view'], now() + interval '1 year', 'active', now() from person_
"""


async def test_what_every_request_asks_goes_by_index(session):
    await session.execute(text(MANY))
    await session.execute(text("analyze account, person, delegation"))
    await session.execute(text("set local plan_cache_mode = force_generic_plan"))
    asked = {"account_id": new_id(), "today": local_date(clock.now())}
    plan = "\n".join(row[0] for row in await session.execute(text(f"explain {REACH.text}"), asked))
    assert "person_account_id_key" in plan
    assert "delegation_grantee_id_idx" in plan
    assert "Seq Scan" not in plan
