"""Re-encrypt what old keys made, while the service runs.

Every column that ``core/keyring.py`` describes is walked once in the order of its ids, in short transactions. A row that
somebody else holds is passed over and met again on the next walk, so that nobody waits for a rotation and a rotation
cannot be part of a deadlock; a row written meanwhile is either under the current key already or met on the next walk.
Interrupted, it begins again and finds only what is left.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    LargeBinary,
    MetaData,
    Table,
    Uuid,
    bindparam,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Database
from core.keyring import KeyRing, KeyRingError

# What one transaction reads and writes at most, unless a single value is larger.
BATCH_ROWS = 500
BATCH_BYTES = 4_000_000
# Walks over one column, and the pause before the next one, until rows that others keep holding are left to them.
MOST_WALKS = 10
PAUSE_SECONDS = 0.2
_FIRST = UUID(int=0)


@dataclass(frozen=True)
class EncryptedColumn:
    """A column of encrypted values. ``blind`` is the column that finds them, if there is one."""

    table: Table
    column: Column[Any]
    blind: Column[Any] | None
    name: str  # as the ring knows it: "person.phone"

    @property
    def id(self) -> Column[Any]:
        """The row's id, which values are bound to."""
        return self.table.c.id


@dataclass
class Rotated:
    """What was done to one column: rows re-encrypted, rows still held by others, rows that could not be, and why."""

    name: str
    rows: int = 0
    held: int = 0
    refused: dict[UUID, str] = field(default_factory=dict)


def encrypted_columns(metadata: MetaData) -> list[EncryptedColumn]:
    """The columns that models declare as encrypted, by name. Raises TypeError for one whose row has no UUID ``id``."""
    found = []
    for table in metadata.sorted_tables:
        for column in table.columns:
            if "encrypted" not in column.info:
                continue
            if [key.name for key in table.primary_key] != ["id"] or not isinstance(table.c.id.type, Uuid):
                raise TypeError(
                    f"{table.name} holds encrypted values and needs a UUID `id` as its primary key"
                )
            blind = column.info.get("blind")
            found.append(
                EncryptedColumn(
                    table, column, None if blind is None else table.c[blind], column.info["encrypted"]
                )
            )
    return sorted(found, key=lambda one: one.name)


async def count_by_key(session: AsyncSession, column: EncryptedColumn) -> dict[str, int]:
    """How many values of ``column`` each key made. Reads the whole table."""
    key_id = func.encode(func.substring(column.column, 1, func.position(_in(column)) - 1), "escape")
    rows = await session.execute(
        select(key_id, func.count()).where(column.column.is_not(None)).group_by(key_id)
    )
    return {str(made_by): number for made_by, number in rows}


async def count_left(session: AsyncSession, ring: KeyRing, column: EncryptedColumn) -> int:
    """How many values another key than the current one made. Reads the whole table."""
    left = await session.scalar(select(func.count()).select_from(column.table).where(_left(ring, column)))
    return left or 0


async def rotate(
    database: Database, ring: KeyRing, column: EncryptedColumn, *, progress: Callable[[int], None]
) -> Rotated:
    """Bring every value of ``column`` under the ring's current key; ``progress`` hears how many rows were done.

    A value that no key opens, or whose blind index another row already has, stays as it is and is in the answer.
    """
    done = Rotated(column.name)
    async with database.transaction() as session:
        longest = await session.scalar(select(func.max(func.octet_length(column.column))))
    batch = max(1, min(BATCH_ROWS, BATCH_BYTES // (longest or 1)))
    for walk in range(MOST_WALKS):
        if walk:
            await asyncio.sleep(PAUSE_SECONDS)
        after: UUID | None = _FIRST
        while after is not None:
            try:
                async with database.transaction() as session:
                    rows, after = await _rotate_batch(
                        session, ring, column, after=after, limit=batch, done=done
                    )
            except OperationalError as error:
                if getattr(error.orig, "sqlstate", None) not in ("40P01", "40001", "55P03"):
                    raise
                continue  # the same batch again
            done.rows += rows
            progress(rows)
        async with database.transaction() as session:
            done.held = await count_left(session, ring, column) - len(done.refused)
        if done.held <= 0:
            break
    return done


async def _rotate_batch(
    session: AsyncSession,
    ring: KeyRing,
    column: EncryptedColumn,
    *,
    after: UUID,
    limit: int,
    done: Rotated,
) -> tuple[int, UUID | None]:
    """Rows re-encrypted, and the id to go on behind; None at the end of the table."""
    found = (
        await session.execute(
            select(column.id, column.column)
            .where(column.id > after, _left(ring, column))
            .order_by(column.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
    ).all()
    changes = []
    for row_id, value in found:
        try:
            text = ring.decrypt(column.name, row_id, value)
        except KeyRingError as error:
            done.refused[row_id] = str(error)
            continue
        change = {"row_id": row_id, "old": value, "new": ring.encrypt(column.name, row_id, text)}
        if column.blind is not None:
            change["new_blind"] = ring.blind(column.name, text)
        changes.append(change)
    await _store(session, column, changes, done)
    refused = sum(change["row_id"] in done.refused for change in changes)
    return len(changes) - refused, found[-1][0] if len(found) == limit else None


async def _store(
    session: AsyncSession, column: EncryptedColumn, changes: list[dict[str, Any]], done: Rotated
) -> None:
    """All at once; when the unique blind index refuses one, each by itself to find out which."""
    try:
        async with session.begin_nested():
            await _update(session, column, changes)
    except IntegrityError:
        if len(changes) == 1:
            done.refused[changes[0]["row_id"]] = (
                "another row holds the same value: they were written under two keys at the same time"
            )
            return
        for change in changes:
            await _store(session, column, [change], done)


async def _update(session: AsyncSession, column: EncryptedColumn, changes: list[dict[str, Any]]) -> None:
    if not changes:
        return
    values: dict[str, Any] = {column.column.name: bindparam("new")}
    if column.blind is not None:
        values[column.blind.name] = bindparam("new_blind")
    connection = (
        await session.connection()
    )  # a plain UPDATE of a table: no version is counted up, no history written
    await connection.execute(
        update(column.table)
        .where(column.id == bindparam("row_id"), column.column == bindparam("old"))
        .values(values),
        changes,
    )


def _left(ring: KeyRing, column: EncryptedColumn) -> ColumnElement[bool]:
    prefix = ring.current.id.encode() + b"\0"
    return func.substring(column.column, 1, len(prefix)) != literal(prefix, LargeBinary)


def _in(column: EncryptedColumn) -> ColumnElement[Any]:
    """The argument of ``position``: the zero byte that ends a key's id, IN the value."""
    return literal(b"\0", LargeBinary).op("in")(column.column)
