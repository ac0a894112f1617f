"""Slots are made from templates: as the calendar, closures and supplies allow, once however often one asks."""

import asyncio
from datetime import UTC, date, datetime, time, timedelta

import pytest
from sqlalchemy import func, select, update

from booking.models import OfferingTemplate, Slot, SlotBucket, SlotNeed, SlotSeat, SlotWarning
from booking.offerings.edit import edit_offering
from booking.offerings.errors import TemplateInvalid
from booking.offerings.generate import find_templates, generate_slots
from booking.offerings.input import NeedIn, SeatIn
from booking.offerings.seats import put_seat_map
from core.actor import SYSTEM
from geo.models import HoursException, Site
from geo.sites.closures import plan_closure
from tests.booking.offerings.worlds import (
    HOLIDAY,
    MAKEUP,
    NOW,
    REGION,
    TODAY,
    WEEKDAYS,
    WORKDAYS,
    announce,
    buckets_of,
    lunch,
    offer,
    open_days,
    pattern,
    slots_of,
)
from tests.geo.test_site_store import a_site
from tests.geo.test_site_workflow import imported


async def generate(session, *, days=None, now=NOW):
    ids = await find_templates(session, now=now)
    return await generate_slots(session, SYSTEM, template_ids=ids, region=REGION, days=days, now=now)


async def warnings_of(session, offering):
    query = select(SlotWarning.on_date, SlotWarning.code).where(SlotWarning.offering_id == offering.id)
    return {(on, code) for on, code in await session.execute(query)}


async def test_an_active_offering_has_slots_for_thirty_days(session, sites):
    offering = await offer(session, sites[0], pattern(), opens_at=time(7), closes_minutes_before=60)
    slots = await slots_of(session, offering)
    assert [slot.on_date for slot in slots] == [TODAY + timedelta(days=at) for at in range(30)]
    first = slots[0]
    assert first.starts_at == datetime(2026, 11, 24, 4, tzinfo=UTC)
    assert first.opens_at == datetime(2026, 11, 16, 23, tzinfo=UTC)  # 07:00 on the 17th
    assert first.closes_at == datetime(2026, 11, 24, 3, tzinfo=UTC)
    buckets = await buckets_of(session, first)
    assert {tier: one.capacity for tier, one in buckets.items()} == {"general": 10}


async def test_slots_reach_a_week_beyond_the_day_booking_opens(session, sites):
    offering = await offer(session, sites[0], pattern(), opens_days_before=60)
    assert len(await slots_of(session, offering)) == 67


async def test_a_slot_that_began_is_not_made(session, sites):
    offering = await offer(session, sites[0], pattern(starts_at=time(11), ends_at=time(12)))
    assert (await open_days(session, offering))[0] == TODAY + timedelta(days=1)


async def test_reserved_tiers_are_released_before_the_start(session, sites):
    rules = {"tiers": {"elder": {"who": [{"rule": "min_age", "value": 60}]}}}
    one = pattern(places={"general": 8, "elder": 2}, release_minutes={"elder": 90})
    offering = await offer(session, sites[0], one, rules=rules)
    slot = (await slots_of(session, offering))[0]
    buckets = await buckets_of(session, slot)
    assert (buckets["general"].released_at, buckets["elder"].capacity) == (None, 2)
    assert buckets["elder"].released_at == slot.starts_at - timedelta(minutes=90)


async def test_holidays_and_makeup_workdays_count_as_the_template_says(session, sites):
    await announce(session, 2026, days=[HOLIDAY, MAKEUP])
    work = await offer(session, sites[0], pattern(weekdays=WEEKDAYS, day_kinds=WORKDAYS))
    rest = await offer(session, sites[0], pattern(day_kinds=("rest_day", "holiday")))
    assert HOLIDAY[0] not in await open_days(session, work)
    assert MAKEUP[0] in await open_days(session, work)
    assert HOLIDAY[0] in await open_days(session, rest)
    assert MAKEUP[0] not in await open_days(session, rest)
    assert await warnings_of(session, work) == set()


async def test_a_year_not_announced_gets_no_slots_and_a_warning_until_it_is(session):
    await announce(session, 2026)
    (site,) = await imported(session, a_site())
    now = datetime(2026, 12, 20, 3, tzinfo=UTC)
    offering = await offer(session, site, pattern(weekdays=WEEKDAYS, day_kinds=WORKDAYS), now=now)
    assert max(await open_days(session, offering)) == date(2026, 12, 31)
    found = await warnings_of(session, offering)
    assert (date(2027, 1, 4), "calendar_not_announced") in found
    assert {code for _, code in found} == {"calendar_not_announced"}
    await announce(session, 2027)
    await generate(session, now=now)
    assert date(2027, 1, 4) in await open_days(session, offering)
    assert await warnings_of(session, offering) == set()


async def test_no_slots_while_the_site_is_closed_and_staff_are_told(session, sites):
    await plan_closure(
        session,
        SYSTEM,
        site_id=sites[0].id,
        first=date(2026, 11, 26),
        last=date(2026, 11, 27),
        reason="检修",
        for_good=False,
        now=NOW,
    )
    offering = await offer(session, sites[0], pattern())
    days = await open_days(session, offering)
    assert date(2026, 11, 25) in days
    assert not {date(2026, 11, 26), date(2026, 11, 27)} & set(days)
    assert await warnings_of(session, offering) == {
        (date(2026, 11, 26), "site_closed"),
        (date(2026, 11, 27), "site_closed"),
    }


async def test_a_date_with_other_hours_has_the_slots_that_lie_within_them(session, sites):
    session.add(
        HoursException(site_id=sites[0].id, on_date=date(2026, 11, 26), hours="09:00-12:30", reason="-")
    )
    await session.flush()
    offering = await offer(session, sites[0], pattern(starts_at=time(11), ends_at=time(13), slot_minutes=30))
    of_day = [slot for slot in await slots_of(session, offering) if slot.on_date == date(2026, 11, 26)]
    assert len(of_day) == 3
    assert await warnings_of(session, offering) == {(date(2026, 11, 26), "site_closed")}


@pytest.mark.parametrize("change", [{"status": "inactive"}, {"published_at": None}])
async def test_no_slots_for_a_site_that_residents_cannot_use(session, sites, change):
    await session.execute(update(Site).where(Site.id == sites[0].id).values(**change))
    offering = await offer(session, sites[0], pattern())
    assert await slots_of(session, offering) == []


async def test_again_makes_nothing_and_a_day_later_one_day_more(session, sites):
    offering = await offer(session, sites[0], pattern())
    before = await slots_of(session, offering)
    assert (await generate(session)).made == 0
    assert (await generate(session, days=5)).made == 0  # fewer days take nothing away
    assert [slot.id for slot in await slots_of(session, offering)] == [slot.id for slot in before]
    assert (await generate(session, now=NOW + timedelta(days=1))).made == 1


async def test_two_workers_at_once_make_each_slot_once(database):
    async with database.transaction() as session:
        await announce(session, 2026, 2027)
        (site,) = await imported(session, a_site())
        offering = await offer(session, site, pattern(slot_minutes=10))
        ids = list(await find_templates(session, now=NOW))
        await session.execute(Slot.__table__.delete())

    async def work():
        async with database.transaction() as session:
            return (await generate_slots(session, SYSTEM, template_ids=ids, region=REGION, now=NOW)).made

    made = await asyncio.gather(work(), work(), work())
    assert sorted(made) == [0, 0, 180]
    async with database.transaction() as session:
        assert await session.scalar(select(func.count()).select_from(SlotBucket)) == 180
        assert len(await slots_of(session, offering)) == 180


async def test_a_slot_takes_its_supply_along_and_is_not_made_without(session, sites):
    riders = await offer(
        session, sites[0], pattern(starts_at=time(12), ends_at=time(13), valid_until=date(2026, 11, 30)),
        content=lunch(kind="supply", title="送餐员", party_max=10),
    )  # fmt: skip
    need = NeedIn(offering_id=riders.id, per="booking", modes=("delivery",))
    meals = await offer(
        session, sites[0], pattern(starts_at=time(12), ends_at=time(12, 30), needs=(need,)),
        modes=("dine_in", "delivery"),
    )  # fmt: skip
    assert max(await open_days(session, meals)) == date(2026, 11, 30)
    by_start = {slot.starts_at: slot.id for slot in await slots_of(session, riders)}
    needs = (await session.scalars(select(SlotNeed))).all()
    assert len(needs) == 7
    slots = {slot.id: slot for slot in await slots_of(session, meals)}
    assert all(by_start[slots[one.slot_id].starts_at] == one.needs_slot_id for one in needs)
    assert {(one.per, tuple(one.modes)) for one in needs} == {("booking", ("delivery",))}
    assert (date(2026, 12, 1), "needs_missing") in await warnings_of(session, meals)


async def test_a_need_must_be_a_supply(session, sites):
    other = await offer(session, sites[0], pattern())
    with pytest.raises(TemplateInvalid) as error:
        await offer(session, sites[0], pattern(needs=(NeedIn(offering_id=other.id),)))
    assert error.value.fields["errors"][0]["field"] == "needs/0/offering_id"


async def test_seated_slots_have_their_seats_and_two_buckets(session, sites):
    seats = [SeatIn(row="1", number=str(x), x=x) for x in range(1, 9)]
    seats += [
        SeatIn(row="2", number="1", x=1, kind="wheelchair"),
        SeatIn(row="2", number="2", x=2, kind="companion"),
    ]
    await put_seat_map(session, SYSTEM, site_id=sites[0].id, name="main", seats=seats, now=NOW)
    offering = await offer(
        session, sites[0], pattern(places={}, seat_map="main"), kind="performance", shape="seated"
    )
    slots = await slots_of(session, offering)
    buckets = await buckets_of(session, slots[3])
    assert {tier: one.capacity for tier, one in buckets.items()} == {"general": 9, "wheelchair": 1}
    count = await session.scalar(select(func.count()).where(SlotSeat.slot_id == slots[3].id))
    assert count == 10


async def test_windows_of_an_interval_offering_have_no_buckets(session, sites):
    lengths = {"granularity_minutes": 30, "shortest_minutes": 60, "longest_minutes": 120}
    offering = await offer(session, sites[0], pattern(places={}), kind="venue", shape="interval", **lengths)
    slots = await slots_of(session, offering)
    assert len(slots) == 30
    assert await buckets_of(session, slots[0]) == {}


async def test_templates_that_ended_are_not_looked_at(session, sites):
    offering = await offer(session, sites[0], pattern())
    await session.execute(
        update(OfferingTemplate).where(OfferingTemplate.offering_id == offering.id).values(ended_at=NOW)
    )
    assert await find_templates(session, now=NOW) == []


async def test_a_window_can_be_booked_in_until_its_own_end(session, sites):
    """Each span closes before its own start; a court is booked on its own day."""
    lengths = {"granularity_minutes": 30, "shortest_minutes": 30, "longest_minutes": 60}
    hour = {"kind": "venue", "shape": "interval", "closes_minutes_before": 60, **lengths}
    offering = await offer(session, sites[0], pattern(places={}), **hour)
    (slot, *_) = await slots_of(session, offering)
    assert slot.closes_at == slot.ends_at - timedelta(minutes=60)
    content = lunch(**{**hour, "closes_minutes_before": 15})
    await edit_offering(
        session, SYSTEM, offering_id=offering.id, version=offering.version, content=content, now=NOW
    )
    (slot, *_) = await slots_of(session, offering)
    assert slot.closes_at == slot.ends_at - timedelta(minutes=15)


async def test_an_interval_offering_names_roles_and_no_supplies(session, sites):
    lengths = {"granularity_minutes": 30, "shortest_minutes": 30, "longest_minutes": 60}
    riders = await offer(session, sites[0], pattern(), kind="supply")
    with pytest.raises(TemplateInvalid) as refused:
        await offer(
            session,
            sites[0],
            pattern(places={}, needs=[{"offering_id": riders.id, "per": "booking"}]),
            kind="venue",
            shape="interval",
            **lengths,
        )
    assert refused.value.fields["errors"][0]["field"] == "needs"
