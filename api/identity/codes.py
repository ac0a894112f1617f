"""One-time codes: six digits sent to a phone, good for five minutes and five tries.

Nothing here asks whether anybody has an account, so that no answer, and no time it takes, can tell.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from api.identity.errors import CodeTooSoon, TooManyCodes
from api.identity.models import OneTimeCode
from api.messages.outbox import send_message
from core.ids import new_id
from core.keyring import KeyRing

Purpose = Literal["sign_in", "delegation"]
DIGITS = 6
LIFETIME = timedelta(minutes=5)
TRIES = 5
PAUSE = timedelta(minutes=1)
DAY = timedelta(hours=24)
CODES_A_DAY = 10
PHONE, CODE = "one_time_code.phone", "one_time_code.code"

# One statement: who tries at the same moment waits for the row and reads it anew, so that exactly TRIES count.
# Uses one_time_code_phone_blind_idx.
COUNT_TRY = f"""
update one_time_code
set tries = tries + 1, used_at = case when digest = any(:digests) then cast(:now as timestamptz) end
where phone_blind = any(:phones) and purpose = :purpose and subject_id is not distinct from cast(:subject_id as uuid)
and used_at is null and voided_at is null and expires_at > :now and tries < {TRIES}
returning used_at is not null
"""


@dataclass(frozen=True)
class CodeSent:
    """Until when the code is good, and from when another can be sent."""

    expires_at: datetime
    again_at: datetime


async def send_code(
    session: AsyncSession,
    ring: KeyRing,
    *,
    phone: str,
    purpose: Purpose,
    subject_id: UUID | None,
    said: Mapping[str, str] | None = None,
    now: datetime,
) -> CodeSent:
    """Send a new code to ``phone`` (E.164); older ones for the same purpose and subject are void.

    ``said``: more parameters of the message's template, such as what the code agrees to.

    Limits of the caller's address are the route's (``api/limits.py``). Raises CodeTooSoon, TooManyCodes, each with
    ``retry_after_seconds``.
    """
    # Two requests for one phone must see each other's code.
    await session.execute(select(func.pg_advisory_xact_lock(ring.lock_number(PHONE, phone))))
    await _check_pace(session, phones=ring.blinds(PHONE, phone), purpose=purpose, now=now)
    await session.execute(
        update(OneTimeCode)
        .where(
            OneTimeCode.phone_blind.in_(ring.blinds(PHONE, phone)),
            OneTimeCode.purpose == purpose,
            OneTimeCode.subject_id.is_not_distinct_from(subject_id),
            OneTimeCode.used_at.is_(None),
            OneTimeCode.voided_at.is_(None),
        )
        .values(voided_at=now)
        .execution_options(synchronize_session=False)
    )
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    session.add(
        OneTimeCode(
            id=new_id(),
            phone_blind=ring.blind(PHONE, phone),
            purpose=purpose,
            subject_id=subject_id,
            digest=ring.blind(CODE, _said(phone, purpose, subject_id, code)),
            created_at=now,
            expires_at=now + LIFETIME,
        )
    )
    await send_message(
        session,
        ring,
        phone=phone,
        template=f"code_{purpose}",
        parameters={**(said or {}), "code": code, "minutes": str(LIFETIME // timedelta(minutes=1))},
        expires_at=now + LIFETIME,
        now=now,
    )
    return CodeSent(now + LIFETIME, now + PAUSE)


async def check_code(
    session: AsyncSession,
    ring: KeyRing,
    *,
    phone: str,
    purpose: Purpose,
    subject_id: UUID | None,
    code: str,
    now: datetime,
) -> bool:
    """Whether ``code`` is good, which uses it up. A wrong one is counted, so the caller must let the transaction commit."""
    right = await session.scalar(
        text(COUNT_TRY),
        {
            "phones": ring.blinds(PHONE, phone),
            "digests": ring.blinds(CODE, _said(phone, purpose, subject_id, code)),
            "purpose": purpose,
            "subject_id": subject_id,
            "now": now,
        },
    )
    return bool(right)


async def _check_pace(session: AsyncSession, *, phones: list[bytes], purpose: Purpose, now: datetime) -> None:
    # Uses one_time_code_phone_blind_idx; at most CODES_A_DAY rows are younger than a day.
    sent = (
        await session.execute(
            select(OneTimeCode.created_at, OneTimeCode.purpose)
            .where(OneTimeCode.phone_blind.in_(phones), OneTimeCode.created_at > now - DAY)
            .order_by(OneTimeCode.created_at)
        )
    ).all()
    last = max((one.created_at for one in sent if one.purpose == purpose), default=None)
    if last is not None and last + PAUSE > now:
        raise too_soon(last + PAUSE - now)
    if len(sent) >= CODES_A_DAY:
        raise TooManyCodes(
            "请明天再试，或到社区服务窗口办理。",
            "Try again tomorrow, or come to a community service desk.",
            retry_after_seconds=_seconds(sent[-CODES_A_DAY].created_at + DAY - now),
        )


def too_soon(pause: timedelta) -> CodeTooSoon:
    """The refusal that says how long to wait."""
    seconds = _seconds(pause)
    return CodeTooSoon(
        f"请查看手机短信；没有收到的话，{seconds} 秒后可以再发一次。",
        f"Look at your text messages; if none came, ask again in {seconds} s.",
        retry_after_seconds=seconds,
    )


def _said(phone: str, purpose: str, subject_id: UUID | None, code: str) -> str:
    """What a code's digest is of: a code says nothing about another phone, purpose or subject."""
    return f"{phone}\0{purpose}\0{subject_id or ''}\0{code}"


def _seconds(span: timedelta) -> int:
    """Whole seconds, rounded up."""
    return -(-span // timedelta(seconds=1))
