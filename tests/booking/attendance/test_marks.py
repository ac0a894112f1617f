"""Marks of reservations, the pause they bring, and appeals."""

from datetime import date, timedelta

import pytest
from sqlalchemy import select

from booking import errors
from booking.attendance.appeals import appeal, appeals_query, decide, own_marks, record_read
from booking.attendance.marks import mark
from booking.models import AttendanceMark, Event, Offering
from booking.people.models import Account
from booking.reservations.life import cancel, check_in, mark_no_show
from core.actor import Actor, Grant
from core.audit import AuditEntry
from core.ids import new_id
from core.permissions import NotAllowed
from tests.booking.attendance.conftest import RULE
from tests.booking.bookable import NOON, NOW

AFTER = NOON + timedelta(minutes=30)
DAY = timedelta(days=1)


@pytest.fixture
async def missed(world, book):
    """Who left two places empty, the reservations, and a slot they would like now."""

    async def missed(who, **more):
        offering = await world.offering(rules=RULE, **more)
        slots = [await world.slot(offering, {"general": 9}, starts_at=NOON + n * DAY) for n in range(3)]
        taken = [await book(who, slot) for slot in slots[:2]]
        for n, one in enumerate(taken):
            await mark_no_show(world.session, world.clerk(), reservation_id=one.id, now=AFTER + n * DAY)
        return taken, slots[2]

    return missed


@pytest.fixture
async def decider(world):
    account = Account(id=new_id(), kind="staff", created_at=NOW)
    world.session.add(account)
    await world.session.flush()
    return Actor(
        f"account:{account.id}",
        "web",
        account_id=account.id,
        grants=(Grant("site_staff", "site", str(world.site_id)),),
    )


async def marks(world):
    return (await world.session.scalars(select(AttendanceMark).order_by(AttendanceMark.at))).all()


async def test_a_place_left_empty_is_marked_once(world, book, missed):
    taken, _ = await missed(await world.resident())
    assert not await mark(world.session, reservation=taken[0], kind="no_show", now=AFTER)
    assert [one.reservation_id for one in await marks(world)] == [one.id for one in taken]


async def test_too_many_pause_booking_and_say_until_when(world, book, missed):
    wang = await world.resident()
    _, slot = await missed(wang)
    with pytest.raises(errors.Blocked) as refused:
        await book(wang, slot, now=AFTER + DAY)
    assert refused.value.fields["blocked_until"] == (AFTER + DAY + timedelta(days=14)).isoformat()
    later = await world.slot(
        await world.session.get_one(Offering, slot.offering_id),
        {"general": 1},
        starts_at=NOON + 20 * DAY,
    )
    assert (await book(wang, later, now=AFTER + 15 * DAY)).state == "confirmed"


async def test_another_kind_of_offering_stays_open(world, book, missed):
    wang = await world.resident()
    await missed(wang)
    clinic = await world.offering(kind="clinic", rules=RULE)
    slot = await world.slot(clinic, {"general": 1}, starts_at=NOON + 3 * DAY)
    assert (await book(wang, slot, now=AFTER + DAY)).state == "confirmed"


async def test_the_desk_still_books_for_them(world, book, missed):
    wang = await world.resident()
    _, slot = await missed(wang)
    wang.actor = world.clerk("phone")
    assert (await book(wang, slot, now=AFTER + DAY)).state == "confirmed"


async def test_nothing_is_noted_of_an_elder(world, book, missed, born):
    elder = await born(date(1950, 3, 7))
    _, slot = await missed(elder)
    assert await marks(world) == []
    assert (await book(elder, slot, now=AFTER + DAY)).state == "confirmed"


async def test_marks_of_before_somebody_was_old_enough_no_longer_count(world, book, missed, born):
    nearly = await born(date(1966, 11, 27))  # sixty on the third day
    taken, slot = await missed(nearly)
    assert len(await marks(world)) == len(taken)
    assert (await book(nearly, slot, now=AFTER + DAY)).state == "confirmed"
    _, standings = await own_marks(world.session, nearly.actor, ring=world.ring, now=AFTER + 2 * DAY)
    assert [(one.spared, one.counting, one.blocked_until) for one in standings] == [(True, 0, None)]


async def test_a_grown_up_of_fifty_is(world, book, missed, born):
    grown = await born(date(1976, 3, 7))
    _, slot = await missed(grown)
    with pytest.raises(errors.Blocked):
        await book(grown, slot, now=AFTER + DAY)


async def test_whoever_came_after_all_has_no_mark(world, missed):
    taken, _ = await missed(await world.resident())
    await check_in(world.session, world.clerk(), reservation_id=taken[0].id, now=AFTER + DAY)
    assert [one.reservation_id for one in await marks(world)] == [taken[1].id]


async def test_cancelling_after_the_cut_off_counts_and_before_does_not(world, book):
    wang = await world.resident()
    offering = await world.offering(rules=RULE, cancel_minutes_before=60)
    early, late = [
        await book(wang, await world.slot(offering, {"general": 1}, starts_at=NOON + n * DAY))
        for n in range(2)
    ]
    await cancel(world.session, wang.actor, reservation_id=early.id, now=NOON - timedelta(hours=2))
    await cancel(world.session, wang.actor, reservation_id=late.id, now=NOON + DAY - timedelta(minutes=30))
    assert [(one.reservation_id, one.kind) for one in await marks(world)] == [(late.id, "late_cancel")]


async def test_where_nobody_is_ever_paused_nothing_is_marked(world, book):
    slot = await world.slot(await world.offering(), {"general": 1})
    one = await book(await world.resident(), slot)
    await mark_no_show(world.session, world.clerk(), reservation_id=one.id, now=AFTER)
    assert await marks(world) == []


async def test_an_appeal_suspends_a_mark_until_it_is_answered(world, book, missed, decider):
    wang = await world.resident()
    taken, slot = await missed(wang)
    now = AFTER + DAY
    words = "那天住院了"
    one = await appeal(
        world.session, wang.actor, ring=world.ring, reservation_id=taken[0].id, words=words, now=now
    )
    assert words.encode() not in one.appeal
    _, standings = await own_marks(world.session, wang.actor, ring=world.ring, now=now)
    assert [(one.counting, one.blocked_until) for one in standings] == [(1, None)]
    with pytest.raises(errors.AppealMade):
        await appeal(
            world.session, wang.actor, ring=world.ring, reservation_id=taken[0].id, words=words, now=now
        )
    await decide(
        world.session, decider, ring=world.ring, appeal_id=one.id, state="upheld", words="未提供证明", now=now
    )
    with pytest.raises(errors.Blocked):
        await book(wang, slot, now=now)
    event = await world.session.scalar(select(Event).where(Event.kind == "appeal_answered"))
    assert (event.person_id, event.data["state"]) == (wang.person_id, "upheld")
    with pytest.raises(errors.AppealDecided):
        await decide(
            world.session, decider, ring=world.ring, appeal_id=one.id, state="waived", words="好的", now=now
        )


async def test_a_waived_mark_never_counts_again(world, book, missed, decider):
    wang = await world.resident()
    taken, slot = await missed(wang)
    now = AFTER + DAY
    one = await appeal(
        world.session, wang.actor, ring=world.ring, reservation_id=taken[0].id, words="那天住院了", now=now
    )
    await decide(
        world.session, decider, ring=world.ring, appeal_id=one.id, state="waived", words="祝早日康复", now=now
    )
    assert (await book(wang, slot, now=now)).state == "confirmed"
    said = await world.session.scalar(select(AuditEntry).where(AuditEntry.action == "attendance.decide"))
    assert (said.person_id, said.detail) == (wang.person_id, {"state": "waived"})


async def test_only_ones_own_marks_and_those_of_ones_sites_are_seen(world, missed, decider):
    wang, li = await world.resident(), await world.resident("李强")
    taken, _ = await missed(wang)
    now = AFTER + DAY
    with pytest.raises(errors.MarkNotFound):
        await appeal(
            world.session, li.actor, ring=world.ring, reservation_id=taken[0].id, words="不是我", now=now
        )
    assert await own_marks(world.session, li.actor, ring=world.ring, now=now) == ([], [])
    one = await appeal(
        world.session, wang.actor, ring=world.ring, reservation_id=taken[0].id, words="那天住院了", now=now
    )
    elsewhere = Actor("account:x", "web", grants=(Grant("site_staff", "site", str(new_id())),))
    with pytest.raises(errors.MarkNotFound):
        await decide(
            world.session, elsewhere, ring=world.ring, appeal_id=one.id, state="waived", words="好", now=now
        )
    with pytest.raises(NotAllowed):
        await decide(
            world.session, wang.actor, ring=world.ring, appeal_id=one.id, state="waived", words="好", now=now
        )
    for actor, seen in ((decider, [one.id]), (elsewhere, [])):
        rows = (await world.session.execute(appeals_query(actor, state="open", limit=5))).all()
        assert [row[0].id for row in rows] == seen
        await record_read(world.session, actor, [row[0] for row in rows], now=now)
    read = (
        await world.session.scalars(select(AuditEntry).where(AuditEntry.action == "attendance.read"))
    ).all()
    assert [one.person_id for one in read] == [wang.person_id]
