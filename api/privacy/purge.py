"""The purge: what is past its time (``retention.py``) goes, in small transactions, each night and by hand."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.privacy.erasure import erase_account, erase_person
from api.privacy.retention import RETENTION, Retention
from core.actor import Actor
from core.database import Database
from core.errors import DomainError
from core.keyring import KeyRing, KeyRingError

log = logging.getLogger(__name__)

# Small enough that nobody waits for the locks.
BATCH = 1_000
NOBODY = UUID(int=0)  # before every id


class PurgeIncomplete(Exception):
    """Something past its time is still there."""


@dataclass(frozen=True, slots=True)
class Purged:
    """How much of one kind is past its time, or was removed."""

    kind: Retention
    rows: int


async def purge(
    database: Database, actor: Actor, *, ring: KeyRing, dry_run: bool = False, now: datetime
) -> AsyncIterator[Purged]:
    """Remove what is past its time, one kind after another; ``dry_run`` only counts.

    Raises PurgeIncomplete at the end when somebody could not be erased.
    """
    left = 0
    for kind in RETENTION:
        if kind.over is None:
            continue
        if dry_run:
            rows = await _count(database, kind, now)
        elif kind.table in ("account", "person"):
            rows, failed = await _erase(database, actor, ring, kind, now)
            left += failed
        else:
            rows = await _remove(database, kind, now)
        if rows:
            log.info("purge", extra={"kind": kind.name, "rows": rows, "dry_run": dry_run})
        yield Purged(kind, rows)
    if left:
        raise PurgeIncomplete(f"{left} accounts or persons past their time were not erased; the log says why")


async def _count(database: Database, kind: Retention, now: datetime) -> int:
    async with database.transaction() as session:
        query = text(f"select count(*) from {kind.table} where {kind.over}")
        return int(await session.scalar(query, {"now": now}) or 0)


async def _remove(database: Database, kind: Retention, now: datetime) -> int:
    # Two workers at once each take what the other left; foreign keys inside the schema cascade.
    chosen = f"select ctid from {kind.table} where {kind.over} limit {BATCH} for update skip locked"
    emptied = ", ".join(f"{column} = null" for column in kind.blank)
    if kind.blank:
        statement = f"update {kind.table} set {emptied} where ctid = any(array({chosen})) returning 1"
    else:
        statement = f"delete from {kind.table} where ctid = any(array({chosen})) returning 1"
    removed = 0
    while True:
        async with database.transaction() as session:
            gone = len((await session.execute(text(statement), {"now": now})).all())
        removed += gone
        if gone < BATCH:
            return removed


async def _erase(
    database: Database, actor: Actor, ring: KeyRing, kind: Retention, now: datetime
) -> tuple[int, int]:
    """How many were erased, and how many could not be: one that fails, as when a key is missing, holds up no other."""
    erased = failed = 0
    last = NOBODY
    while True:
        async with database.transaction() as session:
            query = text(
                f"select id from {kind.table} where id > :last and {kind.over} order by id limit {BATCH}"
            )
            ids: list[UUID] = list((await session.scalars(query, {"now": now, "last": last})).all())
        for one in ids:
            try:
                async with database.transaction() as session:
                    if kind.table == "account":
                        await erase_account(session, actor, ring=ring, account_id=one, now=now)
                    else:
                        await erase_person(session, actor, ring=ring, person_id=one, now=now)
                erased += 1
            except (KeyRingError, DomainError, SQLAlchemyError):
                log.exception("not erased", extra={"kind": kind.name, "id": str(one)})
                failed += 1
        if len(ids) < BATCH:
            return erased, failed
        last = ids[-1]
