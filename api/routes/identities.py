"""Ways to sign in: those there are, and those that one's own account has."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from api.access import allowed
from api.idempotency import ONCE_ERRORS, Once
from api.identity.accounts import PHONE, link_identity, link_phone, list_identities, unlink_identity
from api.identity.codes import check_code
from api.identity.errors import (
    CodeRefused,
    ExternalRefused,
    IdentityNotFound,
    IdentityTaken,
    LastIdentity,
    PhoneHeld,
    ProviderAway,
    ResidentsOnly,
    UnknownProvider,
)
from api.identity.subjects import ExternalSubject
from api.identity.tokens import ExpiredToken, InvalidToken
from api.identity.wechat import NAME as WECHAT
from api.limits import LIMIT_ERRORS, limited
from api.params import NoParameters
from api.problems import refusal, responses
from api.runtime import Runtime, Session, runtime_of
from api.schemas.sign_in import (
    IdentitiesOut,
    Identity,
    IdentityOut,
    OidcGrant,
    PhoneCodeGrant,
    ProviderOut,
    ProviderParameters,
    ProvidersOut,
    WeChatGrant,
)
from booking.people.models import Account
from booking.people.phones import InvalidPhone, normalise_phone
from core import clock
from core.actor import Actor
from core.errors import DomainError
from core.masking import mask_phone
from core.permissions import NotSignedIn

router = APIRouter(tags=["identity"])

SIGNED_IN = (NotSignedIn, InvalidToken, ExpiredToken)


@router.get("/v1/auth/providers", responses=responses())
async def list_providers(
    request: Request,
    actor: Annotated[Actor, allowed("session.start")],
    asked: Annotated[ProviderParameters, Query()],
) -> ProvidersOut:
    """Other ways to sign in, and the page to open for each.

    Give your own `redirect_uri`, `state`, `nonce` and PKCE `code_challenge` (S256) to get the whole address, or add
    them to it yourself.
    """
    external, now = runtime_of(request).external, clock.now()
    given = asked.model_dump(exclude_none=True)
    items = []
    for provider in external.oidc.providers.values():
        try:
            page = await external.oidc.authorization_url(provider.name, given, now=now)
        except ProviderAway:
            page = None
        items.append(
            ProviderOut(
                name=provider.name,
                grant="oidc",
                title_zh=provider.title_zh,
                title_en=provider.title_en,
                authorization_url=page,
                available=page is not None,
            )
        )
    if external.wechat.is_configured:
        items.append(
            ProviderOut(
                name=WECHAT,
                grant="wechat",
                title_zh="微信",
                title_en="WeChat",
                authorization_url=None,
                available=True,
            )
        )
    return ProvidersOut(items=items, next=None)


@router.get("/v1/me/identities", responses=responses(*SIGNED_IN))
async def list_own_identities(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("session.own")],
    _: Annotated[NoParameters, Query()],
) -> IdentitiesOut:
    """How this account signs in: its phone, masked, and its identities elsewhere."""
    assert actor.account_id is not None
    return await _identities(request, session, actor.account_id)


async def _shown(
    request: Request, actor: Annotated[Actor, allowed("session.own")], body: Identity
) -> ExternalSubject | DomainError | None:
    """What a provider says, asked before ``once`` takes a connection; None for a phone.

    Its refusal is not raised yet: a code it refuses now may be the one of a request that is sent again.
    """
    try:
        return None if isinstance(body, PhoneCodeGrant) else await identify(runtime_of(request), body)
    except DomainError as error:
        return error


@router.post(
    "/v1/me/identities",
    dependencies=[limited("sign_in")],
    responses={
        200: {"model": IdentitiesOut},
        **responses(
            *SIGNED_IN,
            CodeRefused,
            ExternalRefused,
            ResidentsOnly,
            IdentityTaken,
            PhoneHeld,
            InvalidPhone,
            UnknownProvider,
            ProviderAway,
            *LIMIT_ERRORS,
            *ONCE_ERRORS,
        ),
    },
    response_class=Response,
)
async def link(
    request: Request,
    session: Session,
    shown: Annotated[ExternalSubject | DomainError | None, Depends(_shown)],
    once: Once,
    actor: Annotated[Actor, allowed("session.own")],
    body: Identity,
) -> Response:
    """Add a way to sign in: a phone, proved by a code, or an identity elsewhere; the answer lists all of them."""
    assert actor.account_id is not None
    runtime, now = runtime_of(request), clock.now()
    if isinstance(shown, DomainError):
        raise shown
    if isinstance(body, PhoneCodeGrant):
        phone = normalise_phone(body.phone)
        if not await check_code(
            session,
            runtime.ring,
            phone=phone,
            purpose="sign_in",
            subject_id=None,
            code=body.code,
            now=now,
        ):
            return refusal(request, code_refused())
        await link_phone(session, actor, runtime.ring, phone=phone, now=now)
    else:
        assert shown is not None
        await link_identity(session, actor, runtime.ring, shown=shown, now=now)
    return await once.answer(await _identities(request, session, actor.account_id))


@router.delete(
    "/v1/me/identities/{identity_id}",
    status_code=204,
    responses=responses(*SIGNED_IN, ResidentsOnly, IdentityNotFound, LastIdentity, *LIMIT_ERRORS),
    dependencies=[limited("refresh")],
)
async def unlink(
    session: Session, actor: Annotated[Actor, allowed("session.own")], identity_id: UUID
) -> None:
    """Take a way to sign in back; the last one stays."""
    await unlink_identity(session, actor, identity_id=identity_id, now=clock.now())


async def _identities(request: Request, session: Session, account_id: UUID) -> IdentitiesOut:
    account = await session.get(Account, account_id)
    assert account is not None
    items = []
    if account.phone is not None:
        number = runtime_of(request).ring.decrypt(PHONE, account.id, account.phone)
        items.append(
            IdentityOut(
                id=None,
                provider="phone",
                phone=mask_phone(number),
                created_at=None,
                used_at=None,
            )
        )
    items += [
        IdentityOut(id=one.id, provider=one.provider, created_at=one.created_at, used_at=one.used_at)
        for one in await list_identities(session, account_id=account_id)
    ]
    return IdentitiesOut(items=items)


async def identify(runtime: Runtime, body: OidcGrant | WeChatGrant) -> ExternalSubject:
    """Whom a provider confirms. Raises UnknownProvider, ExternalRefused, ProviderAway."""
    if isinstance(body, WeChatGrant):
        return await runtime.external.wechat.identify(code=body.code)
    return await runtime.external.oidc.identify(
        body.provider,
        code=body.code,
        code_verifier=body.code_verifier,
        redirect_uri=body.redirect_uri,
        nonce=body.nonce,
        now=clock.now(),
    )


def code_refused() -> CodeRefused:
    """The same for a wrong code, one used or late, one tried too often, and an account that is locked."""
    return CodeRefused("请检查验证码，或重新获取一个。", "Check the code, or ask for a new one.")
