"""Everything we hold of somebody, as one JSON document: theirs to read and to take elsewhere."""

from base64 import b64encode
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from psycopg.types.range import Range
from sqlalchemy import Column, LargeBinary, Table, Uuid, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from api.privacy.holdings import HOLDINGS, Holding
from booking.people.persons import find_own_person
from core import audit
from core.actor import Actor
from core.database import Base
from core.keyring import KeyRing

# The newest of a table; nobody has more, except of the audit record.
MOST_ROWS = 5_000
STAFF_SEEN = "staff"


async def export_all(session: AsyncSession, actor: Actor, *, ring: KeyRing, now: datetime) -> dict[str, Any]:
    """What belongs to the actor's account and person, decrypted, a list for each table. On record.

    Digests are left out, and who of the staff did it; the role is told instead.
    """
    person = await find_own_person(session, actor)
    whose = {"account_id": actor.account_id, "person_id": None if person is None else person.id}
    held = {}
    for holding in HOLDINGS:
        held[holding.table] = {
            "title_zh": holding.zh,
            "title_en": holding.en,
            "rows": await _rows(session, ring, holding, whose),
        }
    await audit.record(
        session,
        actor,
        action="account.export",
        object_kind="account",
        object_id=actor.account_id,
        person_ids=[] if person is None else [person.id],
        now=now,
    )
    return {"exported_at": now.isoformat(), "account_id": str(actor.account_id), "held": held}


async def _rows(
    session: AsyncSession, ring: KeyRing, holding: Holding, whose: Mapping[str, UUID | None]
) -> list[dict[str, Any]]:
    table = Base.metadata.tables[holding.table]
    shown = [column for column in table.columns if column.name not in holding.hidden and _tells(column)]
    # A parameter that is null still needs a type.
    typed = [bindparam(name, value, Uuid) for name, value in whose.items() if f":{name}" in holding.mine]
    mine = text(f"({holding.mine})").bindparams(*typed)
    # An id where there is one: what is encrypted was encrypted with it.
    key = table.primary_key.columns
    query = select(*{*shown, *key}).where(mine).order_by(*(column.desc() for column in key)).limit(MOST_ROWS)
    found = []
    for row in (await session.execute(query)).mappings():
        said = {column.name: _value(ring, table, column, row) for column in shown}
        if holding.table == "audit_entry" and row["account_id"] != whose["account_id"]:
            # Somebody else's act: what they are, not who.
            said["actor"], said["account_id"] = STAFF_SEEN if row["roles"] else "person", None
        found.append(said)
    return found


def _tells(column: Column[Any]) -> bool:
    """Whether the column says anything to a person: plain values, and what is encrypted; not digests."""
    return "encrypted" in column.info or not isinstance(column.type, LargeBinary)


def _value(ring: KeyRing, table: Table, column: Column[Any], row: Mapping[Any, Any]) -> Any:
    value = row[column.name]
    if value is None:
        return None
    if "encrypted" in column.info:
        return ring.decrypt(column.info["encrypted"], row["id"], value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return b64encode(value).decode()
    return str(value) if isinstance(value, UUID | time | Range) else value
