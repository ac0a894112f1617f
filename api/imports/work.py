"""What the worker does with an uploaded file: check it, apply it, take it back. Each writes in one transaction."""

from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from api.identity.grants import grants_of
from api.imports.place import Workplace, message
from api.imports.queue import put_in_queue
from api.imports.wording import over_http
from booking.people.models import Account
from core import clock
from core.actor import Actor
from core.audit import record
from geo.errors import ImportRefused
from geo.import_jobs.jobs import ACTION
from geo.import_jobs.mappings import save_mapping
from geo.import_jobs.pages import Pages, store_pages
from geo.import_jobs.states import move
from geo.import_jobs.undo import undo_import
from geo.import_jobs.watch import Fingerprint, Snapshots, keep_shared, lock_source
from geo.imports.report import Report
from geo.imports.run import Progress, import_file
from geo.models import ImportJob, ImportProgress

CONTENT_GONE = ("文件已不在服务器上，请重新上传。", "The file is no longer here: upload it again.")
CHANGED_SINCE = (
    "检查之后，有服务点被修改，原来的报告已经不准；什么都没有写入，已重新检查，请看新的报告再导入。",
    "Sites were changed since the report was made; nothing was written. It was checked again: read the new report, then apply.",
)
CORRECT = (
    "映射可以用 GET …/mapping 读取，改正后用 PUT …/mapping 发回，就会重新检查。",
    " Read the mapping with GET …/mapping and send it back corrected with PUT …/mapping: the file is checked again.",
)
DEPENDED = (
    "撤销前有服务点又被修改或使用，什么都没有撤销。",
    "Sites were edited or used before it could be undone; nothing was undone.",
)


class _Stale(Exception):
    """The report is no longer true; the transaction must roll back."""


async def check(place: Workplace, job_id: UUID) -> None:
    """Read the file and keep what was found, also when it cannot be imported; guess a mapping if there is none."""
    job = await place.begin(job_id, "uploaded", "checking", give_up="fail")
    if job is None:
        return
    report, now = Report(sink=Pages(place.ring)), clock.now()
    found: dict[str, Any] = {}
    act, said = "report", None
    with TemporaryDirectory(prefix="xinban-import-") as folder:
        path = await place.fetch(job, Path(folder))
        try:
            if path is None:
                raise ImportRefused(*CONTENT_GONE)
            if job.mapping is None:
                found["mapping"] = job.mapping = await place.guess(job, path)
                found["mapping_origin"] = "guessed"
            request = place.request(job, path)
            found["source_code"] = request.mapping.source.code
            watch = Fingerprint(request.mapping.source.code)
            async with place.progress(job_id) as progress, place.database.transaction() as session:
                await import_file(
                    session,
                    await _acting(session, job.created_by, now),
                    request=request,
                    report=report,
                    now=now,
                    progress=progress,
                    watch=watch,
                )
            found["fingerprint"] = watch.value()
        except ImportRefused as error:
            act, said = "refuse", (over_http(error.detail_zh), over_http(error.detail_en))
            if job.mapping is not None:
                said = said[0] + CORRECT[0], said[1] + CORRECT[1]
    now = clock.now()
    if said is not None:
        found["message_zh"], found["message_en"] = said
    async with place.database.transaction() as session:
        # Nothing of a job that was deleted meanwhile.
        if await move(
            session,
            job_id=job_id,
            act=act,
            counts=dict(report.counts),
            checked_at=now,
            queued_at=None,
            **found,
        ):
            assert isinstance(report.sink, Pages)
            await store_pages(session, job_id=job_id, pages=report.sink)


async def apply(place: Workplace, job_id: UUID) -> None:
    """Write what the report showed, or check anew when it is no longer true."""
    job = await place.begin(job_id, "applying", give_up="fail")
    if job is None:
        return
    try:
        with TemporaryDirectory(prefix="xinban-import-") as folder:
            path = await place.fetch(job, Path(folder))
            if path is None:
                raise ImportRefused(*CONTENT_GONE)
            async with place.progress(job_id) as progress, place.database.transaction() as session:
                await _write(place, session, job, path, progress)
    except _Stale:
        async with place.database.transaction() as session:
            now = clock.now()
            if await move(session, job_id=job_id, act="recheck", queued_at=now, **message(CHANGED_SINCE)):
                await _forget_progress(session, job_id)
                await put_in_queue(session, work="check", job_id=job_id)
    except ImportRefused as error:  # a category or an area that is gone since the check
        said = over_http(error.detail_zh), over_http(error.detail_en)
        async with place.database.transaction() as session:
            await move(session, job_id=job_id, act="fail", queued_at=None, **message(said))


async def _write(
    place: Workplace, session: AsyncSession, job: ImportJob, path: Path, progress: Progress
) -> None:
    """Raises _Stale, ImportRefused: what was written rolls back."""
    request = place.request(job, path)
    assert job.source_code is not None
    assert job.applied_by is not None
    now = clock.now()
    actor = await _acting(session, job.applied_by, now)
    await lock_source(session, source_code=job.source_code)
    if not await _is_still(session, job.id, "applying"):  # another worker was given it too, and did it
        return
    shared = await keep_shared(session, source_code=job.source_code)
    watch, report = Snapshots(job.source_code, job.id), Report()
    run_id = await import_file(
        session,
        actor,
        request=request,
        report=report,
        now=now,
        apply=True,
        progress=progress,
        watch=watch,
    )
    if watch.value() != job.fingerprint:
        raise _Stale
    await move(
        session,
        job_id=job.id,
        act="finish",
        run_id=run_id,
        counts=dict(report.counts),
        applied_at=now,
        queued_at=None,
        replaced=shared,
        **message((None, None)),
    )
    assert job.mapping is not None
    await save_mapping(session, actor, source_code=job.source_code, mapping=job.mapping, now=now)
    written = {name: report.counts[name] for name in ("new", "changed")}
    await _note(session, actor, job.id, "applied", now, written)


async def undo(place: Workplace, job_id: UUID) -> None:
    """Take an import back, unless something came to depend on it after all."""
    job = await place.begin(job_id, "undoing", give_up="keep")
    if job is None:
        return
    assert job.undone_by is not None
    assert job.source_code is not None
    now = clock.now()
    async with place.database.transaction() as session:
        actor = await _acting(session, job.undone_by, now)
        await lock_source(session, source_code=job.source_code)
        if not await _is_still(session, job_id, "undoing"):
            return
        if await undo_import(session, actor, job=job, now=now):
            nobody = {"undone_by": None, "undo_reason": None}
            await move(session, job_id=job_id, act="keep", queued_at=None, **nobody, **message(DEPENDED))
            return
        await move(session, job_id=job_id, act="take_back", undone_at=now, queued_at=None)
        await _note(session, actor, job_id, "undone", now, {})


async def _acting(session: AsyncSession, name: str, now: datetime) -> Actor:
    """Whoever asked for it: the worker acts in their name, after they were asked what they may.

    On record with their account and the roles they hold by now.
    """
    kind, _, said = name.partition(":")
    account = await session.get(Account, UUID(said)) if kind == "account" else None
    if account is None:
        return Actor(name=name, channel="system")
    grants = await grants_of(session, account=account, now=now)
    return Actor(name=name, channel="system", account_id=account.id, grants=grants)


async def _is_still(session: AsyncSession, job_id: UUID, state: str) -> bool:
    return await session.scalar(select(ImportJob.state).where(ImportJob.id == job_id)) == state


async def _forget_progress(session: AsyncSession, job_id: UUID) -> None:
    await session.execute(
        update(ImportProgress)
        .where(ImportProgress.job_id == job_id)
        .values(attempts=0, started_at=None, updated_at=None, rows_read=0, rows_total=None)
    )


async def _note(
    session: AsyncSession, actor: Actor, job_id: UUID, step: str, now: datetime, detail: dict[str, Any]
) -> None:
    await record(
        session,
        actor,
        action=ACTION,
        object_kind="import",
        object_id=job_id,
        detail={"step": step, **detail},
        now=now,
    )
