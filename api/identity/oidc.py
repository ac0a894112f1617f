"""Sign-in through any OpenID Connect provider: authorisation code with PKCE.

The client opens the provider's page and keeps ``state``, ``nonce`` and the PKCE verifier; we exchange the code it comes
back with, and believe nothing but the ID token, checked with the provider's keys.
"""

import hmac
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import jwt

from api.identity.errors import ExternalRefused, ProviderAway, UnknownProvider
from api.identity.subjects import ExternalSubject
from booking.people.phones import InvalidPhone, normalise_phone
from core.settings import OidcProvider

log = logging.getLogger(__name__)

# Never "none", and no algorithm whose key is a secret shared with us: providers' keys are public.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
KEYS_KEPT = timedelta(hours=1)
# A key we do not know is looked up at once, but not again and again because somebody makes ids up.
KEYS_AGAIN = timedelta(minutes=1)
CLOCKS_DIFFER_SECONDS = 60
LONGEST_SUBJECT = 255


@dataclass
class _Known:
    """What was read from a provider, and when."""

    endpoints: dict[str, Any]
    keys: dict[str | None, jwt.PyJWK] = field(default_factory=dict)
    read_at: datetime | None = None


class OidcProviders:
    """The configured providers. Discovery documents and keys are kept for a while."""

    def __init__(self, providers: Sequence[OidcProvider], client: httpx.AsyncClient) -> None:
        self.providers = {one.name: one for one in providers}
        self._client = client
        self._known: dict[str, _Known] = {}

    async def authorization_url(self, name: str, asked: dict[str, str], *, now: datetime) -> str:
        """The provider's page to open, with the client's own parameters ``asked``. Raises UnknownProvider, ProviderAway."""
        provider = self._get(name)
        known = await self._discover(provider, now=now)
        said = {
            "response_type": "code",
            "client_id": provider.client_id,
            "scope": " ".join(provider.scopes),
            "code_challenge_method": "S256",
            **asked,
        }
        page = known.endpoints["authorization_endpoint"]
        return f"{page}{'&' if urlsplit(page).query else '?'}{urlencode(said)}"

    async def identify(
        self,
        name: str,
        *,
        code: str,
        code_verifier: str,
        redirect_uri: str,
        nonce: str | None,
        now: datetime,
    ) -> ExternalSubject:
        """Who came back with ``code``. Raises UnknownProvider, ExternalRefused, ProviderAway."""
        provider = self._get(name)
        known = await self._discover(provider, now=now)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": provider.client_id,
            "code_verifier": code_verifier,
        }
        auth = None
        if provider.client_secret is not None:
            auth = httpx.BasicAuth(provider.client_id, provider.client_secret.get_secret_value())
        answer = await self._ask(
            provider, "POST", known.endpoints["token_endpoint"], data=form, auth=auth, refusable=True
        )
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise _refused()
        claims = await self._verified(provider, known, token, now=now)
        _check_claims(provider, claims, nonce=nonce, now=now)
        return _subject(provider, claims)

    def _get(self, name: str) -> OidcProvider:
        provider = self.providers.get(name)
        if provider is None:
            raise UnknownProvider(
                "可用的登录方式见 GET /v1/auth/providers。", "Those there are: GET /v1/auth/providers."
            )
        return provider

    async def _discover(self, provider: OidcProvider, *, now: datetime) -> _Known:
        known = self._known.get(provider.name)
        if known is None or known.read_at is None or known.read_at + KEYS_KEPT < now:
            address = provider.issuer.rstrip("/") + "/.well-known/openid-configuration"
            endpoints = await self._ask(provider, "GET", address)
            needed = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            # Another issuer's document would hand its users over to ours (OpenID Connect Discovery 4.3).
            if endpoints.get("issuer") != provider.issuer or not all(
                isinstance(endpoints.get(one), str) for one in needed
            ):
                raise _away(provider, "discovery")
            known = _Known(endpoints)
            await self._read_keys(provider, known, now=now)
            self._known[provider.name] = known
        return known

    async def _read_keys(self, provider: OidcProvider, known: _Known, *, now: datetime) -> None:
        said = await self._ask(provider, "GET", known.endpoints["jwks_uri"])
        try:
            listed = jwt.PyJWKSet.from_dict(said).keys
        except (jwt.PyJWTError, TypeError, AttributeError, KeyError) as error:
            raise _away(provider, "keys") from error
        known.keys = {one.key_id: one for one in listed if one.public_key_use in (None, "sig")}
        known.read_at = now

    async def _verified(
        self, provider: OidcProvider, known: _Known, token: str, *, now: datetime
    ) -> dict[str, Any]:
        """The claims of an ID token that the provider signed for us."""
        try:
            key_id = jwt.get_unverified_header(token).get("kid")
            if key_id not in known.keys and known.read_at is not None and known.read_at + KEYS_AGAIN < now:
                await self._read_keys(provider, known, now=now)
            key = known.keys.get(key_id)
            if key is None and key_id is None and len(known.keys) == 1:
                key = next(iter(known.keys.values()))
            if key is None:
                raise jwt.InvalidKeyError("unknown key")
            return jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=provider.client_id,
                issuer=provider.issuer,
                # Time is told by the caller; see ``_check_claims``.
                options={
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                    "require": ["sub", "exp", "iat"],
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise _refused() from error

    async def _ask(
        self, provider: OidcProvider, method: str, address: str, *, refusable: bool = False, **said: Any
    ) -> dict[str, Any]:
        """The JSON object answered. A 4xx is a refusal of the code where it can be one."""
        try:
            answer = await self._client.request(method, address, **said)
            if refusable and 400 <= answer.status_code < 500:
                error = _error_code(answer)
                if error != "invalid_client":
                    raise _refused()
                raise _away(provider, error)
            answer.raise_for_status()
            body = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise _away(provider, type(error).__name__) from error
        if not isinstance(body, dict):
            raise _away(provider, "body")
        return body


def _check_claims(
    provider: OidcProvider, claims: dict[str, Any], *, nonce: str | None, now: datetime
) -> None:
    """Raises ExternalRefused: late, early, for another party, or not the answer to the client's own request."""
    seconds = now.timestamp()
    try:
        late = float(claims["exp"]) + CLOCKS_DIFFER_SECONDS < seconds
        early = max(float(claims["iat"]), float(claims.get("nbf", 0))) - CLOCKS_DIFFER_SECONDS > seconds
    except (TypeError, ValueError) as error:
        raise _refused() from error
    party = claims.get("azp")
    if party is None and isinstance(claims["aud"], list) and len(claims["aud"]) > 1:
        raise _refused()
    told = claims.get("nonce")
    same = hmac.compare_digest(str(told).encode(), str(nonce).encode()) if told or nonce else True
    if late or early or party not in (None, provider.client_id) or not same:
        raise _refused()


def _subject(provider: OidcProvider, claims: dict[str, Any]) -> ExternalSubject:
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
        raise _refused()
    confirmed = provider.assurance_claim is not None and (
        str(claims.get(provider.assurance_claim)) in provider.assurance_values
    )
    phone = None
    if provider.phone_claim is not None and claims.get(f"{provider.phone_claim}_verified", True) is True:
        try:
            phone = normalise_phone(str(claims.get(provider.phone_claim, "")))
        except InvalidPhone:
            phone = None
    return ExternalSubject(provider.name, subject, "real_name" if confirmed else "none", phone)


def _error_code(answer: httpx.Response) -> str:
    """OAuth's short code of what went wrong."""
    try:
        return str(answer.json()["error"])[:40]
    except (ValueError, TypeError, KeyError):
        return str(answer.status_code)


def _refused() -> ExternalRefused:
    return ExternalRefused("请返回重新登录。", "Go back and sign in again.")


def _away(provider: OidcProvider, reason: str) -> ProviderAway:
    log.warning("sign-in provider away", extra={"provider": provider.name, "reason": reason})
    return ProviderAway(
        "请稍后再试，或换一种登录方式。",
        "Try again later, or sign in another way.",
        retry_after_seconds=5,
    )
