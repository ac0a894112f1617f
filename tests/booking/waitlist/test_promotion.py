"""Freed places go to the queue: in order, for a while, a party at once or not at all."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from booking import errors
from booking.models import Event, Offering, Reservation, SlotBucket, SlotNeed
from booking.reservations.expiry import expire_slot
from booking.reservations.life import confirm
from booking.reservations.reschedule import reschedule
from booking.waitlist.settling import close_queues
from booking.waitlist.sweep import free_though_waited_for, set_aside, sweep
from core.actor import SYSTEM
from tests.booking.bookable import NOON, NOW


async def full(world, queue, places, **more):
    """A slot with so many singles."""
    offering = await world.offering(**more)
    slot = await world.slot(offering, {"general": places})
    return slot, [await queue.book(slot) for _ in range(places)]


async def test_a_freed_place_is_offered_to_the_first_and_to_nobody_else(world, queue):
    slot, (one,) = await full(world, queue, 1)
    first, second = await queue.wait(slot), await queue.wait(slot)
    await queue.cancel(one)
    assert await queue.states(first, second) == ["offered", "waiting"]
    assert await world.counts(slot) == {"general": (1, 0, 0)}
    with pytest.raises(errors.SlotFull):
        await queue.book(slot)
    held = await world.session.get(Reservation, first.reservation_id)
    assert (held.state, held.person_id, held.account_id) == ("held", first.person_id, first.account_id)
    assert held.expires_at == NOW + timedelta(minutes=30)
    event = await world.session.scalar(select(Event).where(Event.kind == "waitlist_offer"))
    assert (event.person_id, event.data["reservation_id"]) == (first.person_id, str(held.id))


async def test_accepting_confirms_and_may_be_repeated(world, queue):
    slot, (one,) = await full(world, queue, 1)
    entry = await queue.wait(slot)
    await queue.cancel(one)
    for _ in range(2):
        assert (await queue.accept(entry)).state == "accepted"
    held = await world.session.get(Reservation, entry.reservation_id)
    assert (held.state, await world.counts(slot)) == ("confirmed", {"general": (0, 1, 0)})
    with pytest.raises(errors.WrongEntryState):
        await queue.decline(entry)


async def test_confirming_the_reservation_itself_is_accepting(world, queue):
    slot, (one,) = await full(world, queue, 1)
    entry = await queue.wait(slot)
    await queue.cancel(one)
    await confirm(world.session, entry.who.actor, reservation_id=entry.reservation_id, now=NOW)
    assert await queue.states(entry) == ["accepted"]


async def test_declining_offers_it_to_the_next_at_once(world, queue):
    slot, (one,) = await full(world, queue, 1)
    first, second = await queue.wait(slot), await queue.wait(slot)
    await queue.cancel(one)
    for _ in range(2):
        assert (await queue.decline(first)).state == "declined"
    assert await queue.states(first, second) == ["declined", "offered"]
    assert await world.counts(slot) == {"general": (1, 0, 0)}


async def test_an_offer_that_runs_out_goes_to_the_next_also_without_a_worker(world, queue):
    slot, (one,) = await full(world, queue, 1)
    first, second = await queue.wait(slot), await queue.wait(slot)
    await queue.cancel(one)
    queue.now = NOW + timedelta(minutes=30)
    with pytest.raises(errors.HoldExpired):
        await queue.accept(first)
    with pytest.raises(errors.SlotFull):  # a poller finds out, and gets nothing by it
        await queue.book(slot)
    assert await queue.states(first, second) == ["expired", "offered"]
    assert await world.session.scalar(select(Event.kind).where(Event.kind == "waitlist_expired"))


async def test_when_nobody_waits_any_more_places_are_free_for_all(world, queue):
    slot, (one,) = await full(world, queue, 1)
    entry = await queue.wait(slot)
    await queue.cancel(one)
    queue.now = NOW + timedelta(minutes=31)
    assert await expire_slot(world.session, slot_id=slot.id, now=queue.now) == 1
    assert await world.counts(slot) == {"general": (0, 0, 0)}
    assert await queue.states(entry) == ["expired"]
    assert (await queue.book(slot)).state == "confirmed"


async def test_a_late_offer_ends_when_booking_closes(world, queue):
    slot, (one,) = await full(world, queue, 1)
    entry = await queue.wait(slot)
    queue.now = NOON - timedelta(minutes=10)
    await queue.cancel(one)
    await world.session.refresh(entry)
    held = await world.session.get(Reservation, entry.reservation_id)
    assert held.expires_at == NOON


async def test_a_party_waits_for_all_its_places_and_singles_do_not_pass_it(world, queue):
    slot, taken = await full(world, queue, 4)
    party = await queue.wait(slot, 4)
    singles = [await queue.wait(slot) for _ in range(3)]
    for freed, one in enumerate(taken[:3], 1):
        await queue.cancel(one)
        assert await queue.states(party, *singles) == ["waiting"] * 4
        assert await world.counts(slot) == {"general": (0, 4 - freed, freed)}
        with pytest.raises(errors.SlotFull):
            await queue.book(slot)
    await queue.cancel(taken[3])
    assert await queue.states(party, *singles) == ["offered", "waiting", "waiting", "waiting"]
    assert await world.counts(slot) == {"general": (4, 0, 0)}


async def test_shortly_before_booking_closes_smaller_parties_pass_and_what_is_left_is_free(world, queue):
    slot, taken = await full(world, queue, 4)
    party, single = await queue.wait(slot, 4), await queue.wait(slot)
    await queue.cancel(taken[0])
    queue.now = NOON - timedelta(minutes=60)
    assert list(await set_aside(world.session)) == [slot.id]
    assert await sweep(world.session, slot_id=slot.id, now=queue.now) == 1
    assert await queue.states(party, single) == ["waiting", "offered"]
    await queue.cancel(taken[1])
    assert await world.counts(slot) == {"general": (1, 2, 0)}
    assert (await queue.book(slot)).state == "confirmed"


async def test_a_party_behind_others_gets_what_is_left_of_a_large_cancellation(world, queue):
    offering = await world.offering()
    slot = await world.slot(offering, {"general": 5})
    many = await queue.book(slot, 5)
    single, party, last = await queue.wait(slot), await queue.wait(slot, 4), await queue.wait(slot)
    await queue.cancel(many)
    assert await queue.states(single, party, last) == ["offered", "offered", "waiting"]
    assert await world.counts(slot) == {"general": (5, 0, 0)}


async def test_places_free_before_count_for_a_party_too(world, queue):
    slot = await world.slot(await world.offering(), {"general": 3})
    one, _ = await queue.book(slot), await queue.book(slot)
    party = await queue.wait(slot, 2)
    await queue.cancel(one)
    assert await queue.states(party) == ["offered"]
    assert await world.counts(slot) == {"general": (2, 1, 0)}


async def test_a_party_may_be_spread_over_buckets_that_are_everyones(world, queue):
    rules = {"tiers": {"elder": {"who": [{"rule": "min_age", "value": 60}]}}}
    slot = await world.slot(
        await world.offering(rules=rules), {"general": 1, "elder": 1}, released_at={"elder": NOW}
    )
    one, other = await queue.book(slot), await queue.book(slot)
    party = await queue.wait(slot, 2)
    await queue.cancel(one)
    await queue.cancel(other)
    assert await queue.states(party) == ["offered"]
    assert await world.counts(slot) == {"general": (1, 0, 0), "elder": (1, 0, 0)}


async def test_a_freed_place_of_a_tier_nobody_waits_for_is_free_for_that_tier(world, queue):
    rules = {"tiers": {"counter": {"channels": ["counter"]}}}
    slot = await world.slot(await world.offering(rules=rules), {"general": 1, "counter": 1})
    await queue.book(slot)
    caller = await world.resident()
    caller.actor = world.clerk()
    at_desk = await queue.book(slot, who=caller)
    entry = await queue.wait(slot)
    await queue.cancel(at_desk)
    assert await queue.states(entry) == ["waiting"]
    assert await world.counts(slot) == {"general": (0, 1, 0), "counter": (0, 0, 0)}


async def test_when_a_tier_is_everyones_the_queue_gets_it(world, queue):
    rules = {"tiers": {"counter": {"channels": ["counter"]}}}
    later = NOW + timedelta(hours=1)
    slot = await world.slot(
        await world.offering(rules=rules), {"general": 1, "counter": 1}, released_at={"counter": later}
    )
    await queue.book(slot)
    entry = await queue.wait(slot)
    assert list(await free_though_waited_for(world.session)) == [slot.id]
    assert await sweep(world.session, slot_id=slot.id, now=NOW) == 0
    assert await sweep(world.session, slot_id=slot.id, now=later) == 1
    assert await queue.states(entry) == ["offered"]


async def test_whoever_is_busy_by_now_is_passed_over_and_told_why(world, queue):
    slot, (one,) = await full(world, queue, 1)
    first, second = await queue.wait(slot), await queue.wait(slot)
    elsewhere = await world.slot(await world.offering(), {"general": 1})
    await queue.book(elsewhere, who=first.who)
    await queue.cancel(one)
    assert await queue.states(first, second) == ["passed", "offered"]
    assert first.reason == "person-busy"
    event = await world.session.scalar(select(Event).where(Event.kind == "waitlist_passed"))
    assert (event.person_id, event.data["why"]) == (first.person_id, "person-busy")
    assert await world.counts(slot) == {"general": (1, 0, 0)}


async def test_whoever_used_up_a_limit_by_now_is_passed_over(world, queue):
    rules = {"limits": [{"per": "day", "most": 1}]}
    offering = await world.offering(rules=rules, exclusive=False)
    slot = await world.slot(offering, {"general": 1})
    other = await world.slot(offering, {"general": 1}, starts_at=NOON + timedelta(hours=2))
    one = await queue.book(slot)
    entry = await queue.wait(slot)
    await queue.book(other, who=entry.who)
    await queue.cancel(one)
    assert (await queue.states(entry), entry.reason) == (["passed"], "limit-reached")
    assert await world.counts(slot) == {"general": (0, 0, 0)}


async def test_an_offer_counts_for_limits_and_a_declined_one_does_not(world, queue):
    rules = {"limits": [{"per": "day", "most": 1}]}
    offering = await world.offering(rules=rules, exclusive=False)
    slot = await world.slot(offering, {"general": 1})
    other = await world.slot(offering, {"general": 2}, starts_at=NOON + timedelta(hours=2))
    one = await queue.book(slot)
    entry = await queue.wait(slot)
    await queue.cancel(one)
    used = text("select used from person_quota where person_id = :person")
    assert await world.session.scalar(used, {"person": entry.person_id}) == 1
    await queue.decline(entry)
    assert (await queue.book(other, who=entry.who)).state == "confirmed"


async def test_moving_away_frees_the_place_for_the_queue(world, queue):
    slot, (one,) = await full(world, queue, 1)
    other = await world.slot(
        await world.session.get_one(Offering, slot.offering_id),
        {"general": 1},
        starts_at=NOON + timedelta(hours=2),
    )
    entry = await queue.wait(slot)
    await reschedule(world.session, SYSTEM, ring=world.ring, reservation_id=one.id, slot_id=other.id, now=NOW)
    assert await queue.states(entry) == ["offered"]


async def test_a_hall_offers_seats_side_by_side_and_a_wheelchair_space_to_those_who_need_it(world, queue):
    offering = await world.offering(shape="seated", kind="performance")
    slot = await world.slot(offering)
    await world.seats(slot, ["ooo", "wco"])
    everyone = await queue.book(slot, 5)
    chair = await queue.book(slot, 1, wheelchair=True)
    pair = await queue.wait(slot, 2, wheelchair=True)
    assert pair.tiers == ["wheelchair", "general"]
    single = await queue.wait(slot)
    await queue.cancel(chair)
    assert await queue.states(pair, single) == ["waiting", "waiting"]
    await queue.cancel(everyone)
    assert await queue.states(pair, single) == ["offered", "offered"]
    taken = await world.session.execute(
        text(
            "select reservation_id, kind from slot_seat join seat on seat.id = seat_id where reservation_id is not null"
        )
    )
    kinds = {}
    for row in taken:
        kinds.setdefault(row.reservation_id, set()).add(row.kind)
    assert kinds[pair.reservation_id] == {"wheelchair", "companion"}
    assert await world.counts(slot) == {"general": (2, 0, 0), "wheelchair": (1, 0, 0)}


async def test_who_waits_for_a_rider_does_not_keep_others_from_the_table(world, queue):
    riders = await world.slot(await world.offering(kind="supply", title="配送"), {"general": 1})
    offering = await world.offering(modes=["dine_in", "delivery"])
    slot = await world.slot(offering, {"general": 2})
    world.session.add(SlotNeed(slot_id=slot.id, needs_slot_id=riders.id, per="booking", modes=["delivery"]))
    await world.session.flush()
    driven, table = await queue.book(slot, mode="delivery"), await queue.book(slot, mode="dine_in")
    delivery, inside = await queue.wait(slot, mode="delivery"), await queue.wait(slot, mode="dine_in")
    await queue.cancel(table)
    assert await queue.states(delivery, inside) == ["waiting", "offered"]
    await queue.cancel(driven)
    assert await queue.states(delivery) == ["offered"]
    assert await world.counts(riders) == {"general": (1, 0, 0)}


async def test_when_booking_has_closed_the_queue_is_closed_and_told(world, queue):
    slot, (one,) = await full(world, queue, 1)
    entry = await queue.wait(slot)
    assert await close_queues(world.session, slot_ids=[slot.id], now=NOW) == 0
    queue.now = NOON
    await queue.cancel(one)
    assert await queue.states(entry) == ["waiting"]
    assert await close_queues(world.session, slot_ids=[slot.id], now=queue.now) == 1
    assert (await queue.states(entry), entry.reason) == (["closed"], "booking-closed")
    event = await world.session.scalar(select(Event).where(Event.kind == "waitlist_closed"))
    assert event.person_id == entry.person_id
    assert await world.counts(slot) == {"general": (0, 0, 0)}


async def test_more_places_go_to_the_queue_first(world, queue):
    slot, _ = await full(world, queue, 1)
    entry = await queue.wait(slot)
    bucket = await world.session.get(SlotBucket, (slot.id, "general"))
    bucket.capacity = 2
    await world.session.flush()
    assert await sweep(world.session, slot_id=slot.id, now=NOW) == 1
    assert await queue.states(entry) == ["offered"]


async def test_a_party_that_no_longer_fits_the_slot_keeps_nobody_waiting(world, queue):
    slot, taken = await full(world, queue, 3)
    party, single = await queue.wait(slot, 3), await queue.wait(slot)
    await queue.cancel(taken[0])
    assert await queue.states(party, single) == ["waiting", "waiting"]
    bucket = await world.session.get(SlotBucket, (slot.id, "general"))
    await world.session.refresh(bucket)
    bucket.capacity, bucket.set_aside = 2, 0
    await world.session.flush()
    assert await sweep(world.session, slot_id=slot.id, now=NOW) == 0
    await queue.cancel(taken[1])
    assert await queue.states(party, single) == ["waiting", "offered"]


async def test_places_come_from_what_is_set_aside_before_what_is_free(world, queue):
    slot = await world.slot(await world.offering(), {"general": 4})
    many = await queue.book(slot, 2)
    one = await queue.book(slot)
    party = await queue.wait(slot, 3)
    await queue.cancel(one)
    assert await world.counts(slot) == {"general": (0, 2, 1)}
    assert await queue.states(party) == ["waiting"]
    await queue.cancel(many)
    assert await queue.states(party) == ["offered"]
    assert await world.counts(slot) == {"general": (3, 0, 0)}


async def test_a_hold_of_theirs_that_ran_out_costs_nobody_their_turn(world, queue):
    """Nor keeps them from waiting: it binds nobody, also before anybody has ended it."""
    slot, (one,) = await full(world, queue, 1)
    other = await world.slot(await world.offering(), {"general": 1})
    waiting = await world.resident()
    await queue.book(other, who=waiting, hold=True)
    queue.now = NOW + timedelta(minutes=6)
    entry = await queue.wait(slot, who=waiting)
    behind = await queue.wait(slot)
    await queue.cancel(one)
    assert await queue.states(entry, behind) == ["waiting", "waiting"]
    assert await world.counts(slot) == {"general": (0, 0, 1)}
    await expire_slot(world.session, slot_id=other.id, now=queue.now)
    await sweep(world.session, slot_id=slot.id, now=queue.now)
    assert await queue.states(entry, behind) == ["offered", "waiting"]
