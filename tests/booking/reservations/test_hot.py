"""The one statement: it books as the general path does, or says no, and its plan is by indexes alone."""

from dataclasses import replace
from datetime import timedelta

import pytest
from psycopg import errors as pg
from sqlalchemy import text

from booking import errors
from booking.recording.targets import Target
from booking.reservations.hot import RESERVE, Card, draft_for, find_slot, read_offer, reserve_counted
from booking.reservations.reserve import Wish, reserve
from booking.rules.reading import read_rules
from core.ids import new_id
from tests.booking.bookable import NOON, NOW, Bookable

ROWS = (
    "select (to_jsonb(r) - '{id,person_id,account_id,code}'::text[]) as one from reservation r",
    "select (to_jsonb(s) - '{reservation_id,actor}'::text[]) from reservation_step s",
    "select (to_jsonb(c) - '{id,person_id,subject_id}'::text[]) from person_commitment c",
    "select (to_jsonb(q) - '{person_id}'::text[]) from person_quota q",
    "select (to_jsonb(a) - '{id,reservation_id}'::text[]) from allocation a",
    "select (to_jsonb(e) - '{id,person_id,account_id,subject_id,data}'::text[]) from event e",
)
RULES = {"limits": [{"per": "day", "most": 1, "scope": "kind"}]}


@pytest.fixture
def act(database, ring):
    """Runs a step in a transaction of its own, with a world to make things in."""

    async def act(work, site=None):
        async with database.transaction() as session:
            world = Bookable(session, ring)
            if site is None:
                await world.open()
            else:
                world.site_id = site
            return await work(world), world.site_id

    return act


@pytest.fixture
async def made(act):
    async def work(world):
        slot = await world.slot(await world.offering(rules=RULES, price_fen=800), {"general": 2})
        return slot, [await world.resident() for _ in range(4)]

    (slot, people), site = await act(work)
    return slot, people, site


async def read_card(database, slot):
    async with database.transaction() as session, database.hot() as connection:
        found, has_needs, _ = await find_slot(connection, slot_id=slot.id)
        offering, site = await read_offer(session, slot_id=slot.id)
    return Card(Target(offering, found, read_rules(offering.rules)), site, has_needs, NOW)


async def fast(database, who, slot, now=NOW, draft=None, **wish):
    card = await read_card(database, slot)
    asked = Wish(person_id=who.person_id, slot_id=slot.id, **wish)
    assert card.suits(who.actor, asked)
    draft = draft or draft_for(card, who.actor, asked, now=now)
    async with database.hot() as connection:
        done = await reserve_counted(connection, who.actor, card=card, draft=draft, now=now)
    return draft if done else None


async def test_it_writes_what_the_general_path_writes(database, act, made, ring):
    slot, (wang, li, *_), site = made
    assert await fast(database, wang, slot) is not None

    async def work(world):
        await reserve(
            world.session,
            li.actor,
            ring=ring,
            wish=Wish(person_id=li.person_id, slot_id=slot.id),
            now=NOW,
        )
        for statement in ROWS:
            both = (await world.session.scalars(text(statement))).all()
            assert len(both) == 2
            assert both[0] == both[1], statement
        return await world.counts(slot)

    counts, _ = await act(work, site)
    assert counts == {"general": (0, 2, 0)}


async def test_it_says_no_when_full_closed_not_open_or_not_theirs_and_writes_nothing(database, made):
    slot, (wang, li, zhang, zhao), _ = made
    assert await fast(database, wang, slot, party_size=2) is not None
    assert await fast(database, li, slot) is None
    assert await fast(database, zhang, slot, now=NOON) is None
    assert await fast(database, zhao, slot, now=NOW - timedelta(days=2)) is None
    foreign = replace(li, person_id=zhang.person_id)
    assert await fast(database, foreign, slot) is None
    async with database.transaction() as session:
        assert await session.scalar(text("select count(*) from reservation")) == 1


async def test_constraints_refuse_a_busy_person_and_a_used_up_limit(database, act, made):
    slot, (wang, *_), site = made

    async def later(world):
        offering = await world.offering(rules=RULES)
        return (
            await world.slot(offering, {"general": 2}, starts_at=NOON + timedelta(hours=2)),
            await world.slot(await world.offering(), {"general": 2}, starts_at=NOON),
        )

    (same_day, same_time), _ = await act(later, site)
    assert await fast(database, wang, slot) is not None
    with pytest.raises(errors.LimitReached):
        await fast(database, wang, same_day)
    with pytest.raises(errors.PersonBusy):
        await fast(database, wang, same_time)
    async with database.transaction() as session:
        assert await session.scalar(text("select sum(confirmed) from slot_bucket")) == 1


async def test_a_code_that_is_taken_is_refused_by_its_key(database, made):
    slot, (wang, li, *_), _ = made
    one = await fast(database, wang, slot)
    card = await read_card(database, slot)
    wish = Wish(person_id=li.person_id, slot_id=slot.id)
    draft = replace(draft_for(card, li.actor, wish, now=NOW), code=one.code, id=new_id())
    with pytest.raises(pg.UniqueViolation) as refused:
        await fast(database, li, slot, draft=draft)
    assert refused.value.diag.constraint_name == "reservation_slot_id_code_key"


async def test_a_card_of_an_offering_that_changed_grants_nothing(database, act, made):
    slot, (wang, *_), _ = made
    card = await read_card(database, slot)
    async with database.transaction() as session:
        await session.execute(text("update offering set version = version + 1"))
    wish = Wish(person_id=wang.person_id, slot_id=slot.id)
    async with database.hot() as connection:
        draft = draft_for(card, wang.actor, wish, now=NOW)
        assert not await reserve_counted(connection, wang.actor, card=card, draft=draft, now=NOW)


async def test_its_plan_uses_keys_alone_also_when_it_is_generic(database, made):
    slot, (wang, *_), _ = made
    card = await read_card(database, slot)
    async with database.transaction() as session:
        await session.execute(
            text(
                "with more as (insert into slot (id, offering_id, on_date, starts_at, ends_at, opens_at, closes_at)"
                " select gen_random_uuid(), offering_id, on_date, starts_at + n * interval '1 hour',"
                " ends_at + n * interval '1 hour', opens_at, closes_at + n * interval '1 hour'"
                " from slot, generate_series(1, 20000) n returning id)"
                " insert into slot_bucket (slot_id, tier, capacity) select id, 'general', 1 from more"
            )
        )
        await session.execute(
            text(
                "insert into person (id, name, name_blind, created_at)"
                " select gen_random_uuid(), 'x', 'x', now() from generate_series(1, 20000)"
            )
        )
        await session.execute(text("analyze slot_bucket, person, slot, offering, delegation"))
    plans = []
    async with database.hot() as connection:
        await connection.execute("set plan_cache_mode = force_generic_plan")

        class Spy:
            async def execute(self, query, values):
                cursor = await connection.execute("explain " + query, values, prepare=True)
                plans.append("\n".join(row[0] for row in await cursor.fetchall()))
                return await connection.execute(query, values)

        draft = draft_for(card, wang.actor, Wish(person_id=wang.person_id, slot_id=slot.id), now=NOW)
        assert await reserve_counted(Spy(), wang.actor, card=card, draft=draft, now=NOW)
        await connection.execute("reset plan_cache_mode")
    assert "Seq Scan on person" not in plans[0]
    assert "Seq Scan on slot_bucket" not in plans[0]
    assert "slot_bucket_pkey" in plans[0]
    assert "for no key update" in RESERVE
