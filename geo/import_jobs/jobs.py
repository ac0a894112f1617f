"""What staff do with uploaded files. Whatever takes long is left to the worker: the caller puts it in the queue."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from core.audit import record
from core.ids import new_id
from core.keyring import KeyRing
from core.permissions import require, scopes
from geo.import_jobs.errors import (
    ContentRemoved,
    ImportNotFound,
    MappingNotConfirmed,
    RowsRejected,
    UndoBlocked,
    UploadInvalid,
    WholeDistrictNeeded,
)
from geo.import_jobs.files import Received, store_file
from geo.import_jobs.mappings import find_saved, read_mapping, with_options
from geo.import_jobs.states import ACTS, move, refusal
from geo.import_jobs.undo import find_dependents
from geo.models import ImportJob, ImportProgress

ACTION = "import.run"


def require_district(actor: Actor) -> None:
    """Raises NotSignedIn, NotAllowed, WholeDistrictNeeded: a file may hold sites of any township."""
    require(actor, ACTION)
    if scopes(actor, ACTION) is not None:
        raise WholeDistrictNeeded(
            "一个文件可能涉及任何乡镇，所以导入需要全区范围的权限；请联系区管理员代为导入。",
            "A file may hold sites of any township, so imports need a role for the whole district: ask an administrator"
            " of the district to import it.",
        )


async def create_job(
    session: AsyncSession,
    actor: Actor,
    ring: KeyRing,
    *,
    received: Received,
    options: Mapping[str, str],
    mapping: str | None,
    now: datetime,
) -> ImportJob:
    """Keep a file that was received, to be checked. ``options``: crs, encoding, layer, within, source, each if given.

    Without a ``mapping`` the one saved for the source is used, and without that the worker guesses one. Raises
    UploadInvalid, ImportRefused for a mapping with mistakes, and as ``require_district`` does.
    """
    require_district(actor)
    if received.size_bytes == 0:
        raise UploadInvalid(
            "文件是空的（0 字节），请选择要导入的文件。",
            "The file is empty (0 bytes): choose the file to import.",
        )
    source, origin = options.get("source"), "given"
    if mapping is None and source is not None:
        mapping, origin = await find_saved(session, source_code=source), "saved"
    if mapping is not None:
        mapping = with_options(mapping, options)
        source = _same_source(read_mapping(mapping).source.code, source)
    job = ImportJob(
        id=new_id(),
        state="uploaded",
        file_name=received.name,
        size_bytes=received.size_bytes,
        sha256=received.sha256,
        options=dict(options),
        source_code=source,
        mapping=mapping,
        mapping_origin=None if mapping is None else origin,
        created_by=actor.name,
        created_at=now,
        queued_at=now,
    )
    session.add(job)
    await session.flush()
    session.add(ImportProgress(job_id=job.id))
    await session.flush()
    await store_file(session, ring, job_id=job.id, path=received.path)
    await _note(session, actor, job, "upload", now, size_bytes=job.size_bytes, sha256=job.sha256)
    return job


def _same_source(mapped: str, asked: str | None) -> str:
    if asked is not None and asked != mapped:
        raise UploadInvalid(
            f"映射文件的来源是 {mapped}，参数 source 却是 {asked}；请改成一致。",
            f"The mapping's source is {mapped}, the parameter source says {asked}: make them the same.",
        )
    return mapped


async def get_job(session: AsyncSession, actor: Actor, *, job_id: UUID) -> tuple[ImportJob, ImportProgress]:
    """A job and how far the worker is with it. Raises ImportNotFound, and as ``require_district`` does."""
    require_district(actor)
    row = (await session.execute(jobs_query().where(ImportJob.id == job_id))).one_or_none()
    if row is None:
        raise ImportNotFound("没有这次导入，或者它已被删除。", "There is no such import, or it was deleted.")
    return row[0], row[1]


def jobs_query() -> Select[ImportJob, ImportProgress]:
    """Jobs with their progress."""
    return select(ImportJob, ImportProgress).join(ImportProgress, ImportProgress.job_id == ImportJob.id)


async def list_jobs(
    session: AsyncSession,
    actor: Actor,
    *,
    states: Sequence[str] = (),
    source_code: str | None = None,
    before: UUID | None = None,
    limit: int,
) -> Sequence[tuple[ImportJob, ImportProgress]]:
    """Jobs, newest first, older than ``before``: by the primary key, or by import_job_source_code_idx, backwards."""
    require_district(actor)
    query = jobs_query().order_by(ImportJob.id.desc()).limit(limit)
    if states:
        query = query.where(ImportJob.state.in_(states))
    if source_code is not None:
        query = query.where(ImportJob.source_code == source_code)
    if before is not None:
        query = query.where(ImportJob.id < before)
    return [(job, progress) for job, progress in (await session.execute(query)).all()]


async def remap(
    session: AsyncSession, actor: Actor, *, job_id: UUID, mapping: str, now: datetime
) -> ImportJob:
    """Read the file by another mapping, or confirm a guessed one by sending it back: it is checked again.

    Raises ImportRefused naming each mistake in it, ContentRemoved, ImportState.
    """
    job, _ = await get_job(session, actor, job_id=job_id)
    code = read_mapping(mapping).source.code
    _require_content(job)
    moved = await _move(
        session,
        job,
        "remap",
        mapping=mapping,
        mapping_origin="given",
        source_code=code,
        options={},
        **_queued(now),
    )
    await _note(session, actor, moved, "remap", now)
    return moved


async def ask_apply(
    session: AsyncSession, actor: Actor, *, job_id: UUID, skip_rejected: bool, now: datetime
) -> ImportJob:
    """Import what the report showed. Raises ImportState, MappingNotConfirmed, RowsRejected, ContentRemoved."""
    job, _ = await get_job(session, actor, job_id=job_id)
    if job.state not in ACTS["apply"].within:
        raise refusal(job, "apply")
    _require_content(job)
    if job.mapping_origin == "guessed":
        raise MappingNotConfirmed(
            "请先看 GET …/mapping，逐项核对后用 PUT …/mapping 发回，再看一次报告。",
            "Read GET …/mapping, check every line and send it back with PUT …/mapping; then read the report again.",
        )
    counts = job.counts or {}
    rejected = counts.get("rejected", 0)
    if rejected and not sum(counts.get(name, 0) for name in ("new", "changed", "unchanged")):
        raise RowsRejected(
            f"{rejected} 行全部被拒绝，没有一行可以导入；请按报告改正文件或映射。",
            f"All {rejected} rows were rejected: correct the file or the mapping as the report says.",
            rejected=rejected,
        )
    if rejected and not skip_rejected:
        raise RowsRejected(
            f'有 {rejected} 行被拒绝：请改正后重新上传，或发送 {{"skip_rejected": true}} 只导入其余的行。',
            f'{rejected} rows are rejected: correct them and upload again, or send {{"skip_rejected": true}} to import'
            " the others.",
            rejected=rejected,
        )
    moved = await _move(
        session, job, "apply", skip_rejected=skip_rejected, applied_by=actor.name, **_queued(now)
    )
    await _note(session, actor, moved, "apply", now, skip_rejected=skip_rejected)
    return moved


async def ask_undo(
    session: AsyncSession, actor: Actor, *, job_id: UUID, reason: str, now: datetime
) -> ImportJob:
    """Take an import back. Raises ImportState, ContentRemoved, UndoBlocked with what depends on it."""
    job, _ = await get_job(session, actor, job_id=job_id)
    if job.state not in ACTS["undo"].within:
        raise refusal(job, "undo")
    if job.content_removed_at is not None:
        raise ContentRemoved(
            "导入前的内容已过保存期，不能再撤销；请逐个修改服务点。",
            "What was there before is no longer kept, so it cannot be undone: edit the sites one by one.",
        )
    if dependents := await find_dependents(session, job_id=job_id):
        raise UndoBlocked(
            f"导入以后，有服务点又被修改、删除或使用（列在 dependents 中，例如“{dependents[0].name}”）；什么都没有撤销。",
            f"Since then sites were edited, removed or used (see dependents; “{dependents[0].name}” is one); nothing was"
            " undone.",
            dependents=[
                {"site_id": str(one.site_id), "name": one.name, "reason": one.reason, "by": one.by}
                for one in dependents
            ],
        )
    moved = await _move(session, job, "undo", undo_reason=reason, undone_by=actor.name, **_queued(now))
    await _note(session, actor, moved, "undo", now, reason=reason)
    return moved


async def delete_job(session: AsyncSession, actor: Actor, *, job_id: UUID, now: datetime) -> None:
    """Forget an upload that was not applied. Raises ImportState."""
    job, _ = await get_job(session, actor, job_id=job_id)
    gone = await session.execute(
        delete(ImportJob).where(ImportJob.id == job_id, ImportJob.state.in_(ACTS["delete"].within))
        .returning(ImportJob.id)
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    if gone.one_or_none() is None:
        raise refusal(await _again(session, job), "delete")
    await _note(session, actor, job, "delete", now, sha256=job.sha256)


def _queued(now: datetime) -> dict[str, Any]:
    return {"queued_at": now, "message_zh": None, "message_en": None}


def _require_content(job: ImportJob) -> None:
    if job.content_removed_at is not None:
        raise ContentRemoved("请重新上传文件。", "Upload the file again.")


async def _move(session: AsyncSession, job: ImportJob, act: str, **values: Any) -> ImportJob:
    moved = await move(session, job_id=job.id, act=act, **values)
    if moved is None:
        raise refusal(await _again(session, job), act)
    await session.execute(
        update(ImportProgress)
        .where(ImportProgress.job_id == job.id)
        .values(attempts=0, started_at=None, updated_at=None, rows_read=0, rows_total=None)
    )
    return moved


async def _again(session: AsyncSession, job: ImportJob) -> ImportJob:
    await session.refresh(job)
    return job


async def _note(
    session: AsyncSession,
    actor: Actor,
    job: ImportJob,
    step: str,
    now: datetime,
    reason: str | None = None,
    **detail: Any,
) -> None:
    await record(
        session,
        actor,
        action=ACTION,
        object_kind="import",
        object_id=job.id,
        reason=reason,
        detail={"step": step, "source": job.source_code, **detail},
        now=now,
    )
