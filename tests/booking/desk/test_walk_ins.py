"""People who come without a reservation, and those for whom staff book."""

import pytest
from sqlalchemy import select

from booking.desk import check_ins, walk_ins
from booking.desk.callers import book_for, cancel_for
from booking.desk.tickets import ticket_of
from booking.errors import (
    BookingClosed,
    InvalidWish,
    SlotFull,
    SlotNeeded,
    SlotNotFound,
    WrongDesk,
)
from booking.models import AttendanceMark, Offering, ReservationStep
from booking.people.directory import Sought, search_persons
from booking.people.errors import PersonNotFound
from booking.reservations.reserve import Wish
from core.audit import AuditEntry
from core.permissions import NotAllowed
from tests.booking.desk.meals import (
    DAY,
    LUNCH,
    NOW,
    clerk_of,
    desk_of,
    minutes,
    offering_of,
    person_of,
    slot_of,
    staff_of,
)


async def walk_in(desk, *, actor=None, now=NOW, **said):
    return await walk_ins.walk_in(
        desk.session, actor or desk.clerk, ring=desk.ring, now=now, **(said or {"site_id": desk.site_id})
    )


async def test_a_walk_in_needs_neither_name_nor_slot(desk):
    done = await walk_in(desk)
    one = done.reservation
    assert (one.slot_id, one.person_id, one.state, one.channel) == (
        desk.slot.id,
        None,
        "checked_in",
        "counter",
    )
    assert one.mode == "dine_in"
    assert (await desk.buckets())["general"] == (0, 1)
    steps = await desk.session.scalars(
        select(ReservationStep.why).where(ReservationStep.reservation_id == one.id)
    )
    assert steps.all() == ["walk_in", "walk_in"]


async def test_what_runs_now_comes_before_what_comes_next(desk):
    early = await slot_of(desk.session, desk.offering, at=LUNCH - minutes(60), length=60)
    await slot_of(desk.session, desk.offering, at=LUNCH + minutes(30))
    assert (await walk_in(desk)).reservation.slot_id == early.id
    assert (await walk_in(desk, now=LUNCH - minutes(0))).reservation.slot_id == desk.slot.id


async def test_when_several_things_are_on_the_clerk_chooses(desk):
    course = await offering_of(desk.session, desk.site_id, title="书法课", kind="course", modes=[])
    slot = await slot_of(desk.session, course)
    with pytest.raises(SlotNeeded) as refused:
        await walk_in(desk)
    assert {one["slot_id"] for one in refused.value.fields["choices"]} == {str(slot.id), str(desk.slot.id)}
    assert (await walk_in(desk, offering_id=course.id)).reservation.slot_id == slot.id
    assert (await walk_in(desk, slot_id=desk.slot.id)).reservation.slot_id == desk.slot.id


async def test_when_nothing_is_on_it_says_so(desk):
    with pytest.raises(SlotNeeded):
        await walk_in(desk, now=LUNCH - minutes(121))
    with pytest.raises(InvalidWish):
        await walk_in(desk, party_size=2)
    with pytest.raises(SlotNeeded):  # for tomorrow they are booked, not walked in
        await walk_in(desk, slot_id=(await slot_of(desk.session, desk.offering, at=LUNCH + DAY)).id)
    with pytest.raises(BookingClosed):
        await walk_in(desk, slot_id=desk.slot.id, now=LUNCH + minutes(90))


async def test_the_last_place_is_the_last_and_the_next_hears_where_else_there_is_one(desk):
    small = await slot_of(desk.session, desk.offering, at=LUNCH - minutes(30), length=120, general=1)
    for_later = await slot_of(desk.session, desk.offering, at=LUNCH + minutes(180))
    await walk_in(desk, slot_id=small.id)
    with pytest.raises(SlotFull) as refused:
        await walk_in(desk, slot_id=small.id)
    assert refused.value.fields["waitlist"] is True
    assert str(for_later.id) in [one["slot_id"] for one in refused.value.fields["alternatives"]]


async def test_places_kept_for_the_counter_go_first(desk):
    desk.offering.rules = {"tiers": {"counter": {"channels": ["counter", "phone"]}}}
    await desk.session.flush()
    slot = await slot_of(desk.session, desk.offering, at=LUNCH - minutes(30), general=5, counter=1)
    await walk_in(desk, slot_id=slot.id)
    assert await desk.buckets(slot) == {"general": (0, 0), "counter": (0, 1)}
    await walk_in(desk, slot_id=slot.id)
    assert await desk.buckets(slot) == {"general": (0, 1), "counter": (0, 1)}


async def test_a_ticket_says_who_they_are(desk):
    dinner = await slot_of(desk.session, desk.offering, at=LUNCH + minutes(360))
    person = await person_of(desk.session, desk.ring)
    booked = await desk.book(person, slot=dinner)
    done = await walk_in(desk, site_id=desk.site_id, ticket=ticket_of(desk.ring, booked))
    assert done.reservation.person_id == person.id


async def test_a_person_is_named_only_by_who_found_them(desk):
    person = await person_of(desk.session, desk.ring)
    with pytest.raises(PersonNotFound):
        await walk_in(desk, site_id=desk.site_id, person_id=person.id)
    await found(desk)
    done = await walk_in(desk, site_id=desk.site_id, person_id=person.id)
    assert done.reservation.person_id == person.id


async def found(desk):
    sought = Sought(phone="+8613800000001")
    await search_persons(desk.session, desk.clerk, ring=desk.ring, sought=sought, now=NOW - minutes(5))


async def test_a_walk_in_taken_back_frees_the_place(desk):
    done = await walk_in(desk)
    await check_ins.undo(
        desk.session,
        desk.clerk,
        ring=desk.ring,
        reservation_id=done.reservation.id,
        state="checked_in",
        now=NOW + minutes(1),
    )
    assert done.reservation.state == "cancelled"
    assert (await desk.buckets())["general"] == (0, 0)
    assert (await desk.session.scalars(select(AttendanceMark))).all() == []


async def test_nobody_walks_in_at_a_place_that_is_not_the_clerks(desk, sites):
    other = await desk_of(desk.session, desk.ring, sites[1])
    for said in (
        {"site_id": other.site_id},
        {"slot_id": other.slot.id},
        {"offering_id": other.offering.id},
    ):
        with pytest.raises(NotAllowed):
            await walk_in(desk, **said)
    both = await staff_of(desk.session, clerk_of(sites[0].id), clerk_of(sites[1].id))
    with pytest.raises(WrongDesk):
        await walk_in(desk, actor=both, site_id=desk.site_id, slot_id=other.slot.id)


async def test_nobody_walks_into_a_supply(desk):
    supply = await slot_of(desk.session, await offering_of(desk.session, desk.site_id, kind="supply"))
    with pytest.raises(SlotNotFound):
        await walk_in(desk, slot_id=supply.id)


async def book(desk, person, **said):
    wish = Wish(**{"person_id": person.id, "slot_id": desk.slot.id, "mode": "pick_up"} | said)
    return await book_for(desk.session, desk.clerk, ring=desk.ring, wish=wish, channel="phone", now=NOW)


async def test_staff_book_for_a_caller_whom_they_found(desk):
    person = await person_of(desk.session, desk.ring)
    with pytest.raises(PersonNotFound):
        await book(desk, person)
    await found(desk)
    one = (await book(desk, person)).reservation
    assert (one.channel, one.state, one.person_id) == ("phone", "confirmed", person.id)
    entry = await desk.session.scalar(
        select(AuditEntry).where(AuditEntry.object_id == str(one.id), AuditEntry.person_id == person.id)
    )
    assert (entry.action, entry.channel, entry.detail["act"]) == ("desk.run", "phone", "book")


async def test_staff_cancel_for_a_caller_and_nobody_is_marked_for_it(desk):
    desk.offering.rules = {"attendance": {"most": 1}}
    desk.offering.cancel_minutes_before = 120
    await desk.session.flush()
    one = await desk.guest()
    meant = await cancel_for(
        desk.session,
        desk.clerk,
        ring=desk.ring,
        reservation_id=one.id,
        channel="phone",
        reason="本人来电",
        now=NOW,
    )
    assert meant.reservation.state == "cancelled"
    assert (await desk.buckets())["general"] == (0, 0)
    assert (await desk.session.scalars(select(AttendanceMark))).all() == []
    entry = await desk.session.scalar(select(AuditEntry).where(AuditEntry.reason == "本人来电"))
    assert entry.person_id == one.person_id


async def test_a_caller_of_another_place_is_not_the_clerks(desk, sites):
    other = await desk_of(desk.session, desk.ring, sites[1])
    person = await person_of(desk.session, desk.ring)
    await found(desk)
    with pytest.raises(NotAllowed):
        await book(desk, person, slot_id=other.slot.id)
    theirs = await other.guest("李强", "+8613800004321")
    with pytest.raises(NotAllowed):
        await cancel_for(
            desk.session,
            desk.clerk,
            ring=desk.ring,
            reservation_id=theirs.id,
            channel="phone",
            reason="本人来电",
            now=NOW,
        )
    assert (await desk.session.get_one(Offering, other.offering.id)).site_id == other.site_id
