"""Writing the audit record."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from core.audit.models import AuditEntry
from core.ids import new_id


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
