"""A changed template reaches the slots ahead; what is booked stays, and staff are told."""

from datetime import date, time, timedelta

import pytest
from sqlalchemy import select

from booking.models import SlotWarning
from booking.offerings.closed_texts import TEMPLATE_CHANGED
from booking.offerings.edit import edit_offering, take_step
from booking.offerings.errors import TemplateChanged, TemplateEnded, TemplateInvalid
from booking.offerings.generate import find_templates, generate_slots
from booking.offerings.slots import keep_slot
from booking.offerings.templates import edit_template, end_template
from booking.reservations.life import cancel
from booking.waitlist.promote import promote
from core.actor import SYSTEM
from geo.models import HoursException
from tests.booking.offerings.worlds import (
    NOW,
    REGION,
    TODAY,
    buckets_of,
    lunch,
    offer,
    open_days,
    pattern,
    slots_of,
    template_of,
)


async def edit(session, offering, content, version=None):
    template = await template_of(session, offering)
    _, generated = await edit_template(
        session,
        SYSTEM,
        template_id=template.id,
        version=version or template.version,
        content=content,
        region=REGION,
        now=NOW,
    )
    return generated


async def misfits(session, offering):
    query = select(SlotWarning.slot_id).where(
        SlotWarning.offering_id == offering.id, SlotWarning.code == "does_not_fit"
    )
    return set(await session.scalars(query))


async def test_longer_hours_of_a_court_can_be_booked_to_their_end(session, sites):
    lengths = {"granularity_minutes": 30, "shortest_minutes": 30, "longest_minutes": 60}
    hour = {"kind": "venue", "shape": "interval", "closes_minutes_before": 10, **lengths}
    offering = await offer(session, sites[0], pattern(places={}), **hour)
    await edit(session, offering, pattern(places={}, ends_at=time(21)))
    (window, *_) = await slots_of(session, offering)
    await session.refresh(window)
    assert window.ends_at - window.starts_at == timedelta(hours=9)
    assert window.closes_at == window.ends_at - timedelta(minutes=10)


async def test_other_times_move_what_nobody_booked_and_list_what_somebody_did(session, sites, book):
    offering = await offer(session, sites[0], pattern())
    booked = (await slots_of(session, offering))[2]
    reservation = await book(booked, 3)
    generated = await edit(session, offering, pattern(starts_at=time(17), ends_at=time(18)))
    assert (generated.made, generated.fitted.taken_away) == (30, 29)
    (misfit,) = generated.fitted.misfits
    assert (misfit.slot_id, misfit.people, misfit.why) == (booked.id, 3, "time")
    still = [slot for slot in await slots_of(session, offering) if slot.state == "open"]
    assert len(still) == 31
    assert booked.id in {slot.id for slot in still}
    assert await misfits(session, offering) == {booked.id}
    # Once nobody is booked there, the next run takes it away and forgets the warning.
    await cancel(session, SYSTEM, reservation_id=reservation.id, now=NOW)
    ids = await find_templates(session, now=NOW)
    again = await generate_slots(session, SYSTEM, template_ids=ids, region=REGION, now=NOW)
    assert (again.made, again.fitted.taken_away) == (0, 1)
    assert await misfits(session, offering) == set()


async def test_a_template_changed_back_brings_its_slots_back(session, sites):
    offering = await offer(session, sites[0], pattern())
    before = {slot.id for slot in await slots_of(session, offering)}
    await edit(session, offering, pattern(weekdays=(6, 7)))
    away = [slot for slot in await slots_of(session, offering) if slot.state == "closed"]
    assert {slot.closed_reason for slot in away} == {TEMPLATE_CHANGED}
    assert {day.isoweekday() for day in await open_days(session, offering)} == {6, 7}
    generated = await edit(session, offering, pattern())
    assert (generated.made, generated.fitted.brought_back) == (0, len(away))
    assert {slot.id for slot in await slots_of(session, offering) if slot.state == "open"} == before


async def test_more_and_fewer_places_never_fewer_than_are_taken(session, sites, book, counts):
    offering = await offer(session, sites[0], pattern())
    slots = await slots_of(session, offering)
    await book(slots[1], 4)
    assert (await edit(session, offering, pattern(places={"general": 25}))).fitted.misfits == []
    assert (await buckets_of(session, slots[1]))["general"].capacity == 25
    generated = await edit(session, offering, pattern(places={"general": 3}))
    (misfit,) = generated.fitted.misfits
    assert (misfit.slot_id, misfit.people, misfit.why) == (slots[1].id, 4, "places")
    assert (await buckets_of(session, slots[1]))["general"].capacity == 4
    assert (await buckets_of(session, slots[2]))["general"].capacity == 3
    assert await counts(slots[1]) == {"general": (0, 4, 0)}


async def test_new_places_go_to_those_who_wait(session, sites, book, wait, counts):
    offering = await offer(session, sites[0], pattern(places={"general": 1}))
    slot = (await slots_of(session, offering))[1]
    await book(slot)
    entry = await wait(slot)
    generated = await edit(session, offering, pattern(places={"general": 2}))
    assert generated.fitted.promotable == {slot.id}
    assert await counts(slot) == {"general": (0, 1, 1)}
    await promote(session, slot_ids=generated.fitted.promotable, now=NOW)
    await session.refresh(entry)
    assert (entry.state, await counts(slot)) == ("offered", {"general": (1, 1, 0)})


async def test_a_tier_that_goes_keeps_what_is_taken_of_it(session, sites):
    rules = {"tiers": {"elder": {"who": [{"rule": "min_age", "value": 60}]}}}
    both = pattern(places={"general": 8, "elder": 2}, release_minutes={"elder": 60})
    offering = await offer(session, sites[0], both, rules=rules)
    slot = (await slots_of(session, offering))[0]
    await edit(session, offering, pattern(places={"general": 9}))
    buckets = await buckets_of(session, slot)
    assert (buckets["general"].capacity, buckets["elder"].capacity) == (9, 0)


async def test_a_later_end_moves_the_slots_that_nobody_booked(session, sites, book):
    offering = await offer(session, sites[0], pattern())
    slots = await slots_of(session, offering)
    await book(slots[0])
    generated = await edit(session, offering, pattern(ends_at=time(14)))
    assert [one.slot_id for one in generated.fitted.misfits] == [slots[0].id]
    after = await slots_of(session, offering)
    assert {slot.ends_at - slot.starts_at for slot in after[1:]} == {timedelta(hours=2)}
    assert after[0].ends_at == slots[0].ends_at


async def test_a_slot_that_staff_keep_is_not_asked_about_again(session, sites, book):
    offering = await offer(session, sites[0], pattern())
    booked = (await slots_of(session, offering))[2]
    await book(booked)
    await edit(session, offering, pattern(starts_at=time(17), ends_at=time(18)))
    await keep_slot(session, SYSTEM, slot_id=booked.id, now=NOW)
    assert await misfits(session, offering) == set()
    ids = await find_templates(session, now=NOW)
    again = await generate_slots(session, SYSTEM, template_ids=ids, region=REGION, now=NOW)
    assert again.fitted.misfits == []


async def test_an_ended_template_leaves_what_is_booked(session, sites, book):
    offering = await offer(session, sites[0], pattern())
    booked = (await slots_of(session, offering))[2]
    await book(booked)
    template = await template_of(session, offering)
    _, generated = await end_template(session, SYSTEM, template_id=template.id, region=REGION, now=NOW)
    assert [one.slot_id for one in generated.fitted.misfits] == [booked.id]
    assert await open_days(session, offering) == [booked.on_date]
    with pytest.raises(TemplateEnded):
        await edit(session, offering, pattern())


async def test_an_ended_offering_ends_its_templates(session, sites, book):
    offering = await offer(session, sites[0], pattern())
    booked = (await slots_of(session, offering))[2]
    await book(booked)
    offering, generated = await take_step(
        session, SYSTEM, offering_id=offering.id, step="end", region=REGION, now=NOW
    )
    assert (offering.status, len(generated.fitted.misfits)) == ("ended", 1)
    assert (await template_of(session, offering)).ended_at == NOW


async def test_hours_for_one_date_take_away_what_nobody_booked_that_day(session, sites):
    offering = await offer(session, sites[0], pattern())
    day = date(2026, 11, 27)
    session.add(HoursException(site_id=sites[0].id, on_date=day, hours="off", reason="盘点"))
    await session.flush()
    ids = await find_templates(session, now=NOW)
    await generate_slots(session, SYSTEM, template_ids=ids, region=REGION, now=NOW)
    assert day not in await open_days(session, offering)
    assert day + timedelta(days=1) in await open_days(session, offering)


async def test_slots_ahead_follow_the_booking_window(session, sites):
    offering = await offer(session, sites[0], pattern())
    edited = await edit_offering(
        session,
        SYSTEM,
        offering_id=offering.id,
        version=offering.version,
        content=lunch(opens_at=time(7), opens_days_before=3, closes_minutes_before=30),
        now=NOW,
    )
    assert edited.version == 3
    slot = (await slots_of(session, offering))[5]
    assert slot.closes_at == slot.starts_at - timedelta(minutes=30)
    assert slot.opens_at.isoformat() == f"{TODAY + timedelta(days=1)}T23:00:00+00:00"


async def test_an_old_version_is_refused_with_what_others_did(session, sites):
    offering = await offer(session, sites[0], pattern())
    await edit(session, offering, pattern(places={"general": 12}))
    with pytest.raises(TemplateChanged) as error:
        await edit(session, offering, pattern(), version=1)
    fields = error.value.fields
    assert (fields["version"], fields["changes"]) == (2, {"places": {"now": {"general": 12}}})
    assert [one["act"] for one in fields["changed_by"]] == ["edited"]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"places": {"elder": 3}}, "places/elder"),
        ({"seat_map": "main"}, "seat_map"),
    ],
)
async def test_a_template_must_suit_its_offering(session, sites, more, field):
    offering = await offer(session, sites[0], pattern())
    with pytest.raises(TemplateInvalid) as error:
        await edit(session, offering, pattern(**more))
    assert error.value.fields["errors"][0]["field"] == field
