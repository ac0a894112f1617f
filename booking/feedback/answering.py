"""Staff answer complaints within their scope; each look at what was written is on record."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, literal, or_, select, text, true, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from booking.feedback.categories import State
from booking.feedback.errors import ComplaintEscalated, ComplaintNotFound
from booking.feedback.models import Complaint
from booking.feedback.steps import take_step
from core.actor import SYSTEM, Actor
from core.audit import record
from core.keyring import KeyRing
from core.permissions import Place, covers, require, scopes
from geo.models import Site
from geo.sites.places import place_of, scope_condition

ACTION = "complaint.handle"
ESCALATED = "complaint.escalated"
# In one transaction of the job.
ESCALATED_AT_ONCE = 200
# As the partial index complaint_unanswered_idx says it: a parameter there would hide the index from a generic plan.
IS_UNANSWERED = text("complaint.state in ('open', 'escalated')")
IS_OPEN = text("complaint.state = 'open'")


def complaints_query(
    actor: Actor,
    *,
    state: State | None = None,
    site_id: UUID | None = None,
    categories: Sequence[str] = (),
    due_before_on: date | None = None,
    after: tuple[date, UUID] | None = None,
    limit: int,
) -> Select[Complaint, str]:
    """Complaints the actor answers for, with the site's name; those overdue first, then by deadline.

    ``state`` None: those to be answered. ``due_before_on``: with a deadline before it. ``after``: deadline and id of the
    last row shown.
    """
    query = (
        select(Complaint, Site.name)
        .outerjoin(Site, Site.id == Complaint.site_id)
        .where(_within(actor))
        .order_by(Complaint.deadline_on, Complaint.id)
        .limit(limit)
    )
    query = query.where(IS_UNANSWERED if state is None else Complaint.state == state)
    if site_id is not None:
        query = query.where(Complaint.site_id == site_id)
    if categories:
        query = query.where(Complaint.category.in_(categories))
    if due_before_on is not None:
        query = query.where(Complaint.deadline_on < due_before_on)
    if after is not None:
        query = query.where(
            tuple_(Complaint.deadline_on, Complaint.id) > tuple_(literal(after[0]), literal(after[1]))
        )
    return query


async def read_complaint(
    session: AsyncSession, actor: Actor, *, complaint_id: UUID, now: datetime
) -> tuple[Complaint, str | None]:
    """A complaint to be read whole, with the site's name; on record. Raises ComplaintNotFound, also outside the scope."""
    require(actor, ACTION)
    row = (await session.execute(_one(actor, complaint_id))).one_or_none()
    if row is None:
        raise _not_found()
    complaint, site_name = row
    await _record(session, actor, complaint, {"read": ["text"]}, now)
    return complaint, site_name


async def reply(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, complaint_id: UUID, text: str, now: datetime
) -> tuple[Complaint, str | None]:
    """Answer a complaint. Raises ComplaintNotFound, ComplaintState, ComplaintEscalated for those below."""
    complaint, site_name = await _lock(session, actor, complaint_id)
    if complaint.state == "escalated":
        await _require_above(session, actor, complaint)
    await take_step(session, actor, ring=ring, complaint=complaint, step="reply", text=text, now=now)
    await _record(session, actor, complaint, {"step": "reply"}, now)
    return complaint, site_name


async def escalate(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, complaint_id: UUID, text: str, now: datetime
) -> tuple[Complaint, str | None]:
    """Hand a complaint to those above, and say why. Raises ComplaintNotFound, ComplaintState."""
    complaint, site_name = await _lock(session, actor, complaint_id)
    await take_step(session, actor, ring=ring, complaint=complaint, step="escalate", text=text, now=now)
    await _record(session, actor, complaint, {"step": "escalate"}, now)
    return complaint, site_name


async def escalate_overdue(session: AsyncSession, *, ring: KeyRing, today: date, now: datetime) -> int:
    """Hand complaints whose deadline has passed to those above; how many, at most ``ESCALATED_AT_ONCE``.

    Any number of workers may do this at once: each takes rows that no other holds, and a row somebody is answering is
    left for the next time. Uses complaint_unanswered_idx.
    """
    overdue = await session.scalars(
        select(Complaint)
        .where(IS_OPEN, Complaint.deadline_on < today)
        .order_by(Complaint.deadline_on, Complaint.id)
        .limit(ESCALATED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    count = 0
    for complaint in overdue.all():
        await take_step(session, SYSTEM, ring=ring, complaint=complaint, step="escalate", now=now)
        await _record(session, SYSTEM, complaint, {"step": "escalate", "reason": "overdue"}, now)
        count += 1
    return count


def _within(actor: Actor) -> ColumnElement[bool]:
    """Where the actor may answer, escalated or not. A complaint about no site is for those of the whole district."""
    below, above = scopes(actor, ACTION), scopes(actor, ESCALATED)
    if below is None or above is None:
        return true()
    return or_(scope_condition(below), scope_condition(above))


def _one(actor: Actor, complaint_id: UUID) -> Select[Complaint, str]:
    return (
        select(Complaint, Site.name)
        .outerjoin(Site, Site.id == Complaint.site_id)
        .where(Complaint.id == complaint_id, _within(actor))
    )


async def _lock(session: AsyncSession, actor: Actor, complaint_id: UUID) -> tuple[Complaint, str | None]:
    """Locked until the transaction ends: of two answers at once, the later is told of the earlier."""
    require(actor, ACTION)
    row = (await session.execute(_one(actor, complaint_id).with_for_update(of=Complaint))).one_or_none()
    if row is None:
        raise _not_found()
    complaint, site_name = row
    return complaint, site_name


async def _require_above(session: AsyncSession, actor: Actor, complaint: Complaint) -> None:
    place = Place() if complaint.site_id is None else await place_of(session, site_id=complaint.site_id)
    if not covers(actor, ESCALATED, place):
        raise ComplaintEscalated(
            "这件投诉已上报，由监督人员或新区管理员答复。",
            "An inspector or the district answers this complaint.",
        )


async def _record(
    session: AsyncSession, actor: Actor, complaint: Complaint, detail: dict[str, object], now: datetime
) -> None:
    await record(
        session,
        actor,
        action=ACTION,
        object_kind="complaint",
        object_id=complaint.id,
        person_ids=[complaint.person_id] if complaint.person_id is not None else [],
        detail=detail,
        now=now,
    )


def _not_found() -> ComplaintNotFound:
    return ComplaintNotFound(
        "没有这件投诉，或者它不在您负责的范围内。", "There is no such complaint, or it is outside your scope."
    )
