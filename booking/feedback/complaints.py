"""A resident complains, reads the answer, reopens once, withdraws (投诉)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.feedback.categories import CATEGORIES, REOPEN_DAYS, Category
from booking.feedback.deadlines import Deadline, deadline
from booking.feedback.errors import ComplaintNotFound, ReopenedBefore, ReopenTooLate
from booking.feedback.models import Complaint, ComplaintEntry
from booking.feedback.steps import take_step
from booking.feedback.texts import seal
from booking.people.delegations import require_person
from booking.people.models import Person
from core.actor import Actor
from core.ids import new_id
from core.keyring import KeyRing
from core.permissions import require
from geo.calendar.store import load_calendar
from geo.models import Site
from geo.published import require_published

ACTION = "complaint.own"


async def file_complaint(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    category: Category,
    text: str,
    site_id: UUID | None = None,
    person_id: UUID | None = None,
    region: str,
    zone: str,
    now: datetime,
) -> Complaint:
    """Take a complaint, about a published site or about none, for oneself or for a person one may look after.

    ``region``: whose workdays count; ``zone``: whose day it is. Raises SiteNotFound, PersonNotFound,
    DelegationInsufficient.
    """
    require(actor, ACTION)
    assert actor.account_id is not None
    if site_id is not None:
        await require_published(session, site_id=site_id)
    if person_id is not None:
        await require_person(session, actor, person_id=person_id, scope="view", now=now)
    else:  # so that whoever complained sees who of the staff read it
        person_id = await session.scalar(select(Person.id).where(Person.account_id == actor.account_id))
    until = await _deadline(session, category, region=region, zone=zone, now=now)
    row_id = new_id()
    complaint = Complaint(
        id=row_id,
        account_id=actor.account_id,
        person_id=person_id,
        site_id=site_id,
        category=category,
        text=seal(ring, "complaint.text", row_id, text),
        channel=actor.channel,
        state="open",
        created_at=now,
        deadline_on=until.on,
        deadline_basis=until.basis,
    )
    session.add(complaint)
    await session.flush()
    session.add(
        ComplaintEntry(
            complaint_id=row_id, at=now, step="filed", taken_by="resident", account_id=actor.account_id
        )
    )
    await session.flush()
    return complaint


def own_complaints_query(account_id: UUID, *, after: UUID | None, limit: int) -> Select[Complaint, str]:
    """An account's complaints with the site's name, if any, the newest first (complaint_account_id_idx)."""
    query = _with_site().where(Complaint.account_id == account_id)
    if after is not None:
        query = query.where(Complaint.id < after)
    return query.order_by(Complaint.id.desc()).limit(limit)


async def get_own_complaint(
    session: AsyncSession, actor: Actor, *, complaint_id: UUID
) -> tuple[Complaint, str | None]:
    """One of the actor's own, with the site's name. Raises ComplaintNotFound."""
    require(actor, ACTION)
    query = _with_site().where(Complaint.id == complaint_id, Complaint.account_id == actor.account_id)
    row = (await session.execute(query)).one_or_none()
    if row is None:
        raise _not_found()
    complaint, site_name = row
    return complaint, site_name


async def entries_of(session: AsyncSession, *, complaint_id: UUID) -> Sequence[ComplaintEntry]:
    """All that happened, the earliest first."""
    query = select(ComplaintEntry).where(ComplaintEntry.complaint_id == complaint_id)
    return (await session.scalars(query.order_by(ComplaintEntry.id))).all()


def reopen_until(complaint: Complaint) -> datetime | None:
    """Until when it can be reopened; None: not at all, or not any more once that has passed."""
    if complaint.state != "replied" or complaint.reopened_at is not None or complaint.replied_at is None:
        return None
    return complaint.replied_at + timedelta(days=REOPEN_DAYS)


async def reopen_complaint(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    complaint_id: UUID,
    text: str,
    region: str,
    zone: str,
    now: datetime,
) -> Complaint:
    """Say why the answer does not do; the deadline begins anew. Once, within ``REOPEN_DAYS`` of the answer.

    Raises ComplaintNotFound, ComplaintState, ReopenedBefore, ReopenTooLate.
    """
    complaint = await _lock_own(session, actor, complaint_id)
    if complaint.state == "replied":
        if complaint.reopened_at is not None:
            raise ReopenedBefore(
                "如仍不满意，可以就新的情况另提投诉。", "If you are still not content, file a new complaint."
            )
        until = reopen_until(complaint)
        if until is not None and now > until:
            raise ReopenTooLate(
                f"答复后 {REOPEN_DAYS} 天内可以重新提出；现在请另提投诉。",
                f"A complaint can be reopened within {REOPEN_DAYS} days of the answer; please file a new one.",
            )
    await take_step(session, actor, ring=ring, complaint=complaint, step="reopen", text=text, now=now)
    category: Category = complaint.category  # type: ignore[assignment]  # as it was filed
    new = await _deadline(session, category, region=region, zone=zone, now=now)
    complaint.deadline_on, complaint.deadline_basis = new.on, new.basis
    await session.flush()
    return complaint


async def withdraw_complaint(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, complaint_id: UUID, now: datetime
) -> Complaint:
    """Take back a complaint that is not answered yet. Raises ComplaintNotFound, ComplaintState."""
    complaint = await _lock_own(session, actor, complaint_id)
    await take_step(session, actor, ring=ring, complaint=complaint, step="withdraw", now=now)
    return complaint


async def _deadline(
    session: AsyncSession, category: Category, *, region: str, zone: str, now: datetime
) -> Deadline:
    calendar = await load_calendar(session, region=region)
    return deadline(
        calendar, since_on=now.astimezone(ZoneInfo(zone)).date(), workdays=CATEGORIES[category].workdays
    )


def _with_site() -> Select[Complaint, str]:
    return select(Complaint, Site.name).outerjoin(Site, Site.id == Complaint.site_id)


async def _lock_own(session: AsyncSession, actor: Actor, complaint_id: UUID) -> Complaint:
    require(actor, ACTION)
    complaint = await session.scalar(
        select(Complaint)
        .where(Complaint.id == complaint_id, Complaint.account_id == actor.account_id)
        .with_for_update()
    )
    if complaint is None:
        raise _not_found()
    return complaint


def _not_found() -> ComplaintNotFound:
    return ComplaintNotFound("请核对编号。", "Check the number.")
