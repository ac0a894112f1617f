"""Check the audit record against its seals: what was removed, altered, added or reordered, and where."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.audit.models import AuditEntry, AuditPending, AuditSeal
from core.audit.purging import KEPT_AT_LEAST, find_last_purge, purged_through
from core.audit.sealing import NOTHING, entries_of, entry_digests, seal_digest, signed
from core.keyring import KeyRing

READ_SEALS = 50
MOST_FINDINGS = 200

# Entries that neither a seal nor audit_pending knows. Asked only when the numbers do not add up: it reads everything.
STRAY = text(f"""
with sealed as materialized (
    select encode(substring(s.content from 1 + 48 * i for 16), 'hex')::uuid as id
    from audit_seal s, generate_series(0, length(s.content) / 48 - 1) i
)
select e.id from audit_entry e
where not exists (select from audit_pending p where p.entry_id = e.id)
  and not exists (select from sealed where sealed.id = e.id)
order by e.id limit {MOST_FINDINGS}
""")


@dataclass
class Checked:
    """What a check found. ``findings`` is empty when the record is whole; ``head`` is worth noting elsewhere."""

    seals: int = 0
    entries: int = 0
    pending: int = 0
    purged_through: int = 0
    head: str | None = None
    unknown_keys: dict[str, int] = field(default_factory=dict)  # seals whose mac no key of the ring can check
    findings: list[tuple[str, str]] = field(default_factory=list)  # Chinese, English

    def found(self, zh: str, en: str) -> None:
        """Add a finding, up to a bound."""
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append((zh, en))


async def check(
    session: AsyncSession,
    ring: KeyRing,
    *,
    head: str | None = None,
    progress: Callable[[int], None],
    now: datetime,
) -> Checked:
    """Read all seals and entries as of one instant; ``progress`` hears of each seal.

    ``head`` is what an earlier check printed, ``number:digest``: that seal must still be there, which finds a record
    whose end was cut off. Reads the whole record.
    """
    await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    checked = Checked()
    purge = await find_last_purge(session)
    checked.purged_through = purged_through(purge)
    if purge is not None and purge.at > now:
        checked.found(f"清除记录 {purge.id} 的时间在将来", f"the purge {purge.id} is dated in the future")
    before: AuditSeal | None = None
    present = 0
    while True:
        seals = list(
            await session.scalars(
                select(AuditSeal)
                .where(AuditSeal.number > (0 if before is None else before.number))
                .order_by(AuditSeal.number)
                .limit(READ_SEALS)
            )
        )
        for seal in seals:
            _check_chain(checked, ring, before, seal)
            if seal.number > checked.purged_through:
                present += await _check_entries(session, checked, seal)
            elif purge is not None and seal.sealed_at > min(purge.at, now) - KEPT_AT_LEAST:
                checked.found(
                    f"封存 {seal.number} 未满保存期就被清除", f"seal {seal.number} was purged before its time"
                )
            before = seal
            session.expunge(seal)
            progress(1)
        if len(seals) < READ_SEALS:
            break
    if before is not None:
        checked.head = f"{before.number}:{before.digest.hex()}"
    if head is not None:
        await _check_head(session, checked, head)
    await _check_rest(session, checked, present)
    return checked


def _check_chain(checked: Checked, ring: KeyRing, before: AuditSeal | None, seal: AuditSeal) -> None:
    checked.seals += 1
    expected = 1 if before is None else before.number + 1
    if seal.number != expected:
        last = seal.number - 1
        which = f"{expected}" if last == expected else f"{expected}–{last}"
        checked.found(f"缺少封存 {which}", f"seal {which} was removed")
    elif seal.previous != (NOTHING if before is None else before.digest):
        checked.found(
            f"封存 {seal.number} 与前一个不衔接，顺序被改动或前一个被替换",
            f"seal {seal.number} does not follow the one before it: reordered, or that one was replaced",
        )
    if seal_digest(seal) != seal.digest:
        checked.found(f"封存 {seal.number} 被改动", f"seal {seal.number} was altered")
    key = ring.keys.get(seal.key_id)
    if key is None:
        checked.unknown_keys[seal.key_id] = checked.unknown_keys.get(seal.key_id, 0) + 1
    elif not signed(key, seal):
        checked.found(
            f"封存 {seal.number} 不是用密钥 {seal.key_id} 生成的",
            f"seal {seal.number} was not made with key {seal.key_id}",
        )


async def _check_entries(session: AsyncSession, checked: Checked, seal: AuditSeal) -> int:
    """Compares; how many of its entries are there."""
    said = dict(entries_of(seal))
    checked.entries += len(said)
    there = await entry_digests(session, list(said))
    for place, (entry_id, digest) in enumerate(said.items(), 1):
        where = f"{entry_id} ({seal.number}/{place})"
        if entry_id not in there:
            checked.found(f"记录被删除：{where}", f"entry removed: {where}")
        elif there[entry_id] != digest:
            checked.found(f"记录被改动：{where}", f"entry altered: {where}")
    return len(there)


async def _check_head(session: AsyncSession, checked: Checked, head: str) -> None:
    number, _, digest = head.rpartition(":")
    found = await session.scalar(
        select(AuditSeal.number).where(
            func.encode(AuditSeal.digest, "hex") == digest.lower(),
            AuditSeal.number == int(number) if number.isdigit() else text("true"),
        )
    )
    if found is None:
        checked.found(
            f"找不到记下的链头 {head}：其后的记录被截去，或整条链被重做",
            f"the noted head {head} is not in the chain: its end was cut off, or it was made anew",
        )


async def _check_rest(session: AsyncSession, checked: Checked, present: int) -> None:
    """What is not sealed yet, and what no seal will ever know."""
    checked.pending = await session.scalar(select(func.count()).select_from(AuditPending)) or 0
    gone = await session.scalars(
        select(AuditPending.entry_id).where(
            ~select(AuditEntry.id).where(AuditEntry.id == AuditPending.entry_id).exists()
        )
    )
    missing = 0
    for entry_id in gone:
        missing += 1
        checked.found(f"记录在封存前被删除：{entry_id}", f"entry removed before it was sealed: {entry_id}")
    total = await session.scalar(select(func.count()).select_from(AuditEntry)) or 0
    if total != present + checked.pending - missing:
        for entry_id in await session.scalars(STRAY):
            checked.found(
                f"记录不在任何封存中：{entry_id}（绕过系统添加，或其封存被删除）",
                f"entry in no seal: {entry_id} (added past the application, or its seal was removed)",
            )
