"""Where the worker works on an uploaded file: the job begun, its file fetched, how far it is told to others.

A worker that dies leaves the state as it was, and the job is begun anew by another; after ATTEMPTS the job says so, since
a file that ends its worker would otherwise do so for ever.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import yaml
from sqlalchemy import select, update

from core import clock
from core.database import Database
from core.keyring import KeyRing
from core.settings import Settings
from geo.import_jobs.files import fetch_file
from geo.import_jobs.mappings import read_mapping
from geo.import_jobs.states import move
from geo.imports.guess import guess_mapping
from geo.imports.opening import ImportRequest
from geo.imports.run import Progress
from geo.models import ImportJob, ImportProgress

ATTEMPTS = 4
PROGRESS_EVERY = timedelta(seconds=1)
GIVEN_UP = (
    f"后台处理 {ATTEMPTS} 次都没有完成；请联系管理员查看日志，或换一种格式重新上传。",
    f"The worker did not get through it in {ATTEMPTS} attempts: ask your administrator for the log, or upload it in another"
    " format.",
)
BROKEN = (
    "处理时出错，什么都没有写入；错误已记入日志，请联系管理员。",
    "Something went wrong and nothing was written; it is in the log: ask your administrator.",
)


class Workplace:
    """The worker's database, keys and settings, and what every work on an import begins with."""

    def __init__(self, database: Database, ring: KeyRing, settings: Settings) -> None:
        self.database, self.ring, self.settings = database, ring, settings

    async def begin(self, job_id: UUID, *states: str, give_up: str) -> ImportJob | None:
        """The job, if it is still to be worked on, with one more attempt counted."""
        now = clock.now()
        async with self.database.transaction() as session:
            if "uploaded" in states:
                job = await move(session, job_id=job_id, act="check")
            else:
                job = await session.scalar(
                    select(ImportJob).where(ImportJob.id == job_id, ImportJob.state.in_(states))
                )
            if job is None:
                return None
            attempts = await session.scalar(
                update(ImportProgress)
                .where(ImportProgress.job_id == job_id)
                .values(attempts=ImportProgress.attempts + 1, started_at=now, updated_at=now, rows_read=0)
                .returning(ImportProgress.attempts)
            )
            if attempts is not None and attempts > ATTEMPTS:
                await move(session, job_id=job_id, act=give_up, queued_at=None, **message(GIVEN_UP))
                return None
            session.expunge(job)
            return job

    async def fetch(self, job: ImportJob, folder: Path) -> Path | None:
        """The job's file under the name that its sender gave it; None when it is no longer kept."""
        path = folder / job.file_name
        async with self.database.transaction() as session:
            kept = await fetch_file(session, self.ring, job_id=job.id, path=path)
        return path if kept else None

    async def guess(self, job: ImportJob, path: Path) -> str:
        """A first mapping for the file. Raises ImportRefused."""
        options = job.options
        text = await asyncio.to_thread(
            guess_mapping,
            path,
            encoding=options.get("encoding"),
            layer=options.get("layer"),
            crs=options.get("crs"),
            source_code=options.get("source"),
        )
        within = options.get("within")
        return text if within is None else text + yaml.safe_dump({"within": within}, allow_unicode=True)

    def request(self, job: ImportJob, path: Path) -> ImportRequest:
        """How the file is to be read. Raises ImportRefused when the mapping has mistakes."""
        assert job.mapping is not None
        settings = self.settings
        return ImportRequest(
            path=path,
            mapping=read_mapping(job.mapping),
            skip_rejected=job.skip_rejected,
            zone=settings.zone,
            gcj02_enabled=settings.gcj02_enabled,
            expected_area=settings.expected_area,
        )

    async def fail(self, job_id: UUID) -> None:
        """Say that something went wrong."""
        async with self.database.transaction() as session:
            for act in ("fail", "keep"):
                await move(session, job_id=job_id, act=act, queued_at=None, **message(BROKEN))

    @asynccontextmanager
    async def progress(self, job_id: UUID) -> AsyncIterator[Progress]:
        """Tells how far it is, every PROGRESS_EVERY, on a connection of its own: others see it before the end."""
        told_at, telling = clock.now(), set[asyncio.Task[None]]()

        async def tell(done: int, total: int | None) -> None:
            async with self.database.hot() as connection:
                await connection.execute(
                    "update import_progress set rows_read = %s, rows_total = %s, updated_at = %s where job_id = %s",
                    (done, total, clock.now(), job_id),
                )

        def progress(done: int, total: int | None) -> None:
            nonlocal told_at
            if clock.now() - told_at >= PROGRESS_EVERY:
                told_at = clock.now()
                task = asyncio.create_task(tell(done, total))
                telling.add(task)
                task.add_done_callback(telling.discard)

        try:
            yield progress
        finally:
            await asyncio.gather(*telling, return_exceptions=True)  # not worth failing for


def message(said: tuple[str | None, str | None]) -> dict[str, str | None]:
    """Columns of the job that say something in zh and en, or nothing."""
    return {"message_zh": said[0], "message_en": said[1]}
