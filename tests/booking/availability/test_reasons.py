"""Why a slot cannot be booked: by anyone, by a person, by staff for a person."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import text

from booking.models import AttendanceMark, PersonQuota
from booking.people.errors import DelegationInsufficient, PersonNotFound
from booking.people.models import Delegation, Person, PersonTag
from booking.reservations.reserve import Wish, reserve
from core.actor import Grant
from core.ids import new_id
from tests.booking.bookable import NOON, NOW

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


async def born(world, who, on):
    person = await world.session.get(Person, who.person_id)
    person.birth_on = world.ring.encrypt("person.birth_on", person.id, on)
    await world.session.flush()


async def book(world, who, slot, now=NOW):
    wish = Wish(person_id=who.person_id, slot_id=slot.id)
    return await reserve(world.session, who.actor, ring=world.ring, wish=wish, now=now)


async def test_a_slot_opens_closes_and_fills(world):
    offering = await world.offering()
    slot = await world.slot(offering, {"general": 1}, opens_at=NOW)
    assert await world.reasons(offering, now=NOW - HOUR) == ["not_open_yet"]
    assert await world.reasons(offering) == ["ok"]
    assert await world.reasons(offering, now=NOON) == ["booking_closed"]
    await book(world, await world.resident(), slot)
    assert await world.reasons(offering) == ["waitlist"]
    offering.rules = {"waitlist": {"enabled": False}}
    assert await world.reasons(offering) == ["full"]


async def test_what_is_closed_paused_or_booked_elsewhere_says_so(world):
    offering = await world.offering()
    await world.slot(offering, {"general": 1}, state="closed", closed_reason="停水")
    assert await world.reasons(offering) == ["slot_closed"]
    paused = await world.offering(status="paused")
    await world.slot(paused, {"general": 1})
    assert await world.reasons(paused) == ["paused"]
    external = await world.offering(capacity_authority="external", external_url="https://example.org")
    await world.slot(external, {"general": 1})
    assert await world.reasons(external) == ["external"]


async def test_somebody_busy_at_that_time_is_told_so_and_others_are_not(world):
    offering, other = await world.offering(), await world.offering()
    await world.slot(other, {"general": 5}, starts_at=NOON + HOUR / 2)
    wang, li = await world.resident(), await world.resident()
    await book(world, wang, await world.slot(offering, {"general": 5}))
    assert await world.reasons(other, wang) == ["busy"]
    assert await world.reasons(other, li) == ["ok"]
    other.exclusive = False
    assert await world.reasons(other, wang) == ["ok"]


async def test_a_hold_of_ones_own_that_ran_out_is_in_nobodys_way(world):
    offering = await world.offering(rules={"limits": [{"per": "day", "most": 1}]})
    slot, wang = await world.slot(offering, {"general": 5}), await world.resident()
    wish = Wish(person_id=wang.person_id, slot_id=slot.id, hold=True)
    await reserve(world.session, wang.actor, ring=world.ring, wish=wish, now=NOW)
    assert await world.reasons(offering, wang) == ["limit_reached"]
    other = await world.offering()
    await world.slot(other, {"general": 5})
    assert await world.reasons(other, wang) == ["busy"]
    later = NOW + timedelta(minutes=5)
    assert await world.reasons(offering, wang, now=later) == ["ok"]
    assert await world.reasons(other, wang, now=later) == ["ok"]


async def test_a_limit_counts_in_its_own_period(world):
    """Twice a week, both used: until Sunday nothing more, from Monday on again."""
    offering = await world.offering(rules={"limits": [{"per": "week", "most": 2}]})
    for days in (0, 4, 5):  # Wednesday, Sunday, Monday
        await world.slot(offering, {"general": 5}, starts_at=NOON + days * DAY)
    wang = await world.resident()
    quota = {"scope": f"offering:{offering.id}:week", "period_on": date(2026, 11, 23), "most": 2}
    world.session.add(PersonQuota(person_id=wang.person_id, used=2, **quota))
    await world.session.flush()
    assert await world.reasons(offering, wang) == ["limit_reached", "limit_reached", "ok"]


async def test_age_is_that_of_the_day_of_the_slot(world):
    offering = await world.offering(rules={"eligibility": [{"rule": "min_age", "value": 60}]})
    for days in (0, 1, 2):
        await world.slot(offering, {"general": 5}, starts_at=NOON + days * DAY)
    wang, li = await world.resident(), await world.resident()
    assert await world.reasons(offering, wang) == ["age_unknown"] * 3
    await born(world, wang, "1966-11-26")
    assert await world.reasons(offering, wang) == ["too_young", "ok", "ok"]
    assert await world.reasons(offering) == ["ok"] * 3
    await born(world, li, "1950-01-01")
    assert await world.reasons(offering, li) == ["ok"] * 3


async def test_a_tag_counts_on_its_days_and_opens_its_own_places(world):
    offering = await world.offering(
        rules={"tiers": {"poor": {"who": [{"rule": "tag", "any": ["low_income"]}]}}}
    )
    for days in (0, 1):
        await world.slot(offering, {"general": 1, "poor": 2}, starts_at=NOON + days * DAY)
    wang = await world.resident()
    assert await world.left(offering, wang) == [1, 1]
    tag = PersonTag(
        id=new_id(),
        person_id=wang.person_id,
        tag="low_income",
        evidence=b"x",
        from_on=date(2026, 1, 1),
        until_on=date(2026, 11, 25),
        granted_by=wang.actor.account_id,
        granted_at=NOW,
    )
    world.session.add(tag)
    await world.session.flush()
    assert await world.left(offering, wang) == [3, 1]


async def test_who_must_prove_their_name_first_is_told(world):
    offering = await world.offering(assurance="real_name")
    await world.slot(offering, {"general": 1})
    wang = await world.resident()
    assert await world.reasons(offering, wang) == ["assurance_needed"]
    person = await world.session.get(Person, wang.person_id)
    person.verification, person.verified_at = "desk", NOW
    assert await world.reasons(offering, wang) == ["ok"]


async def test_after_places_left_empty_booking_is_paused_but_not_at_the_desk(world):
    rules = {"attendance": {"most": 1, "within_days": 90, "blocks_days": 14}}
    offering = await world.offering(rules=rules)
    slot = await world.slot(offering, {"general": 5})
    wang = await world.resident()
    reservation = await book(world, wang, slot, now=NOW - HOUR)
    world.session.add(
        AttendanceMark(
            person_id=wang.person_id,
            reservation_id=reservation.id,
            offering_id=offering.id,
            kind="no_show",
            at=NOW - HOUR,
        )
    )
    await world.slot(offering, {"general": 5}, starts_at=NOON + DAY)
    assert (await world.reasons(offering, wang))[1] == "blocked"
    assert (await world.reasons(offering, wang, actor=world.clerk()))[1] == "ok"
    assert await world.reasons(offering, wang, actor=world.clerk(), now=NOON + DAY) == [
        "booking_closed",
        "ok",
    ]


async def test_nobody_sees_what_others_may_book_unless_they_delegated(world):
    offering = await world.offering()
    await world.slot(offering, {"general": 5})
    wang, li = await world.resident(), await world.resident()
    with pytest.raises(PersonNotFound):
        await world.reasons(offering, wang, actor=li.actor)
    granted = Delegation(
        id=new_id(),
        person_id=wang.person_id,
        grantee_id=li.actor.account_id,
        scopes=["view"],
        state="active",
        until_on=date(2027, 1, 1),
        relation="child",
        offered_at=NOW,
    )
    world.session.add(granted)
    await world.session.flush()
    with pytest.raises(DelegationInsufficient):
        await world.reasons(offering, wang, actor=li.actor)
    granted.scopes = ["book.meal"]
    await world.session.flush()
    assert await world.reasons(offering, wang, actor=li.actor) == ["ok"]
    assert await _looks(world) == 0


async def _looks(world):
    return await world.session.scalar(
        text("select count(*) from audit_entry where detail ->> 'look' = 'slots'")
    )


async def test_staff_of_the_site_may_look_for_anyone_and_it_is_on_record(world):
    offering = await world.offering(rules={"tiers": {"counter": {"channels": ["counter"]}}})
    await world.slot(offering, {"general": 0, "counter": 2})
    wang = await world.resident()
    assert await world.reasons(offering, wang) == ["waitlist"]
    assert await _looks(world) == 0
    assert await world.reasons(offering, wang, actor=world.clerk("web")) == ["ok"]
    assert await _looks(world) == 1
    stranger = replace(world.clerk(), grants=(Grant("site_staff", "site", str(new_id())),))
    with pytest.raises(PersonNotFound):
        await world.reasons(offering, wang, actor=stranger)
