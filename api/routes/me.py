"""One's own account: profile, consents, export, erasure."""

from typing import Annotated, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.access import allowed
from api.addresses import network_of
from api.conditional import private
from api.idempotency import ONCE_ERRORS, Once
from api.identity.passwords import change_password
from api.identity.staff_errors import (
    CurrentPasswordWrong,
    NoPassword,
    PasswordsBusy,
    TooManyTries,
    WeakPassword,
)
from api.limits import LIMIT_ERRORS, limited
from api.params import Parameters
from api.preconditions import IfMatch, version_tag
from api.privacy.erasure import erase_account
from api.privacy.export import export_all
from api.problems import refusal, responses
from api.runtime import Session, runtime_of
from api.schemas.accounts import PasswordIn
from api.schemas.people import (
    ConsentIn,
    ConsentOut,
    ConsentsOut,
    ConsentTextOut,
    ErasedOut,
    ExportOut,
    LeftOut,
    ProfileIn,
    ProfileOut,
)
from booking.people.consents import consent_texts, give_consent, list_consents, withdraw_consent
from booking.people.errors import AccountChanged, ConsentNotFound, ConsentOutdated, StaffAccount
from booking.people.models import Account
from booking.people.notices import shown_phone
from booking.people.persons import find_own_person, get_account, phone_of_account
from core import clock
from core.actor import Actor
from core.keyring import KeyRing
from core.permissions import NotAllowed, NotSignedIn

router = APIRouter(tags=["people"])
Own = Annotated[Actor, allowed("account.own")]
DENIED = (NotSignedIn, NotAllowed)


class EraseParameters(Parameters):
    """Erasure cannot be undone, so it is said twice."""

    confirm: Literal["erase"]


@router.get("/v1/me", responses=responses(*DENIED))
async def show_profile(request: Request, response: Response, session: Session, actor: Own) -> ProfileOut:
    """My account; the phone masked."""
    account = await get_account(session, actor)
    response.headers.update(version_tag(account.version))
    return await _profile(runtime_of(request).ring, session, actor, account)


@router.put(
    "/v1/me", dependencies=[limited("writes")], responses=responses(*LIMIT_ERRORS, *DENIED, AccountChanged)
)
async def put_profile(
    request: Request, response: Response, session: Session, actor: Own, version: IfMatch, body: ProfileIn
) -> ProfileOut:
    """Set the language that messages to me are in."""
    account = await get_account(session, actor, lock=True)
    if account.version != version:
        raise AccountChanged(
            "请重新读取后再修改。", "Read it again, then change it.", version=account.version
        )
    account.language = body.language
    account.version += 1
    await session.flush()
    response.headers.update(version_tag(account.version))
    return await _profile(runtime_of(request).ring, session, actor, account)


@router.post(
    "/v1/me/password",
    dependencies=[limited("sign_in")],
    status_code=204,
    response_class=Response,
    responses=responses(
        *LIMIT_ERRORS, *DENIED, NoPassword, WeakPassword, CurrentPasswordWrong, TooManyTries, PasswordsBusy
    ),
)
async def put_password(request: Request, session: Session, actor: Own, body: PasswordIn) -> Response:
    """Staff: set a new password. Every other session of the account ends within 5 s; wrong tries count."""
    runtime = runtime_of(request)
    refused = await change_password(
        runtime.database,
        session,
        actor,
        runtime.ring,
        current=body.current,
        new=body.new,
        address=network_of(request),
        now=clock.now(),
    )
    return Response(status_code=204) if refused is None else refusal(request, refused)


@router.get("/v1/me/consents", responses=responses(*DENIED))
async def show_consents(session: Session, actor: Own) -> ConsentsOut:
    """What I agreed to and when, and the texts there are."""
    return ConsentsOut(
        items=[ConsentOut.model_validate(one) for one in await list_consents(session, actor)],
        texts=[ConsentTextOut.model_validate(one) for one in consent_texts().values()],
    )


@router.post(
    "/v1/me/consents",
    dependencies=[limited("writes")],
    status_code=201,
    response_model=ConsentOut,
    responses=responses(*LIMIT_ERRORS, *DENIED, *ONCE_ERRORS, ConsentOutdated),
)
async def agree(session: Session, actor: Own, once: Once, body: ConsentIn) -> Response:
    """Agree to one text; health, ID and location each on their own. Agreeing again changes nothing."""
    given = await give_consent(
        session, actor, purpose=body.purpose, text_version=body.text_version, now=clock.now()
    )
    return await once.answer(ConsentOut.model_validate(given), status=201)


@router.delete(
    "/v1/me/consents/{consent_id}",
    dependencies=[limited("writes")],
    responses=responses(*LIMIT_ERRORS, *DENIED, ConsentNotFound),
)
async def withdraw(session: Session, actor: Own, consent_id: UUID) -> ConsentOut:
    """Take a consent back: nothing new is done under it. The line stays in the ledger."""
    return ConsentOut.model_validate(
        await withdraw_consent(session, actor, consent_id=consent_id, now=clock.now())
    )


@router.get(
    "/v1/me/export",
    dependencies=[limited("exports")],
    responses={200: {"model": ExportOut}, **responses(*DENIED, *LIMIT_ERRORS)},
    response_class=Response,
)
async def export(request: Request, session: Session, actor: Own) -> Response:
    """Everything held about me, in one JSON document, with who looked at it."""
    held = await export_all(session, actor, ring=runtime_of(request).ring, now=clock.now())
    return private(
        orjson.dumps(held, option=orjson.OPT_INDENT_2),
        headers={"Content-Disposition": 'attachment; filename="xinban-my-data.json"'},
    )


@router.delete(
    "/v1/me", dependencies=[limited("writes")], responses=responses(*LIMIT_ERRORS, *DENIED, StaffAccount)
)
async def erase(
    request: Request, session: Session, actor: Own, asked: Annotated[EraseParameters, Query()]
) -> ErasedOut:
    """Erase what identifies me. Every session ends, delegations end and the other sides are told; cannot be undone."""
    now = clock.now()
    account = await get_account(session, actor)
    if account.kind == "staff":
        raise StaffAccount("请联系系统管理员停用工作账户。", "Ask the system administrator to close it.")
    left = await erase_account(session, actor, ring=runtime_of(request).ring, account_id=account.id, now=now)
    return ErasedOut(erased_at=now, kept=[LeftOut.model_validate(one) for one in left])


async def _profile(ring: KeyRing, session: Session, actor: Actor, account: Account) -> ProfileOut:
    own = await find_own_person(session, actor)
    return ProfileOut.model_validate(
        {
            "id": account.id,
            "kind": account.kind,
            "assurance": account.assurance,
            "language": account.language,
            "phone": shown_phone(phone_of_account(ring, account)),
            "person_id": None if own is None else own.id,
            "created_at": account.created_at,
            "version": account.version,
        }
    )
