"""Delegations for those without a phone: accepted by a recorded call-back, or at the desk."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response

from api.access import allowed
from api.idempotency import ONCE_ERRORS, Once
from api.limits import LIMIT_ERRORS, limited
from api.messages.notices import tell
from api.people.settling import no_request, settle
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.base import ReasonIn
from api.schemas.people import DelegationOut
from api.schemas.persons import WitnessedOut, WitnessIn
from api.views.people import (
    delegation_out,
    staff_person_item,
)
from booking.people.directory import get_visible_person, home_of_document, require_inside
from booking.people.errors import (
    DelegationNotFound,
    InvalidDelegation,
    OutsideScope,
    PersonNotFound,
    SelfExists,
)
from booking.people.models import Account, Delegation, PersonRequest
from booking.people.offers import revoke_for
from booking.people.requests import KEPT, read_request
from booking.people.settling import Witnessed
from core import audit, clock
from core.actor import Actor
from core.permissions import NotAllowed, NotSignedIn

router = APIRouter(tags=["staff"])
DENIED = (NotSignedIn, NotAllowed)
Witnesses = Annotated[Actor, allowed("delegation.witness")]


@router.post(
    "/v1/staff/delegations/{request_id}/witness",
    response_model=WitnessedOut,
    dependencies=[limited("writes")],
    responses=responses(
        *LIMIT_ERRORS, *DENIED, *ONCE_ERRORS, DelegationNotFound, OutsideScope, InvalidDelegation, SelfExists
    ),
)
async def witness(
    request: Request,
    session: Session,
    actor: Witnesses,
    once: Once,
    request_id: UUID,
    body: WitnessIn,
) -> Response:
    """Settle a request (`waiting` of a search) for somebody without a phone: called back, or here with the document.

    A request to be oneself is settled at the desk only: it moves a document from another account.
    """
    runtime, now = runtime_of(request), clock.now()
    row = await session.scalar(
        select(PersonRequest).where(PersonRequest.id == request_id, PersonRequest.requested_at > now - KEPT)
    )
    if row is None:
        raise no_request()
    number = read_request(runtime.ring, row).id_number
    assert number is not None
    home = await home_of_document(
        session, actor, ring=runtime.ring, number=number, otherwise=row.home_area_id
    )
    await require_inside(session, actor, action="delegation.witness", home_area_id=home)
    if row.account_id == actor.account_id:
        raise InvalidDelegation("不能确认自己的申请。", "Nobody witnesses their own request.")
    if row.relation in ("self", "guardian") and body.how != "desk":
        raise InvalidDelegation(
            "本人认领和监护关系只能凭证件在窗口确认。",
            "Oneself and guardians are confirmed at the desk only.",
        )
    person, one = await settle(
        session,
        actor,
        runtime,
        request_id=request_id,
        account_id=None,
        verification="desk",
        way=body.how,
        real_name=True,
        witnessed=Witnessed(body.reason, body.witness),
        now=now,
    )
    await audit.record(
        session,
        actor,
        action="delegation.witness",
        object_kind="person_request",
        object_id=request_id,
        person_ids=[person.id],
        detail={"how": body.how, "delegation": None if one is None else str(one.id)},
        now=now,
    )
    delegation = None
    if one is not None:
        delegation = delegation_out(
            runtime.ring,
            one,
            person=person,
            grantee=await session.get_one(Account, one.grantee_id),
            direction="given",
            purpose=False,
            now=now,
        )
    out = WitnessedOut(person=staff_person_item(runtime.ring, person, now=now), delegation=delegation)
    return await once.answer(out)


@router.post(
    "/v1/staff/delegations/{delegation_id}/revoke",
    response_model=DelegationOut,
    dependencies=[limited("writes")],
    responses=responses(*LIMIT_ERRORS, *DENIED, *ONCE_ERRORS, DelegationNotFound, PersonNotFound),
)
async def revoke(
    request: Request, session: Session, actor: Witnesses, once: Once, delegation_id: UUID, body: ReasonIn
) -> Response:
    """End a delegation at once, at the wish of somebody who has no account to do it with. Both sides are told."""
    ring, now = runtime_of(request).ring, clock.now()
    person_id = await session.scalar(select(Delegation.person_id).where(Delegation.id == delegation_id))
    if person_id is None:
        raise no_request()
    person = await get_visible_person(
        session, actor, person_id=person_id, action="delegation.witness", lock=True, now=now
    )
    one, notices = await revoke_for(
        session, actor, ring=ring, delegation_id=delegation_id, reason=body.reason, now=now
    )
    await tell(session, ring, notices, now=now)
    grantee = None if one.grantee_id is None else await session.get_one(Account, one.grantee_id)
    return await once.answer(
        delegation_out(ring, one, person=person, grantee=grantee, direction="given", purpose=False, now=now)
    )
