"""The day's list: what it shows, what it finds, what it costs, and that each look is on record."""

import pytest
from sqlalchemy import event, select

from booking.desk.places import get_desk
from booking.desk.today import list_day, read_day
from booking.models import WaitlistEntry
from booking.people.models import Account
from booking.reservations import life
from core.actor import Grant
from core.audit import AuditEntry
from core.ids import new_id
from core.permissions import NotAllowed
from tests.booking.desk.meals import (
    DAY,
    LUNCH,
    NOW,
    clerk_of,
    minutes,
    offering_of,
    person_of,
    slot_of,
    staff_of,
)


async def the_list(desk, **more):
    return await list_day(
        desk.session, desk.clerk, ring=desk.ring, site_id=desk.site_id, **{"now": NOW, **more}
    )


async def looks(session):
    return (await session.scalars(select(AuditEntry).where(AuditEntry.action == "desk.run"))).all()


async def test_the_list_shows_who_comes_slot_by_slot_with_the_places_left(desk):
    dinner = await slot_of(desk.session, desk.offering, at=LUNCH + minutes(360), general=5)
    await slot_of(desk.session, desk.offering, at=LUNCH + DAY)
    first = await desk.guest()
    second = await desk.guest("李强", "+8613800004321")
    await desk.book(await person_of(desk.session, desk.ring, "张三", None), slot=dinner, party_size=2)
    day = await the_list(desk)
    lunch, evening = day.slots
    assert (lunch.places, lunch.places_left, evening.places_left) == (10, 8, 3)
    assert (lunch.counts["confirmed"], evening.people["confirmed"]) == (2, 2)
    shown = {entry.reservation.id: entry for entry in lunch.entries}
    assert shown[first.id].name == "王秀英"
    assert (shown[first.id].last_digits, shown[second.id].last_digits) == ("0001", "4321")
    assert evening.entries[0].last_digits is None
    assert list(shown[first.id].tiers) == ["general"]


async def test_a_phone_that_signs_in_stands_in_for_one_that_is_not_on_record(desk):
    account = Account(id=new_id(), kind="resident", created_at=NOW)
    account.phone = desk.ring.encrypt("account.phone", account.id, "+8613800007777")
    account.phone_blind = desk.ring.blind("account.phone", "+8613800007777")
    desk.session.add(account)
    person = await person_of(desk.session, desk.ring, "赵六", None)
    person.account_id = account.id
    await desk.book(person)
    (entry,) = (await the_list(desk)).entries()
    assert entry.last_digits == "7777"


async def test_what_was_cancelled_is_counted_and_found_by_search_only(desk):
    kept, gone = await desk.guest(), await desk.guest("李强", "+8613800004321")
    await life.cancel(desk.session, desk.clerk, reservation_id=gone.id, now=NOW)
    day = await the_list(desk)
    assert [entry.reservation.id for entry in day.entries()] == [kept.id]
    assert day.slots[0].counts == {"confirmed": 1, "cancelled": 1}
    assert [entry.reservation.id for entry in (await the_list(desk, sought=gone.code)).entries()] == [gone.id]


@pytest.mark.parametrize(
    ("sought", "found"),
    [
        ("王", ["王秀英", "王强"]),
        ("秀英", ["王秀英"]),
        ("0001", ["王秀英"]),
        ("01", ["王秀英"]),
        ("1", []),
        ("赵", []),
    ],
)
async def test_people_are_found_by_a_part_of_the_name_or_the_last_digits(desk, sought, found):
    await desk.guest()
    await desk.guest("王强", "+8613800004322")
    assert sorted(one.name for one in (await the_list(desk, sought=sought)).entries()) == sorted(found)


async def test_only_tags_that_the_rules_ask_about_are_shown(desk):
    desk.offering.rules = {"tiers": {"hardship": {"who": [{"rule": "tag", "any": ["low_income"]}]}}}
    await desk.session.flush()
    await desk.guest("王秀英", "+8613800000001", "low_income", "disability")
    (entry,) = (await the_list(desk)).entries()
    assert list(entry.tags) == ["low_income"]


async def test_a_hold_that_ran_out_is_a_free_place_unless_somebody_waits(desk):
    person = await person_of(desk.session, desk.ring)
    held = await desk.book(person, hold=True, party_size=2, now=NOW - minutes(60))
    assert held.expires_at < NOW
    (slot,) = (await the_list(desk)).slots
    assert (slot.places_left, slot.entries) == (10, [])
    waiting = WaitlistEntry(
        slot_id=desk.slot.id,
        person_id=(await person_of(desk.session, desk.ring, "李强", None)).id,
        party_size=1,
        channel="app",
        tiers=["general"],
        state="waiting",
        joined_at=NOW,
    )
    desk.session.add(waiting)
    await desk.session.flush()
    (slot,) = (await the_list(desk)).slots
    assert (slot.places_left, slot.waiting) == (8, 1)


async def test_supplies_and_drafts_and_other_sites_are_not_on_the_list(desk, sites):
    for said in ({"kind": "supply"}, {"status": "draft"}):
        await slot_of(desk.session, await offering_of(desk.session, desk.site_id, **said))
    await slot_of(desk.session, await offering_of(desk.session, sites[1].id))
    assert [slot.id for slot in (await the_list(desk)).slots] == [desk.slot.id]


async def test_the_list_takes_two_queries_however_long_it_is(desk, shared_database):
    statements = []

    def count(_connection, _cursor, statement, *_more):
        statements.append(statement)

    counts = []
    for more in (1, 15):
        for number in range(more):
            await desk.book(
                party_size=1, slot=await slot_of(desk.session, desk.offering, at=LUNCH + minutes(number))
            )
        await desk.session.flush()
        at = await get_desk(desk.session, desk.clerk, site_id=desk.site_id)
        statements.clear()
        event.listen(shared_database.engine.sync_engine, "before_cursor_execute", count)
        await read_day(desk.session, at, ring=desk.ring, on=at.day_of(NOW), now=NOW)
        event.remove(shared_database.engine.sync_engine, "before_cursor_execute", count)
        counts.append(len(statements))
    assert counts == [2, 2]


async def test_each_look_is_on_record_with_everyone_it_showed(desk):
    one, other = await desk.guest(), await desk.guest("李强", "+8613800004321")
    await desk.book()  # nobody was asked for a name
    await the_list(desk)
    assert {entry.person_id for entry in await looks(desk.session)} == {one.person_id, other.person_id}
    before = len(await looks(desk.session))
    await the_list(desk, sought="4321")
    new = [entry for entry in await looks(desk.session) if entry.detail["look"] == "search"]
    assert [entry.person_id for entry in new] == [other.person_id]
    assert len(await looks(desk.session)) == before + 1


async def test_a_look_at_an_empty_day_is_on_record_too(desk):
    await the_list(desk, on=(NOW + 9 * DAY).date())
    assert [entry.person_id for entry in await looks(desk.session)] == [None]


@pytest.mark.parametrize("role", ["site_staff", "carer", "clinician"])
async def test_staff_of_another_site_see_nothing(desk, sites, role):
    other = await staff_of(desk.session, Grant(role, "site", str(sites[1].id)))
    with pytest.raises(NotAllowed):
        await list_day(desk.session, other, ring=desk.ring, site_id=desk.site_id, now=NOW)
    assert clerk_of(desk.site_id) not in other.grants
