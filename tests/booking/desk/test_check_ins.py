"""Check-in by ticket, code or list; absence; and taking either back."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from booking.desk import check_ins
from booking.desk.found import Shown
from booking.desk.tickets import ticket_of
from booking.errors import (
    HoldExpired,
    InvalidTime,
    OutsideCheckIn,
    ReservationNotFound,
    TooLate,
    WrongDay,
    WrongDesk,
    WrongState,
)
from booking.models import AttendanceMark, Event, ReservationStep
from booking.reservations import life
from core.audit import AuditEntry
from core.permissions import NotAllowed
from tests.booking.desk.meals import DAY, LUNCH, NOW, clerk_of, desk_of, minutes, slot_of, staff_of


async def check_in(desk, shown, *, actor=None, now=NOW, **more):
    return await check_ins.check_in(
        desk.session, actor or desk.clerk, ring=desk.ring, shown=shown, now=now, **more
    )


def listed(one, **more):
    return Shown(reservation_id=one.id, **more)


async def steps(desk, one):
    query = select(ReservationStep).where(ReservationStep.reservation_id == one.id)
    return [
        (step.state, step.why) for step in await desk.session.scalars(query.order_by(ReservationStep.number))
    ]


async def test_a_ticket_a_code_and_the_list_all_lead_to_the_reservation(desk):
    one, two, three = [await desk.guest(phone=None) for _ in range(3)]
    for shown in (
        Shown(ticket=ticket_of(desk.ring, one), site_id=desk.site_id),
        Shown(code=two.code, slot_id=two.slot_id),
        listed(three),
    ):
        done = await check_in(desk, shown)
        assert (done.already, done.at, done.by) == (False, NOW, desk.clerk.name)
    assert [x.state for x in (one, two, three)] == ["checked_in"] * 3
    entries = (
        await desk.session.scalars(select(AuditEntry).where(AuditEntry.object_kind == "reservation"))
    ).all()
    assert sorted(entry.detail["by"] for entry in entries) == ["code", "list", "ticket"]
    assert {entry.channel for entry in entries} == {"counter"}


async def test_a_second_check_in_tells_since_when_they_are_here(desk):
    one = await desk.guest()
    await check_in(desk, listed(one))
    again = await check_in(desk, listed(one), now=NOW + minutes(7))
    assert (again.already, again.at) == (True, NOW)
    assert await steps(desk, one) == [("confirmed", "booked"), ("checked_in", "checked_in")]
    told = (await desk.session.scalars(select(Event.kind).where(Event.subject_id == one.id))).all()
    assert told.count("checked_in") == 1


async def test_a_place_that_is_held_is_confirmed_with_the_check_in(desk):
    one = await desk.guest()
    held = await desk.book(hold=True, now=NOW)
    await check_in(desk, listed(held))
    assert held.state == "checked_in"
    assert (await desk.buckets())["general"] == (0, 2)
    assert one.state == "confirmed"


async def test_whoever_came_to_the_wrong_place_hears_where_and_when_it_is(desk, sites):
    other = await desk_of(desk.session, desk.ring, sites[1])
    theirs = await other.guest()
    ticket = ticket_of(desk.ring, theirs)
    # Also when the clerk could serve both places, but stands at this one.
    both = await staff_of(desk.session, clerk_of(sites[0].id), clerk_of(sites[1].id))
    for actor in (desk.clerk, both):
        with pytest.raises(WrongDesk) as refused:
            await check_in(desk, Shown(ticket=ticket, site_id=desk.site_id), actor=actor)
        assert refused.value.fields["site_name"] == "新园社区助餐点"
        assert "11月24日（星期二）11:30" in refused.value.detail_zh
    assert theirs.state == "confirmed"


async def test_of_another_desks_list_nothing_is_told(desk, sites):
    other = await desk_of(desk.session, desk.ring, sites[1])
    theirs = await other.guest()
    for shown in (listed(theirs), Shown(code=theirs.code, slot_id=theirs.slot_id)):
        with pytest.raises(NotAllowed):
            await check_in(desk, shown)
    with pytest.raises(ReservationNotFound):
        await check_in(desk, Shown(code="000000", slot_id=desk.slot.id))


async def test_another_day_is_refused_whatever_the_reason(desk):
    tomorrow = await desk.book(slot=await slot_of(desk.session, desk.offering, at=LUNCH + DAY), now=NOW)
    with pytest.raises(WrongDay) as refused:
        await check_in(desk, listed(tomorrow), why="提前来了")
    assert "11月25日（星期三）11:30" in refused.value.detail_zh


@pytest.mark.parametrize("at", [LUNCH - minutes(121), LUNCH + minutes(91)])
async def test_too_early_or_too_late_needs_a_reason(desk, at):
    one = await desk.guest()
    with pytest.raises(OutsideCheckIn):
        await check_in(desk, listed(one), now=at)
    await check_in(desk, listed(one), now=at, why="系统故障补录")
    assert (await steps(desk, one))[-1] == ("checked_in", "checked_in_with_reason")
    entry = await desk.session.scalar(select(AuditEntry).where(AuditEntry.reason == "系统故障补录"))
    assert entry.object_id == str(one.id)


@pytest.mark.parametrize("at", [LUNCH - minutes(120), LUNCH + minutes(90)])
async def test_from_two_hours_before_the_start_until_the_end_nothing_is_asked(desk, at):
    one = await desk.guest()
    assert not (await check_in(desk, listed(one), now=at)).already


async def test_a_slot_that_runs_past_midnight_is_of_both_days(desk):
    late = await slot_of(desk.session, desk.offering, at=LUNCH + timedelta(hours=12), length=90)
    one = await desk.book(slot=late, now=NOW)
    assert not (await check_in(desk, listed(one), now=LUNCH + timedelta(hours=13))).already


async def test_a_cancelled_reservation_says_so_and_since_when(desk):
    one = await desk.guest()
    await life.cancel(desk.session, desk.clerk, reservation_id=one.id, now=NOW - minutes(30))
    with pytest.raises(WrongState) as refused:
        await check_in(desk, listed(one))
    assert refused.value.fields["state"] == "cancelled"
    assert "已取消（11月24日 10:50）" in refused.value.detail_zh


@pytest.mark.parametrize("ago", [timedelta(hours=24, minutes=1), -minutes(3)])
async def test_what_was_done_in_the_future_or_long_ago_is_refused(desk, ago):
    one = await desk.guest()
    with pytest.raises(InvalidTime):
        await check_in(desk, listed(one), at=NOW - ago)


async def test_a_clock_that_is_a_little_fast_is_forgiven_and_history_goes_forward(desk):
    one = await desk.guest()
    assert (await check_in(desk, listed(one), at=NOW + minutes(1))).at == NOW
    other = await desk.book(now=NOW - minutes(5))
    assert (await check_in(desk, listed(other), at=NOW - minutes(30))).at == NOW - minutes(5)


async def test_a_check_in_can_be_taken_back_for_ten_minutes(desk):
    one, other = await desk.guest(), await desk.guest(phone=None)
    await check_in(desk, listed(one))
    await check_in(desk, listed(other))
    undone = await take_back(desk, one, now=NOW + minutes(10))
    assert undone.reservation.state == "confirmed"
    with pytest.raises(TooLate):
        await take_back(desk, other, now=NOW + minutes(11))
    with pytest.raises(WrongState):
        await take_back(desk, one, now=NOW + minutes(10))
    assert not (await check_in(desk, listed(one), now=NOW + minutes(12))).already


async def take_back(desk, one, *, state="checked_in", now):
    return await check_ins.undo(
        desk.session, desk.clerk, ring=desk.ring, reservation_id=one.id, state=state, now=now
    )


async def absent(desk, one, now):
    return await check_ins.mark_absent(desk.session, desk.clerk, ring=desk.ring, shown=listed(one), now=now)


async def test_nobody_is_absent_before_it_began(desk):
    one = await desk.guest()
    with pytest.raises(TooLate):
        await absent(desk, one, NOW)
    begun = LUNCH + minutes(15)
    assert not (await absent(desk, one, begun)).already
    assert (await absent(desk, one, begun)).already
    assert one.state == "no_show"


async def test_whoever_comes_after_being_noted_as_absent_is_here(desk):
    desk.offering.rules = {"attendance": {"most": 3}}
    await desk.session.flush()
    one = await desk.guest()
    await absent(desk, one, LUNCH + minutes(15))
    assert await marks(desk) == [one.id]
    await check_in(desk, listed(one), now=LUNCH + minutes(20))
    assert one.state == "checked_in"
    assert await marks(desk) == []


async def test_an_absence_taken_back_leaves_no_mark(desk):
    desk.offering.rules = {"attendance": {"most": 3}}
    await desk.session.flush()
    one = await desk.guest()
    await absent(desk, one, LUNCH + minutes(15))
    with pytest.raises(WrongState):
        await take_back(desk, one, now=LUNCH + minutes(16))  # it is no check-in
    await take_back(desk, one, state="no_show", now=LUNCH + minutes(16))
    assert one.state == "confirmed"
    assert await marks(desk) == []


async def marks(desk):
    return (await desk.session.scalars(select(AttendanceMark.reservation_id))).all()


async def test_a_hold_that_ran_out_is_no_place_any_more(desk):
    held = await desk.book(hold=True, now=NOW - minutes(60))
    with pytest.raises(HoldExpired):
        await check_in(desk, listed(held))
