"""Places that stayed empty: one's own marks, appeals about them, and what staff answer."""

from datetime import datetime
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.access import allowed
from api.conditional import private
from api.idempotency import ONCE_ERRORS, Once
from api.limits import LIMIT_ERRORS, limited
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.attendance import (
    AnswerIn,
    AppealedOut,
    AppealIn,
    AppealsParameters,
    AttendanceOut,
    BlockedOut,
    MarkOut,
    StaffAppealOut,
    StaffAppealsPage,
)
from booking.attendance.appeals import (
    appeal,
    appeals_query,
    counts,
    decide,
    fades_at,
    own_marks,
    record_read,
)
from booking.errors import AppealDecided, AppealMade, MarkNotFound
from booking.models import AttendanceMark, Offering, Reservation
from booking.people.models import Person
from booking.people.persons import name_of
from core import clock
from core.actor import Actor
from core.errors import InvalidCursor
from core.keyring import KeyRing
from core.masking import mask_name
from core.paging import next_cursor, read_cursor
from core.permissions import NotAllowed, NotSignedIn

router = APIRouter(tags=["booking"])
Own = Annotated[Actor, allowed("reservation.own")]
Decides = Annotated[Actor, allowed("attendance.decide")]
DENIED = (NotSignedIn, NotAllowed)


@router.get("/v1/me/attendance", response_model=AttendanceOut, responses=responses(*DENIED))
async def show_mine(request: Request, session: Session, actor: Own) -> Response:
    """Places I, or those who delegated to me, left empty; what they count for, and until when booking is paused."""
    ring, now = runtime_of(request).ring, clock.now()
    marks, standings = await own_marks(session, actor, ring=ring, now=now)
    found = {(one.person_id, one.offering.id): one for one in standings}
    items = []
    for one in marks:
        standing = found[one.person_id, one.offering_id]
        items.append(
            MarkOut.model_validate(
                {
                    "reservation_id": one.reservation_id,
                    "person_id": one.person_id,
                    "offering_id": one.offering_id,
                    "kind": one.kind,
                    "at": one.at,
                    "counts": not standing.spared and counts(standing.rule, one, now=now),
                    "fades_at": fades_at(standing.rule, one),
                    "appeal_state": one.appeal_state,
                    "answer": _opened(ring, one, "answer"),
                }
            )
        )
    out = AttendanceOut(
        items=items,
        standings=[
            BlockedOut(
                person_id=one.person_id,
                offering_id=one.offering.id,
                title=one.offering.title,
                counting=one.counting,
                most=one.rule.most,
                within_days=one.rule.within_days,
                spared=one.spared,
                blocked_until=one.blocked_until,
            )
            for one in standings
        ],
    )
    return private(out)


@router.post(
    "/v1/reservations/{reservation_id}/appeal",
    status_code=201,
    response_model=AppealedOut,
    dependencies=[limited("complaints")],
    responses=responses(*DENIED, *LIMIT_ERRORS, *ONCE_ERRORS, MarkNotFound, AppealMade),
)
async def make_appeal(
    request: Request, session: Session, actor: Own, once: Once, reservation_id: UUID, body: AppealIn
) -> Response:
    """Say why a place stayed empty, once. Until staff have answered it does not count."""
    ring = runtime_of(request).ring
    one = await appeal(
        session, actor, ring=ring, reservation_id=reservation_id, words=body.text, now=clock.now()
    )
    assert one.appealed_at is not None
    out = AppealedOut(id=one.id, reservation_id=one.reservation_id, state="open", appealed_at=one.appealed_at)
    return await once.answer(out, status=201)


@router.get(
    "/v1/staff/appeals",
    response_model=StaffAppealsPage,
    responses=responses(*DENIED, InvalidCursor),
    tags=["staff"],
)
async def list_appeals(
    request: Request, session: Session, actor: Decides, asked: Annotated[AppealsParameters, Query()]
) -> Response:
    """Appeals at my sites, the longest waiting first; reading them is on record."""
    ring = runtime_of(request).ring
    fingerprint = f"appeals {actor.name} {asked.state} {asked.site_id}".encode()
    after = read_cursor(fingerprint, asked.next, datetime.fromisoformat, UUID)
    query = appeals_query(
        actor,
        state=asked.state,
        site_id=asked.site_id,
        after=cast(tuple[datetime, UUID] | None, after),
        limit=asked.limit + 1,
    )
    found = (await session.execute(query)).all()
    shown = found[: asked.limit]
    await record_read(session, actor, [row[0] for row in shown], now=clock.now())
    out = StaffAppealsPage(
        items=[_appeal_out(ring, *row) for row in shown],
        next=next_cursor(fingerprint, found, asked.limit, lambda row: [str(row[0].appealed_at), row[0].id]),
    )
    return private(out)


DECIDING: dict[str, Any] = {
    "response_model": AppealedOut,
    "dependencies": [limited("writes")],
    "responses": responses(*DENIED, *LIMIT_ERRORS, *ONCE_ERRORS, MarkNotFound, AppealDecided),
    "tags": ["staff"],
}


@router.post("/v1/staff/appeals/{appeal_id}/waive", **DECIDING)
async def waive(
    request: Request, session: Session, actor: Decides, once: Once, appeal_id: UUID, body: AnswerIn
) -> Response:
    """Take the mark back: it never counts again. The person reads the answer."""
    return await once.answer(await _decided(request, session, actor, appeal_id, "waived", body))


@router.post("/v1/staff/appeals/{appeal_id}/uphold", **DECIDING)
async def uphold(
    request: Request, session: Session, actor: Decides, once: Once, appeal_id: UUID, body: AnswerIn
) -> Response:
    """Leave the mark: it counts until it fades. The person reads the answer."""
    return await once.answer(await _decided(request, session, actor, appeal_id, "upheld", body))


async def _decided(
    request: Request,
    session: Session,
    actor: Actor,
    appeal_id: UUID,
    state: Literal["waived", "upheld"],
    body: AnswerIn,
) -> AppealedOut:
    one = await decide(
        session,
        actor,
        ring=runtime_of(request).ring,
        appeal_id=appeal_id,
        state=state,
        words=body.answer,
        now=clock.now(),
    )
    assert one.appealed_at is not None
    return AppealedOut(id=one.id, reservation_id=one.reservation_id, state=state, appealed_at=one.appealed_at)


def _opened(ring: KeyRing, one: AttendanceMark, field: Literal["appeal", "answer"]) -> str | None:
    sealed: bytes | None = getattr(one, field)
    return None if sealed is None else ring.decrypt(f"attendance_mark.{field}", one.id, sealed)


def _appeal_out(
    ring: KeyRing, one: AttendanceMark, offering: Offering, reservation: Reservation, person: Person
) -> StaffAppealOut:
    return StaffAppealOut.model_validate(
        {
            "id": one.id,
            "state": one.appeal_state,
            "kind": one.kind,
            "site_id": offering.site_id,
            "offering_id": offering.id,
            "title": offering.title,
            "reservation_id": one.reservation_id,
            "starts_at": reservation.starts_at,
            "person_id": person.id,
            "name": mask_name(name_of(ring, person)),
            "marked_at": one.at,
            "appealed_at": one.appealed_at,
            "text": _opened(ring, one, "appeal"),
            "answer": _opened(ring, one, "answer"),
            "decided_at": one.decided_at,
        }
    )
