"""Delegations: offered to a phone, accepted, declined, ended by either side."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from api.access import allowed
from api.idempotency import ONCE_ERRORS, Once
from api.limits import LIMIT_ERRORS, limited
from api.messages.notices import tell
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.people import (
    DelegationIn,
    DelegationOut,
    DelegationsPage,
)
from api.views.people import delegation_out
from booking.people.delegations import find_held, require_person
from booking.people.errors import (
    DelegationEnded,
    DelegationInsufficient,
    DelegationNotFound,
    InvalidDelegation,
    PersonNotFound,
)
from booking.people.models import Person
from booking.people.offers import (
    accept_delegation,
    decline_delegation,
    given_query,
    offer_delegation,
    received_query,
    revoke_delegation,
)
from booking.people.persons import find_own_person, get_account
from booking.people.phones import InvalidPhone, normalise_phone
from core import clock
from core.actor import Actor
from core.permissions import NotAllowed, NotSignedIn

router = APIRouter(tags=["people"])
Own = Annotated[Actor, allowed("person.own")]
DENIED = (NotSignedIn, NotAllowed)


@router.get("/v1/me/delegations", responses=responses(*DENIED))
async def list_delegations(request: Request, session: Session, actor: Own) -> DelegationsPage:
    """What I let others do, and what others let me do or offer me; newest first."""
    ring, now = runtime_of(request).ring, clock.now()
    account = await get_account(session, actor)
    received = (await session.execute(received_query(account, ring=ring, now=now))).all()
    items = [
        delegation_out(ring, one, person=person, grantee=account, direction="received", now=now)
        for one, person in received
    ]
    own = await find_own_person(session, actor)
    guarded = [person for one, person in received if one.relation == "guardian" and one.state == "active"]
    for grantor in [*([] if own is None else [own]), *guarded]:
        items += [
            delegation_out(ring, one, person=grantor, grantee=grantee, direction="given", now=now)
            for one, grantee in (await session.execute(given_query(grantor.id))).all()
            if grantee is None or grantee.id != actor.account_id
        ]
    items.sort(key=lambda item: (item.offered_at, item.id), reverse=True)
    return DelegationsPage(items=items)


@router.post(
    "/v1/me/delegations",
    status_code=201,
    response_model=DelegationOut,
    dependencies=[limited("verify")],
    responses=responses(
        *DENIED,
        *ONCE_ERRORS,
        *LIMIT_ERRORS,
        PersonNotFound,
        DelegationInsufficient,
        InvalidPhone,
        InvalidDelegation,
    ),
)
async def offer(request: Request, session: Session, actor: Own, once: Once, body: DelegationIn) -> Response:
    """Let another account act for me, or for a child I am guardian of; it is told and must accept."""
    ring, now = runtime_of(request).ring, clock.now()
    person = await _person_of_mine(session, actor, body.person_id, now)
    one, notice = await offer_delegation(
        session,
        actor,
        ring=ring,
        person=person,
        phone=normalise_phone(body.phone),
        relation=body.relation,
        scopes=list(dict.fromkeys(body.scopes)),
        purpose=body.purpose,
        until_on=body.until,
        now=now,
    )
    await tell(session, ring, [notice], now=now)
    return await once.answer(
        delegation_out(ring, one, person=person, grantee=None, direction="given", now=now), status=201
    )


@router.post(
    "/v1/me/delegations/{delegation_id}/accept",
    response_model=DelegationOut,
    dependencies=[limited("writes")],
    responses=responses(*LIMIT_ERRORS, *DENIED, *ONCE_ERRORS, DelegationNotFound, DelegationEnded),
)
async def accept(request: Request, session: Session, actor: Own, once: Once, delegation_id: UUID) -> Response:
    """Take up what was offered to my phone."""
    ring, now = runtime_of(request).ring, clock.now()
    one, notices = await accept_delegation(session, actor, ring=ring, delegation_id=delegation_id, now=now)
    await tell(session, ring, notices, now=now)
    return await once.answer(
        delegation_out(
            ring,
            one,
            person=await session.get_one(Person, one.person_id),
            grantee=await get_account(session, actor),
            direction="received",
            now=now,
        )
    )


@router.post(
    "/v1/me/delegations/{delegation_id}/decline",
    dependencies=[limited("writes")],
    status_code=204,
    responses=responses(*LIMIT_ERRORS, *DENIED, *ONCE_ERRORS, DelegationNotFound, DelegationEnded),
)
async def decline(
    request: Request, session: Session, actor: Own, once: Once, delegation_id: UUID
) -> Response:
    """Refuse what was offered to my phone."""
    ring, now = runtime_of(request).ring, clock.now()
    notices = await decline_delegation(session, actor, ring=ring, delegation_id=delegation_id, now=now)
    await tell(session, ring, notices, now=now)
    return await once.answer(None, status=204)


@router.delete(
    "/v1/me/delegations/{delegation_id}",
    dependencies=[limited("writes")],
    status_code=204,
    responses=responses(*LIMIT_ERRORS, *DENIED, DelegationNotFound),
)
async def revoke(request: Request, session: Session, actor: Own, delegation_id: UUID) -> None:
    """End a delegation at once, from either side; the next request under it is refused."""
    ring, now = runtime_of(request).ring, clock.now()
    notices = await revoke_delegation(session, actor, ring=ring, delegation_id=delegation_id, now=now)
    await tell(session, ring, notices, now=now)


async def _person_of_mine(
    session: AsyncSession, actor: Actor, person_id: UUID | None, now: datetime
) -> Person:
    """Oneself, or a child one is guardian of. Raises PersonNotFound, DelegationInsufficient."""
    own = await find_own_person(session, actor)
    if person_id is None and own is None:
        raise PersonNotFound("请先登记您本人。", "Register yourself first.")
    if own is not None and person_id in (None, own.id):
        return own
    assert person_id is not None
    person = await require_person(session, actor, person_id=person_id, scope="view", now=now)
    held = await find_held(session, actor, person_id=person_id, now=now)
    if held is None or held.relation != "guardian":
        raise DelegationInsufficient(
            "只有本人或监护人可以再授权给别人。", "Only they themselves or a guardian may let others act."
        )
    return person
