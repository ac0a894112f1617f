"""Staff sign in with username, password, and a second factor, always; and change their password."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api.identity.models import StaffAccount
from api.identity.password_hashes import check_strength, password_hashes
from api.identity.second_factor import use_recovery_code, use_totp
from api.identity.sessions import end_all_sessions
from api.identity.staff_errors import (
    CurrentPasswordWrong,
    NoPassword,
    SecondFactorNeeded,
    TooManyTries,
    WeakPassword,
    WrongPassword,
)
from api.identity.tries import forgive, plain_name, take_try
from booking.people.models import Account
from core.actor import ANYONE, Actor, Channel
from core.audit import record
from core.database import Database
from core.keyring import KeyRing

STARTED, CHANGED = "session.start", "account.password"  # in the audit record
# By staff_account_username_key and primary key.
KNOWN = """
select s.id, s.password_hash from staff_account s join account a on a.id = s.id
where s.username = %s and s.enrolled_at is not null and a.state = 'active'
"""

# By primary keys.
OWN = """
select s.username, s.password_hash from staff_account s join account a on a.id = s.id
where s.id = %s and s.enrolled_at is not null and a.state = 'active'
"""

Refusal = WrongPassword | SecondFactorNeeded | TooManyTries


async def check_password(
    database: Database,
    session: AsyncSession,
    ring: KeyRing,
    *,
    username: str,
    password: str,
    totp: str | None = None,
    recovery_code: str | None = None,
    address: str,
    device_key: str | None = None,
    channel: Channel = "web",
    now: datetime,
) -> Account | Refusal:
    """The account that signs in, or the refusal to answer once the transaction is committed. Raises PasswordsBusy.

    Call it before ``session`` was used: no connection is held while the password is hashed. Whether a name exists, is
    locked or not yet enrolled is not told, nor by the time it takes. ``device_key``: see ``api/identity/tries.py``.
    """
    username = plain_name(username)
    hashes = password_hashes()
    with hashes.place():
        taken = await take_try(
            database, ring, username=username, address=address, device_key=device_key, now=now
        )
        if isinstance(taken, TooManyTries):
            return taken
        async with database.hot() as connection:
            row = await (await connection.execute(KNOWN, (username,))).fetchone()
        staff_id, known = row if row is not None else (None, None)
        right, renewed = await hashes.check(password, known)
    if not right:
        return await _refused(session, staff_id, WrongPassword, now)
    # For share: a lock that comes in between waits, and then ends the session that follows from this.
    account = await session.scalar(
        select(Account).where(Account.id == staff_id, Account.state == "active").with_for_update(read=True)
    )
    staff = await session.get(StaffAccount, staff_id)
    if account is None or staff is None or staff.enrolled_at is None:
        return await _refused(session, staff_id, WrongPassword, now)
    if totp is None and recovery_code is None:
        return await _refused(session, staff_id, SecondFactorNeeded, now)
    if totp is not None:
        passed = await use_totp(session, ring, staff=staff, code=totp, now=now)
    else:
        passed = await use_recovery_code(session, staff_id=staff.id, code=recovery_code or "", now=now)
    if not passed:
        return await _refused(session, staff_id, WrongPassword, now)
    if renewed is not None:
        staff.password_hash = renewed
    await forgive(session, taken, now=now)
    await _record(
        session,
        Actor(name=f"account:{account.id}", channel=channel, account_id=account.id),
        account.id,
        {"second_factor": "totp" if totp is not None else "recovery_code"},
        now,
    )
    return account


async def change_password(
    database: Database,
    session: AsyncSession,
    actor: Actor,
    ring: KeyRing,
    *,
    current: str,
    new: str,
    address: str,
    now: datetime,
) -> CurrentPasswordWrong | TooManyTries | None:
    """Set the actor's own password; every other session of theirs ends. The refusal to answer once that is committed.

    Tries of ``current`` count as those of signing in do: a phone left on the desk is not for guessing at. Call it before
    ``session`` was used. Raises NoPassword, WeakPassword, PasswordsBusy.
    """
    account_id = actor.account_id
    async with database.hot() as connection:
        row = await (await connection.execute(OWN, (account_id,))).fetchone()
    if account_id is None or row is None:
        raise NoPassword("居民用手机验证码登录，不需要密码。", "Residents sign in with a code and need none.")
    username, known = row
    check_strength(new, username=username)
    if new == current:
        raise WeakPassword("新密码不能与当前密码相同。", "Choose another than the present one.")
    hashes = password_hashes()
    with hashes.place():
        taken = await take_try(database, ring, username=username, address=address, device_key=None, now=now)
        if isinstance(taken, TooManyTries):
            return taken
        right, _ = await hashes.check(current, known)
    hashed = await hashes.make(new) if right else None
    # For update: a sign-in under way is waited for, so that the session it opens is there to be ended.
    account = await session.get_one(Account, account_id, with_for_update=True)
    staff = await session.get_one(StaffAccount, account_id, with_for_update=True)
    if hashed is None or account.state != "active" or staff.password_hash != known:
        await _record(session, actor, account_id, {"refused": CurrentPasswordWrong.code}, now, CHANGED)
        return CurrentPasswordWrong(
            "请检查当前密码；多次出错后需要等待。", "Check it; after several wrong tries you have to wait."
        )
    staff.password_hash = hashed
    await forgive(session, taken, now=now)
    await end_all_sessions(session, account_id=account_id, reason="ended", but=actor.session_id, now=now)
    await _record(session, actor, account_id, {}, now, CHANGED)
    return None


async def _refused(
    session: AsyncSession,
    staff_id: UUID | None,
    kind: type[WrongPassword] | type[SecondFactorNeeded],
    now: datetime,
) -> WrongPassword | SecondFactorNeeded:
    """The refusal, on record; names that do not exist too, so that it takes as long."""
    await _record(session, ANYONE, staff_id, {"refused": kind.code}, now)
    if kind is SecondFactorNeeded:
        return SecondFactorNeeded(
            "请填写验证器应用中的 6 位动态码 (totp)，或一个恢复码 (recovery_code)。",
            "Send the 6 digits of your authenticator app (totp), or a recovery code (recovery_code).",
        )
    return WrongPassword(
        "请检查后重试；多次出错后需要等待。",
        "Check them and try again; after several wrong tries you have to wait.",
    )


async def _record(
    session: AsyncSession,
    actor: Actor,
    account_id: UUID | None,
    detail: dict[str, Any],
    now: datetime,
    action: str = STARTED,
) -> None:
    await record(
        session,
        actor,
        action=action,
        object_kind="account",
        object_id=account_id,
        detail=detail,
        now=now,
    )
