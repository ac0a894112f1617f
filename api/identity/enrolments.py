"""How a member of staff begins, and begins again: a link sets the password, a first code confirms the second factor."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from api.identity.models import Enrolment, StaffAccount
from api.identity.password_hashes import check_strength, password_hashes
from api.identity.second_factor import (
    FIELD,
    enrolment_uri,
    new_secret,
    renew_recovery_codes,
    step_of,
)
from api.identity.staff_errors import EnrolmentGone, WrongTotp
from api.identity.tries import new_device_key
from core.actor import Actor
from core.audit import record
from core.database import Database
from core.keyring import KeyRing

# Long enough for a colleague who is away until Monday.
GOOD_FOR = timedelta(days=3)
TOKEN_BYTES = 32

# By enrolment_digest_key and primary keys.
NAME = """
select s.username from enrolment e join staff_account s on s.id = e.staff_id join account a on a.id = s.id
where e.digest = %s and e.used_at is null and e.expires_at > %s and a.state = 'active'
"""


@dataclass(frozen=True, slots=True)
class Begun:
    """What an authenticator app needs: a secret in base 32, and the same as an address to show as a QR code."""

    username: str
    secret: str
    uri: str


@dataclass(frozen=True, slots=True)
class Finished:
    """Shown once: recovery codes to print, and a key for the device to keep (``api/identity/tries.py``)."""

    recovery_codes: list[str]
    device_key: str


async def new_enrolment(session: AsyncSession, actor: Actor, *, staff_id: UUID, now: datetime) -> str:
    """A token to enrol with, in the place of all older ones; to be handed over once, on paper or in person."""
    await session.execute(delete(Enrolment).where(Enrolment.staff_id == staff_id))
    token = secrets.token_urlsafe(TOKEN_BYTES)
    session.add(
        Enrolment(
            staff_id=staff_id,
            digest=_digest(token),
            created_by=actor.name,
            created_at=now,
            expires_at=now + GOOD_FOR,
        )
    )
    return token


async def begin_enrolment(
    database: Database, session: AsyncSession, ring: KeyRing, *, token: str, password: str, now: datetime
) -> Begun:
    """Set the password and a new second factor, which counts once a code of it was shown (``finish_enrolment``).

    May be repeated until then. Call it before ``session`` was used: no connection is held while the password is hashed.
    Raises EnrolmentGone, WeakPassword, PasswordsBusy.
    """
    async with database.hot() as connection:
        row = await (await connection.execute(NAME, (_digest(token), now))).fetchone()
    if row is None:
        raise _gone()
    check_strength(password, username=row[0])
    hashed = await password_hashes().make(password)
    _, staff = await _locked(session, token, now)
    secret = new_secret()
    staff.password_hash = hashed
    staff.totp_secret = ring.encrypt(FIELD, staff.id, secret)
    return Begun(staff.username, secret, enrolment_uri(secret, username=staff.username))


async def finish_enrolment(
    session: AsyncSession, ring: KeyRing, *, token: str, code: str, now: datetime
) -> Finished:
    """Ten recovery codes, shown this once, for the first code of the second factor. The link is then used.

    Raises EnrolmentGone, WrongTotp.
    """
    enrolment, staff = await _locked(session, token, now)
    if staff.totp_secret is None:
        raise WrongTotp("请先设置密码并扫描二维码。", "Set a password and scan the QR code first.")
    step = step_of(ring.decrypt(FIELD, staff.id, staff.totp_secret), code, now=now)
    if step is None:
        raise WrongTotp(
            "请输入验证器应用当前显示的 6 位数字，并检查手机时间是否准确。",
            "Enter the 6 digits your app shows now, and check that your phone's clock is right.",
        )
    enrolment.used_at = now
    staff.enrolled_at = now
    staff.totp_step = step
    codes = await renew_recovery_codes(session, staff_id=staff.id)
    await record(
        session,
        Actor(name=f"account:{staff.id}", channel="web", account_id=staff.id),
        action="session.start",
        object_kind="account",
        object_id=staff.id,
        detail={"enrolled": True},
        now=now,
    )
    # Whoever guesses at this name from elsewhere cannot keep this device out: a reset is always a way back in.
    return Finished(codes, new_device_key(ring, username=staff.username))


async def _locked(session: AsyncSession, token: str, now: datetime) -> tuple[Enrolment, StaffAccount]:
    """The enrolment and its account, for nobody else to change. Raises EnrolmentGone."""
    enrolment = await session.scalar(
        select(Enrolment)
        .where(Enrolment.digest == _digest(token), Enrolment.used_at.is_(None), Enrolment.expires_at > now)
        .with_for_update()
    )
    if enrolment is None:
        raise _gone()
    staff = await session.get_one(StaffAccount, enrolment.staff_id, with_for_update=True)
    return enrolment, staff


def _gone() -> EnrolmentGone:
    return EnrolmentGone(
        "链接已使用、过期或被替换，请联系系统管理员重新生成。",
        "It was used, has expired or was replaced; ask your system administrator for a new one.",
    )


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()
