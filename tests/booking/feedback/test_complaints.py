"""Complaints: a deadline, an answer, one reopening, and those above when nobody answers."""

from datetime import date, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text, update

from booking.feedback.answering import (
    IS_OPEN,
    complaints_query,
    escalate,
    escalate_overdue,
    read_complaint,
    reply,
)
from booking.feedback.categories import CATEGORIES, REOPEN_DAYS, STATE_LABELS, STEPS, UNANSWERED
from booking.feedback.complaints import (
    entries_of,
    file_complaint,
    get_own_complaint,
    own_complaints_query,
    reopen_complaint,
    reopen_until,
    withdraw_complaint,
)
from booking.feedback.errors import (
    ComplaintEscalated,
    ComplaintNotFound,
    ComplaintState,
    ReopenedBefore,
    ReopenTooLate,
)
from booking.feedback.models import Complaint, ComplaintEntry
from booking.feedback.texts import read_text
from booking.people.errors import PersonNotFound
from booking.people.models import Person
from core.actor import ANYONE, Grant
from core.audit import AuditEntry
from core.permissions import NotAllowed, NotSignedIn
from geo.errors import SiteNotFound
from geo.models import Site
from tests.booking.feedback.conftest import NOW, ZONE
from tests.booking.feedback.plans import generic_plan

SAID = "中午没有开饭，我是王秀英，电话 13900001111"
DAY = timedelta(days=1)


@pytest.fixture
def file(session, ring):
    async def make(actor, site=None, *, now=NOW, **more):
        said = {"category": "hours", "text": SAID} | more
        return await file_complaint(
            session,
            actor,
            ring=ring,
            site_id=site.id if site is not None else None,
            region="CN",
            zone=ZONE,
            now=now,
            **said,
        )

    return make


@pytest.fixture
def reopen(session, ring):
    async def make(actor, complaint, *, now=NOW):
        return await reopen_complaint(
            session,
            actor,
            ring=ring,
            complaint_id=complaint.id,
            text="还是没有",
            region="CN",
            zone=ZONE,
            now=now,
        )

    return make


@pytest.fixture
def answer(session, ring):
    async def make(actor, complaint, *, now=NOW, step=reply):
        return await step(session, actor, ring=ring, complaint_id=complaint.id, text="明天恢复", now=now)

    return make


async def seen(session, actor, **more):
    rows = await session.execute(complaints_query(actor, **({"limit": 50} | more)))
    return [row[0].id for row in rows]


def test_steps_lead_from_and_to_states_there_are():
    states = {state for _, state in STEPS} | set(STEPS.values())
    assert states <= set(STATE_LABELS)
    assert {state for step, state in STEPS if step == "reply"} == set(UNANSWERED)
    assert all(one.workdays >= 1 for one in CATEGORIES.values())


async def test_a_complaint_has_a_deadline_in_workdays_and_is_its_owners_alone(
    session, ring, sites, account, file
):
    owner, other = await account(), await account()
    complaint = await file(owner, sites[0])
    assert (complaint.state, complaint.deadline_on, complaint.deadline_basis) == (
        "open",
        date(2026, 11, 27),
        "workdays",
    )
    assert await get_own_complaint(session, owner, complaint_id=complaint.id) == (complaint, "助餐点1")
    with pytest.raises(ComplaintNotFound):
        await get_own_complaint(session, other, complaint_id=complaint.id)
    rows = await session.execute(own_complaints_query(other.account_id, after=None, limit=9))
    assert rows.all() == []
    with pytest.raises(NotSignedIn):
        await file(ANYONE, sites[0])


async def test_what_was_written_is_encrypted_and_in_no_audit_entry(
    session, ring, sites, account, clerk, file, answer
):
    complaint = await file(await account(), sites[0])
    await answer(await clerk(sites[0]), complaint)
    for table in ("complaint", "complaint_entry", "audit_entry"):
        rows = (await session.execute(text(f"select row_to_json(t)::text from {table} t"))).scalars().all()
        dump = "".join(rows)
        assert rows
        for secret in ("王秀英", "13900001111", "恢复", "王秀英".encode().hex()):
            assert secret not in dump
    assert read_text(ring, complaint) == SAID


async def test_a_complaint_about_a_draft_or_for_a_stranger_is_refused(session, sites, account, file):
    owner = await account()
    await session.execute(update(Site).where(Site.id == sites[0].id).values(published_at=None))
    with pytest.raises(SiteNotFound):
        await file(owner, sites[0])
    with pytest.raises(PersonNotFound):
        await file(owner, sites[1], person_id=uuid4())


async def test_who_complained_sees_who_read_it(session, ring, sites, account, clerk, file):
    """By the audit record, which finds entries by person."""
    owner = await account()
    person = Person(
        account_id=owner.account_id, name=b"sealed", name_blind=b"blind", created_at=NOW, version=1
    )
    session.add(person)
    await session.flush()
    complaint = await file(owner, sites[0])
    assert complaint.person_id == person.id
    reader = await clerk(sites[0])
    await read_complaint(session, reader, complaint_id=complaint.id, now=NOW)
    entry = (await session.scalars(select(AuditEntry).where(AuditEntry.person_id == person.id))).one()
    assert (entry.account_id, entry.action, entry.object_id) == (
        reader.account_id,
        "complaint.handle",
        str(complaint.id),
    )


async def test_an_answer_can_be_doubted_once_within_its_days(
    session, ring, sites, account, clerk, file, answer, reopen
):
    owner, staff = await account(), await clerk(sites[0])
    complaint = await file(owner, sites[0])
    with pytest.raises(ComplaintState) as refused:
        await reopen(owner, complaint)
    assert refused.value.fields["state"] == "open"
    await answer(staff, complaint, now=NOW + DAY)
    assert reopen_until(complaint) == NOW + DAY + REOPEN_DAYS * DAY
    last = NOW + DAY + REOPEN_DAYS * DAY
    with pytest.raises(ReopenTooLate):
        await reopen(owner, complaint, now=last + timedelta(seconds=1))
    await reopen(owner, complaint, now=last)
    assert (complaint.state, complaint.deadline_on) == (
        "open",
        date(2026, 12, 15),
    )  # 10 December and 3 workdays
    await answer(staff, complaint, now=last)
    assert reopen_until(complaint) is None
    with pytest.raises(ReopenedBefore):
        await reopen(owner, complaint, now=last)
    entries = await entries_of(session, complaint_id=complaint.id)
    assert [(one.step, one.taken_by) for one in entries] == [
        ("filed", "resident"),
        ("reply", "staff"),
        ("reopen", "resident"),
        ("reply", "staff"),
    ]
    assert [read_text(ring, one) for one in entries] == [None, "明天恢复", "还是没有", "明天恢复"]


async def test_a_complaint_is_answered_once_and_can_be_withdrawn_before(
    session, ring, sites, account, clerk, file, answer
):
    owner, staff = await account(), await clerk(sites[0])
    first, second = await file(owner, sites[0]), await file(owner, sites[0])
    await answer(staff, first)
    with pytest.raises(ComplaintState):
        await answer(staff, first)
    for complaint, fine in ((first, False), (second, True)):
        if fine:
            await withdraw_complaint(session, owner, ring=ring, complaint_id=complaint.id, now=NOW)
            assert complaint.state == "withdrawn"
        else:
            with pytest.raises(ComplaintState):
                await withdraw_complaint(session, owner, ring=ring, complaint_id=complaint.id, now=NOW)
    with pytest.raises(ComplaintState):
        await answer(staff, second)


async def test_others_than_the_sites_own_staff_do_not_see_it(
    session, ring, sites, account, clerk, file, answer
):
    complaint = await file(await account(), sites[0])
    elsewhere = await clerk(sites[1])
    assert await seen(session, elsewhere) == []
    with pytest.raises(ComplaintNotFound):
        await read_complaint(session, elsewhere, complaint_id=complaint.id, now=NOW)
    with pytest.raises(ComplaintNotFound):
        await answer(elsewhere, complaint)
    with pytest.raises(NotAllowed):
        await answer(await account(), complaint)
    assert await session.scalar(select(func.count()).select_from(AuditEntry)) == 0


async def test_a_complaint_about_no_site_is_for_the_whole_district(
    session, ring, sites, account, clerk, file, answer
):
    complaint = await file(await account(), category="privacy")
    assert await seen(session, await clerk(sites[0])) == []
    district = await account(Grant("district_admin", "district"), kind="staff")
    assert await seen(session, district) == [complaint.id]
    await answer(district, complaint)


async def test_an_escalated_complaint_is_answered_above(
    session, ring, sites, account, clerk, file, answer, reopen
):
    owner, staff = await account(), await clerk(sites[0])
    complaint = await file(owner, sites[0])
    await answer(staff, complaint, step=escalate)
    assert complaint.state == "escalated"
    with pytest.raises(ComplaintEscalated):
        await answer(staff, complaint)
    with pytest.raises(ComplaintState):
        await answer(staff, complaint, step=escalate)
    inspector = await account(Grant("inspector", "category", "elder"), kind="staff")
    await answer(inspector, complaint)
    await reopen(owner, complaint)
    assert complaint.state == "escalated"  # it does not come down again


async def test_what_is_overdue_comes_first_and_goes_to_those_above(
    session, ring, sites, account, clerk, file
):
    owner, staff = await account(), await clerk(sites[0])
    slow = await file(owner, sites[0], category="service")
    quick = await file(owner, sites[0], category="food_safety")
    elsewhere = await file(owner, sites[1], category="food_safety")
    assert await seen(session, staff) == [quick.id, slow.id]
    assert await seen(session, staff, limit=1, after=(quick.deadline_on, quick.id)) == [slow.id]
    assert await seen(session, staff, categories=["service"]) == [slow.id]
    last_day = date(2026, 11, 25)
    assert await escalate_overdue(session, ring=ring, today=last_day, now=NOW + DAY) == 0
    day_after = last_day + DAY
    assert await seen(session, staff, due_before_on=day_after) == [quick.id]
    assert await escalate_overdue(session, ring=ring, today=day_after, now=NOW + 2 * DAY) == 2
    assert await escalate_overdue(session, ring=ring, today=day_after, now=NOW + 2 * DAY) == 0
    assert (quick.state, elsewhere.state, slow.state) == ("escalated", "escalated", "open")
    assert quick.escalated_at == NOW + 2 * DAY
    entries = await entries_of(session, complaint_id=quick.id)
    assert [(one.step, one.taken_by) for one in entries] == [("filed", "resident"), ("escalate", "system")]
    by_system = select(func.count()).select_from(AuditEntry).where(AuditEntry.actor == "system")
    assert await session.scalar(by_system) == 2


async def test_the_work_list_and_the_job_read_indexes_in_order(session, account, file, sites):
    """Also with a generic plan, which knows no parameter's value: the predicate is written as a literal."""
    owner = await account()
    await session.execute(
        text(
            "insert into complaint (id, account_id, category, channel, state, created_at, deadline_on, deadline_basis,"
            " replied_at) select gen_random_uuid(), :account_id, 'other', 'app',"
            " case when n % 50 = 0 then 'open' else 'replied' end, now(), date '2026-01-01' + n % 300, 'workdays', now()"
            " from generate_series(1, 20000) n"
        ),
        {"account_id": owner.account_id},
    )
    await session.execute(text("analyze complaint"))
    district = await account(Grant("district_admin", "district"), kind="staff")
    for query in (
        complaints_query(district, limit=50),
        complaints_query(district, due_before_on=date(2026, 3, 1), limit=50),
    ):
        plan = await generic_plan(session, query)
        assert "complaint_unanswered_idx" in plan, plan
    job = select(Complaint).where(IS_OPEN, Complaint.deadline_on < date(2026, 3, 1))
    plan = await generic_plan(session, job.order_by(Complaint.deadline_on, Complaint.id).limit(200))
    assert "Seq Scan" not in plan
    assert "Sort" not in plan


async def test_entries_go_with_their_complaint_and_a_complaint_outlives_its_site(
    session, sites, account, file
):
    complaint = await file(await account(), sites[0])
    await session.execute(text("delete from site where id = :id"), {"id": sites[0].id})
    await session.refresh(complaint)
    assert complaint.site_id is None
    await session.execute(text("delete from complaint"))
    assert await session.scalar(select(func.count()).select_from(ComplaintEntry)) == 0
    assert await session.scalar(select(func.count()).select_from(Complaint)) == 0
