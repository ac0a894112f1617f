"""Answers that were given under an Idempotency-Key, kept for a day so that a repeated request gets the same one.

What is asked of them is in ``api/idempotency.py``; the nightly purge removes them (``api/privacy/retention.py``). Nothing here is legible to who reads the table: who asked, with which
key and for what are keyed digests, and the answer is encrypted.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Index, LargeBinary, delete, func, insert, select
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id
from core.keyring import KeyRing

KEPT = timedelta(hours=24)
KEY, REQUEST, ANSWER = "kept_answer.key", "kept_answer.request", "kept_answer.answer"


class KeptAnswer(Base):
    """A 2xx answer. ``key_blind`` stands for the caller and the key, ``request_blind`` for what was asked."""

    __tablename__ = "kept_answer"
    __table_args__ = (
        Index("kept_answer_key_blind_key", "key_blind", unique=True),
        Index("kept_answer_expires_at_idx", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    key_blind: Mapped[bytes] = mapped_column(LargeBinary)
    request_blind: Mapped[bytes] = mapped_column(LargeBinary)
    route: Mapped[str]
    status: Mapped[int]
    answer: Mapped[bytes] = mapped_column(LargeBinary, info={"encrypted": ANSWER})
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


async def lock_key(session: AsyncSession, *, owner: str, key: str) -> bool:
    """Keep others from using this key until the transaction ends; False when somebody else does just now.

    Not keyed as what is stored is: processes whose rings differ, as while keys are replaced, must meet at one lock.
    """
    number = int.from_bytes(sha256(f"kept_answer\0{owner}\0{key}".encode()).digest()[:8], signed=True)
    return bool(await session.scalar(select(func.pg_try_advisory_xact_lock(number))))


async def find_kept(
    session: AsyncSession, ring: KeyRing, *, owner: str, key: str, now: datetime
) -> KeptAnswer | None:
    """The answer given to ``owner`` under ``key``.

    A statement of its own, behind ``lock_key``: it must see what the lock's last holder committed, and the snapshot of
    one statement for both would be older than the lock. Uses kept_answer_key_blind_key.
    """
    kept: KeptAnswer | None = await session.scalar(
        select(KeptAnswer).where(KeptAnswer.key_blind.in_(ring.blinds(KEY, f"{owner}\0{key}")))
    )
    if kept is not None and kept.expires_at <= now:
        # The purge has not come by yet, and the key may be used again.
        await session.execute(delete(KeptAnswer).where(KeptAnswer.id == kept.id))
        return None
    return kept


def is_same_request(ring: KeyRing, kept: KeptAnswer, request: str) -> bool:
    """Whether ``kept`` answers ``request``, a digest of what was asked."""
    return kept.request_blind in ring.blinds(REQUEST, request)


def read_kept(ring: KeyRing, kept: KeptAnswer) -> tuple[bytes, dict[str, str]]:
    """Its body and headers. Raises KeyRingError when its key has left the ring."""
    said = orjson.loads(ring.decrypt(ANSWER, kept.id, kept.answer))
    return said["body"].encode(), said["headers"]


async def keep(
    session: AsyncSession,
    ring: KeyRing,
    *,
    owner: str,
    key: str,
    request: str,
    route: str,
    status: int,
    body: bytes,
    headers: dict[str, str],
    now: datetime,
) -> None:
    """Keep an answer, in the transaction of the work it tells of."""
    row = row_of(
        ring,
        owner=owner,
        key=key,
        request=request,
        route=route,
        status=status,
        body=body,
        headers=headers,
        now=now,
    )
    await session.execute(insert(KeptAnswer).values(**row))


def row_of(
    ring: KeyRing,
    *,
    owner: str,
    key: str,
    request: str,
    route: str,
    status: int,
    body: bytes,
    headers: dict[str, str],
    now: datetime,
) -> dict[str, Any]:
    """The columns of a kept answer, for whoever writes it in a statement of their own (``KEEP``)."""
    row = new_id()
    said = orjson.dumps({"body": body.decode(), "headers": headers}).decode()
    return {
        "id": row,
        "key_blind": ring.blind(KEY, f"{owner}\0{key}"),
        "request_blind": ring.blind(REQUEST, request),
        "route": route,
        "status": status,
        "answer": ring.encrypt(ANSWER, row, said),
        "created_at": now,
        "expires_at": now + KEPT,
    }


# A common table expression for psycopg, fed by ``took``; its parameters are those of ``row_of`` with ``kept_`` before.
# Somebody who sends the same key meanwhile waits at kept_answer_key_blind_key, and is refused by it.
KEEP = """, kept as (
    insert into kept_answer (id, key_blind, request_blind, route, status, answer, created_at, expires_at)
    select %(kept_id)s, %(kept_key_blind)s, %(kept_request_blind)s, %(kept_route)s, %(kept_status)s, %(kept_answer)s,
        %(kept_created_at)s, %(kept_expires_at)s from took
)
"""
