"""Where data came from and under which licence, and each import that was applied."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id


class Source(Base):
    """An origin of rows: another office's register, an open data set, the demo city."""

    __tablename__ = "source"
    __table_args__ = (CheckConstraint("code ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'", name="code"),)

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    licence: Mapped[str | None]
    attribution: Mapped[str | None]
    url: Mapped[str | None]


class ImportRun(Base):
    """One applied import: which file, how it was read, what it changed; and when it was undone, if it was."""

    __tablename__ = "import_run"
    __table_args__ = (Index("import_run_source_code_idx", "source_code", "applied_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    source_code: Mapped[str] = mapped_column(ForeignKey("source.code"))
    file_name: Mapped[str]
    file_sha256: Mapped[str]
    mapping: Mapped[dict[str, Any]] = mapped_column(JSONB)
    counts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    applied_by: Mapped[str]
    applied_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    undone_by: Mapped[str | None]
    undone_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
