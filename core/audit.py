"""The audit record: who read or changed what about whom, and why. Append-only; sealed in batches by the worker.

Entries hold ids and codes, never personal data. The application's role may insert and read them and nothing else.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, insert
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.actor import Actor
from core.database import Base
from core.ids import new_id


class AuditEntry(Base):
    """One act, or one person read. ``action`` is a permission or what an operator did; ``reason`` as the actor gave it."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        CheckConstraint("length(reason) <= 500", name="reason"),
        Index("audit_entry_at_idx", "at", "id"),
        Index("audit_entry_person_id_idx", "person_id", "at", postgresql_where="person_id is not null"),
        Index("audit_entry_account_id_idx", "account_id", "at", postgresql_where="account_id is not null"),
        Index("audit_entry_object_idx", "object_kind", "object_id", "at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    actor: Mapped[str]
    account_id: Mapped[UUID | None]
    roles: Mapped[str | None]
    channel: Mapped[str]
    action: Mapped[str]
    object_kind: Mapped[str]
    object_id: Mapped[str | None]
    person_id: Mapped[UUID | None]
    reason: Mapped[str | None]
    request_id: Mapped[str | None]
    detail: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


async def record(
    session: AsyncSession,
    actor: Actor,
    *,
    action: str,
    object_kind: str,
    object_id: UUID | str | None = None,
    person_ids: Collection[UUID] = (),
    reason: str | None = None,
    detail: dict[str, Any] | None = None,
    now: datetime,
) -> None:
    """Write what ``actor`` did, in the caller's transaction; one entry for each person it is about, at least one.

    ``detail`` holds ids, codes and names of fields; never what a field of personal data contains.
    """
    about: list[UUID | None] = [*person_ids] or [None]
    said = {
        "at": now,
        "actor": actor.name,
        "account_id": actor.account_id,
        "roles": " ".join(sorted(actor.roles)) or None,
        "channel": actor.channel,
        "action": action,
        "object_kind": object_kind,
        "object_id": None if object_id is None else str(object_id),
        "reason": reason,
        "request_id": actor.request_id,
        "detail": detail,
    }
    await session.execute(
        insert(AuditEntry), [{**said, "id": new_id(), "person_id": person_id} for person_id in about]
    )
