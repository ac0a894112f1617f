"""The second factor of staff: codes that change every 30 s (TOTP, RFC 6238), and recovery codes. Each is good once."""

import secrets
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import pyotp
from pyotp.exceptions import OTPVerificationError
from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from api.identity.models import RecoveryCode, StaffAccount
from core.ids import new_id
from core.keyring import KeyRing

ISSUER = "心办"
FIELD = "staff_account.totp_secret"
# A code of the step before or after is good too: clocks differ, and typing takes time.
STEPS_EITHER_WAY = 1
RECOVERY_CODES = 10
# 16 of 31 characters: 79 bits, so that a plain digest of it cannot be searched.
CODE_LENGTH = 16
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # none that look alike


def new_secret() -> str:
    """A secret for an authenticator app, in base 32."""
    return pyotp.random_base32()


def enrolment_uri(secret: str, *, username: str) -> str:
    """What an authenticator app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=ISSUER)


def step_of(secret: str, code: str, *, now: datetime) -> int | None:
    """The time step that ``code`` belongs to; None when it is wrong, or older or newer than one step."""
    try:
        return pyotp.TOTP(secret).verify_and_get_timecode(
            code.replace(" ", ""), for_time=now, valid_window=STEPS_EITHER_WAY
        )
    except OTPVerificationError:
        return None


async def use_totp(
    session: AsyncSession, ring: KeyRing, *, staff: StaffAccount, code: str, now: datetime
) -> bool:
    """Whether ``code`` is right and was not used before. Of two callers with one code at once, one is told yes."""
    assert staff.totp_secret is not None
    step = step_of(ring.decrypt(FIELD, staff.id, staff.totp_secret), code, now=now)
    if step is None:
        return False
    # The condition is evaluated again when another transaction held the row.
    used = await session.execute(
        update(StaffAccount)
        .where(StaffAccount.id == staff.id, StaffAccount.totp_step < step)
        .values(totp_step=step)
        .returning(StaffAccount.id)
        .execution_options(synchronize_session=False)
    )
    return used.one_or_none() is not None


async def use_recovery_code(session: AsyncSession, *, staff_id: UUID, code: str, now: datetime) -> bool:
    """Whether ``code`` is one of theirs that was not used before (recovery_code_staff_id_digest_key)."""
    used = await session.execute(
        update(RecoveryCode)
        .where(
            RecoveryCode.staff_id == staff_id,
            RecoveryCode.digest == _digest(staff_id, code),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
        .returning(RecoveryCode.id)
    )
    return used.one_or_none() is not None


async def renew_recovery_codes(session: AsyncSession, *, staff_id: UUID) -> list[str]:
    """Ten new codes in the place of all older ones, to be shown once."""
    await session.execute(delete(RecoveryCode).where(RecoveryCode.staff_id == staff_id))
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    await session.execute(
        insert(RecoveryCode),
        [{"id": new_id(), "staff_id": staff_id, "digest": _digest(staff_id, code)} for code in codes],
    )
    return codes


def _new_code() -> str:
    plain = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
    return "-".join(plain[at : at + 4] for at in range(0, CODE_LENGTH, 4))


def _digest(staff_id: UUID, code: str) -> bytes:
    plain = "".join(code.split()).replace("-", "").lower()
    return sha256(staff_id.bytes + plain.encode()).digest()
