"""What happened that people must be told, written in the transaction that did it; the worker passes it on."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id


class Event(Base):
    """``kind`` is one of ``booking.events.KINDS``; ``data`` holds ids, codes and instants, never personal data.

    ``account_id``: whoever did it, told beside the person. ``dedupe``: an event of this kind and subject that must not
    come twice (a reminder).
    """

    __tablename__ = "event"
    __table_args__ = (
        Index("event_waiting_idx", "id", postgresql_where="relayed_at is null"),
        Index("event_dedupe_key", "dedupe", unique=True, postgresql_where="dedupe is not null"),
        Index("event_relayed_at_idx", "relayed_at", postgresql_where="relayed_at is not null"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"))
    subject_id: Mapped[UUID]
    data: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    dedupe: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    relayed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
