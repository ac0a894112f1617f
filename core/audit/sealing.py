"""Seal what was recorded: batches of entries, each chained to the one before.

A batch is what is visible and not yet sealed, by the table ``audit_pending``, not by id or time: neither is the order
of commits, and an entry committed late simply comes with a later batch.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.audit.models import AuditEntry, AuditPending, AuditSeal
from core.database import Database
from core.keyring import Key, KeyRing

BATCH_ENTRIES = 5_000
ID_BYTES, DIGEST_BYTES = 16, 32
# What comes before the first seal, and what stands for an entry that was gone before it could be sealed.
NOTHING = bytes(DIGEST_BYTES)
# One process seals at a time; the number is ours.
SEALING_LOCK = 0x58494E5345414C  # "XINSEAL"
_MARK = b"xinban audit seal 1"
_MAC_FIELD = "audit_seal.digest"


async def seal_all(database: Database, ring: KeyRing, *, now: datetime) -> AuditSeal | None:
    """Seal everything that is committed, a transaction a batch; the last seal made, None when there was nothing."""
    last: AuditSeal | None = None
    while True:
        async with database.transaction() as session:
            seal = await seal_batch(session, ring, now=now)
        if seal is None:
            return last
        last = seal


async def seal_batch(
    session: AsyncSession, ring: KeyRing, *, limit: int = BATCH_ENTRIES, now: datetime
) -> AuditSeal | None:
    """One seal over at most ``limit`` entries; None when there are none, or another process is at it."""
    if not await session.scalar(text("select pg_try_advisory_xact_lock(:key)"), {"key": SEALING_LOCK}):
        return None
    taken = select(AuditPending.entry_id).order_by(AuditPending.entry_id).limit(limit).scalar_subquery()
    ids = sorted(
        await session.scalars(
            delete(AuditPending).where(AuditPending.entry_id.in_(taken)).returning(AuditPending.entry_id)
        )
    )
    if not ids:
        return None
    last = await find_head(session)
    digests = await entry_digests(session, ids)
    seal = AuditSeal(
        number=1 if last is None else last.number + 1,
        sealed_at=now,
        content=b"".join(one.bytes + digests.get(one, NOTHING) for one in ids),
        previous=NOTHING if last is None else last.digest,
        key_id=ring.current.id,
    )
    seal.digest = seal_digest(seal)
    seal.mac = seal_mac(ring.current, seal)
    session.add(seal)
    await session.flush()
    return seal


async def find_head(session: AsyncSession) -> AuditSeal | None:
    """The youngest seal."""
    return await session.scalar(select(AuditSeal).order_by(AuditSeal.number.desc()).limit(1))


async def entry_digests(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """The digest of each of these entries that is there."""
    columns = AuditEntry.__table__.columns
    rows = await session.execute(select(*columns).where(AuditEntry.id.in_(ids)))
    return {row["id"]: _digest(row) for row in rows.mappings()}


def entries_of(seal: AuditSeal) -> Iterator[tuple[UUID, bytes]]:
    """Id and digest of each entry ``seal`` covers."""
    step = ID_BYTES + DIGEST_BYTES
    for start in range(0, len(seal.content), step):
        one = seal.content[start : start + step]
        yield UUID(bytes=one[:ID_BYTES]), one[ID_BYTES:]


def seal_digest(seal: AuditSeal) -> bytes:
    """SHA-256 over everything a seal says and the seal before it."""
    head = _MARK + seal.previous + seal.number.to_bytes(8) + _microseconds(seal.sealed_at).to_bytes(8)
    return hashlib.sha256(head + hashlib.sha256(seal.content).digest()).digest()


def seal_mac(key: Key, seal: AuditSeal) -> bytes:
    """What only a holder of the key can make of a seal's digest."""
    return key.blind(_MAC_FIELD, seal.digest.hex())


def signed(key: Key, seal: AuditSeal) -> bool:
    """Whether ``key`` made the seal's mac."""
    return hmac.compare_digest(seal_mac(key, seal), seal.mac)


def _digest(entry: RowMapping) -> bytes:
    """Over all fields that say something: one that a later version adds leaves older entries' digests as they are."""
    said = {name: value for name, value in entry.items() if value is not None}
    return hashlib.sha256(
        json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_plain).encode()
    ).digest()


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return str(value)


def _microseconds(at: datetime) -> int:
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
