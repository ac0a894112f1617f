"""What the worker notes a day later."""

from datetime import timedelta

from sqlalchemy import func, select, update

from booking.desk import check_ins
from booking.desk.absences import AFTER_HOURS, forget_sync_items, mark_absences
from booking.desk.found import Shown
from booking.desk.models import DeskSyncItem
from booking.desk.sync import Item, sync
from booking.models import AttendanceMark, ReservationStep
from core.ids import new_id
from tests.booking.desk.meals import LUNCH, NOW, minutes

DUE = LUNCH + minutes(90) + timedelta(hours=AFTER_HOURS)


async def here(desk, one):
    await check_ins.check_in(
        desk.session, desk.clerk, ring=desk.ring, shown=Shown(reservation_id=one.id), now=NOW
    )


async def test_a_day_after_the_end_whoever_was_expected_and_not_checked_in_is_absent(desk):
    desk.offering.rules = {"attendance": {"most": 3}}
    await desk.session.flush()
    came, absent = await desk.guest(), await desk.guest("李强", None)
    await here(desk, came)
    assert await mark_absences(desk.session, now=DUE - minutes(1)) == 0
    assert await mark_absences(desk.session, now=DUE) == 1
    assert (came.state, absent.state) == ("checked_in", "no_show")
    assert (await desk.session.scalars(select(AttendanceMark.reservation_id))).all() == [absent.id]
    why = select(ReservationStep.why).where(
        ReservationStep.reservation_id == absent.id, ReservationStep.state == "no_show"
    )
    assert await desk.session.scalar(why) == "not_checked_in"
    assert await mark_absences(desk.session, now=DUE) == 0


async def test_where_the_desk_took_no_attendance_nobody_is_absent(desk):
    one = await desk.guest()
    assert await mark_absences(desk.session, now=DUE) == 0
    assert one.state == "confirmed"


async def test_the_mark_of_somebody_who_came_without_a_network_is_taken_back(desk):
    came, late = await desk.guest(), await desk.guest("李强", None)
    await here(desk, came)
    await mark_absences(desk.session, after_hours=2, now=LUNCH + minutes(90 + 120))
    assert late.state == "no_show"
    item = Item(id=new_id(), kind="check_in", at=NOW, shown=Shown(reservation_id=late.id))
    await sync(
        desk.session,
        desk.clerk,
        ring=desk.ring,
        site_id=desk.site_id,
        device_id="desk-1",
        items=[item],
        now=LUNCH + timedelta(hours=6),
    )
    assert late.state == "checked_in"
    assert await desk.session.scalar(select(func.count()).select_from(AttendanceMark)) == 0


async def test_what_devices_sent_is_forgotten_after_a_month(desk):
    for device in ("desk-1", "desk-2"):
        await sync(
            desk.session,
            desk.clerk,
            ring=desk.ring,
            site_id=desk.site_id,
            device_id=device,
            items=[Item(id=new_id(), kind="walk_in", at=NOW, slot_id=desk.slot.id)],
            now=NOW,
        )
    old = NOW - timedelta(days=31)
    await desk.session.execute(
        update(DeskSyncItem).where(DeskSyncItem.device_id == "desk-1").values(received_at=old)
    )
    await forget_sync_items(desk.session, now=NOW)
    assert (await desk.session.scalars(select(DeskSyncItem.device_id))).all() == ["desk-2"]
