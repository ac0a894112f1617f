"""How many places are left: for anyone, for those who have places of their own, with what has to be taken along."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from booking.errors import SlotFull
from booking.models import SlotBucket, SlotNeed, WaitlistEntry
from booking.reservations.reserve import Wish, reserve
from tests.booking.bookable import NOON, NOW

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LATER = NOW + 5 * MINUTE  # a hold of 300 s is over
ELDER = {"tiers": {"elder": {"who": [{"rule": "tag", "any": ["special_elder"]}]}}}


async def hold(world, slot, party_size=1, *, mode=None, firm=False):
    """Somebody holds places; returns who."""
    who = await world.resident()
    wish = Wish(person_id=who.person_id, slot_id=slot.id, hold=not firm, party_size=party_size, mode=mode)
    await reserve(world.session, who.actor, ring=world.ring, wish=wish, now=NOW)
    return who


async def wait(world, slot):
    who = await world.resident()
    entry = WaitlistEntry(
        slot_id=slot.id,
        person_id=who.person_id,
        party_size=1,
        channel="web",
        tiers=["general"],
        joined_at=NOW,
    )
    world.session.add(entry)
    await world.session.flush()


async def test_a_held_place_is_free_again_when_its_time_is_over(world):
    offering = await world.offering()
    slot = await world.slot(offering, {"general": 3})
    await hold(world, slot, 2)
    assert await world.left(offering) == [1]
    assert await world.left(offering, now=LATER - MINUTE) == [1]
    assert await world.left(offering, now=LATER) == [3]


async def test_while_somebody_waits_a_hold_that_ran_out_is_free_to_nobody_else(world):
    offering = await world.offering()
    slot = await world.slot(offering, {"general": 3})
    await hold(world, slot, 2)
    await wait(world, slot)
    assert await world.left(offering, now=LATER) == [1]


async def test_what_is_set_aside_for_those_who_wait_is_not_free(world):
    offering = await world.offering()
    slot = await world.slot(offering, {"general": 3})
    await world.session.execute(update(SlotBucket).where(SlotBucket.slot_id == slot.id).values(set_aside=2))
    assert await world.left(offering) == [1]


async def test_places_kept_for_some_are_theirs_until_they_are_everyones(world):
    offering = await world.offering(rules=ELDER)
    await world.slot(offering, {"general": 3, "elder": 2}, released_at={"elder": NOON - HOUR})
    assert await world.left(offering) == [3]
    assert await world.left(offering, now=NOON - HOUR) == [5]
    (slot,) = await world.states(offering)
    assert slot.free(("elder", "general")) == 5
    assert slot.by_tier(("elder", "general")) == {"elder": 2, "general": 3}
    assert slot.by_tier(("general",)) == {"general": 3}


async def test_a_hold_that_ran_out_is_free_where_it_came_from(world):
    """The party took two places of everyone's and one that was kept and has been released."""
    offering = await world.offering(rules=ELDER)
    slot = await world.slot(offering, {"general": 2, "elder": 1}, released_at={"elder": NOW})
    await hold(world, slot, 3)
    (state,) = await world.states(offering)
    assert state.by_tier(("general",)) == {"elder": 0, "general": 0}
    (state,) = await world.states(offering, now=LATER)
    assert state.by_tier(("general",)) == {"elder": 1, "general": 2}


async def supplied(world, riders, *, per, modes=(), of=()):
    """A meal with eight places that takes riders along."""
    offering = await world.offering(modes=list(of))
    slot = await world.slot(offering, {"general": 8})
    supply = await world.slot(await world.offering(kind="supply", title="骑手"), {"general": riders})
    world.session.add(SlotNeed(slot_id=slot.id, needs_slot_id=supply.id, per=per, modes=list(modes)))
    await world.session.flush()
    return offering, slot, supply


async def test_no_more_are_left_than_can_be_supplied(world):
    each, _, _ = await supplied(world, 3, per="person")
    assert await world.left(each) == [3]
    one, _, _ = await supplied(world, 1, per="booking")
    assert await world.left(one) == [8]
    none, _, _ = await supplied(world, 0, per="booking")
    assert await world.left(none) == [0]


async def test_a_mode_that_needs_no_supply_leaves_all_places(world):
    offering, _, _ = await supplied(world, 0, per="booking", modes=["delivery"], of=["dine_in", "delivery"])
    assert await world.left(offering) == [8]
    offering, _, _ = await supplied(world, 0, per="booking", modes=["delivery"], of=["delivery"])
    assert await world.left(offering) == [0]


async def test_a_supply_that_a_hold_let_go_of_is_there_again(world):
    offering, slot, _ = await supplied(world, 2, per="person")
    await hold(world, slot, 2)
    assert await world.left(offering) == [0]
    assert await world.left(offering, now=LATER) == [2]


async def test_a_supply_is_there_again_whichever_slot_held_it(world):
    _, slot, supply = await supplied(world, 2, per="person")
    await hold(world, slot, 2)
    other = await world.offering()
    neighbour = await world.slot(other, {"general": 8})
    world.session.add(SlotNeed(slot_id=neighbour.id, needs_slot_id=supply.id, per="person", modes=[]))
    await world.session.flush()
    assert await world.left(other) == [0]
    assert await world.left(other, now=LATER) == [2]
    await wait(world, slot)
    assert await world.left(other, now=LATER) == [0]  # whoever waits there is asked first


async def test_what_the_calls_say_is_free_can_be_booked_and_no_more(world):
    """The reader's sums are the writer's: as many as are left go through, the next is refused."""
    offering, slot, _ = await supplied(world, 5, per="person")
    await hold(world, slot, 2)
    while (await world.left(offering, now=LATER))[0]:
        who = await world.resident()
        wish = Wish(person_id=who.person_id, slot_id=slot.id)
        await reserve(world.session, who.actor, ring=world.ring, wish=wish, now=LATER)
    who = await world.resident()
    wish = Wish(person_id=who.person_id, slot_id=slot.id)
    with pytest.raises(SlotFull):
        await reserve(world.session, who.actor, ring=world.ring, wish=wish, now=LATER)
    assert (await world.counts(slot))["general"] == (0, 5, 0)
