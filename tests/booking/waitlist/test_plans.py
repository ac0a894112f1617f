"""Queues of a whole district: each look goes by an index, also under a plan that knows no parameter."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from booking.standing.run import DUE
from booking.waitlist.listing import entry_query, own_query
from booking.waitlist.sweep import ASIDE, FREE
from core.ids import new_id
from tests.booking.bookable import NOON
from tests.booking.feedback.plans import generic_plan

FILL = """
insert into waitlist_entry (id, slot_id, person_id, party_size, channel, tiers, joined_at, state)
select gen_random_uuid(), :slot_id, :person_id, 1, 'web', '{general}', now(), 'left' from generate_series(1, 20000)
"""


async def plan_of(session, query):
    """The plan of a query without parameters."""
    return "\n".join(await session.scalars(text(f"explain {query.text}")))


@pytest.fixture
async def crowded(world, queue):
    offering = await world.offering()
    slot = await world.slot(offering, {"general": 1})
    await queue.book(slot)
    entry = await queue.wait(slot)
    other = await world.resident()
    await world.session.execute(text(FILL), {"slot_id": slot.id, "person_id": other.person_id})
    await world.session.execute(
        text(
            "insert into slot (id, offering_id, on_date, starts_at, ends_at, opens_at, closes_at)"
            " select gen_random_uuid(), :offering_id, d::date, d, d + interval '1 hour', d - interval '7 days', d"
            " from (select cast(:first as timestamptz) + n * interval '10 min' as d from generate_series(1, 5000) n) as t"
        ),
        {"offering_id": offering.id, "first": NOON + timedelta(days=2)},
    )
    await world.session.execute(
        text(
            "insert into slot_bucket (slot_id, tier, capacity) select id, 'general', 5 from slot"
            " where not exists (select from slot_bucket where slot_id = slot.id)"
        )
    )
    await world.session.execute(text("analyze waitlist_entry, slot, slot_bucket"))
    return entry


async def test_who_is_ahead_is_counted_from_those_who_wait(world, crowded):
    plan = await generic_plan(world.session, entry_query(crowded.id))
    assert "waitlist_entry_queue_idx" in plan, plan
    assert "Seq Scan on waitlist_entry" not in plan


async def test_ones_own_entries_are_found_by_person(world, crowded):
    query = own_query([crowded.person_id], over=True, limit=50)
    plan = await generic_plan(world.session, query)
    assert "Seq Scan on waitlist_entry" not in plan, plan


async def test_the_sweep_reads_what_waits_and_not_every_slot(world, crowded):
    aside = await plan_of(world.session, ASIDE)
    assert "slot_bucket_set_aside_idx" in aside, aside
    free = await plan_of(world.session, FREE)
    assert "waitlist_entry_queue_idx" in free, free
    assert "Seq Scan" not in free, free


async def test_dates_that_opened_are_found_by_offering(world, crowded):
    plan = await generic_plan(
        world.session, DUE, now=NOON, most=100, after_at=NOON - timedelta(days=3000), after_id=new_id()
    )
    assert "Seq Scan on slot" not in plan, plan
