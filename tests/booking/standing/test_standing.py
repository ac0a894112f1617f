"""Lunch every weekday until June: what is booked at once, what later, and what not."""

from datetime import date, time, timedelta

import pytest
from sqlalchemy import select, update

from booking import errors
from booking.models import Event, Offering, Reservation, Slot, StandingDate
from booking.people.errors import DelegationInsufficient, PersonNotFound
from booking.people.models import Account, Delegation, Person
from booking.reservations.life import cancel
from booking.reservations.reserve import Wish, reserve
from booking.standing.book import end, get_standing
from booking.standing.listing import own_query
from booking.standing.run import due, run_one
from core.ids import new_id
from tests.booking.bookable import NOON, NOW
from tests.booking.standing.conftest import WEDNESDAY

DAY = timedelta(days=1)


def a_day_before(starts_at):
    return starts_at - DAY


async def test_each_date_is_booked_or_says_why_not(world, standing):
    offering = await world.offering()
    slots = await standing.slots(offering, [0, 1, 3])
    later = await standing.slots(offering, [5], opens_at=a_day_before)
    await world.session.execute(
        update(Slot).where(Slot.id == slots[1].id).values(state="closed", closed_reason="停气", closed_at=NOW)
    )
    for _ in range(2):
        other = await world.resident()
        wish = Wish(person_id=other.person_id, slot_id=slots[2].id)
        await reserve(world.session, other.actor, ring=world.ring, wish=wish, now=NOW)
    wang = await world.resident()
    one = await standing.ask(wang, offering)
    assert await standing.report(one) == {
        0: ("booked", None),
        1: ("not_booked", "slot-closed"),
        2: ("no_slot", "no-slot"),
        3: ("not_booked", "slot-full"),
        4: ("no_slot", "no-slot"),
        5: ("later", None),
        6: ("later", None),
    }
    booked = (
        await world.session.scalars(select(Reservation).where(Reservation.person_id == wang.person_id))
    ).all()
    assert [(row.slot_id, row.account_id) for row in booked] == [(slots[0].id, wang.actor.account_id)]
    assert later[0].opens_at > NOW


async def test_only_the_weekdays_and_the_time_asked_for_count(world, standing):
    offering = await world.offering()
    await standing.slots(offering, range(7))
    await world.slot(offering, {"general": 2}, starts_at=NOON + timedelta(hours=6))
    one = await standing.ask(await world.resident(), offering, weekdays=(1, 3, 1))
    assert one.weekdays == [1, 3]
    assert await standing.report(one) == {0: ("booked", None), 5: ("booked", None)}


async def test_people_are_told_once_for_all_dates(world, standing):
    offering = await world.offering()
    await standing.slots(offering, range(3))
    await standing.slots(offering, [3], places=0)
    wang = await world.resident()
    one = await standing.ask(wang, offering)
    for kind, dates in (("standing_booked", 3), ("standing_failed", 1)):
        event = (await world.session.scalars(select(Event).where(Event.kind == kind))).one()
        assert (event.person_id, event.account_id) == (wang.person_id, wang.actor.account_id)
        assert (event.subject_id, len(event.data["dates"])) == (one.id, dates)


async def test_dates_are_booked_when_they_open_for_whoever_asked_first(world, standing):
    offering = await world.offering()
    await standing.slots(offering, [5], places=1, opens_at=a_day_before)
    first, second = await world.resident(), await world.resident()
    one = await standing.ask(first, offering)
    other = await standing.ask(second, offering, now=NOW + timedelta(minutes=1))
    assert await due(world.session, now=NOW + timedelta(hours=1)) == []
    opened = NOON + 4 * DAY
    marks = await due(world.session, now=opened)
    assert [mark.id for mark in marks] == [one.id, other.id]
    assert [mark.id for mark in await due(world.session, after=marks[0], now=opened)] == [other.id]
    for mark in marks:
        assert await run_one(world.session, ring=world.ring, standing_id=mark.id, now=opened) == 1
    assert (await standing.report(one, opened))[5] == ("booked", None)
    assert (await standing.report(other, opened))[5] == ("not_booked", "slot-full")
    assert await due(world.session, now=opened) == []
    assert await run_one(world.session, ring=world.ring, standing_id=one.id, now=opened) == 0


async def test_a_slot_made_later_is_booked_too(world, standing):
    offering = await world.offering()
    one = await standing.ask(await world.resident(), offering)
    assert set((await standing.report(one)).values()) == {("later", None)}
    await standing.slots(offering, [2])
    assert [mark.id for mark in await due(world.session, now=NOW)] == [one.id]
    assert await run_one(world.session, ring=world.ring, standing_id=one.id, now=NOW) == 1
    assert (await standing.report(one))[2] == ("booked", None)


async def test_a_date_that_was_cancelled_is_not_booked_again(world, standing):
    offering = await world.offering()
    await standing.slots(offering, [0])
    wang = await world.resident()
    await standing.ask(wang, offering)
    reservation_id = await world.session.scalar(select(StandingDate.reservation_id))
    await cancel(world.session, wang.actor, reservation_id=reservation_id, now=NOW)
    assert await due(world.session, now=NOW) == []


async def test_ending_it_cancels_what_is_ahead_when_asked_to(world, standing):
    offering = await world.offering()
    slots = await standing.slots(offering, [0, 1])
    wang = await world.resident()
    one = await standing.ask(wang, offering)
    after_first = NOON + timedelta(hours=2)
    ended, cancelled = await end(
        world.session, wang.actor, standing_id=one.id, cancel_future=False, now=after_first
    )
    assert (ended.state, cancelled) == ("ended", [])
    _, cancelled = await end(
        world.session, wang.actor, standing_id=one.id, cancel_future=True, now=after_first
    )
    assert len(cancelled) == 1
    assert await world.counts(slots[0]) == {"general": (0, 1, 0)}
    assert await world.counts(slots[1]) == {"general": (0, 0, 0)}
    assert await due(world.session, now=after_first) == []
    query = own_query([wang.person_id], ended=False, limit=5)
    assert (await world.session.execute(query)).all() == []


async def delegated(world, person_id, *scopes):
    son = await world.resident("李强")
    one = Delegation(
        id=new_id(),
        person_id=person_id,
        grantee_id=son.actor.account_id,
        relation="child",
        scopes=list(scopes),
        until_on=date(2027, 1, 1),
        state="active",
        offered_at=NOW,
        accepted_at=NOW,
        way="app",
    )
    world.session.add(one)
    await world.session.flush()
    return son, one


async def test_a_son_may_ask_for_his_mother_and_both_are_told(world, standing):
    offering = await world.offering()
    await standing.slots(offering, [0])
    mother = await world.resident()
    son, _ = await delegated(world, mother.person_id, "book.meal")
    one = await standing.ask(mother, offering, actor=son.actor)
    event = (await world.session.scalars(select(Event).where(Event.kind == "standing_booked"))).one()
    assert (event.person_id, event.account_id) == (mother.person_id, son.actor.account_id)
    assert (await get_standing(world.session, mother.actor, standing_id=one.id, now=NOW)).id == one.id


async def test_who_may_not_book_this_for_somebody_may_not_ask_for_it_either(world, standing):
    offering = await world.offering()
    mother = await world.resident()
    son, _ = await delegated(world, mother.person_id, "book.clinic")
    with pytest.raises(DelegationInsufficient):
        await standing.ask(mother, offering, actor=son.actor)
    with pytest.raises(PersonNotFound):
        await standing.ask(mother, offering, actor=(await world.resident()).actor)
    one = await standing.ask(mother, offering)
    with pytest.raises(errors.StandingNotFound):
        await end(world.session, son.actor, standing_id=one.id, cancel_future=False, now=NOW)


async def test_when_the_delegation_has_ended_it_ends_and_both_are_told(world, standing):
    offering = await world.offering()
    await standing.slots(offering, [5], opens_at=a_day_before)
    mother = await world.resident()
    son, delegation = await delegated(world, mother.person_id, "book.all")
    one = await standing.ask(mother, offering, actor=son.actor)
    delegation.state = "revoked"
    await world.session.flush()
    opened = NOON + 4 * DAY
    assert await run_one(world.session, ring=world.ring, standing_id=one.id, now=opened) == 0
    assert one.state == "ended"
    event = (await world.session.scalars(select(Event).where(Event.kind == "standing_failed"))).one()
    assert (event.data["ended"], event.data["why"]) == (True, "person-not-found")
    assert await world.session.scalar(select(Reservation.id)) is None


async def test_the_desk_asks_for_a_caller_and_goes_on_booking(world, standing):
    offering = await world.offering()
    await standing.slots(offering, [5], opens_at=a_day_before)
    wang, staff = await world.resident(), world.clerk("phone")
    one = await standing.ask(wang, offering, actor=staff)
    opened = NOON + 4 * DAY
    assert await run_one(world.session, ring=world.ring, standing_id=one.id, now=opened) == 1
    assert (await standing.report(one, opened))[5] == ("booked", None)


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ({"from_on": NOW.date() - DAY}, errors.InvalidStanding),
        ({"until": WEDNESDAY - DAY}, errors.InvalidStanding),
        ({"until": WEDNESDAY + 366 * DAY}, errors.InvalidStanding),
        ({"until": WEDNESDAY, "weekdays": (1,)}, errors.InvalidStanding),
        ({"party_size": 9}, errors.InvalidWish),
        ({"mode": "by_air"}, errors.InvalidWish),
        ({"offering_id": new_id()}, errors.OfferingNotFound),
    ],
)
async def test_what_cannot_be_is_refused(world, standing, more, refused):
    with pytest.raises(refused):
        await standing.ask(await world.resident(), await world.offering(), **more)


async def test_what_has_no_places_at_a_time_is_refused(world, standing):
    with pytest.raises(errors.InvalidWish):
        await standing.ask(await world.resident(), await world.offering(shape="interval"))
    with pytest.raises(errors.NotBookable):
        await standing.ask(await world.resident(), await world.offering(status="paused"))


async def test_a_time_at_which_nothing_begins_is_refused_and_names_those_there_are(world, standing):
    offering = await world.offering()
    wang = await world.resident()
    await standing.ask(wang, offering, starts_at=time(12, 7))  # no slots yet: who knows
    await standing.slots(offering, range(3))
    with pytest.raises(errors.InvalidStanding) as error:
        await standing.ask(wang, offering, starts_at=time(12, 8))
    assert error.value.fields["errors"][0]["field"] == "starts_at"
    assert "11:30" in error.value.fields["errors"][0]["reason"]


async def test_the_same_twice_is_refused_and_another_time_is_not(world, standing):
    offering = await world.offering()
    wang = await world.resident()
    await standing.ask(wang, offering, weekdays=(1, 2))
    with pytest.raises(errors.StandingExists):
        await standing.ask(wang, offering, weekdays=(2, 3))
    await standing.ask(wang, offering, weekdays=(3,))
    await standing.ask(wang, offering, weekdays=(2,), starts_at=time(17, 30))


async def test_a_locked_or_erased_account_books_nothing_more(world, standing):
    offering = await world.offering()
    await standing.slots(offering, [5], opens_at=a_day_before)
    wang = await world.resident()
    one = await standing.ask(wang, offering)
    await world.session.execute(
        update(Account).where(Account.id == wang.actor.account_id).values(state="locked")
    )
    await world.session.refresh(await world.session.get_one(Account, wang.actor.account_id))
    assert await run_one(world.session, ring=world.ring, standing_id=one.id, now=NOON + 4 * DAY) == 0
    assert one.state == "ended"
    assert (await world.session.get_one(Person, wang.person_id)).erased_at is None
    assert (await world.session.get_one(Offering, offering.id)).status == "active"
