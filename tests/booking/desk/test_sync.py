"""What devices send in: each item once, none lost, no place sold twice for it."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from booking.desk import check_ins
from booking.desk.found import Shown
from booking.desk.models import DeskSyncItem
from booking.desk.sync import OVER_CAPACITY, Item, sync
from booking.desk.tickets import ticket_of
from booking.models import Allocation, Reservation
from booking.reservations import life
from core.audit import AuditEntry
from core.permissions import NotAllowed
from tests.booking.desk.meals import (
    LUNCH,
    NOW,
    clerk_of,
    desk_of,
    minutes,
    slot_of,
    staff_of,
)

AFTER = LUNCH + minutes(300)  # the network is back in the afternoon


def item(kind, *, at=NOW, **said):
    return Item(id=said.pop("id", uuid4()), kind=kind, at=at, **said)


def came(one, **more):
    return item("check_in", shown=Shown(reservation_id=one.id), **more)


async def send(desk, *items, device="desk-1", now=AFTER, actor=None, **more):
    return await sync(
        desk.session,
        actor or desk.clerk,
        ring=desk.ring,
        site_id=desk.site_id,
        device_id=device,
        items=items,
        now=now,
        **more,
    )


def results(reports):
    return [one.result if one.conflict is None else one.conflict["code"] for one in reports]


async def test_people_are_checked_in_as_of_when_they_came(desk):
    one, two, three = await desk.guest(), await desk.guest(phone=None), await desk.guest(phone=None)
    reports = await send(
        desk,
        came(one),
        item("check_in", shown=Shown(ticket=ticket_of(desk.ring, two))),
        item("check_in", shown=Shown(code=three.code, slot_id=three.slot_id), at=NOW + minutes(3)),
    )
    assert results(reports) == ["done"] * 3
    assert [report.reservation_id for report in reports] == [one.id, two.id, three.id]
    step = await check_ins.last_step(desk.session, three)
    assert (step.state, step.at) == ("checked_in", NOW + minutes(3))


async def test_the_same_batch_again_changes_nothing(desk):
    one = await desk.guest()
    batch = [came(one), item("walk_in", slot_id=desk.slot.id)]
    first = await send(desk, *batch)
    again = await send(desk, *batch)
    assert (results(first), results(again)) == (["done", "done"], ["already", "already"])
    assert [x.reservation_id for x in first] == [x.reservation_id for x in again]
    assert (await desk.buckets())["general"] == (0, 2)


async def test_a_batch_too_long_for_one_answer_is_done_in_parts_and_in_order(desk):
    walks = [item("walk_in", slot_id=desk.slot.id) for _ in range(3)]
    batch = [*walks, item("undo", undoes=walks[2].id)]
    first = await send(desk, *batch, out_of_time=lambda: True)
    assert results(first) == ["done", "later", "later", "later"]
    assert len((await desk.session.scalars(select(DeskSyncItem))).all()) == 1
    assert results(await send(desk, *batch)) == ["already", "done", "done", "done"]
    assert (await desk.buckets())["general"] == (0, 2)


async def test_an_id_belongs_to_its_device(desk):
    shared = uuid4()
    one = await send(desk, item("walk_in", id=shared, slot_id=desk.slot.id))
    other = await send(desk, item("walk_in", id=shared, slot_id=desk.slot.id), device="desk-2")
    assert results(one) + results(other) == ["done", "done"]


async def test_two_items_with_one_id_in_a_batch_are_one(desk):
    shared = uuid4()
    walk = item("walk_in", id=shared, slot_id=desk.slot.id)
    assert results(await send(desk, walk, walk)) == ["done"]


async def test_somebody_checked_in_at_another_device_is_a_conflict_that_says_when_and_where(desk):
    one = await desk.guest()
    await send(desk, came(one, at=NOW), device="desk-2")
    (report,) = await send(desk, came(one, at=NOW + minutes(5)))
    assert report.conflict["code"] == "checked-in-elsewhere"
    assert report.conflict["device_id"] == "desk-2"
    assert report.conflict["at"] == "2026-11-24T11:20:00+08:00"
    assert "11:20" in report.conflict["detail_zh"]
    # It stays one, however often it is sent.
    assert results(await send(desk, came(one, at=NOW + minutes(5), id=report.id))) == ["checked-in-elsewhere"]


async def test_somebody_scanned_twice_at_one_device_is_here_once(desk):
    one = await desk.guest()
    assert results(await send(desk, came(one), came(one, at=NOW + minutes(1)))) == ["done", "already"]


async def test_a_clerk_who_checked_somebody_in_online_too_has_no_conflict_and_another_has(desk):
    one = await desk.guest()
    colleague = await staff_of(desk.session, clerk_of(desk.site_id))
    await check_ins.check_in(
        desk.session, desk.clerk, ring=desk.ring, shown=Shown(reservation_id=one.id), now=NOW
    )
    assert results(await send(desk, came(one))) == ["already"]
    assert results(await send(desk, came(one), actor=colleague)) == ["checked-in-elsewhere"]


async def test_walk_ins_beyond_the_places_are_kept_as_conflicts_and_never_oversell(desk):
    small = await slot_of(desk.session, desk.offering, at=LUNCH, general=2)
    reports = await send(desk, *[item("walk_in", slot_id=small.id) for _ in range(4)])
    assert results(reports) == ["done", "done", OVER_CAPACITY, OVER_CAPACITY]
    assert (await desk.buckets(small))["general"] == (0, 2)
    taken = (
        await desk.session.scalars(select(Allocation.confirmed).where(Allocation.slot_id == small.id))
    ).all()
    assert sum(taken) == 2
    kept = (await desk.session.scalars(select(DeskSyncItem).where(DeskSyncItem.result == "conflict"))).all()
    assert [one.conflict["code"] for one in kept] == [OVER_CAPACITY] * 2
    assert {one.at for one in kept} == {NOW}


async def test_one_item_that_cannot_be_does_not_stop_the_others(desk, sites):
    other = await desk_of(desk.session, desk.ring, sites[1])
    theirs, ours, gone = await other.guest(), await desk.guest(phone=None), await desk.guest(phone=None)
    await life.cancel(desk.session, desk.clerk, reservation_id=gone.id, now=NOW - minutes(30))
    reports = await send(
        desk,
        came(theirs),
        item("check_in", shown=Shown(ticket=ticket_of(desk.ring, theirs))),
        item("check_in", shown=Shown(ticket="XB1.no.ticket")),
        item("check_in", shown=Shown(reservation_id=uuid4())),
        item("check_in", shown=Shown(code="000000", slot_id=desk.slot.id)),
        item("walk_in", slot_id=other.slot.id),
        item("walk_in", slot_id=uuid4()),
        came(gone),
        came(ours),
    )
    assert results(reports) == [
        "not-allowed",
        "wrong-desk",
        "invalid-ticket",
        "reservation-not-found",
        "reservation-not-found",
        "not-allowed",
        "slot-not-found",
        "wrong-state",
        "done",
    ]
    assert (theirs.state, ours.state) == ("confirmed", "checked_in")


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (AFTER - timedelta(hours=24, minutes=1), "invalid-time"),
        (AFTER + minutes(3), "invalid-time"),
        (LUNCH - minutes(121), "outside-check-in"),
        (LUNCH - minutes(120), "done"),
    ],
)
async def test_times_in_the_future_or_long_ago_are_conflicts(desk, at, expected):
    one = await desk.guest()
    assert results(await send(desk, came(one, at=at))) == [expected]


async def test_an_undo_takes_back_what_the_device_did(desk):
    one = await desk.guest()
    check, walk = came(one), item("walk_in", slot_id=desk.slot.id)
    reports = await send(
        desk,
        check,
        walk,
        item("undo", undoes=check.id, at=NOW + minutes(2)),
        item("undo", undoes=walk.id, at=NOW + minutes(2)),
    )
    assert results(reports) == ["done"] * 4
    assert one.state == "confirmed"
    walked = await desk.session.get_one(Reservation, reports[1].reservation_id)
    assert walked.state == "cancelled"
    assert (await desk.buckets())["general"] == (0, 1)


async def test_an_undo_comes_within_ten_minutes_and_of_something_that_was_sent(desk):
    check, too_much = came(await desk.guest()), item("walk_in", slot_id=desk.slot.id, party_size=4)
    await send(desk, check)
    reports = await send(
        desk,
        item("undo", undoes=check.id, at=NOW + minutes(11)),
        item("undo", undoes=uuid4()),
        item("walk_in", slot_id=desk.slot.id, party_size=4),
        item("walk_in", slot_id=desk.slot.id, party_size=4),
        too_much,
        item("undo", undoes=too_much.id),
    )
    assert results(reports) == [
        "too-late",
        "reservation-not-found",
        "done",
        "done",
        OVER_CAPACITY,
        "already",  # it never was done
    ]


async def test_absences_are_noted_and_a_later_check_in_counts(desk):
    one = await desk.guest()
    noted = LUNCH + minutes(10)
    reports = await send(
        desk,
        item("no_show", shown=Shown(reservation_id=one.id), at=NOW),
        item("no_show", shown=Shown(reservation_id=one.id), at=noted),
        came(one, at=noted + minutes(5)),
    )
    assert results(reports) == ["too-late", "done", "done"]
    assert one.state == "checked_in"


async def test_a_batch_is_on_record_and_so_is_each_person(desk):
    one = await desk.guest()
    roster_id = uuid4()
    await send(desk, came(one), item("walk_in", slot_id=desk.slot.id), roster_id=roster_id)
    entries = (await desk.session.scalars(select(AuditEntry).where(AuditEntry.action == "desk.run"))).all()
    (batch,) = [entry for entry in entries if entry.detail["act"] == "sync"]
    assert (batch.detail["done"], batch.detail["roster_id"]) == (2, str(roster_id))
    assert [entry.detail["act"] for entry in entries if entry.person_id == one.person_id] == ["check_in"]


async def test_staff_of_another_site_send_nothing_in(desk, sites):
    other = await staff_of(desk.session, clerk_of(sites[1].id))
    with pytest.raises(NotAllowed):
        await send(desk, item("walk_in", slot_id=desk.slot.id), actor=other)
