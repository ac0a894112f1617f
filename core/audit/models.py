"""Tables of the audit record. Triggers of migration 0005 refuse changes, and note each new entry as not yet sealed."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

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


class AuditPending(Base):
    """An entry that no seal covers yet. Whoever seals takes what is visible: an entry committed late comes later."""

    __tablename__ = "audit_pending"

    entry_id: Mapped[UUID] = mapped_column(primary_key=True)


class AuditSeal(Base):
    """A batch of entries, chained to the one before it.

    ``content`` is, for each entry in the order of ids, the id's 16 bytes and the SHA-256 of what it says.
    ``digest`` covers it and the previous seal's digest; ``mac`` is made of the digest with a key of the ring, so that
    who has the database alone cannot make the chain anew.
    """

    __tablename__ = "audit_seal"
    __table_args__ = (
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint("length(content) > 0 and length(content) % 48 = 0", name="content"),
    )

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    sealed_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    previous: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    key_id: Mapped[str]
    mac: Mapped[bytes] = mapped_column(LargeBinary)
