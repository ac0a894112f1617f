"""Persons one may act for, and delegations."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from api.access import allowed
from api.idempotency import ONCE_ERRORS, Once
from api.identity.codes import check_code
from api.identity.errors import CodeTooSoon, TooManyCodes
from api.identity.sessions import recall_tokens
from api.limits import LIMIT_ERRORS, limited
from api.messages.notices import tell
from api.people.settling import ask_verifier, find_home, get_request, no_request, send_request_code, settle
from api.problems import refusal, responses
from api.runtime import Session, runtime_of
from api.schemas.people import (
    PeoplePage,
    PersonIn,
    PersonOut,
    VerifyIn,
)
from api.views.people import delegated_person_out, own_person_out, request_out
from booking.people.delegations import find_held, require_person
from booking.people.errors import (
    BirthDateNeeded,
    CodeNeeded,
    ConsentNeeded,
    DelegationInsufficient,
    DelegationNotFound,
    GuardianNeeded,
    InvalidDelegation,
    InvalidDocument,
    NotAChild,
    NotConfirmed,
    PersonClaimed,
    PersonNotFound,
    SelfExists,
    TooManyPersons,
    VerifierAway,
    WrongCode,
)
from booking.people.models import Delegation, Person
from booking.people.offers import (
    received_query,
    revoke_delegation,
)
from booking.people.persons import find_own_person, get_account, lock_person
from booking.people.phones import InvalidPhone, normalise_phone
from booking.people.requests import Asked, ask, code_phone_of, find_request, waiting_query
from booking.people.settling import confirm_own
from booking.people.verifiers import Verdict
from core import audit, clock
from core.actor import Actor
from core.errors import DomainError
from core.keyring import KeyRing
from core.permissions import NotAllowed, NotSignedIn
from geo.errors import UnknownArea

router = APIRouter(tags=["people"])
Own = Annotated[Actor, allowed("person.own")]
DENIED = (NotSignedIn, NotAllowed)
SETTLING = (CodeNeeded, PersonClaimed, SelfExists, NotConfirmed, VerifierAway, WrongCode, InvalidDelegation)


@router.get("/v1/me/people", responses=responses(*DENIED))
async def list_people(request: Request, session: Session, actor: Own) -> PeoplePage:
    """Oneself, those who delegated to me, and what I asked for that waits."""
    ring, now = runtime_of(request).ring, clock.now()
    account = await get_account(session, actor)
    own = await find_own_person(session, actor)
    items = [] if own is None else [own_person_out(ring, own)]
    received = (await session.execute(received_query(account, ring=ring, now=now))).all()
    items += [delegated_person_out(ring, person, one) for one, person in received if one.state == "active"]
    waiting = await session.scalars(waiting_query(account.id, now=now))
    items += [request_out(ring, one) for one in waiting]
    return PeoplePage(items=items)


@router.post(
    "/v1/me/people",
    status_code=201,
    response_model=PersonOut,
    dependencies=[limited("verify")],
    responses=responses(
        *DENIED,
        *ONCE_ERRORS,
        *LIMIT_ERRORS,
        ConsentNeeded,
        InvalidDocument,
        InvalidPhone,
        BirthDateNeeded,
        InvalidDelegation,
        GuardianNeeded,
        NotAChild,
        SelfExists,
        TooManyPersons,
        CodeTooSoon,
        TooManyCodes,
        UnknownArea,
    ),
)
async def ask_for_person(
    request: Request, session: Session, actor: Own, once: Once, body: PersonIn
) -> Response:
    """Say who I am, or whom I want to act for. The answer is the same whether or not the person is known.

    A code goes to the person's phone, where there is one; `verify` settles it.
    """
    runtime, now = runtime_of(request), clock.now()
    asked = Asked(
        relation=body.relation,
        name=body.name,
        id_kind=body.id_kind,
        id_number=body.id_number,
        birth_on=body.birth_on,
        sex=body.sex,
        phone=None if body.phone is None else normalise_phone(body.phone),
        home_area_id=await find_home(session, body.home_area, now=now),
        scopes=list(dict.fromkeys(body.scopes)),
        purpose=body.purpose,
        until_on=body.until,
    )
    row = await ask(session, actor, ring=runtime.ring, asked=asked, now=now)
    await send_request_code(session, runtime.ring, row, now=now)
    return await once.answer(request_out(runtime.ring, row), status=201)


@router.get(
    "/v1/me/people/{person_id}",
    responses=responses(*DENIED, PersonNotFound, DelegationInsufficient),
)
async def show_person(request: Request, session: Session, actor: Own, person_id: UUID) -> PersonOut:
    """One of them."""
    ring, now = runtime_of(request).ring, clock.now()
    person = await require_person(session, actor, person_id=person_id, scope="view", now=now)
    if person.account_id == actor.account_id:
        return own_person_out(ring, person)
    one = await find_held(session, actor, person_id=person_id, now=now)
    if one is None:  # ended between the two looks
        raise PersonNotFound(
            "请核对编号；授权可能已结束。",
            "Check the id; the delegation may have ended.",
            person_id=person_id,
        )
    await audit.record(
        session,
        actor,
        action="person.view",
        object_kind="person",
        object_id=person_id,
        person_ids=[person_id],
        now=now,
    )
    return delegated_person_out(ring, person, one)


@router.post(
    "/v1/me/people/{person_id}/code",
    status_code=202,
    response_model=PersonOut,
    dependencies=[limited("verify")],
    responses=responses(*DENIED, *LIMIT_ERRORS, *ONCE_ERRORS, DelegationNotFound, CodeTooSoon, TooManyCodes),
)
async def send_another_code(
    request: Request, session: Session, actor: Own, once: Once, person_id: UUID
) -> Response:
    """Another code for a request that waits, since one is good for five minutes only."""
    ring, now = runtime_of(request).ring, clock.now()
    row = await get_request(session, actor, request_id=person_id, now=now)
    await send_request_code(session, ring, row, now=now)
    return await once.answer(request_out(ring, row), status=202)


async def _verdict(
    request: Request, actor: Own, person_id: UUID, body: VerifyIn
) -> Verdict | DomainError | None:
    """What the verifier says, asked before ``once`` takes a connection; None when there is a code to compare.

    Its refusal is not raised yet: what was settled waits no longer, and may be asked for again under its key.
    """
    if body.code is not None:
        return None
    try:
        return await ask_verifier(runtime_of(request), actor, subject_id=person_id, now=clock.now())
    except DomainError as error:
        return error


@router.post(
    "/v1/me/people/{person_id}/verify",
    response_model=PersonOut,
    dependencies=[limited("verify")],
    responses=responses(*DENIED, *LIMIT_ERRORS, *ONCE_ERRORS, DelegationNotFound, *SETTLING),
)
async def verify_person(
    request: Request,
    session: Session,
    actor: Own,
    verdict: Annotated[Verdict | DomainError | None, Depends(_verdict)],
    once: Once,
    person_id: UUID,
    body: VerifyIn,
) -> Response:
    """Settle a request with the code, or let a verifier confirm who I am; also later, to reach the level `real_name`."""
    runtime, now = runtime_of(request), clock.now()
    if body.code is not None:
        row = await get_request(session, actor, request_id=person_id, now=now)
        phone = code_phone_of(runtime.ring, row)
        right = phone is not None and await check_code(
            session,
            runtime.ring,
            phone=phone,
            purpose="delegation",
            subject_id=row.id,
            code=body.code,
            now=now,
        )
        if not right:
            return refusal(
                request, WrongCode("请核对后重试，或重新获取。", "Check it, or ask for another one.")
            )
        person, one = await settle(
            session,
            actor,
            runtime,
            request_id=row.id,
            account_id=actor.account_id,
            verification="phone",
            way="code",
            now=now,
        )
        return await once.answer(_settled(runtime.ring, person, one))
    if isinstance(verdict, DomainError):
        raise verdict
    assert verdict is not None
    if not verdict.confirmed:
        await audit.record(
            session,
            actor,
            action="person.not_confirmed",
            object_kind="person",
            object_id=person_id,
            detail={"verification": verdict.verification},
            now=now,
        )
        return refusal(
            request,
            NotConfirmed(
                "请核对姓名和证件号码是否与证件一致；无误的，请携带证件到服务窗口办理。",
                "Check that both are written as on the document; if they are, come to a service desk with it.",
            ),
        )
    if await find_request(session, actor, request_id=person_id, now=now) is not None:
        person, one = await settle(
            session,
            actor,
            runtime,
            request_id=person_id,
            account_id=actor.account_id,
            verification=verdict.verification,
            way="register",
            real_name=verdict.real_name,
            now=now,
        )
        return await once.answer(_settled(runtime.ring, person, one))
    own = await lock_person(session, actor, person_id=person_id)
    if own is None or own.account_id != actor.account_id:
        raise no_request()
    account = await get_account(session, actor, lock=True)
    before = account.assurance
    await confirm_own(
        session,
        actor,
        person=own,
        account=account,
        verification=verdict.verification,
        real_name=verdict.real_name,
        now=now,
    )
    if account.assurance != before:
        await recall_tokens(session, account_id=account.id, now=now)
    return await once.answer(own_person_out(runtime.ring, own))


@router.delete(
    "/v1/me/people/{person_id}",
    dependencies=[limited("writes")],
    status_code=204,
    responses=responses(*LIMIT_ERRORS, *DENIED, PersonNotFound, SelfExists),
)
async def leave_person(request: Request, session: Session, actor: Own, person_id: UUID) -> None:
    """Stop acting for somebody, or take a request back."""
    ring, now = runtime_of(request).ring, clock.now()
    row = await find_request(session, actor, request_id=person_id, now=now)
    if row is not None:
        await session.delete(row)
        return
    person = await require_person(session, actor, person_id=person_id, scope="view", now=now)
    if person.account_id == actor.account_id:
        raise SelfExists(
            "要删除自己的信息，请用 DELETE /v1/me。", "To erase your own data use DELETE /v1/me."
        )
    one = await find_held(session, actor, person_id=person_id, now=now)
    if one is not None:
        await tell(
            session,
            ring,
            await revoke_delegation(session, actor, ring=ring, delegation_id=one.id, now=now),
            now=now,
        )


def _settled(ring: KeyRing, person: Person, one: Delegation | None) -> PersonOut:
    return own_person_out(ring, person) if one is None else delegated_person_out(ring, person, one)
