"""Reading the audit record, the youngest entries first."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select, tuple_

from core.audit.models import AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """What entries must have; None: anything. ``since`` <= at < ``until``."""

    person_id: UUID | None = None
    account_id: UUID | None = None
    action: str | None = None
    object_kind: str | None = None
    object_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def entries_query(
    sought: Sought, *, before: tuple[datetime, UUID] | None = None, limit: int
) -> Select[AuditEntry]:
    """At most ``limit`` entries, younger ones first; ``before``: the time and id of the last one already seen.

    Uses the index of the narrowest of person, account and object, else audit_entry_at_idx.
    """
    query = select(AuditEntry).order_by(AuditEntry.at.desc(), AuditEntry.id.desc()).limit(limit)
    if before is not None:
        query = query.where(tuple_(AuditEntry.at, AuditEntry.id) < before)
    for column, value in (
        (AuditEntry.person_id, sought.person_id),
        (AuditEntry.account_id, sought.account_id),
        (AuditEntry.action, sought.action),
        (AuditEntry.object_kind, sought.object_kind),
        (AuditEntry.object_id, sought.object_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if sought.since is not None:
        query = query.where(AuditEntry.at >= sought.since)
    if sought.until is not None:
        query = query.where(AuditEntry.at < sought.until)
    return query
