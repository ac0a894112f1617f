"""Files that staff upload: the file itself, what was found in it, and what it replaced."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id

STATES = (
    "uploaded",
    "checking",
    "checked",
    "refused",
    "applying",
    "applied",
    "undoing",
    "undone",
    "failed",
)


class ImportJob(Base):
    """A file on its way to becoming sites. Which state follows which: ``geo/import_jobs/states.py``.

    ``mapping`` is YAML and holds every option too; ``mapping_origin`` says whether a person gave it. ``fingerprint`` is
    what the report depends on (``geo/import_jobs/watch.py``). ``queued_at`` is since when the worker is waited for.
    """

    __tablename__ = "import_job"
    __table_args__ = (
        CheckConstraint("state in (" + ", ".join(f"'{state}'" for state in STATES) + ")", name="state"),
        CheckConstraint("mapping_origin in ('given', 'saved', 'guessed')", name="mapping_origin"),
        CheckConstraint("(mapping is null) = (mapping_origin is null)", name="mapping"),
        CheckConstraint("length(undo_reason) <= 500", name="undo_reason"),
        Index("import_job_source_code_idx", "source_code", "id"),
        Index("import_job_content_idx", "created_at", postgresql_where="content_removed_at is null"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    state: Mapped[str] = mapped_column(server_default="uploaded")
    file_name: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    options: Mapped[dict[str, Any]] = mapped_column(JSONB)
    source_code: Mapped[str | None]
    mapping: Mapped[str | None]
    mapping_origin: Mapped[str | None]
    counts: Mapped[dict[str, int] | None] = mapped_column(JSONB)
    fingerprint: Mapped[str | None]
    skip_rejected: Mapped[bool] = mapped_column(server_default="false")
    message_zh: Mapped[str | None]
    message_en: Mapped[str | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    queued_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    checked_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    applied_by: Mapped[str | None]
    applied_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("import_run.id"))
    undone_by: Mapped[str | None]
    undone_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    undo_reason: Mapped[str | None]
    replaced: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    content_removed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class ImportProgress(Base):
    """How far the worker is. A row of its own, since it changes while a transaction holds everything else."""

    __tablename__ = "import_progress"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("import_job.id", ondelete="CASCADE"), primary_key=True)
    attempts: Mapped[int] = mapped_column(server_default="0")
    started_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    updated_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    rows_read: Mapped[int] = mapped_column(server_default="0")
    rows_total: Mapped[int | None]


class ImportChunk(Base):
    """A piece of an uploaded file, compressed and encrypted: rows of other offices may name persons."""

    __tablename__ = "import_chunk"
    __table_args__ = (UniqueConstraint("job_id", "position"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("import_job.id", ondelete="CASCADE"))
    position: Mapped[int]
    data: Mapped[bytes] = mapped_column(LargeBinary, info={"encrypted": "import_chunk.data"})


class ImportPage(Base):
    """Some lines of a report, compressed and encrypted as the file is; ``outcomes`` says which kinds there are."""

    __tablename__ = "import_page"
    __table_args__ = (UniqueConstraint("job_id", "position"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("import_job.id", ondelete="CASCADE"))
    position: Mapped[int]
    outcomes: Mapped[str]
    lines: Mapped[bytes] = mapped_column(LargeBinary, info={"encrypted": "import_page.lines"})


class ImportedSite(Base):
    """A site that an import wrote: the version it left, and all that was there before; null before a new site."""

    __tablename__ = "imported_site"
    __table_args__ = (Index("imported_site_site_id_idx", "site_id"),)

    job_id: Mapped[UUID] = mapped_column(ForeignKey("import_job.id", ondelete="CASCADE"), primary_key=True)
    site_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int | None]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class SavedMapping(Base):
    """The mapping that a source's last applied file was read with; the next one needs none."""

    __tablename__ = "saved_mapping"

    source_code: Mapped[str] = mapped_column(primary_key=True)
    mapping: Mapped[str]
    saved_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    saved_by: Mapped[str]
