"""Joining a queue and leaving it."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from booking import errors
from booking.models import Event, Reservation
from booking.people.errors import PersonNotFound
from booking.rules.reading import read_rules
from booking.waitlist.listing import entry_query, own_query, queue_of
from booking.waitlist.queue import get_entry, leave
from booking.waitlist.rule import in_words
from core.audit import AuditEntry
from core.permissions import NotAllowed
from tests.booking.bookable import NOON, NOW, Resident


async def ahead(session, entry):
    return (await session.execute(entry_query(entry.id))).one().ahead


async def test_whoever_waits_sees_how_many_are_before_them(world, queue):
    slot = await world.slot(await world.offering(), {"general": 1})
    await queue.book(slot)
    first, second = await queue.wait(slot), await queue.wait(slot)
    assert [await ahead(world.session, one) for one in (first, second)] == [0, 1]
    assert first.number < second.number
    told = (await world.session.scalars(select(Event).where(Event.kind == "waitlist_joined"))).all()
    assert {one.person_id for one in told} == {first.person_id, second.person_id}


async def test_those_who_wait_for_other_places_are_not_counted(world, queue):
    rules = {"tiers": {"counter": {"channels": ["counter"]}}}
    slot = await world.slot(await world.offering(rules=rules), {"general": 1, "counter": 1})
    await queue.book(slot)
    web = await queue.wait(slot)
    caller = await world.resident()
    await queue.book(slot, who=Resident(world.clerk(), caller.person_id))
    counter = await queue.wait(slot, actor=world.clerk())
    assert (web.tiers, counter.tiers) == (["general"], ["counter", "general"])
    web.tiers = ["other"]
    await world.session.flush()
    assert await ahead(world.session, counter) == 0


async def test_while_the_party_could_book_it_is_told_to(world, queue):
    slot = await world.slot(await world.offering(), {"general": 3})
    await queue.book(slot)
    with pytest.raises(errors.PlacesLeft):
        await queue.wait(slot, 2)
    waiting = await queue.wait(slot, 3)
    assert waiting.state == "waiting"
    # The party waits for a third place; two singles may still have what was free before it came.
    assert (await queue.book(slot)).state == "confirmed"


async def test_a_hold_that_ran_out_counts_as_free_until_somebody_waits(world, queue):
    slot = await world.slot(await world.offering(), {"general": 1})
    await queue.book(slot, hold=True)
    first = await queue.wait(slot)
    queue.now = NOW + timedelta(minutes=6)
    second = await queue.wait(slot)
    assert (first.number, second.state) == (second.number - 1, "waiting")
    other = await world.slot(await world.offering(), {"general": 1}, starts_at=NOON + timedelta(hours=3))
    await queue.book(other, hold=True)
    queue.now += timedelta(minutes=6)
    with pytest.raises(errors.PlacesLeft):
        await queue.wait(other)


async def test_a_person_waits_once_in_a_queue(world, queue):
    slot = await world.slot(await world.offering(), {"general": 1})
    await queue.book(slot)
    entry = await queue.wait(slot)
    with pytest.raises(errors.AlreadyWaiting):
        await queue.wait(slot, who=entry.who)


async def test_who_could_not_take_an_offer_does_not_wait_for_one(world, queue):
    offering = await world.offering(rules={"limits": [{"per": "day", "most": 1}]}, exclusive=False)
    slot = await world.slot(offering, {"general": 1})
    await queue.book(slot)
    wang = await world.resident()
    earlier = await world.slot(offering, {"general": 1}, starts_at=NOON - timedelta(hours=2))
    await queue.book(earlier, who=wang)
    with pytest.raises(errors.LimitReached):
        await queue.wait(slot, who=wang)
    busy = await world.resident()
    other = await world.slot(await world.offering(), {"general": 1})
    await queue.book(other, who=busy)
    full = await world.slot(await world.offering(), {"general": 1})
    await queue.book(full)
    with pytest.raises(errors.PersonBusy):
        await queue.wait(full, who=busy)


async def test_the_rules_for_reserving_hold_for_waiting(world, queue):
    grown = await world.offering(rules={"eligibility": [{"rule": "min_age", "value": 60}]})
    slot = await world.slot(grown, {"general": 1})
    with pytest.raises(errors.NotEligible):
        await queue.wait(slot)
    hall = await world.slot(await world.offering(shape="interval"))
    with pytest.raises(errors.InvalidWish):
        await queue.wait(hall)
    off = await world.slot(await world.offering(rules={"waitlist": {"enabled": False}}), {"general": 0})
    with pytest.raises(errors.NotWaitable):
        await queue.wait(off)
    past = await world.slot(await world.offering(), {"general": 0}, starts_at=NOW - timedelta(minutes=5))
    with pytest.raises(errors.BookingClosed):
        await queue.wait(past)
    wang, li = await world.resident(), await world.resident("李强")
    full = await world.slot(await world.offering(), {"general": 1})
    with pytest.raises(PersonNotFound):
        await queue.wait(full, who=wang, actor=li.actor)


async def test_a_party_larger_than_the_slot_would_wait_in_vain_and_is_told_so(world, queue):
    slot = await world.slot(
        await world.offering(), {"general": 2, "elder": 1}, released_at={"elder": NOON - timedelta(hours=1)}
    )
    with pytest.raises(errors.NotWaitable):
        await queue.wait(slot, 4)
    assert (await queue.wait(slot, 3)).state == "waiting"


async def test_the_desk_may_put_a_caller_into_the_queue_and_is_not_told_what_becomes_of_it(world, queue):
    slot = await world.slot(await world.offering(), {"general": 1})
    held = await queue.book(slot)
    entry = await queue.wait(slot, actor=world.clerk("phone"))
    await queue.cancel(held)
    told = (await world.session.scalars(select(Event).where(Event.subject_id == entry.id))).all()
    assert [(one.kind, one.person_id, one.account_id) for one in told] == [
        ("waitlist_joined", entry.person_id, None),
        ("waitlist_offer", entry.person_id, None),
    ]


async def test_who_leaves_is_out_of_the_queue_and_may_come_again_at_its_end(world, queue):
    slot = await world.slot(await world.offering(), {"general": 1})
    await queue.book(slot)
    first, second = await queue.wait(slot), await queue.wait(slot)
    for _ in range(2):
        gone = await leave(world.session, first.who.actor, entry_id=first.id, now=NOW)
        assert gone.state == "left"
    assert await ahead(world.session, second) == 0
    again = await queue.wait(slot, who=first.who)
    assert await ahead(world.session, again) == 1


async def test_when_a_party_leaves_what_was_kept_for_it_goes_on(world, queue):
    slot = await world.slot(await world.offering(), {"general": 2})
    one, _ = await queue.book(slot), await queue.book(slot)
    party, single = await queue.wait(slot, 2), await queue.wait(slot)
    await queue.cancel(one)
    assert await queue.states(party, single) == ["waiting", "waiting"]
    await leave(world.session, party.who.actor, entry_id=party.id, now=NOW)
    assert await queue.states(party, single) == ["left", "offered"]
    assert await world.counts(slot) == {"general": (1, 1, 0)}


async def test_an_offer_is_declined_and_not_left(world, queue):
    slot = await world.slot(await world.offering(), {"general": 1})
    one = await queue.book(slot)
    entry = await queue.wait(slot)
    await queue.cancel(one)
    with pytest.raises(errors.WrongEntryState) as refused:
        await leave(world.session, entry.who.actor, entry_id=entry.id, now=NOW)
    assert refused.value.fields["state"] == "offered"


async def test_an_entry_of_others_does_not_exist(world, queue):
    slot = await world.slot(await world.offering(), {"general": 1})
    await queue.book(slot)
    entry = await queue.wait(slot)
    stranger = await world.resident()
    with pytest.raises(errors.WaitlistEntryNotFound):
        await get_entry(world.session, stranger.actor, entry_id=entry.id, now=NOW)
    found = (await world.session.execute(own_query([entry.person_id], over=False, limit=5))).all()
    assert [row[0].id for row in found] == [entry.id]


async def test_the_desk_sees_the_queue_in_order_and_that_is_on_record(world, queue):
    slot = await world.slot(await world.offering(), {"general": 1})
    held = await queue.book(slot)
    entries = [await queue.wait(slot) for _ in range(3)]
    await queue.cancel(held)
    rows = await queue_of(world.session, world.clerk(), slot_id=slot.id, now=NOW)
    assert [entry.id for entry, _ in rows] == [one.id for one in entries]
    read = (await world.session.scalars(select(AuditEntry).where(AuditEntry.action == "waitlist.read"))).all()
    assert {one.person_id for one in read} == {one.person_id for one in entries}
    with pytest.raises(NotAllowed):
        await queue_of(world.session, entries[0].who.actor, slot_id=slot.id, now=NOW)


async def test_the_rule_is_said_in_both_languages(world):
    offering = await world.offering(offer_minutes=20)
    zh, en = in_words(offering, read_rules({"waitlist": {"strict_until_minutes": 90}}).waitlist)
    assert "20 分钟" in zh
    assert "90 分钟" in zh
    assert "20 minutes" in en
    assert "90 minutes" in en
    assert await world.session.scalar(select(Reservation.id)) is None
