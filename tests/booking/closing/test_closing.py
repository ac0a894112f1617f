"""Closed slots: with their site or one by one; people are moved or cancelled, and each is told once."""

from datetime import date, time, timedelta

import pytest
from sqlalchemy import select, update

from booking.closing.settle import (
    end_queue,
    find_affected,
    find_unsettled,
    finish,
    settle_reservation,
)
from booking.closing.sites import close_slots_of_all, close_slots_of_site
from booking.closing.slots import close_slot
from booking.errors import SlotClosed
from booking.models import Event, PersonCommitment, Resource, Slot, SlotNeed
from booking.offerings.closed_texts import SITE_CLOSED, SITE_INACTIVE
from booking.offerings.errors import SlotInvalid, SlotOver
from booking.reservations.life import check_in
from core.actor import SYSTEM
from core.ids import new_id
from core.permissions import NotAllowed
from geo.models import Site
from geo.sites.closures import end_closure, plan_closure
from tests.booking.offerings.worlds import NOW, offer, open_days, pattern, slots_of

DAY = date(2026, 11, 26)
MINUTE = timedelta(minutes=1)


async def plan(session, site, *, first=DAY, last=DAY, reason="检修"):
    closing = await plan_closure(
        session, SYSTEM, site_id=site.id, first=first, last=last, reason=reason, for_good=False, now=NOW
    )
    return closing.closure


async def settle(session, ring, now=NOW):
    """What the worker does, in one transaction; outcomes."""
    outcomes = []
    for slot_id in await find_unsettled(session):
        await end_queue(session, slot_id=slot_id, now=now)
        outcomes += [
            await settle_reservation(session, ring=ring, slot_id=slot_id, reservation_id=one, now=now)
            for one in await find_affected(session, slot_id=slot_id)
        ]
        await finish(session, slot_id=slot_id, now=now)
    return outcomes


async def events(session, kind):
    return (await session.scalars(select(Event).where(Event.kind == kind).order_by(Event.id))).all()


async def test_a_planned_closure_closes_its_slots_cancels_and_tells(session, sites, ring, book, counts):
    offering = await offer(session, sites[0], pattern())
    other = await offer(session, sites[1], pattern())
    slot = next(one for one in await slots_of(session, offering) if one.on_date == DAY)
    reservation = await book(slot, 3)
    await plan(session, sites[0])
    followed = await close_slots_of_site(session, site_id=sites[0].id, now=NOW)
    assert (followed.closed, followed.reopened) == (1, 0)
    assert DAY not in await open_days(session, offering)
    assert DAY in await open_days(session, other)
    assert await settle(session, ring) == ["cancelled"]
    await session.refresh(reservation)
    assert (reservation.state, await counts(slot)) == ("cancelled", {"general": (0, 0, 0)})
    (event,) = await events(session, "slot_closed")
    assert (event.person_id, event.account_id) == (reservation.person_id, reservation.account_id)
    assert event.data["reason"] == f"{SITE_CLOSED}：检修"
    alternatives = [one["starts_at"][:10] for one in event.data["alternatives"]]
    assert alternatives == ["2026-11-24", "2026-11-25", "2026-11-27"]
    assert await events(session, "reservation_cancelled") == []
    with pytest.raises(SlotClosed):
        await book(slot)
    # Again nothing happens, and a minute later the slot counts as settled.
    assert await settle(session, ring) == []
    assert await find_unsettled(session) == [slot.id]
    assert await settle(session, ring, NOW + MINUTE) == []
    assert await find_unsettled(session) == []


async def test_ending_a_closure_opens_what_it_closed_and_lies_ahead(session, sites, ring, book):
    offering = await offer(session, sites[0], pattern())
    slots = await slots_of(session, offering)
    await close_slot(session, SYSTEM, slot_id=slots[2].id, reason="厨师有事", now=NOW)
    await book(slots[1])
    closure = await plan(session, sites[0], first=date(2026, 11, 25), last=None)
    assert (await close_slots_of_all(session, now=NOW)).closed == 28
    await settle(session, ring)
    await end_closure(session, SYSTEM, site_id=sites[0].id, closure_id=closure.id, now=NOW + MINUTE)
    followed = await close_slots_of_site(session, site_id=sites[0].id, now=NOW + MINUTE)
    assert (followed.closed, followed.reopened) == (0, 28)
    closed = [slot for slot in await slots_of(session, offering) if slot.state == "closed"]
    assert [(slot.id, slot.closed_reason) for slot in closed] == [(slots[2].id, "厨师有事")]
    assert (await close_slots_of_all(session, now=NOW + MINUTE)).reopened == 0
    again = await book(slots[1], now=NOW + MINUTE)
    assert again.state == "confirmed"


async def test_two_closures_keep_a_slot_closed_until_both_are_over(session, sites):
    offering = await offer(session, sites[0], pattern())
    first, _ = await plan(session, sites[0]), await plan(session, sites[0], reason="停电")
    await close_slots_of_site(session, site_id=sites[0].id, now=NOW)
    await end_closure(session, SYSTEM, site_id=sites[0].id, closure_id=first.id, now=NOW)
    assert (await close_slots_of_site(session, site_id=sites[0].id, now=NOW)).reopened == 0
    assert DAY not in await open_days(session, offering)


async def test_a_site_out_of_use_closes_all_its_slots(session, sites, ring, book):
    offering = await offer(session, sites[0], pattern())
    await book((await slots_of(session, offering))[3])
    await session.execute(update(Site).where(Site.id == sites[0].id).values(status="inactive"))
    assert (await close_slots_of_all(session, now=NOW)).closed == 30
    assert {slot.closed_reason for slot in await slots_of(session, offering)} == {SITE_INACTIVE}
    assert await settle(session, ring) == ["cancelled"]
    await session.execute(update(Site).where(Site.id == sites[0].id).values(status="active", updated_at=NOW))
    assert (await close_slots_of_all(session, now=NOW)).reopened == 30


async def test_people_are_moved_as_far_as_there_are_places_and_the_rest_is_told(
    session, sites, ring, book, counts
):
    offering = await offer(session, sites[0], pattern(places={"general": 3}))
    slot, target = (await slots_of(session, offering))[1:3]
    first, second = await book(slot, 2), await book(slot, 1)
    await book(target, 1)
    closed = await close_slot(session, SYSTEM, slot_id=slot.id, reason="换场地", move_to=target.id, now=NOW)
    assert closed.reservations == 2
    assert await settle(session, ring) == ["moved", "cancelled"]
    for one in (first, second):
        await session.refresh(one)
    assert ((first.slot_id, first.state), second.state) == ((target.id, "confirmed"), "cancelled")
    assert first.starts_at == target.starts_at
    assert (await counts(slot), await counts(target)) == ({"general": (0, 0, 0)}, {"general": (0, 3, 0)})
    (moved,) = await events(session, "reservation_moved")
    assert (moved.subject_id, moved.data["slot_id"]) == (first.id, str(target.id))
    (told,) = await events(session, "slot_closed")
    assert (told.subject_id, told.data["reason"]) == (second.id, "换场地")


async def test_somebody_busy_at_the_other_time_is_cancelled_instead(session, sites, ring, book):
    offering = await offer(session, sites[0], pattern())
    other = await offer(session, sites[1], pattern())
    slot, target = (await slots_of(session, offering))[1:3]
    reservation = await book(slot)
    elsewhere = next(one for one in await slots_of(session, other) if one.starts_at == target.starts_at)
    busy = await book(elsewhere)
    await session.execute(
        update(type(busy)).where(type(busy).id == busy.id).values(person_id=reservation.person_id)
    )
    await session.execute(
        update(PersonCommitment)
        .where(PersonCommitment.subject_id == busy.id)
        .values(person_id=reservation.person_id)
    )
    await close_slot(session, SYSTEM, slot_id=slot.id, reason="换场地", move_to=target.id, now=NOW)
    assert await settle(session, ring) == ["cancelled"]


async def test_those_who_wait_are_told_and_nobody_is_offered_a_closed_slot(
    session, sites, ring, book, wait, counts
):
    offering = await offer(session, sites[0], pattern(places={"general": 1}))
    slot = (await slots_of(session, offering))[1]
    await book(slot)
    entry = await wait(slot)
    await close_slot(session, SYSTEM, slot_id=slot.id, reason="停电", now=NOW)
    assert await settle(session, ring) == ["cancelled"]
    await session.refresh(entry)
    assert (entry.state, await counts(slot)) == ("closed", {"general": (0, 0, 0)})
    (told,) = await events(session, "waitlist_closed")
    assert told.person_id == entry.person_id
    assert await events(session, "waitlist_offer") == []


async def test_whoever_is_here_already_stays(session, sites, ring, book):
    offering = await offer(session, sites[0], pattern())
    slot = (await slots_of(session, offering))[0]
    here, coming = await book(slot), await book(slot)
    during = slot.starts_at + 5 * MINUTE
    await check_in(session, SYSTEM, reservation_id=here.id, now=during)
    await plan(session, sites[0], first=during, last=None)
    await close_slots_of_site(session, site_id=sites[0].id, now=during)
    assert await settle(session, ring, during) == ["cancelled"]
    for one in (here, coming):
        await session.refresh(one)
    assert (here.state, coming.state) == ("checked_in", "cancelled")


async def test_whoever_was_booking_while_it_closed_is_found_by_the_next_sweep(session, sites, ring, book):
    offering = await offer(session, sites[0], pattern())
    slot = (await slots_of(session, offering))[1]
    await close_slot(session, SYSTEM, slot_id=slot.id, reason="停电", now=NOW)
    assert await settle(session, ring) == []
    await session.execute(update(Slot).where(Slot.id == slot.id).values(state="open", closed_reason=None))
    late = await book(slot)  # had read that it is open
    await session.execute(update(Slot).where(Slot.id == slot.id).values(state="closed", closed_reason="停电"))
    assert await settle(session, ring, NOW + MINUTE) == ["cancelled"]
    await session.refresh(late)
    assert late.state == "cancelled"


async def test_what_cannot_be_closed_or_moved_there(session, sites, clerk):
    offering = await offer(session, sites[0], pattern())
    venue = await offer(session, sites[0], pattern(), kind="course")
    slot, target = (await slots_of(session, offering))[1:3]

    async def close(actor=SYSTEM, reason="停电", move_to=None, now=NOW):
        return await close_slot(session, actor, slot_id=slot.id, reason=reason, move_to=move_to, now=now)

    for reason, move_to in (
        ("停电", slot.id),
        ("停电", (await slots_of(session, venue))[1].id),
        (f"{SITE_CLOSED}：停电", None),
    ):
        with pytest.raises(SlotInvalid):
            await close(reason=reason, move_to=move_to)
    with pytest.raises(NotAllowed):
        await close(await clerk(sites[1]))
    with pytest.raises(SlotOver):
        await close(now=slot.ends_at)
    await close(await clerk(sites[0]), move_to=target.id)
    with pytest.raises(SlotOver):
        await close()


async def test_who_needs_a_supply_that_is_closed_is_cancelled_and_told_and_nobody_else(
    session, sites, ring, book
):
    riders = await offer(session, sites[0], pattern(), kind="supply")
    lunch = await offer(session, sites[0], pattern(), modes=["dine_in", "delivery"])
    carried, eaten_here = (await slots_of(session, lunch))[:2]
    supply = (await slots_of(session, riders))[0]
    for slot in (carried, eaten_here):
        session.add(SlotNeed(slot_id=slot.id, needs_slot_id=supply.id, per="booking", modes=["delivery"]))
    await session.flush()
    delivered = await book(carried, mode="delivery")
    there = await book(eaten_here, mode="dine_in")
    other = (await slots_of(session, riders))[1]
    with pytest.raises(SlotInvalid):  # what takes it along cannot follow
        await close_slot(session, SYSTEM, slot_id=supply.id, reason="骑手请假", move_to=other.id, now=NOW)
    closed = await close_slot(session, SYSTEM, slot_id=supply.id, reason="骑手请假", now=NOW)
    assert closed.reservations == 1
    assert await settle(session, ring) == ["cancelled"]
    for one in (delivered, there):
        await session.refresh(one)
    assert (delivered.state, there.state) == ("cancelled", "confirmed")
    (event,) = await events(session, "slot_closed")
    assert (event.subject_id, event.data["reason"]) == (delivered.id, "骑手请假")


async def test_what_was_over_when_its_supply_closed_stays(session, sites, ring, book):
    """Riders for the whole day, closed after lunch."""
    riders = await offer(session, sites[0], pattern(ends_at=time(20)), kind="supply")
    lunch = await offer(session, sites[0], pattern(), modes=["delivery"])
    supply, carried = (await slots_of(session, riders))[0], (await slots_of(session, lunch))[0]
    session.add(SlotNeed(slot_id=carried.id, needs_slot_id=supply.id, per="booking", modes=[]))
    await session.flush()
    delivered = await book(carried, mode="delivery")
    after = carried.ends_at + MINUTE
    closed = await close_slot(session, SYSTEM, slot_id=supply.id, reason="下雪", now=after)
    assert closed.reservations == 0
    assert await settle(session, ring, after) == []
    await session.refresh(delivered)
    assert delivered.state == "confirmed"


async def test_a_court_is_moved_to_the_same_time_of_another_window(session, sites, ring, book):
    lengths = {"granularity_minutes": 30, "shortest_minutes": 30, "longest_minutes": 60}
    court = await offer(session, sites[0], pattern(places={}), kind="venue", shape="interval", **lengths)
    session.add(Resource(id=new_id(), offering_id=court.id, name="1 号场"))
    await session.flush()
    window, target = (await slots_of(session, court))[1:3]
    span = (window.starts_at + 30 * MINUTE, window.ends_at)
    one = await book(window, starts_at=span[0], ends_at=span[1])
    await close_slot(session, SYSTEM, slot_id=window.id, reason="检修", move_to=target.id, now=NOW)
    assert await settle(session, ring) == ["moved"]
    await session.refresh(one)
    assert (one.slot_id, one.starts_at, one.ends_at) == (
        target.id,
        target.starts_at + 30 * MINUTE,
        target.ends_at,
    )


async def test_those_that_begin_first_are_settled_first(session, sites):
    offering = await offer(session, sites[0], pattern())
    first, second = (await slots_of(session, offering))[:2]
    for slot in (second, first):
        await close_slot(session, SYSTEM, slot_id=slot.id, reason="检修", now=NOW)
    assert await find_unsettled(session) == [first.id, second.id]
    assert await find_unsettled(session, but=[first.id]) == [second.id]
