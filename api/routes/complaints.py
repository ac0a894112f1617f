"""Complaints with a deadline and an answer."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.access import allowed
from api.idempotency import ONCE_ERRORS, OnceRequired
from api.limits import LIMIT_ERRORS, limited
from api.params import NoParameters
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.base import LabelOut
from api.schemas.feedback import (
    ComplaintIn,
    ComplaintItem,
    ComplaintOut,
    ComplaintPage,
    EntryOut,
    MyFeedbackParameters,
    ProseIn,
    StaffComplaintOut,
    StaffComplaintPage,
    StaffComplaintParameters,
)
from booking.feedback.answering import complaints_query, escalate, read_complaint, reply
from booking.feedback.categories import CATEGORIES, UNANSWERED, Category
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
from booking.feedback.models import Complaint
from booking.feedback.texts import read_text
from booking.people.errors import DelegationInsufficient, PersonNotFound
from core import clock
from core.actor import Actor
from core.errors import InvalidCursor
from core.paging import next_cursor, read_cursor, read_one
from core.permissions import NotAllowed, NotSignedIn
from geo.errors import SiteNotFound

router = APIRouter(tags=["feedback"])

OWN = (NotSignedIn, *LIMIT_ERRORS, *ONCE_ERRORS)
STAFF = (NotSignedIn, NotAllowed)
STAFF_ONCE = (*STAFF, *LIMIT_ERRORS, *ONCE_ERRORS)


@router.post(
    "/v1/complaints",
    status_code=201,
    responses={
        201: {"model": ComplaintOut},
        **responses(SiteNotFound, PersonNotFound, DelegationInsufficient, *OWN),
    },
    response_class=Response,
    dependencies=[limited("complaints")],
)
async def complain(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("complaint.own")],
    once: OnceRequired,
    body: ComplaintIn,
) -> Response:
    """File a complaint; the answer says until when it will be answered."""
    runtime = runtime_of(request)
    complaint = await file_complaint(
        session,
        actor,
        ring=runtime.ring,
        category=body.category,
        text=body.text,
        site_id=body.site_id,
        person_id=body.person_id,
        region=runtime.settings.region,
        zone=runtime.settings.zone,
        now=clock.now(),
    )
    row = await get_own_complaint(session, actor, complaint_id=complaint.id)
    out = await _out(request, session, *row)
    return await once.answer(out, status=201, headers={"Location": f"/v1/complaints/{complaint.id}"})


@router.get("/v1/complaints", responses=responses(InvalidCursor, NotSignedIn))
async def list_mine(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("complaint.own")],
    asked: Annotated[MyFeedbackParameters, Query()],
) -> ComplaintPage:
    """One's own complaints."""
    assert actor.account_id is not None
    fingerprint = f"complaints {actor.account_id}".encode()
    after = read_one(fingerprint, asked.next, UUID)
    query = own_complaints_query(actor.account_id, after=after, limit=asked.limit + 1)
    found = (await session.execute(query)).all()
    shown, today = found[: asked.limit], _today(request)
    return ComplaintPage(
        items=[ComplaintItem(**_shown(*row, today)) for row in shown],
        next=next_cursor(fingerprint, found, asked.limit, lambda row: [row[0].id]),
    )


@router.get("/v1/complaints/{complaint_id}", responses=responses(ComplaintNotFound, NotSignedIn))
async def show(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("complaint.own")],
    complaint_id: UUID,
    asked: Annotated[NoParameters, Query()],
) -> ComplaintOut:
    """One of one's own complaints, with answers and all that happened."""
    row = await get_own_complaint(session, actor, complaint_id=complaint_id)
    return await _out(request, session, *row)


@router.post(
    "/v1/complaints/{complaint_id}/reopen",
    responses={
        200: {"model": ComplaintOut},
        **responses(ComplaintNotFound, ComplaintState, ReopenedBefore, ReopenTooLate, *OWN),
    },
    response_class=Response,
    dependencies=[limited("complaints")],
)
async def reopen(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("complaint.own")],
    once: OnceRequired,
    complaint_id: UUID,
    body: ProseIn,
) -> Response:
    """Say why the answer does not do; once, within 15 days of it."""
    runtime = runtime_of(request)
    complaint = await reopen_complaint(
        session,
        actor,
        ring=runtime.ring,
        complaint_id=complaint_id,
        text=body.text,
        region=runtime.settings.region,
        zone=runtime.settings.zone,
        now=clock.now(),
    )
    row = await get_own_complaint(session, actor, complaint_id=complaint.id)
    return await once.answer(await _out(request, session, *row))


@router.post(
    "/v1/complaints/{complaint_id}/withdraw",
    responses={200: {"model": ComplaintOut}, **responses(ComplaintNotFound, ComplaintState, *OWN)},
    response_class=Response,
    dependencies=[limited("complaints")],
)
async def withdraw(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("complaint.own")],
    once: OnceRequired,
    complaint_id: UUID,
) -> Response:
    """Take a complaint back before it is answered."""
    complaint = await withdraw_complaint(
        session, actor, ring=runtime_of(request).ring, complaint_id=complaint_id, now=clock.now()
    )
    row = await get_own_complaint(session, actor, complaint_id=complaint.id)
    return await once.answer(await _out(request, session, *row))


@router.get("/v1/staff/complaints", responses=responses(InvalidCursor, *STAFF), tags=["staff"])
async def list_complaints(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("complaint.handle")],
    asked: Annotated[StaffComplaintParameters, Query()],
) -> StaffComplaintPage:
    """Complaints about the sites one answers for; what was written is shown one by one, and that is on record."""
    fingerprint = orjson.dumps(asked.model_dump(mode="json", exclude={"next", "limit"}))
    after = read_cursor(fingerprint, asked.next, date.fromisoformat, UUID)
    today = _today(request)
    rows = (
        await session.execute(
            complaints_query(
                actor,
                state=asked.state,
                site_id=asked.site_id,
                categories=asked.category,
                due_before_on=today if asked.overdue else None,
                after=after,
                limit=asked.limit + 1,
            )
        )
    ).all()
    shown = rows[: asked.limit]
    return StaffComplaintPage(
        items=[ComplaintItem(**_shown(*row, today)) for row in shown],
        next=next_cursor(fingerprint, rows, asked.limit, lambda row: [row[0].deadline_on, row[0].id]),
    )


@router.get(
    "/v1/staff/complaints/{complaint_id}", responses=responses(ComplaintNotFound, *STAFF), tags=["staff"]
)
async def show_complaint(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("complaint.handle")],
    complaint_id: UUID,
    asked: Annotated[NoParameters, Query()],
) -> StaffComplaintOut:
    """A complaint whole; the look is on record."""
    row = await read_complaint(session, actor, complaint_id=complaint_id, now=clock.now())
    return await _staff_out(request, session, *row)


@router.post(
    "/v1/staff/complaints/{complaint_id}/reply",
    responses={
        200: {"model": StaffComplaintOut},
        **responses(ComplaintNotFound, ComplaintState, ComplaintEscalated, *STAFF_ONCE),
    },
    response_class=Response,
    dependencies=[limited("writes")],
    tags=["staff"],
)
async def answer(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("complaint.handle")],
    once: OnceRequired,
    complaint_id: UUID,
    body: ProseIn,
) -> Response:
    """Answer a complaint; an escalated one is answered by an inspector or the district."""
    row = await reply(
        session,
        actor,
        ring=runtime_of(request).ring,
        complaint_id=complaint_id,
        text=body.text,
        now=clock.now(),
    )
    return await once.answer(await _staff_out(request, session, *row))


@router.post(
    "/v1/staff/complaints/{complaint_id}/escalate",
    responses={
        200: {"model": StaffComplaintOut},
        **responses(ComplaintNotFound, ComplaintState, *STAFF_ONCE),
    },
    response_class=Response,
    dependencies=[limited("writes")],
    tags=["staff"],
)
async def hand_up(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("complaint.handle")],
    once: OnceRequired,
    complaint_id: UUID,
    body: ProseIn,
) -> Response:
    """Hand a complaint to those above and say why; the resident reads that too."""
    row = await escalate(
        session,
        actor,
        ring=runtime_of(request).ring,
        complaint_id=complaint_id,
        text=body.text,
        now=clock.now(),
    )
    return await once.answer(await _staff_out(request, session, *row))


def _today(request: Request) -> date:
    return clock.now().astimezone(ZoneInfo(runtime_of(request).settings.zone)).date()


def _shown(complaint: Complaint, site_name: str | None, today: date) -> dict[str, Any]:
    category: Category = complaint.category  # type: ignore[assignment]  # as it was filed
    said = CATEGORIES[category]
    return {
        "id": complaint.id,
        "site_id": complaint.site_id,
        "site_name": site_name,
        "category": category,
        "category_labels": LabelOut(code=category, label_zh=said.label_zh, label_en=said.label_en),
        "state": complaint.state,
        "created_at": complaint.created_at,
        "deadline_on": complaint.deadline_on,
        "deadline_basis": complaint.deadline_basis,
        "overdue": complaint.state in UNANSWERED and complaint.deadline_on < today,
        "escalated": complaint.escalated_at is not None,
        "reopened": complaint.reopened_at is not None,
    }


async def _whole(
    request: Request, session: Session, complaint: Complaint, site_name: str | None
) -> dict[str, Any]:
    ring = runtime_of(request).ring
    return {
        **_shown(complaint, site_name, _today(request)),
        "text": read_text(ring, complaint),
        "person_id": complaint.person_id,
        "history": [
            EntryOut(at=one.at, step=one.step, taken_by=one.taken_by, text=read_text(ring, one))
            for one in await entries_of(session, complaint_id=complaint.id)
        ],
    }


async def _out(
    request: Request, session: Session, complaint: Complaint, site_name: str | None
) -> ComplaintOut:
    whole = await _whole(request, session, complaint, site_name)
    return ComplaintOut(**whole, reopen_until=reopen_until(complaint))


async def _staff_out(
    request: Request, session: Session, complaint: Complaint, site_name: str | None
) -> StaffComplaintOut:
    return StaffComplaintOut(**await _whole(request, session, complaint, site_name))
