"""How long uploaded files are kept."""

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from geo.models import ImportChunk, ImportedSite, ImportJob, ImportPage

KEPT = timedelta(days=30)  # after it was applied, or uploaded and never applied


async def purge_uploads(session: AsyncSession, *, now: datetime) -> int:
    """Remove files, reports and what imports replaced, KEPT after they were applied or uploaded; how many jobs.

    A job that was never applied goes as a whole; the record of an applied one stays, and can no longer be undone.
    """
    due = (
        select(ImportJob.id)
        .where(
            ImportJob.content_removed_at.is_(None),
            # For import_job_content_idx; an applied one was uploaded earlier.
            ImportJob.created_at < now - KEPT,
            func.coalesce(ImportJob.applied_at, ImportJob.created_at) < now - KEPT,
            ImportJob.state.not_in(("checking", "applying", "undoing")),
        )
        .with_for_update(skip_locked=True)
    )
    jobs = (await session.scalars(due)).all()
    for table in (ImportChunk, ImportPage, ImportedSite):
        await session.execute(delete(table).where(table.job_id.in_(jobs)))
    await session.execute(delete(ImportJob).where(ImportJob.id.in_(jobs), ImportJob.applied_at.is_(None)))
    await session.execute(
        update(ImportJob).where(ImportJob.id.in_(jobs)).values(content_removed_at=now, replaced=None)
    )
    return len(jobs)
