"""Reports of mistakes: taken from anyone within measure, seen by whoever made them, answered within a scope."""

from datetime import UTC, datetime, timedelta
from typing import get_args
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from core.actor import ANYONE, Actor
from core.audit import AuditEntry
from core.ids import new_id
from core.permissions import NotAllowed, NotSignedIn
from geo.corrections.errors import CorrectionHandled, CorrectionNotFound, TooManyCorrections
from geo.corrections.fields import LABELS, STATE_LABELS, STEPS, Field
from geo.corrections.handle import (
    accept_correction,
    corrections_query,
    decline_correction,
    get_correction,
    read_contact,
)
from geo.corrections.report import REPORTS_A_DAY, get_reported, report_correction, reported_query
from geo.corrections.texts import read_texts
from geo.errors import FieldsNotAllowed, SiteChanged, SiteNotFound
from geo.models import Correction, Site
from tests.geo.test_site_store import a_site
from tests.geo.test_site_workflow import DISTRICT, imported, staff

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
PHONE = "+8613812345678"


def resident():
    account_id = uuid4()
    return Actor(f"account:{account_id}", "app", account_id=account_id)


@pytest.fixture
async def sites(session):
    """Two, of one source."""
    return await imported(session, a_site("1"), a_site("2"))


async def report(session, ring, site, actor=ANYONE, *, now=NOW, address="10.1.2.3", **more):
    said = {"field": "hours", "text": "周末也开门"} | more
    return await report_correction(
        session,
        actor,
        ring=ring,
        site_id=site.id,
        address=address,
        zone="Asia/Shanghai",
        now=now,
        **said,
    )


def clerk_of(site):
    return staff(("site", str(site.id)))


async def test_every_field_and_state_has_its_labels_and_steps():
    assert set(get_args(Field)) == set(LABELS)
    assert set(STEPS) == set(STATE_LABELS)


async def test_a_report_is_seen_by_its_receipt_and_by_no_other(session, ring, sites):
    correction, receipt = await report(session, ring, sites[0], suggestion="周六周日 9-12 点")
    seen = await get_reported(session, ANYONE, correction_id=correction.id, receipt=receipt)
    assert read_texts(ring, seen).suggestion == "周六周日 9-12 点"
    _, other = await report(session, ring, sites[0])
    for wrong in (None, "", other, receipt[:-1], receipt + "x"):
        with pytest.raises(CorrectionNotFound):
            await get_reported(session, ANYONE, correction_id=correction.id, receipt=wrong)
    with pytest.raises(CorrectionNotFound):
        await get_reported(session, resident(), correction_id=correction.id, receipt=None)


async def test_a_report_made_signed_in_is_seen_by_its_account_without_a_receipt(session, ring, sites):
    reporter = resident()
    correction, _ = await report(session, ring, sites[0], reporter)
    await report(session, ring, sites[0], resident())
    seen = await get_reported(session, reporter, correction_id=correction.id, receipt=None)
    assert seen is correction
    mine = await session.scalars(reported_query(reporter.account_id, after=None, limit=10))
    assert mine.all() == [correction]


async def test_what_was_written_is_stored_encrypted(session, ring, sites):
    correction, receipt = await report(session, ring, sites[0], contact_phone=PHONE, address="203.0.113.9")
    columns = Correction.__table__
    row = (await session.execute(select(columns).where(columns.c.id == correction.id))).one()
    for secret in ("周末也开门", PHONE, receipt, "203.0.113.9"):
        assert secret.encode() not in b"".join(value for value in row if isinstance(value, bytes))
        assert secret not in "".join(value for value in row if isinstance(value, str))


async def test_a_draft_or_no_site_at_all_cannot_be_reported_about(session, ring, sites):
    await session.execute(update(Site).where(Site.id == sites[0].id).values(published_at=None))
    with pytest.raises(SiteNotFound):
        await report(session, ring, sites[0])
    with pytest.raises(SiteNotFound):
        await report_correction(
            session,
            ANYONE,
            ring=ring,
            site_id=uuid4(),
            field="name",
            text="错",
            address="1",
            zone="UTC",
            now=NOW,
        )


async def test_a_site_closed_for_good_can_since_that_may_be_the_mistake(session, ring, sites):
    await session.execute(update(Site).where(Site.id == sites[0].id).values(status="inactive"))
    correction, _ = await report(session, ring, sites[0], field="closed", text="没有停办")
    assert correction.state == "open"


async def test_an_address_reports_so_often_about_a_site_a_day_and_again_the_next(session, ring, sites):
    for _ in range(REPORTS_A_DAY):
        await report(session, ring, sites[0])
    with pytest.raises(TooManyCorrections) as refused:
        await report(session, ring, sites[0])
    # 11:00 in 兰州: thirteen hours to midnight.
    assert refused.value.fields["retry_after_seconds"] == 13 * 3600 + 1
    await report(session, ring, sites[1])
    await report(session, ring, sites[0], address="10.1.2.4")
    await report(session, ring, sites[0], resident())
    await report(session, ring, sites[0], now=NOW + timedelta(hours=13))


async def test_staff_see_reports_of_their_sites_the_oldest_first(session, ring, sites):
    first, _ = await report(session, ring, sites[0])
    second, _ = await report(session, ring, sites[0], field="phone", text="空号")
    other, _ = await report(session, ring, sites[1])

    async def seen(actor, **more):
        rows = await session.execute(corrections_query(actor, **({"state": "open", "limit": 10} | more)))
        return [row[0].id for row in rows]

    clerk = clerk_of(sites[0])
    assert await seen(clerk) == [first.id, second.id]
    assert await seen(DISTRICT) == [first.id, second.id, other.id]
    assert await seen(DISTRICT, after=first.id, limit=1) == [second.id]
    assert await seen(clerk, fields=["phone"]) == [second.id]
    assert await seen(clerk, site_id=sites[1].id) == []
    assert await seen(staff(("site", str(uuid4())))) == []
    with pytest.raises(CorrectionNotFound):
        await get_correction(session, clerk, correction_id=other.id)


async def test_an_accepted_report_edits_the_site_and_the_reporter_reads_the_answer(session, ring, sites):
    correction, receipt = await report(session, ring, sites[0])
    clerk = clerk_of(sites[0])
    _, version = await accept_correction(
        session,
        clerk,
        ring=ring,
        correction_id=correction.id,
        changes={"hours": "Mo-Su 09:00-18:00"},
        version=1,
        answer="谢谢，已改好",
        now=NOW,
    )
    assert version == 2
    await session.refresh(sites[0])
    assert (sites[0].hours, sites[0].version) == ("Mo-Su 09:00-18:00", 2)
    seen = await get_reported(session, ANYONE, correction_id=correction.id, receipt=receipt)
    assert (seen.state, seen.site_version, seen.handled_by) == ("accepted", 2, clerk.account_id)
    assert read_texts(ring, seen).answer == "谢谢，已改好"
    entries = await session.scalars(
        select(AuditEntry).where(AuditEntry.object_kind == "correction").order_by(AuditEntry.id)
    )
    assert [entry.detail["state"] for entry in entries] == ["accepted"]


@pytest.mark.parametrize(
    ("changes", "version", "error"),
    [({"hours": "24/7"}, 7, SiteChanged), ({"name": "新名字"}, 1, FieldsNotAllowed)],
    ids=["of an old version", "of a field that only the district changes"],
)
async def test_an_edit_that_is_refused_leaves_the_report_open(session, ring, sites, changes, version, error):
    correction, _ = await report(session, ring, sites[0])
    with pytest.raises(error):
        async with session.begin_nested():
            await accept_correction(
                session,
                clerk_of(sites[0]),
                ring=ring,
                correction_id=correction.id,
                changes=changes,
                version=version,
                answer="好",
                now=NOW,
            )
    await session.refresh(correction)
    assert correction.state == "open"


async def test_a_report_is_answered_once(session, ring, sites):
    correction, _ = await report(session, ring, sites[0])
    said = {"ring": ring, "correction_id": correction.id, "answer": "核实过，没有错", "now": NOW}
    declined, version = await decline_correction(session, DISTRICT, **said)
    assert (declined.state, version) == ("declined", 1)
    with pytest.raises(CorrectionHandled) as refused:
        await accept_correction(session, DISTRICT, changes={}, version=None, **said)
    assert refused.value.fields["state"] == "declined"


async def test_others_may_not_answer(session, ring, sites):
    correction, _ = await report(session, ring, sites[0])
    said = {"ring": ring, "correction_id": correction.id, "answer": "好", "now": NOW}
    for actor, error in (
        (ANYONE, NotSignedIn),
        (resident(), NotAllowed),
        (staff(("district",), role="inspector"), NotAllowed),
        (clerk_of(sites[1]), CorrectionNotFound),
    ):
        with pytest.raises(error):
            await decline_correction(session, actor, **said)


async def test_reading_a_reporters_phone_is_on_record_with_its_reason(session, ring, sites):
    correction, _ = await report(session, ring, sites[0], contact_phone=PHONE)
    clerk = clerk_of(sites[0])
    person = new_id()
    said = {"ring": ring, "correction": correction, "reason": "回电核实", "now": NOW}
    assert await read_contact(session, clerk, person_ids=[person], **said) == PHONE
    entry = (await session.scalars(select(AuditEntry).where(AuditEntry.object_kind == "correction"))).one()
    assert (entry.person_id, entry.account_id, entry.reason, entry.detail) == (
        person,
        clerk.account_id,
        "回电核实",
        {"read": ["contact_phone"]},
    )
    with pytest.raises(CorrectionNotFound):
        await get_correction(session, clerk_of(sites[1]), correction_id=correction.id)
