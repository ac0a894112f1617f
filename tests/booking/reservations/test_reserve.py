"""Reserving, one caller at a time: each shape, several capacities, and every refusal."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from booking import errors
from booking.models import Event, ReservationStep, SlotNeed
from booking.people.errors import PersonNotFound
from booking.reservations.expiry import expire_slot, next_due
from booking.reservations.life import cancel, check_in, confirm, mark_no_show, undo
from booking.reservations.reserve import Wish, reserve
from core.permissions import NotAllowed
from tests.booking.bookable import NOON, NOW


@pytest.fixture
def book(world):
    async def book(who, slot, now=NOW, actor=None, **wish):
        return await reserve(
            world.session,
            actor or who.actor,
            ring=world.ring,
            wish=Wish(person_id=who and who.person_id, slot_id=slot.id, **wish),
            now=now,
        )

    return book


async def test_a_booked_place_is_counted_written_down_and_told(world, book):
    slot = await world.slot(await world.offering(), {"general": 2})
    wang = await world.resident()
    one = await book(wang, slot)
    assert (one.state, one.party_size, len(one.code)) == ("confirmed", 1, 6)
    assert await world.counts(slot) == {"general": (0, 1, 0)}
    steps = (await world.session.scalars(select(ReservationStep))).all()
    assert [(step.number, step.state, step.channel) for step in steps] == [(1, "confirmed", "web")]
    event = await world.session.scalar(select(Event))
    assert (event.kind, event.person_id, event.data["reservation_id"]) == (
        "reservation_confirmed",
        wang.person_id,
        str(one.id),
    )


async def test_a_full_slot_names_others_that_have_a_place(world, book):
    offering = await world.offering()
    slot = await world.slot(offering, {"general": 1})
    later = await world.slot(offering, {"general": 1}, starts_at=NOON + timedelta(hours=2))
    await book(await world.resident(), slot)
    with pytest.raises(errors.SlotFull) as refused:
        await book(await world.resident(), slot)
    assert [one["slot_id"] for one in refused.value.fields["alternatives"]] == [str(later.id)]


async def test_a_party_gets_all_its_places_or_none(world, book):
    slot = await world.slot(await world.offering(), {"general": 3})
    await book(await world.resident(), slot, party_size=2)
    with pytest.raises(errors.SlotFull):
        await book(await world.resident(), slot, party_size=2)
    assert await world.counts(slot) == {"general": (0, 2, 0)}


async def test_a_reserved_tier_is_for_its_people_until_it_is_released(world, book):
    tiers = {"tiers": {"counter": {"channels": ["counter", "phone"]}}}
    slot = await world.slot(
        await world.offering(rules=tiers),
        {"general": 1, "counter": 1},
        released_at={"counter": NOON - timedelta(hours=1)},
    )
    await book(await world.resident(), slot)
    li = await world.resident()
    with pytest.raises(errors.SlotFull):
        await book(li, slot)
    await book(li, slot, now=NOON - timedelta(hours=1))
    assert await world.counts(slot) == {"general": (0, 1, 0), "counter": (0, 1, 0)}


async def test_the_desk_has_places_of_its_own_and_takes_walk_ins_without_a_name(world, book):
    tiers = {"tiers": {"counter": {"channels": ["counter", "phone"]}}}
    slot = await world.slot(await world.offering(rules=tiers), {"general": 0, "counter": 1})
    one = await book(None, slot, actor=world.clerk(), now=NOON + timedelta(minutes=5))
    assert (one.person_id, one.channel) == (None, "counter")
    assert await world.counts(slot) == {"general": (0, 0, 0), "counter": (0, 1, 0)}


async def test_a_party_may_be_seated_from_two_tiers(world, book):
    tiers = {"tiers": {"counter": {"channels": ["counter"]}}}
    slot = await world.slot(await world.offering(rules=tiers), {"general": 1, "counter": 2})
    await book(None, slot, actor=world.clerk(), party_size=3)
    assert await world.counts(slot) == {"general": (0, 1, 0), "counter": (0, 2, 0)}


async def test_what_a_booking_needs_besides_is_taken_along_or_nothing_is(world, book):
    slot = await world.slot(await world.offering(modes=["dine_in", "delivery"]), {"general": 5})
    riders = await world.slot(await world.offering(kind="supply", title="骑手"), {"general": 1})
    world.session.add(SlotNeed(slot_id=slot.id, needs_slot_id=riders.id, per="booking", modes=["delivery"]))
    await world.session.flush()
    one = await book(await world.resident(), slot, mode="delivery", party_size=2)
    await book(await world.resident(), slot, mode="dine_in")
    wang = await world.resident()
    with pytest.raises(errors.SlotFull):
        await book(wang, slot, mode="delivery")
    assert (await world.counts(slot), await world.counts(riders)) == (
        {"general": (0, 3, 0)},
        {"general": (0, 1, 0)},
    )
    await cancel(world.session, world.clerk(), reservation_id=one.id, now=NOW)
    assert await world.counts(riders) == {"general": (0, 0, 0)}
    with pytest.raises(errors.SlotNotFound):
        await book(wang, riders)


async def test_nobody_is_in_two_places_at_once(world, book):
    first = await world.slot(await world.offering(), {"general": 5})
    second = await world.slot(await world.offering(), {"general": 5}, starts_at=NOON + timedelta(minutes=30))
    wang = await world.resident()
    await book(wang, first)
    with pytest.raises(errors.PersonBusy):
        async with world.session.begin_nested():
            await book(wang, second)
    assert await world.counts(second) == {"general": (0, 0, 0)}


async def test_a_meal_to_fetch_does_not_keep_anybody_busy(world, book):
    first = await world.slot(await world.offering(exclusive=False), {"general": 5})
    second = await world.slot(await world.offering(), {"general": 5})
    wang = await world.resident()
    await book(wang, first)
    await book(wang, second)


async def test_a_limit_counts_the_person_and_a_cancelled_booking_does_not(world, book):
    rules = {"limits": [{"per": "day", "most": 1, "scope": "kind"}]}
    first = await world.slot(await world.offering(rules=rules), {"general": 5})
    second = await world.slot(
        await world.offering(rules=rules), {"general": 5}, starts_at=NOON + timedelta(hours=3)
    )
    wang = await world.resident()
    one = await book(wang, first)
    with pytest.raises(errors.LimitReached):
        async with world.session.begin_nested():
            await book(wang, second)
    await cancel(world.session, wang.actor, reservation_id=one.id, now=NOW)
    await book(wang, second)


async def test_a_place_is_bookable_only_between_opening_and_closing(world, book):
    slot = await world.slot(await world.offering(), {"general": 5}, opens_at=NOW + timedelta(hours=1))
    wang = await world.resident()
    with pytest.raises(errors.NotYetOpen) as refused:
        await book(wang, slot)
    assert refused.value.fields["opens_at"] == "2026-11-24T10:00:00+08:00"
    with pytest.raises(errors.BookingClosed):
        await book(wang, slot, now=NOON)
    await book(wang, slot, now=NOON - timedelta(seconds=1))


async def test_others_cannot_book_for_somebody_nor_staff_of_other_sites(world, book):
    slot = await world.slot(await world.offering(), {"general": 5})
    wang, li = await world.resident(), await world.resident()
    with pytest.raises(PersonNotFound):
        await book(wang, slot, actor=li.actor)
    stranger = world.clerk()
    world.site_id, own = uuid4(), world.site_id
    stranger = world.clerk()
    world.site_id = own
    with pytest.raises(NotAllowed):
        await book(wang, slot, actor=stranger)


async def test_modes_parties_and_ages_that_do_not_go_are_refused_with_the_reason(world, book):
    slot = await world.slot(await world.offering(modes=["dine_in", "pick_up"], party_max=2), {"general": 5})
    wang = await world.resident()
    for wish in ({"mode": None}, {"mode": "by_air"}, {"mode": "dine_in", "party_size": 3}):
        with pytest.raises(errors.InvalidWish):
            await book(wang, slot, **wish)
    elders = await world.slot(
        await world.offering(rules={"eligibility": [{"rule": "min_age", "value": 60}]}), {"general": 1}
    )
    with pytest.raises(errors.NotEligible) as refused:
        await book(wang, elders)
    assert refused.value.fields["reason_code"] == "age_unknown"


async def test_a_hold_is_confirmed_in_time_or_its_place_is_free_without_any_worker(world, book):
    slot = await world.slot(await world.offering(hold_seconds=300), {"general": 1})
    wang, li = await world.resident(), await world.resident()
    one = await book(wang, slot, hold=True)
    assert (one.state, one.expires_at) == ("held", NOW + timedelta(seconds=300))
    assert await world.counts(slot) == {"general": (1, 0, 0)}
    with pytest.raises(errors.SlotFull):
        await book(li, slot, now=NOW + timedelta(seconds=299))
    late = NOW + timedelta(seconds=300)
    with pytest.raises(errors.HoldExpired):
        await confirm(world.session, wang.actor, reservation_id=one.id, now=late)
    await book(li, slot, now=late)
    assert await world.counts(slot) == {"general": (0, 1, 0)}
    await world.session.refresh(one)
    assert one.state == "expired"


async def test_a_hold_that_is_confirmed_moves_from_held_to_confirmed(world, book):
    slot = await world.slot(await world.offering(), {"general": 1})
    wang = await world.resident()
    one = await book(wang, slot, hold=True)
    await confirm(world.session, wang.actor, reservation_id=one.id, now=NOW)
    assert await world.counts(slot) == {"general": (0, 1, 0)}
    assert (one.state, one.version) == ("confirmed", 2)


async def test_the_worker_frees_holds_that_ran_out(world, book):
    slot = await world.slot(await world.offering(), {"general": 2})
    for _ in range(2):
        await book(await world.resident(), slot, hold=True)
    late = NOW + timedelta(seconds=300)
    assert await next_due(world.session, now=late - timedelta(seconds=1)) is None
    assert await next_due(world.session, but=[slot.id], now=late) is None
    assert await next_due(world.session, now=late) == slot.id
    assert await expire_slot(world.session, slot_id=slot.id, now=late - timedelta(seconds=1)) == 0
    assert await expire_slot(world.session, slot_id=slot.id, now=late) == 2
    assert await world.counts(slot) == {"general": (0, 0, 0)}


async def test_the_life_of_a_reservation_is_what_the_table_says(world, book):
    slot = await world.slot(await world.offering(), {"general": 2})
    wang = await world.resident()
    one = await book(wang, slot)
    with pytest.raises(errors.TooLate):
        await mark_no_show(world.session, world.clerk(), reservation_id=one.id, now=NOW)
    await check_in(world.session, world.clerk(), reservation_id=one.id, now=NOON)
    with pytest.raises(errors.WrongState) as refused:
        await cancel(world.session, world.clerk(), reservation_id=one.id, now=NOON)
    assert refused.value.fields["state"] == "checked_in"
    await undo(world.session, world.clerk(), reservation_id=one.id, changed_at=NOON, now=NOON)
    await mark_no_show(world.session, world.clerk(), reservation_id=one.id, now=NOON)
    with pytest.raises(errors.TooLate):
        await undo(
            world.session,
            world.clerk(),
            reservation_id=one.id,
            changed_at=NOON,
            now=NOON + timedelta(minutes=11),
        )
    await check_in(world.session, world.clerk(), reservation_id=one.id, now=NOON)
    assert one.version == 5
    assert await world.counts(slot) == {"general": (0, 1, 0)}


async def test_cancelling_twice_frees_one_place_once(world, book):
    slot = await world.slot(await world.offering(), {"general": 2})
    wang = await world.resident()
    one = await book(wang, slot)
    await book(await world.resident(), slot)
    for _ in range(2):
        await cancel(world.session, wang.actor, reservation_id=one.id, now=NOW)
    assert await world.counts(slot) == {"general": (0, 1, 0)}


async def test_somebody_elses_reservation_is_not_there(world, book):
    slot = await world.slot(await world.offering(), {"general": 2})
    one = await book(await world.resident(), slot)
    li = await world.resident()
    for act in (cancel, confirm):
        with pytest.raises(errors.ReservationNotFound):
            await act(world.session, li.actor, reservation_id=one.id, now=NOW)


async def test_a_supply_that_is_closed_has_nothing_to_take_along(world, book):
    slot = await world.slot(await world.offering(modes=["dine_in", "delivery"]), {"general": 5})
    riders = await world.slot(await world.offering(kind="supply", title="骑手"), {"general": 5})
    world.session.add(SlotNeed(slot_id=slot.id, needs_slot_id=riders.id, per="booking", modes=["delivery"]))
    riders.state, riders.closed_reason, riders.closed_at = "closed", "骑手请假", NOW
    await world.session.flush()
    with pytest.raises(errors.SlotFull):
        await book(await world.resident(), slot, mode="delivery")
    await book(await world.resident(), slot, mode="dine_in")
