"""How the database answers: by keys, the same way however many reservations there are, under the generic plan that a
prepared statement ends with."""

import os
import re
from datetime import timedelta

import pytest

from booking.availability.free_sites import AHEAD, COUNTED, INTERVAL, LONGEST, free_sites
from booking.availability.slots import SLOTS, slot_states
from booking.availability.windows import WINDOWS
from core.database import driver_connection
from tests.booking.bookable import NOW, Bookable

LONG = bool(os.environ.get("XINBAN_TEST_LONG"))
OFFERINGS, SLOTS_EACH = (4_000, 50) if LONG else (400, 50)
BOOKED_FEW, BOOKED_MANY = (1, 58) if LONG else (1, 8)  # in each slot
WEEK = {"starts_from": NOW, "starts_before": NOW + timedelta(days=7), "now": NOW}

MAKE = f"""
set session_replication_role = replica;
insert into offering (id, site_id, kind, shape, status, title, created_at, updated_at, granularity_minutes,
    shortest_minutes, longest_minutes)
select gen_random_uuid(), site.id, 'meal', case when n % 8 = 0 then 'interval' else 'counted' end, 'active', '试验',
    now(), now(), case when n % 8 = 0 then 30 end, case when n % 8 = 0 then 60 end, case when n % 8 = 0 then 90 end
from site, generate_series(1, {OFFERINGS}) n;
insert into slot (id, offering_id, on_date, starts_at, ends_at, opens_at, closes_at)
select gen_random_uuid(), offering.id, at::date, at, at + interval '2 hours', timestamptz '2026-11-01Z', at
from offering, generate_series(0, {SLOTS_EACH - 1}) n,
    lateral (select timestamptz '2026-11-24 03:30Z' + n * interval '3 hours' as at) begins;
insert into slot_bucket (slot_id, tier, capacity)
select slot.id, 'general', 100 from slot join offering on offering.id = offering_id where shape = 'counted';
insert into resource (id, offering_id, name)
select gen_random_uuid(), id, n::text from offering, generate_series(1, 20) n where shape = 'interval';
insert into resource_span (id, resource_id, reservation_id, during)
select gen_random_uuid(), resource.id, gen_random_uuid(), tstzrange(at, at + interval '1 hour')
from resource, generate_series(timestamptz '2026-11-24Z', timestamptz '2026-12-01Z', interval '4 hours') at
where resource.name in ('1', '2');
insert into slot_need (slot_id, needs_slot_id, per)
select id, lag(id, 1, id) over (order by id), 'booking' from slot where starts_at > timestamptz '2026-11-29Z';
insert into waitlist_entry (id, slot_id, person_id, party_size, channel, tiers, joined_at)
select gen_random_uuid(), id, gen_random_uuid(), 1, 'web', '{{general}}', now()
from slot where starts_at > timestamptz '2026-11-29Z' order by id limit 5000;
"""
# One in a hundred is held, and its time is over.
BOOK = """
with made as (
    insert into reservation (id, slot_id, offering_id, party_size, state, channel, code, starts_at, ends_at, expires_at,
        created_at)
    select gen_random_uuid(), slot.id, slot.offering_id, 1, case when random() < 0.01 then 'held' else 'confirmed' end,
        'counter', n::text, slot.starts_at, slot.ends_at, timestamptz '2026-11-01Z', now()
    from slot join slot_bucket on slot_id = slot.id, generate_series({first}, {last}) n
    returning id, slot_id, state
), ledger as (
    insert into allocation (slot_id, tier, reservation_id, held, confirmed, at)
    select slot_id, 'general', id, (state = 'held')::int, (state <> 'held')::int, now() from made
)
update slot_bucket set held = slot_bucket.held + counts.held, confirmed = slot_bucket.confirmed + counts.confirmed
from (select slot_id, count(*) filter (where state = 'held') as held,
        count(*) filter (where state <> 'held') as confirmed from made group by slot_id) counts
where slot_bucket.slot_id = counts.slot_id
"""
ANALYZE = "analyze offering, slot, slot_bucket, slot_need, reservation, allocation, waitlist_entry, resource, resource_span"


async def plan_of(connection, query, asked):
    """Nodes and indexes without costs, planned without a look at the parameters."""
    names = list(asked)
    numbered = re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", query)
    types = ", ".join("uuid" if name == "offering_id" else "timestamptz" for name in names)
    await connection.execute(f"prepare look ({types}) as {numbered}")
    await connection.execute("set plan_cache_mode = force_generic_plan")
    given = ", ".join(f"'{value}'" for value in asked.values())
    cursor = await connection.execute(f"explain (costs off) execute look ({given})")
    rows = [row[0] for row in await cursor.fetchall()]
    await connection.execute("reset plan_cache_mode")
    await connection.execute("deallocate look")
    return "\n".join(rows)


def scanned(plan):
    """What is read from one end to the other."""
    return set(re.findall(r"Seq Scan on (\w+)", plan))


@pytest.mark.timeout(3_600 if LONG else 300)
async def test_availability_reads_keys_the_same_way_however_many_reservations_there_are(database, ring):
    async with database.transaction() as session:
        await Bookable(session, ring).open()
        connection = await driver_connection(session)
        for statement in MAKE.split(";\n"):
            if statement.strip():
                await connection.execute(statement)
    plans = []
    begun = 1
    for last in (BOOKED_FEW, BOOKED_MANY):
        async with database.transaction() as session:
            connection = await driver_connection(session)
            await connection.execute("set local session_replication_role = replica")
            await connection.execute(BOOK.format(first=begun, last=last))
            await connection.execute(ANALYZE)
        begun = last + 1
        async with database.hot() as connection:
            ids = {}
            for shape in ("counted", "interval"):
                cursor = await connection.execute(
                    "select id from offering where shape = %s limit 1", (shape,)
                )
                ids[shape] = (await cursor.fetchone())[0]
            ahead = {"now": NOW, "since": NOW - LONGEST, "until": NOW + AHEAD}
            plans.append(
                {
                    "slots": await plan_of(connection, SLOTS, {**WEEK, "offering_id": ids["counted"]}),
                    "windows": await plan_of(connection, WINDOWS, {**WEEK, "offering_id": ids["interval"]}),
                    "counted": await plan_of(connection, COUNTED, ahead),
                    "interval": await plan_of(connection, INTERVAL, ahead),
                }
            )
            states = await slot_states(connection, offering_id=ids["counted"], **WEEK)
            cursor = await connection.execute(
                "select count(*) filter (where state = 'confirmed') from reservation where slot_id = %s",
                (states[0].id,),
            )
            assert states[0].free(("general",)) == 100 - (await cursor.fetchone())[0]
            assert len(await free_sites(connection, now=NOW)) == 1
    few, many = plans
    assert many["slots"] == few["slots"]
    assert many["windows"] == few["windows"]
    for index in (
        "slot_offering_id_starts_at_idx",
        "slot_bucket_pkey",
        "reservation_held_idx",
        "allocation_reservation_id_idx",
        "waitlist_entry_queue_idx",
        "slot_need_pkey",
    ):
        assert index in many["slots"], many["slots"]
    for index in (
        "slot_offering_id_starts_at_idx",
        "resource_offering_id_name_key",
        "resource_span_overlap_excl",
    ):
        assert index in many["windows"], many["windows"]
    assert scanned(many["slots"]) == set()
    assert scanned(many["windows"]) == set()
    for which in ("counted", "interval"):
        assert "slot_offering_id_starts_at_idx" in many[which], many[which]
        assert scanned(many[which]) <= {"offering", "site"}, many[which]
