"""Remove old entries, whole batches at a time: their seals stay, so that the chain can be checked for good."""

from datetime import datetime, timedelta

from sqlalchemy import BigInteger, cast, delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from core.audit.entries import record
from core.audit.models import AuditEntry, AuditSeal
from core.audit.sealing import entries_of

# 网络安全法 (Cybersecurity Law) article 23 item 3 (21 until its amendment of 2026): logs are kept for six months at least.
KEPT_AT_LEAST = timedelta(days=183)
PURGED = "audit.purge"


async def purge_before(
    session: AsyncSession, actor: Actor, *, before: datetime, now: datetime
) -> tuple[int, int | None]:
    """Delete the entries of every seal made before ``before``; how many, and the number of the last such seal.

    Only the owner of the tables can; the purge itself is on record. Raises ValueError for less than KEPT_AT_LEAST.
    """
    if before > now - KEPT_AT_LEAST:
        raise ValueError(f"the audit record is kept for {KEPT_AT_LEAST.days} days at least")
    # The trigger that refuses every other change lets this one through, in this transaction only.
    await session.execute(text("select set_config('xinban.audit_purge', 'on', true)"))
    removed, last = 0, None
    done = await find_last_purge(session)
    seals = await session.stream_scalars(
        select(AuditSeal)
        .where(AuditSeal.sealed_at < before, AuditSeal.number > purged_through(done))
        .order_by(AuditSeal.number)
        .execution_options(yield_per=20)
    )
    async for seal in seals:
        result = await session.execute(
            delete(AuditEntry)
            .where(AuditEntry.id.in_([entry_id for entry_id, _ in entries_of(seal)]))
            .returning(AuditEntry.id)
        )
        removed += len(result.all())
        last = seal.number
    if last is not None:
        await record(
            session,
            actor,
            action=PURGED,
            object_kind="audit_seal",
            object_id=str(last),
            detail={"entries": removed, "before": before.isoformat()},
            now=now,
        )
    return removed, last


async def find_last_purge(session: AsyncSession) -> AuditEntry | None:
    """The record of the purge that went furthest."""
    return await session.scalar(
        select(AuditEntry)
        .where(
            AuditEntry.object_kind == "audit_seal",
            AuditEntry.action == PURGED,
            AuditEntry.object_id.regexp_match("^[0-9]{1,18}$"),
        )
        .order_by(cast(AuditEntry.object_id, BigInteger).desc())
        .limit(1)
    )


def purged_through(purge: AuditEntry | None) -> int:
    """The last seal whose entries that purge removed."""
    return 0 if purge is None else int(purge.object_id or 0)
