"""Access tokens: short, signed, checked without a look at the database.

The signing key follows from the key ring and the period a token is issued in, so it changes by itself every
``PERIOD`` and whenever the ring's current key does. Verified tokens are kept until they end; that a session ended is
known from ``api/identity/ended.py``.
"""

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import jwt

from core.actor import Actor, Assurance, Channel, Grant
from core.errors import Unauthenticated
from core.ids import new_id
from core.keyring import KeyRing

LIFETIME = timedelta(minutes=15)
PERIOD = timedelta(days=7)
ALGORITHM = "HS256"
ISSUER = "xinban"
CACHED_TOKENS = 10_000
LONGEST_TOKEN = 8_000
SPELLING = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}\Z")


class InvalidToken(Unauthenticated):
    """The access token is not valid."""

    code = "invalid-token"
    title_zh = "登录凭证无效"


class ExpiredToken(Unauthenticated):
    """The access token has expired."""

    code = "expired-token"
    title_zh = "登录凭证已过期"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. Times are whole seconds since 1970."""

    account_id: UUID
    session_id: UUID
    assurance: Assurance
    channel: Channel
    grants: tuple[Grant, ...]
    issued_at: int
    expires_at: int

    def actor(self, request_id: str | None) -> Actor:
        """The caller it was issued to."""
        return Actor(
            name=f"account:{self.account_id}",
            channel=self.channel,
            account_id=self.account_id,
            session_id=self.session_id,
            assurance=self.assurance,
            grants=self.grants,
            request_id=request_id,
        )


class AccessTokens:
    """Issues and checks tokens of one environment: ``development`` tokens mean nothing in ``production``."""

    def __init__(self, ring: KeyRing, *, environment: str) -> None:
        self._ring = ring
        self._audience = f"{ISSUER}-{environment}"
        self._secret = lru_cache(64)(self._derive)
        self._verified: OrderedDict[str, Claims] = OrderedDict()

    def issue(
        self,
        *,
        account_id: UUID,
        session_id: UUID,
        assurance: Assurance,
        channel: Channel,
        grants: Sequence[Grant],
        now: datetime,
    ) -> tuple[str, datetime]:
        """A token and when it ends."""
        ends = now + LIFETIME
        key_id = f"{self._ring.current.id}.{int(now.timestamp() // PERIOD.total_seconds())}"
        claims = {
            "iss": ISSUER,
            "aud": self._audience,
            "sub": str(account_id),
            "sid": str(session_id),
            "jti": str(new_id()),
            "asr": assurance,
            "chn": channel,
            "grt": [[grant.role, grant.scope, grant.scope_id] for grant in grants],
            "iat": int(now.timestamp()),
            "exp": int(ends.timestamp()),
        }
        return jwt.encode(claims, self._secret(key_id), ALGORITHM, headers={"kid": key_id}), ends

    def verify(self, token: str, *, now: datetime) -> Claims:
        """What ``token`` says. Raises InvalidToken, ExpiredToken."""
        seconds = int(now.timestamp())
        claims = self._verified.get(token)
        if claims is None:
            claims = self._check(token)
            self._verified[token] = claims
            if len(self._verified) > CACHED_TOKENS:
                self._verified.popitem(last=False)
        if claims.expires_at <= seconds:
            self._verified.pop(token, None)
            raise ExpiredToken(
                "请用 refresh 换取新的凭证，或重新登录。",
                "Get a new one with your refresh token, or sign in again.",
            )
        return claims

    def _check(self, token: str) -> Claims:
        try:
            # One spelling of each token: PyJWT overlooks padding, and every spelling would be kept as one more token.
            if len(token) > LONGEST_TOKEN or not SPELLING.match(token):
                raise jwt.InvalidTokenError("too long, or not as we write it")
            key_id = jwt.get_unverified_header(token).get("kid")
            said = jwt.decode(
                token,
                self._secret(key_id),
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=ISSUER,
                # Time is told by the caller; see ``verify``.
                options={"verify_exp": False, "verify_iat": False, "require": ["sub", "sid", "iat", "exp"]},
            )
            return _claims(said)
        except (jwt.InvalidTokenError, ValueError, TypeError, KeyError) as error:
            raise InvalidToken("请重新登录。", "Sign in again.") from error

    def _derive(self, key_id: Any) -> bytes:
        """Raises ValueError for a key that is not of this ring."""
        if not isinstance(key_id, str):
            raise ValueError("no key id")
        ring_id, _, period = key_id.partition(".")
        key = self._ring.keys.get(ring_id)
        if key is None or not period.isdigit() or len(period) > 6:
            raise ValueError("unknown key")
        return key.derive(f"token/{self._audience}/{period}")


def _claims(said: dict[str, Any]) -> Claims:
    return Claims(
        account_id=UUID(said["sub"]),
        session_id=UUID(said["sid"]),
        assurance=said["asr"],
        channel=said["chn"],
        grants=tuple([Grant(role, scope, scope_id) for role, scope, scope_id in said["grt"]]),
        issued_at=said["iat"],
        expires_at=said["exp"],
    )
