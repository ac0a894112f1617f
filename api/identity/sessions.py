"""Sessions: a device that stays signed in, through a family of refresh tokens of which only the youngest is good.

A refresh token is ``session id.generation.family secret.secret``; only digests are stored. One that was used before has
been copied by somebody, no matter who comes second: the session ends. A session ended, or called in, is known to every
process within seconds (``api/identity/ended.py``).
"""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal, cast
from uuid import UUID

from sqlalchemy import Select, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from api.identity.errors import RefreshRefused, RefreshReused, SessionNotFound
from api.identity.grants import grants_of
from api.identity.models import AccountSession
from api.identity.tokens import AccessTokens
from booking.people.models import Account
from core.actor import Assurance, Channel
from core.ids import new_id
from core.keyring import KeyRing

EndReason = Literal["signed_out", "ended", "refresh_reused", "erased", "locked"]
SESSION_DAYS = 30
SECRET_BYTES = 24


@dataclass(frozen=True)
class IssuedTokens:
    """What a device gets when it signs in or refreshes."""

    access_token: str
    access_expires_at: datetime
    refresh_token: str
    session_id: UUID
    assurance: Assurance
    account: Account


@dataclass(frozen=True)
class _Shown:
    """A refresh token, read."""

    session_id: UUID
    generation: int
    family: str
    secret: str


async def open_session(
    session: AsyncSession,
    runtime_tokens: AccessTokens,
    *,
    ring: KeyRing,
    account: Account,
    channel: Channel,
    device: str | None,
    days: int = SESSION_DAYS,
    now: datetime,
) -> IssuedTokens:
    """Sign ``account`` in on a device; it stays so for ``days`` after it was last seen."""
    shown = _Shown(new_id(), 1, _secret(), _secret())
    row = AccountSession(
        id=shown.session_id,
        account_id=account.id,
        channel=channel,
        device=None if device is None else ring.encrypt("account_session.device", shown.session_id, device),
        refresh_digest=_digest(shown.secret),
        family_digest=_digest(shown.family),
        generation=1,
        created_at=now,
        seen_at=now,
        expires_at=now + timedelta(days=days),
    )
    session.add(row)
    return await _issue(session, runtime_tokens, account=account, row=row, shown=shown, now=now)


async def refresh_session(
    session: AsyncSession,
    tokens: AccessTokens,
    *,
    refresh_token: str,
    days: int = SESSION_DAYS,
    now: datetime,
) -> IssuedTokens | RefreshRefused | RefreshReused:
    """New tokens for the youngest refresh token of a session, with the roles and assurance of now.

    A refusal is returned, since the caller must let the transaction commit: a token that was used before ends the session.
    """
    shown = _read(refresh_token)
    if shown is None:
        return _refused()
    row = await session.scalar(locked_session_query(shown.session_id))
    if row is None or row.family_digest is None or not _is(shown.family, row.family_digest):
        return _refused()
    if row.ended_at is not None or row.expires_at <= now:
        return _refused()
    if shown.generation != row.generation or not _is(shown.secret, row.refresh_digest):
        await end_session(session, session_id=row.id, reason="refresh_reused", now=now)
        return RefreshReused(
            "请重新登录；如果不是您本人在其他地方登录，请查看登录记录。",
            "Sign in again; if nobody but you uses this account, look at your sessions.",
        )
    account = await session.get(Account, row.account_id)
    assert account is not None
    if account.state != "active":
        await end_session(session, session_id=row.id, reason="locked", now=now)
        return _refused()
    following = _Shown(row.id, row.generation + 1, shown.family, _secret())
    row.refresh_digest = _digest(following.secret)
    row.generation = following.generation
    row.seen_at = now
    row.expires_at = now + timedelta(days=days)
    return await _issue(session, tokens, account=account, row=row, shown=following, now=now)


def locked_session_query(session_id: UUID) -> Select[AccountSession]:
    """The session, read once nobody else changes it; the row's lock is what makes one of two copies come second."""
    return (
        select(AccountSession)
        .where(AccountSession.id == session_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


async def end_session(session: AsyncSession, *, session_id: UUID, reason: EndReason, now: datetime) -> None:
    """End one session; one that has ended stays as it is."""
    await session.execute(
        update(AccountSession)
        .where(AccountSession.id == session_id, AccountSession.ended_at.is_(None))
        .values(ended_at=now, end_reason=reason, changed_at=now)
    )


async def end_own_session(
    session: AsyncSession, *, account_id: UUID, session_id: UUID, now: datetime
) -> None:
    """End a session of this account. Raises SessionNotFound, also when it has ended."""
    ended = await session.scalar(
        update(AccountSession)
        .where(
            AccountSession.id == session_id,
            AccountSession.account_id == account_id,
            AccountSession.ended_at.is_(None),
        )
        .values(ended_at=now, end_reason="ended", changed_at=now)
        .returning(AccountSession.id)
    )
    if ended is None:
        raise SessionNotFound(
            "它可能已经退出，请刷新列表。", "It may have ended already; look at the list again."
        )


async def end_all_sessions(
    session: AsyncSession, *, account_id: UUID, reason: EndReason, but: UUID | None = None, now: datetime
) -> None:
    """End every session of an account ``but`` one."""
    await session.execute(
        update(AccountSession)
        .where(
            AccountSession.account_id == account_id,
            AccountSession.ended_at.is_(None),
            AccountSession.id.is_distinct_from(but),
        )
        .values(ended_at=now, end_reason=reason, changed_at=now)
    )


async def recall_tokens(session: AsyncSession, *, account_id: UUID, now: datetime) -> None:
    """Refuse the account's access tokens of before ``now``: devices refresh, and get its new roles and assurance."""
    await session.execute(
        update(AccountSession)
        .where(AccountSession.account_id == account_id, AccountSession.ended_at.is_(None))
        .values(refused_before=now, changed_at=now)
    )


async def list_sessions(
    session: AsyncSession, *, account_id: UUID, after: UUID | None, limit: int, now: datetime
) -> Sequence[AccountSession]:
    """Sessions that are going on, the youngest first; ``after`` is the last one seen (account_session_account_id_idx)."""
    query = (
        select(AccountSession)
        .where(
            AccountSession.account_id == account_id,
            AccountSession.ended_at.is_(None),
            AccountSession.expires_at > now,
        )
        .order_by(AccountSession.id.desc())
        .limit(limit)
    )
    if after is not None:
        query = query.where(AccountSession.id < after)
    return (await session.scalars(query)).all()


async def _issue(
    session: AsyncSession,
    tokens: AccessTokens,
    *,
    account: Account,
    row: AccountSession,
    shown: _Shown,
    now: datetime,
) -> IssuedTokens:
    issued_at = now
    if row.refused_before is not None and int(now.timestamp()) < row.refused_before.timestamp():
        # Tokens tell whole seconds: one made in the second in which older ones were called in would be refused too.
        issued_at = row.refused_before + timedelta(seconds=1)
    assurance = cast(Assurance, account.assurance)
    access, expires_at = tokens.issue(
        account_id=account.id,
        session_id=row.id,
        assurance=assurance,
        channel=cast(Channel, row.channel),
        grants=await grants_of(session, account=account, now=now),
        now=issued_at,
    )
    refresh = f"{shown.session_id.hex}.{shown.generation}.{shown.family}.{shown.secret}"
    return IssuedTokens(access, expires_at, refresh, row.id, assurance, account)


def _read(refresh_token: str) -> _Shown | None:
    try:
        session_id, generation, family, secret = refresh_token.split(".")
        return _Shown(UUID(hex=session_id), int(generation), family, secret)
    except ValueError:
        return None


def _secret() -> str:
    return secrets.token_urlsafe(SECRET_BYTES)


def _digest(secret: str) -> bytes:
    # Random and long: a plain digest cannot be guessed back.
    return sha256(secret.encode()).digest()


def _is(secret: str, digest: bytes) -> bool:
    return hmac.compare_digest(_digest(secret), digest)


def _refused() -> RefreshRefused:
    return RefreshRefused("请重新登录。", "Sign in again.")
