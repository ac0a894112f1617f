"""Where anyone can book a place now: what ``nearby?bookable=true`` keeps, compared with the plainest SQL."""

import random
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from booking.availability.free_sites import free_sites
from booking.models import SlotNeed
from booking.reservations.reserve import Wish, reserve
from core.database import driver_connection
from core.ids import new_id
from geo.categories import read_categories
from geo.models import Site
from geo.nearby.lookup import Filters
from geo.nearby.segment import Chosen
from tests.booking.bookable import NOON, NOW
from tests.geo.oracle import id_of, index_of

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)


async def found(world, now=NOW):
    return await free_sites(await driver_connection(world.session), now=now)


async def test_a_site_counts_while_somebody_can_book_there(world):
    assert await found(world) == frozenset()
    slot = await world.slot(await world.offering(), {"general": 1})
    assert await found(world) == {world.site_id}
    assert await found(world, NOON) == frozenset()  # booking has closed
    who = await world.resident()
    wish = Wish(person_id=who.person_id, slot_id=slot.id, hold=True)
    await reserve(world.session, who.actor, ring=world.ring, wish=wish, now=NOW)
    assert await found(world) == frozenset()
    assert await found(world, NOW + 5 * MINUTE) == {world.site_id}  # the hold ran out


@pytest.mark.parametrize(
    ("offering", "slot", "places"),
    [
        ({"status": "paused"}, {}, {"general": 1}),
        ({"status": "ended"}, {}, {"general": 1}),
        ({"kind": "supply"}, {}, {"general": 1}),
        ({"capacity_authority": "external", "external_url": "https://example.org"}, {}, {"general": 1}),
        ({}, {"state": "closed", "closed_reason": "停水"}, {"general": 1}),
        ({}, {"opens_at": NOW + MINUTE}, {"general": 1}),
        ({}, {"starts_at": NOW + 7 * DAY}, {"general": 1}),
        ({}, {}, {"elder": 1}),
        ({}, {}, {"general": 0}),
    ],
)
async def test_what_nobody_can_book_now_keeps_no_site(world, offering, slot, places):
    await world.slot(await world.offering(**offering), places, **slot)
    assert await found(world) == frozenset()


async def test_a_site_that_is_not_in_use_is_not_kept(world):
    await world.slot(await world.offering(), {"general": 1})
    site = await world.session.get(Site, world.site_id)
    site.status = "temporarily_closed"
    await world.session.flush()
    assert await found(world) == frozenset()


async def test_a_meal_that_no_rider_brings_counts_only_where_one_may_eat_in(world):
    offering = await world.offering(modes=["delivery"])
    slot = await world.slot(offering, {"general": 1})
    riders = await world.slot(await world.offering(kind="supply"), {"general": 0})
    world.session.add(SlotNeed(slot_id=slot.id, needs_slot_id=riders.id, per="booking", modes=["delivery"]))
    await world.session.flush()
    assert await found(world) == frozenset()
    offering.modes = ["dine_in", "delivery"]
    await world.session.flush()
    assert await found(world) == {world.site_id}


async def test_a_rider_whom_a_hold_let_go_of_brings_the_next_meal(world):
    offering = await world.offering()
    slot = await world.slot(offering, {"general": 5})
    riders = await world.slot(await world.offering(kind="supply"), {"general": 1})
    world.session.add(SlotNeed(slot_id=slot.id, needs_slot_id=riders.id, per="booking", modes=[]))
    await world.session.flush()
    who = await world.resident()
    wish = Wish(person_id=who.person_id, slot_id=slot.id, hold=True)
    await reserve(world.session, who.actor, ring=world.ring, wish=wish, now=NOW)
    assert await found(world) == frozenset()
    assert await found(world, NOW + 5 * MINUTE) == {world.site_id}


CITY_SITES = 60
SCATTERED = """
insert into site (id, category_code, source_code, external_id, name, geom, status, published_at, created_at, updated_at)
values (%s, 'meal_point', 'tests', %s, '试验点', st_setsrid(st_makepoint(%s, %s), 4326), %s, %s, now(), now())
"""


def pick(rng, usual, *others):
    """Mostly the usual one."""
    return usual if rng.random() < 0.9 else rng.choice(others)


def scatter(connection, rng):
    """A random city, mostly full, with all that can stand in the way. Plain rows; nobody booked them."""
    run = connection.execute
    run("set session_replication_role = replica")
    run("insert into source (code, name, licence) values ('tests', 'tests', 'CC0-1.0')")
    for number in range(CITY_SITES):
        place = (103.6 + rng.uniform(-0.1, 0.1), 36.5 + rng.uniform(-0.1, 0.1))
        site = new_id()
        status = pick(rng, "active", "temporarily_closed", "inactive")
        run(SCATTERED, (site, str(number), *place, status, pick(rng, NOW, None)))
        for _ in range(rng.randint(0, 3)):
            if rng.random() < 0.5:
                counted(run, rng, site)
            else:
                interval(run, rng, site)


def an_offering(run, rng, site, shape, **more):
    one = {
        "id": new_id(),
        "site_id": site,
        "kind": pick(rng, "meal", "supply"),
        "shape": shape,
        "status": pick(rng, "active", "paused", "draft"),
        "title": "试验",
        "created_at": NOW,
        "updated_at": NOW,
        **more,
    }
    insert(run, "offering", one)
    return one["id"]


def a_slot(run, rng, offering, hours):
    starts_at = NOW + rng.randint(-48, 24 * 9) * HOUR
    closed = rng.random() < 0.15
    one = {
        "id": new_id(),
        "offering_id": offering,
        "on_date": starts_at.date(),
        "starts_at": starts_at,
        "ends_at": starts_at + hours * HOUR,
        "opens_at": min(starts_at, NOW + rng.choice([-1, -1, -1, 1]) * HOUR),
        "closes_at": starts_at - rng.choice([0, 0, 12]) * HOUR,
        "state": "closed" if closed else "open",
        "closed_reason": "停水" if closed else None,
    }
    one["opens_at"] = min(one["opens_at"], one["closes_at"])
    insert(run, "slot", one)
    return one


def counted(run, rng, site):
    modes = rng.choice([[], ["dine_in"], ["dine_in", "delivery"]])
    offering = an_offering(run, rng, site, "counted", modes=modes)
    supply = a_slot(run, rng, an_offering(run, rng, site, "counted"), 1)
    there = rng.randint(0, 1)
    kept = there and rng.random() < 0.7
    row = {"slot_id": supply["id"], "tier": "general", "capacity": there, "held": int(kept)}
    insert(run, "slot_bucket", row)
    for _ in range(rng.randint(0, 4)):
        slot = a_slot(run, rng, offering, 1)
        lapsed = rng.random() < 0.3
        for tier in rng.choice([["general"], ["general", "elder"], ["elder"]]):
            capacity = rng.randint(0, 2)
            held = min(capacity, rng.randint(0, 1))
            released = pick(rng, None, NOW - HOUR, NOW + HOUR) if tier == "elder" else None
            row = {
                "slot_id": slot["id"],
                "tier": tier,
                "capacity": capacity,
                "held": held,
                "released_at": released,
            }
            insert(run, "slot_bucket", {**row, "confirmed": capacity - held if rng.random() < 0.6 else 0})
            if held:
                hold(run, slot, NOW - MINUTE if lapsed else NOW + MINUTE, {slot["id"]: tier})
        if rng.random() < 0.3:
            waiting = {"id": new_id(), "slot_id": slot["id"], "person_id": new_id(), "party_size": 1}
            insert(run, "waitlist_entry", {**waiting, "channel": "web", "tiers": [], "joined_at": NOW})
        if rng.random() < 0.4:
            need = {"slot_id": slot["id"], "needs_slot_id": supply["id"], "per": "booking"}
            insert(
                run, "slot_need", {**need, "modes": rng.choice([[], ["delivery"], ["dine_in", "delivery"]])}
            )
            if kept:
                kept = False
                hold(run, slot, NOW + rng.choice([-1, -1, 1]) * MINUTE, {supply["id"]: "general"})


def hold(run, slot, expires_at, tiers=None):
    one = {
        "id": new_id(),
        "slot_id": slot["id"],
        "offering_id": slot["offering_id"],
        "party_size": 1,
        "state": "held",
        "channel": "web",
        "code": str(new_id()),
        "starts_at": slot["starts_at"],
        "ends_at": slot["ends_at"],
        "expires_at": expires_at,
        "created_at": NOW,
    }
    insert(run, "reservation", one)
    for slot_id, tier in (tiers or {}).items():
        said = {"slot_id": slot_id, "tier": tier, "reservation_id": one["id"], "held": 1, "confirmed": 0}
        insert(run, "allocation", {**said, "at": NOW})
    return one["id"]


def interval(run, rng, site):
    lengths = {
        "granularity_minutes": 30,
        "shortest_minutes": rng.choice([30, 60, 90]),
        "longest_minutes": 120,
    }
    offering = an_offering(run, rng, site, "interval", **lengths)
    resources = []
    for role in rng.choice([["place"], ["room", "practitioner"], []]):
        for _ in range(rng.randint(1, 2)):
            one = {"id": new_id(), "offering_id": offering, "role": role, "name": str(new_id())}
            insert(run, "resource", {**one, "status": pick(rng, "active", "inactive")})
            resources.append(one["id"])
    for _ in range(rng.randint(0, 2)):
        slot = a_slot(run, rng, offering, 4)
        for resource in resources:
            at = slot["starts_at"]
            while at < slot["ends_at"]:
                until = at + rng.choice([20, 30, 30, 60]) * MINUTE
                if rng.random() < 0.7:
                    over = rng.random() < 0.2
                    taken = hold(run, slot, NOW - MINUTE) if over else new_id()
                    span = {"id": new_id(), "resource_id": resource, "reservation_id": taken}
                    insert(run, "resource_span", {**span, "during": psycopg.types.range.Range(at, until)})
                at = until


def insert(run, table, row):
    names = ", ".join(row)
    spots = ", ".join(["%s"] * len(row))
    run(f"insert into {table} ({names}) values ({spots}) on conflict do nothing", list(row.values()))


# Everything is joined with everything and looked at one by one, minute by minute.
ORACLE_COUNTED = """
select offering.site_id from offering join slot on slot.offering_id = offering.id
where offering.shape <> 'interval' and {can_be_booked}
  and exists (
    select from unnest(offering.modes || case when offering.modes = '{{}}' then '{{any}}'::varchar[] else '{{}}' end) mode
    where {free_of_slot} > 0 and not exists (
        select from slot_need where slot_need.slot_id = slot.id
          and (slot_need.modes = '{{}}' or slot_need.modes @> array[mode]) and {free_of_need} <= 0))
"""
FREE = """(coalesce((
    select sum(capacity - held - confirmed - set_aside) from slot_bucket
    where slot_bucket.slot_id = {slot_id} and (tier = 'general' or released_at <= %(now)s)), 0)
  + coalesce((
    select sum(allocation.held) from allocation, reservation, slot_bucket
    where allocation.reservation_id = reservation.id and reservation.slot_id in ({holders})
      and allocation.slot_id = {slot_id} and slot_bucket.slot_id = {slot_id} and slot_bucket.tier = allocation.tier
      and (slot_bucket.tier = 'general' or slot_bucket.released_at <= %(now)s)
      and reservation.state = 'held' and reservation.expires_at <= %(now)s
      and not exists (
        select from waitlist_entry where waitlist_entry.slot_id = reservation.slot_id and state = 'waiting')), 0))"""
ORACLE_INTERVAL = """
select offering.site_id from offering join slot on slot.offering_id = offering.id
cross join generate_series(slot.starts_at, slot.ends_at, interval '30 minutes') as at
where offering.shape = 'interval' and {can_be_booked} and at >= %(now)s
  and at + offering.shortest_minutes * interval '1 minute' <= slot.ends_at
  and exists (select from resource where offering_id = offering.id and status = 'active')
  and not exists (
    select from resource role where role.offering_id = offering.id and role.status = 'active' and not exists (
      select from resource where resource.offering_id = offering.id and resource.role = role.role
        and resource.status = 'active' and not exists (
          select from resource_span span left join reservation on reservation.id = span.reservation_id
          where span.resource_id = resource.id
            and span.during && tstzrange(at, at + offering.shortest_minutes * interval '1 minute')
            and not coalesce(reservation.state = 'held' and reservation.expires_at <= %(now)s, false))))
"""
CAN_BE_BOOKED = """offering.status = 'active' and offering.kind <> 'supply' and slot.state = 'open'
  and slot.opens_at <= %(now)s and slot.closes_at > %(now)s and slot.starts_at < %(now)s + interval '7 days'"""
ORDERED = """
select site.id from site
where published_at is not null and status = 'active' and site.id in ({counted} union {interval})
order by st_distance(geom::geography, st_setsrid(st_makepoint(%(lon)s, %(lat)s), 4326)::geography), id
"""
ORACLE = ORDERED.format(
    counted=ORACLE_COUNTED.format(
        can_be_booked=CAN_BE_BOOKED,
        free_of_slot=FREE.format(slot_id="slot.id", holders="slot.id"),
        free_of_need=FREE.format(
            slot_id="slot_need.needs_slot_id",
            holders="select slot_id from slot_need taker where taker.needs_slot_id = slot_need.needs_slot_id",
        ),
    ),
    interval=ORACLE_INTERVAL.format(can_be_booked=CAN_BE_BOOKED),
)


async def test_nearby_keeps_exactly_the_sites_that_sql_finds_in_a_random_city(database, database_url):
    rng = random.Random(4)
    kept = 0
    for _ in range(5):
        with psycopg.connect(database_url) as connection:
            connection.execute("truncate site, source, offering, reservation, allocation, person cascade")
            scatter(connection, rng)
        asked = {"now": NOW, "lon": 103.6 + rng.uniform(-0.1, 0.1), "lat": 36.5}
        async with database.hot() as hot:
            ids = await free_sites(hot, now=NOW)
        with psycopg.connect(database_url) as connection:
            tree = read_categories(connection)
            index = index_of(connection, tree)
            expected = [row[0] for row in connection.execute(ORACLE, asked)]
        near = index.nearby(
            asked["lon"], asked["lat"], Filters(among=Chosen(ids)), limit=200, table=index.tables.now
        )
        assert [id_of(one) for one in near] == expected
        assert {*ids} == {*map(UUID, map(str, expected))}
        kept += len(expected)
    assert CITY_SITES / 2 < kept < 3 * CITY_SITES  # of five times as many
