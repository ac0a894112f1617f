"""One slot: its places, lent blocks; seats and resources."""

from datetime import timedelta

import pytest

from booking.checking.checks import run_check
from booking.checking.history import HISTORY
from booking.models import Allocation
from booking.offerings.allotments import reconcile_block, return_blocks, take_block
from booking.offerings.errors import (
    AllotmentNotFound,
    AllotmentReturned,
    PlacesTaken,
    ResourcesInvalid,
    SeatsInvalid,
    SeatsTaken,
    SlotInvalid,
    SlotOver,
)
from booking.offerings.input import ResourceIn, SeatIn
from booking.offerings.resources import put_resources
from booking.offerings.seats import list_seats, put_seat_map
from booking.offerings.slots import TierSize, change_places, list_slots
from booking.reservations.life import cancel, check_in
from booking.waitlist.promote import promote
from core.actor import SYSTEM
from core.permissions import NotAllowed
from tests.booking.offerings.worlds import NOW, TODAY, buckets_of, offer, pattern, slots_of

HOUR = timedelta(hours=1)


async def resize(session, slot, places, actor=SYSTEM):
    return await change_places(session, actor, slot_id=slot.id, tiers={"general": TierSize(places)}, now=NOW)


async def test_places_of_one_slot_never_fall_below_what_is_taken(session, sites, book, clerk):
    offering = await offer(session, sites[0], pattern())
    slot, other = (await slots_of(session, offering))[1:3]
    await book(slot, 4)
    with pytest.raises(PlacesTaken) as error:
        await resize(session, slot, 3)
    assert error.value.fields["taken"] == {"general": 4}
    assert (await buckets_of(session, slot))["general"].capacity == 10
    await resize(session, slot, 4, await clerk(sites[0]))
    assert (await buckets_of(session, slot))["general"].capacity == 4
    assert (await buckets_of(session, other))["general"].capacity == 10
    with pytest.raises(NotAllowed):
        await resize(session, slot, 9, await clerk(sites[1]))


async def test_more_places_go_to_those_who_wait_first(session, sites, book, wait, counts):
    offering = await offer(session, sites[0], pattern(places={"general": 1}))
    slot = (await slots_of(session, offering))[1]
    await book(slot)
    first, second = await wait(slot), await wait(slot)
    resized = await resize(session, slot, 2)
    await promote(session, slot_ids=resized.promotable, now=NOW)
    for one in (first, second):
        await session.refresh(one)
    assert ((first.state, second.state), await counts(slot)) == (
        ("offered", "waiting"),
        {"general": (1, 1, 0)},
    )


async def test_a_tier_the_offering_does_not_have_is_refused(session, sites):
    offering = await offer(session, sites[0], pattern())
    slot = (await slots_of(session, offering))[0]
    with pytest.raises(SlotInvalid):
        await change_places(session, SYSTEM, slot_id=slot.id, tiers={"elder": TierSize(1)}, now=NOW)
    with pytest.raises(SlotOver):
        await change_places(
            session, SYSTEM, slot_id=slot.id, tiers={"general": TierSize(1)}, now=NOW + 9 * HOUR
        )


async def lend(session, slot, lent, now=NOW):
    return await take_block(
        session,
        SYSTEM,
        slot_id=slot.id,
        lender="市人民医院",
        reference="A-1",
        lent=lent,
        return_at=slot.starts_at - HOUR,
        now=now,
    )


async def test_a_lent_block_goes_back_as_far_as_it_is_unused(session, sites, book, counts):
    offering = await offer(
        session, sites[0], pattern(places={}), kind="clinic", capacity_authority="allotted"
    )
    slot, other = (await slots_of(session, offering))[1:3]
    assert (await buckets_of(session, slot))["general"].capacity == 0
    await lend(session, slot, 5)
    await lend(session, other, 2)
    booked = [await book(slot) for _ in range(3)]
    with pytest.raises(PlacesTaken):
        await lend(session, slot, 2)
    assert await return_blocks(session, SYSTEM, now=NOW) == []
    later = slot.starts_at - HOUR
    assert await return_blocks(session, SYSTEM, now=later) == [(slot.id, 2)]
    assert await return_blocks(session, SYSTEM, now=later) == []
    assert (await buckets_of(session, slot))["general"].capacity == 3
    with pytest.raises(AllotmentReturned):
        await lend(session, slot, 5, now=slot.starts_at - 2 * HOUR)
    await check_in(session, SYSTEM, reservation_id=booked[0].id, now=slot.starts_at)
    await cancel(session, SYSTEM, reservation_id=booked[1].id, now=later)
    compared = await reconcile_block(session, SYSTEM, slot_id=slot.id, used=3, now=slot.ends_at)
    assert (compared.lent, compared.returned, compared.ours, compared.came) == (5, 2, 2, 1)
    assert compared.difference == 1
    third = (await slots_of(session, offering))[3]
    with pytest.raises(AllotmentNotFound):
        await reconcile_block(session, SYSTEM, slot_id=third.id, used=3, now=NOW)


async def test_only_offerings_with_lent_places_take_blocks(session, sites):
    offering = await offer(session, sites[0], pattern())
    with pytest.raises(SlotInvalid):
        await lend(session, (await slots_of(session, offering))[1], 5)


def row(name, count, kind="standard", first=1):
    return [SeatIn(row=name, number=str(x), x=x, kind=kind) for x in range(first, first + count)]


async def put(session, site, seats):
    return await put_seat_map(session, SYSTEM, site_id=site.id, name="main", seats=seats, now=NOW)


async def hall(session, site):
    await put(session, site, [*row("1", 4), *row("2", 2, "wheelchair")])
    return await offer(session, site, pattern(places={}, seat_map="main"), kind="performance", shape="seated")


async def test_slots_ahead_follow_the_seat_map(session, sites, book):
    offering = await hall(session, sites[0])
    slot = (await slots_of(session, offering))[1]
    await book(slot, 2)
    changed = await put(session, sites[0], [*row("0", 3), *row("1", 4), *row("2", 1, "wheelchair")])
    assert (len(changed.seats), changed.slots) == (8, 30)
    buckets = await buckets_of(session, slot)
    assert (buckets["general"].capacity, buckets["wheelchair"].capacity) == (7, 1)
    assert [one.row_name for one in changed.seats[:4]] == ["0", "0", "0", "1"]
    assert len(await list_seats(session, SYSTEM, site_id=sites[0].id)) == 8


async def test_a_booked_seat_neither_goes_nor_turns(session, sites, book):
    offering = await hall(session, sites[0])
    slot = (await slots_of(session, offering))[1]
    await book(slot, 4)  # all of row 1
    for seats in (row("2", 2, "wheelchair"), [*row("1", 4, "companion"), *row("2", 2, "wheelchair")]):
        with pytest.raises(SeatsTaken):
            await put(session, sites[0], seats)


async def test_seats_that_were_full_and_then_went_are_no_oversale(session, sites):
    """``check-history`` sums the ledger; it does not know how large the hall was."""
    slot = (await slots_of(session, await hall(session, sites[0])))[1]
    for count in (4, -4):
        session.add(Allocation(slot_id=slot.id, tier="general", held=0, confirmed=count, set_aside=0, at=NOW))
        await session.flush()
    await put(session, sites[0], row("1", 2))
    (replay,) = (one for one in HISTORY if one.code == "bucket-replay")
    assert (await run_check(session, replay, values={})).count == 0


async def test_two_seats_may_change_places(session, sites):
    await put(session, sites[0], row("1", 2))
    swapped = [SeatIn(row="1", number="1", x=2), SeatIn(row="1", number="2", x=1)]
    plan = await put(session, sites[0], swapped)
    assert [one.number for one in plan.seats] == ["2", "1"]


@pytest.mark.parametrize(
    "seats", [[], [*row("1", 2), *row("1", 1)], [SeatIn(row="1", number="a", x=1), *row("1", 1)]]
)
async def test_a_map_has_each_seat_once(session, sites, seats):
    with pytest.raises(SeatsInvalid):
        await put(session, sites[0], seats)


async def test_resources_left_out_take_no_more_bookings_and_keep_theirs(session, sites, book):
    lengths = {"granularity_minutes": 30, "shortest_minutes": 60, "longest_minutes": 120}
    offering = await offer(session, sites[0], pattern(places={}), kind="venue", shape="interval", **lengths)

    async def put_them(*names):
        listed = await put_resources(
            session,
            SYSTEM,
            offering_id=offering.id,
            resources=[ResourceIn(name=one) for one in names],
            now=NOW,
        )
        return [(one.name, one.status, count) for one, count in listed]

    assert await put_them("一号场", "二号场") == [("一号场", "active", 0), ("二号场", "active", 0)]
    slot = (await slots_of(session, offering))[1]
    await book(slot, starts_at=slot.starts_at, ends_at=slot.ends_at)
    after = await put_them("二号场", "三号场")
    assert [one[:2] for one in after] == [("二号场", "active"), ("三号场", "active"), ("一号场", "inactive")]
    assert sum(one[2] for one in after) == 1
    with pytest.raises(ResourcesInvalid):
        await put_them("一号场", "一号场")


async def test_a_page_of_slots_is_one_query_with_its_buckets(session, sites):
    offering = await offer(session, sites[0], pattern())
    rows = await list_slots(
        session, SYSTEM, offering_id=offering.id, first=TODAY, last=TODAY + 24 * HOUR, after=None, limit=9
    )
    assert [len(one.buckets) for one in rows] == [1, 1]
    assert rows[0].buckets[0]["capacity"] == 10
