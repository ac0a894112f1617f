"""Sign in and out: one-time codes and tokens. Send no Authorization header to sign in or refresh."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from api.access import allowed
from api.addresses import network_of
from api.idempotency import KEY_HEADER, ONCE_ERRORS, Execution, Once, execution
from api.identity.accounts import account_by_identity, account_by_phone
from api.identity.codes import LIFETIME, PAUSE, check_code, send_code
from api.identity.errors import (
    CodeRefused,
    CodeTooSoon,
    ExternalRefused,
    PhoneNotReached,
    ProviderAway,
    RefreshRefused,
    RefreshReused,
    TooManyCodes,
    UnknownProvider,
)
from api.identity.passwords import check_password
from api.identity.sessions import IssuedTokens, end_session, open_session, refresh_session
from api.identity.staff_errors import PasswordsBusy, SecondFactorNeeded, TooManyTries, WrongPassword
from api.identity.tokens import ExpiredToken, InvalidToken
from api.identity.tries import new_device_key
from api.limits import LIMIT_ERRORS, limit, limited
from api.problems import refusal, responses
from api.routes.identities import code_refused, identify
from api.runtime import Session, runtime_of
from api.schemas.sign_in import (
    AccountOut,
    CodeIn,
    CodeOut,
    Grant,
    OidcGrant,
    PasswordGrant,
    PhoneCodeGrant,
    RefreshGrant,
    TokensOut,
    WeChatGrant,
    XChannel,
)
from booking.people.models import Account
from booking.people.phones import InvalidPhone, normalise_phone, region_of_mobile
from core import clock
from core.actor import Actor, Channel
from core.audit import record
from core.errors import DomainError
from core.permissions import NotSignedIn

router = APIRouter(tags=["identity"])

SIGN_IN_ERRORS = (
    CodeRefused,
    RefreshRefused,
    RefreshReused,
    WrongPassword,
    SecondFactorNeeded,
    ExternalRefused,
    InvalidToken,
    ExpiredToken,
    InvalidPhone,
    UnknownProvider,
    TooManyTries,
    PasswordsBusy,
    ProviderAway,
)


async def _once(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("session.start")],
    body: Grant,
    idempotency_key: Annotated[str | None, KEY_HEADER] = None,
) -> Execution:
    """A key counts where what was sent is good only once and answered from the database alone.

    Hashing a password and asking a provider take long, and a connection is held under a key.
    """
    keyed = isinstance(body, PhoneCodeGrant | RefreshGrant)
    return await execution(request, session, actor, idempotency_key if keyed else None)


@router.post(
    "/v1/auth/codes",
    status_code=202,
    responses={
        202: {"model": CodeOut},
        **responses(InvalidPhone, PhoneNotReached, CodeTooSoon, TooManyCodes, *LIMIT_ERRORS, *ONCE_ERRORS),
    },
    response_class=Response,
    dependencies=[limited("codes")],
)
async def ask_for_code(
    request: Request,
    session: Session,
    once: Once,
    actor: Annotated[Actor, allowed("session.start")],
    body: CodeIn,
) -> Response:
    """Send a code of six digits to a mobile phone; the answer is the same whether its owner has an account or not.

    A new code voids the one before. One a minute, ten a day.
    """
    runtime = runtime_of(request)
    phone = normalise_phone(body.phone)
    if region_of_mobile(phone) not in runtime.settings.phone_regions:
        raise PhoneNotReached(
            "请使用手机号码；没有手机的话，请到社区服务窗口办理。",
            "Use a mobile phone; without one, come to a community service desk.",
        )
    await send_code(
        session,
        runtime.ring,
        phone=phone,
        purpose="sign_in",
        subject_id=None,
        now=clock.now(),
    )
    out = CodeOut(expires_in=int(LIFETIME.total_seconds()), again_in=int(PAUSE.total_seconds()))
    return await once.answer(out, status=202)


@router.post(
    "/v1/auth/tokens",
    responses={200: {"model": TokensOut}, **responses(*SIGN_IN_ERRORS, *LIMIT_ERRORS, *ONCE_ERRORS)},
    response_class=Response,
)
async def sign_in(
    request: Request,
    session: Session,
    once: Annotated[Execution, Depends(_once)],
    actor: Annotated[Actor, allowed("session.start")],
    body: Grant,
    x_channel: XChannel = "web",
) -> Response:
    """Sign in, or get new tokens with a refresh token.

    A refresh token is good once: keep the new one. Send each refresh with an Idempotency-Key of its own, and when no
    answer came, send the same again: without it a second try counts as a stolen token, and the session ends. The key
    counts for `refresh` and `phone_code` only; with another grant just sign in again.
    """
    runtime, now = runtime_of(request), clock.now()
    await limit(request, "refresh" if isinstance(body, RefreshGrant) else "sign_in", actor)
    days = runtime.settings.session_days
    device_key = None
    if isinstance(body, RefreshGrant):
        issued = await refresh_session(
            session, runtime.tokens, refresh_token=body.refresh_token, days=days, now=now
        )
    else:
        account = await _account(request, session, body, x_channel)
        if isinstance(account, DomainError):
            return refusal(request, account)
        issued = await open_session(
            session,
            runtime.tokens,
            ring=runtime.ring,
            account=account,
            channel=x_channel,
            device=body.device,
            days=days,
            now=now,
        )
        if isinstance(body, PasswordGrant):
            device_key = new_device_key(runtime.ring, username=body.username)
        await _record_sign_in(session, issued, body.grant, x_channel)
    if isinstance(issued, DomainError):
        return refusal(request, issued)
    return await once.answer(_tokens_out(issued, device_key))


@router.delete(
    "/v1/auth/tokens",
    status_code=204,
    responses=responses(NotSignedIn, InvalidToken, ExpiredToken, *LIMIT_ERRORS),
    dependencies=[limited("refresh")],
)
async def sign_out(session: Session, actor: Annotated[Actor, allowed("session.own")]) -> None:
    """End the session of this access token; within 5 s nobody is let in with it any more."""
    assert actor.session_id is not None
    await end_session(session, session_id=actor.session_id, reason="signed_out", now=clock.now())


async def _account(
    request: Request,
    session: AsyncSession,
    body: PhoneCodeGrant | PasswordGrant | OidcGrant | WeChatGrant,
    channel: Channel,
) -> Account | DomainError:
    """Who signs in, or the refusal to return."""
    runtime, now = runtime_of(request), clock.now()
    if isinstance(body, PasswordGrant):
        return await check_password(
            runtime.database,
            session,
            runtime.ring,
            username=body.username,
            password=body.password,
            totp=body.totp,
            recovery_code=body.recovery_code,
            address=network_of(request),
            device_key=body.device_key,
            channel=channel,
            now=now,
        )
    if isinstance(body, PhoneCodeGrant):
        phone = normalise_phone(body.phone)
        right = await check_code(
            session,
            runtime.ring,
            phone=phone,
            purpose="sign_in",
            subject_id=None,
            code=body.code,
            now=now,
        )
        account = await account_by_phone(session, runtime.ring, phone=phone, now=now) if right else None
        return account or code_refused()
    shown = await identify(runtime, body)
    account = await account_by_identity(session, runtime.ring, shown=shown, now=now)
    return account or ExternalRefused("请换一种登录方式。", "Sign in another way.")


async def _record_sign_in(session: AsyncSession, issued: IssuedTokens, grant: str, channel: Channel) -> None:
    account = issued.account
    if account.kind == "staff":
        return  # on record with the second factor (api/identity/passwords.py)
    await record(
        session,
        Actor(name=f"account:{account.id}", channel=channel, account_id=account.id),
        action="session.start",
        object_kind="session",
        object_id=issued.session_id,
        detail={"grant": grant},
        now=clock.now(),
    )


def _tokens_out(issued: IssuedTokens, device_key: str | None) -> TokensOut:
    now = clock.now()
    return TokensOut(
        access_token=issued.access_token,
        expires_in=int((issued.access_expires_at - now).total_seconds()),
        expires_at=issued.access_expires_at,
        refresh_token=issued.refresh_token,
        assurance=issued.assurance,
        account=AccountOut(id=issued.account.id, kind=issued.account.kind),
        session_id=issued.session_id,
        device_key=device_key,
    )
