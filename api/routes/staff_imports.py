"""Files imported over HTTP: upload, report, apply, undo."""

from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse

from api.access import allowed
from api.conditional import NO_STORE, private
from api.idempotency import ONCE_ERRORS, Execution, Once, OnceRequired
from api.imports.download import report_csv
from api.imports.queue import put_in_queue
from api.imports.shapes import (
    MAPPING_BODY,
    UPLOAD_BODY,
    YAML,
    ApplyIn,
    ImportOut,
    ImportPage,
    LineOut,
    ListParameters,
    MappingOut,
    ReportPage,
    ReportParameters,
    UndoIn,
    UploadParameters,
    counts_out,
    import_out,
    line_out,
)
from api.limits import LIMIT_ERRORS, limited
from api.params import NoParameters
from api.problems import prefers_english, responses
from api.runtime import Session, runtime_of
from api.uploads import form_options, receive
from core import clock
from core.actor import Actor
from core.errors import InvalidCursor
from core.paging import next_cursor, read_one
from core.permissions import NotAllowed, NotSignedIn
from geo.errors import ImportRefused
from geo.import_jobs.errors import (
    ContentRemoved,
    ImportNotFound,
    ImportState,
    MappingNotConfirmed,
    RowsRejected,
    UndoBlocked,
    UploadInvalid,
    WholeDistrictNeeded,
)
from geo.import_jobs.jobs import ask_apply, ask_undo, create_job, delete_job, get_job, list_jobs, remap
from geo.import_jobs.mappings import read_mapping
from geo.import_jobs.pages import read_lines
from geo.models import ImportJob, ImportProgress

router = APIRouter(tags=["staff"])

Importer = Annotated[Actor, allowed("import.run")]
SIGNED_IN = (NotSignedIn, NotAllowed, WholeDistrictNeeded)
FOUND = (*SIGNED_IN, ImportNotFound)


@router.post(
    "/v1/staff/imports",
    status_code=202,
    responses={
        202: {"model": ImportOut},
        **responses(*SIGNED_IN, UploadInvalid, ImportRefused, *LIMIT_ERRORS, *ONCE_ERRORS),
    },
    response_class=Response,
    dependencies=[limited("uploads")],
    openapi_extra=UPLOAD_BODY,
)
async def upload(
    request: Request,
    session: Session,
    actor: Importer,
    once: Once,
    asked: Annotated[UploadParameters, Query()],
) -> Response:
    """Upload a file, as the body itself or as the field `file` of a form; a worker checks it.

    Nothing is imported yet: read the report, then `apply`. Without a mapping the one saved for `source` is used, or one
    is guessed and must be confirmed.
    """
    runtime = runtime_of(request)
    most = runtime.settings.max_upload_bytes
    async with receive(request, name=asked.filename, most_bytes=most) as (received, fields):
        said = asked.model_copy(update=form_options(fields).model_dump(exclude_none=True))
        job = await create_job(
            session,
            actor,
            runtime.ring,
            received=received,
            options=said.options(),
            mapping=fields.get("mapping", said.map),
            now=clock.now(),
        )
    await put_in_queue(session, work="check", job_id=job.id)
    return await _accepted(request, once, job)


@router.get(
    "/v1/staff/imports",
    responses={200: {"model": ImportPage}, **responses(*SIGNED_IN, InvalidCursor)},
    response_class=Response,
)
async def list_imports(
    request: Request, session: Session, actor: Importer, asked: Annotated[ListParameters, Query()]
) -> Response:
    """Imports, newest first."""
    fingerprint = orjson.dumps([sorted(asked.state), asked.source])
    before = read_one(fingerprint, asked.next, UUID)
    rows = await list_jobs(
        session,
        actor,
        states=asked.state,
        source_code=asked.source,
        before=before,
        limit=asked.limit + 1,
    )
    shown = rows[: asked.limit]
    following = next_cursor(fingerprint, rows, asked.limit, lambda row: [row[0].id])
    return _json(ImportPage(items=[_out(request, *row) for row in shown], next=following))


@router.get(
    "/v1/staff/imports/{import_id}",
    responses={200: {"model": ImportOut}, **responses(*FOUND)},
    response_class=Response,
)
async def show_import(
    request: Request,
    session: Session,
    actor: Importer,
    import_id: UUID,
    _: Annotated[NoParameters, Query()],
) -> Response:
    """One import: its state, how far the worker is, what it found."""
    return _json(_out(request, *await get_job(session, actor, job_id=import_id)))


@router.get(
    "/v1/staff/imports/{import_id}/report",
    responses={
        200: {"model": ReportPage, "content": {"text/csv": {"schema": {"type": "string"}}}},
        **responses(*FOUND, ImportState, ContentRemoved, InvalidCursor),
    },
    response_class=Response,
)
async def show_report(
    request: Request,
    session: Session,
    actor: Importer,
    import_id: UUID,
    asked: Annotated[ReportParameters, Query()],
) -> Response:
    """What was found, row by row; what `apply` will do with each. `format=csv` is the whole of it."""
    runtime = runtime_of(request)
    job, _ = await get_job(session, actor, job_id=import_id)
    if job.content_removed_at is not None:
        raise ContentRemoved("报告已过保存期。", "The report is no longer kept.")
    if job.checked_at is None:
        raise ImportState(
            "还没有检查完，稍后再看。", "It is not checked yet; look again later.", state=job.state
        )
    if asked.format == "csv":
        return StreamingResponse(
            report_csv(runtime.database, runtime.ring, job_id=import_id, outcomes=asked.outcome),
            media_type="text/csv; charset=utf-8",
            headers={**NO_STORE, "Content-Disposition": f'attachment; filename="import-{import_id}.csv"'},
        )
    fingerprint = orjson.dumps([str(import_id), str(job.checked_at), sorted(asked.outcome)])
    after = read_one(fingerprint, asked.next, int)
    lines = await read_lines(
        session,
        runtime.ring,
        job_id=import_id,
        outcomes=asked.outcome,
        after=-1 if after is None else after,
        limit=asked.limit + 1,
    )
    shown = lines[: asked.limit]
    following = next_cursor(fingerprint, lines, asked.limit, lambda line: [line[0]])
    english = prefers_english(request)
    items: list[LineOut] = [line_out(line, english=english) for _, line in shown]
    return _json(ReportPage(counts=counts_out(job), items=items, next=following))


@router.get(
    "/v1/staff/imports/{import_id}/mapping",
    responses={
        200: {"model": MappingOut, "content": {YAML: {"schema": {"type": "string"}}}},
        **responses(*FOUND, ImportState),
    },
    response_class=Response,
)
async def show_mapping(
    request: Request,
    session: Session,
    actor: Importer,
    import_id: UUID,
    _: Annotated[NoParameters, Query()],
) -> Response:
    """Which column means what. `Accept: application/yaml` gives the file alone, to be edited and sent back."""
    job, _progress = await get_job(session, actor, job_id=import_id)
    if job.mapping is None or job.mapping_origin is None:
        raise ImportState(
            "还没有映射，检查后再看。", "There is no mapping until it is checked.", state=job.state
        )
    if YAML in request.headers.get("accept", ""):
        return Response(job.mapping, media_type=YAML, headers=NO_STORE)
    try:
        mapping = read_mapping(job.mapping).model_dump(mode="json", exclude_defaults=True)
    except ImportRefused:
        mapping = None
    return _json(MappingOut(origin=job.mapping_origin, yaml=job.mapping, mapping=mapping))


@router.put(
    "/v1/staff/imports/{import_id}/mapping",
    status_code=202,
    responses={
        202: {"model": ImportOut},
        **responses(
            *FOUND, ImportState, ImportRefused, UploadInvalid, ContentRemoved, *LIMIT_ERRORS, *ONCE_ERRORS
        ),
    },
    response_class=Response,
    dependencies=[limited("writes")],
    openapi_extra=MAPPING_BODY,
)
async def put_mapping(
    request: Request,
    session: Session,
    actor: Importer,
    once: Once,
    import_id: UUID,
    _: Annotated[NoParameters, Query()],
) -> Response:
    """Read the file by this mapping, YAML or JSON, or confirm a guessed one by sending it back; it is checked again."""
    body = await request.body()
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UploadInvalid("映射文件须为 UTF-8。", "The mapping must be UTF-8.") from error
    job = await remap(session, actor, job_id=import_id, mapping=text, now=clock.now())
    await put_in_queue(session, work="check", job_id=import_id)
    return await _accepted(request, once, job)


@router.post(
    "/v1/staff/imports/{import_id}/apply",
    status_code=202,
    responses={
        202: {"model": ImportOut},
        **responses(
            *FOUND,
            ImportState,
            MappingNotConfirmed,
            RowsRejected,
            ContentRemoved,
            *ONCE_ERRORS,
            *LIMIT_ERRORS,
        ),
    },
    response_class=Response,
    dependencies=[limited("writes")],
)
async def apply(
    request: Request,
    session: Session,
    actor: Importer,
    once: OnceRequired,
    import_id: UUID,
    said: ApplyIn | None = None,
) -> Response:
    """Import what the report shows: all of it or nothing. When sites changed since, it is checked again instead."""
    skip = said is not None and said.skip_rejected
    job = await ask_apply(session, actor, job_id=import_id, skip_rejected=skip, now=clock.now())
    await put_in_queue(session, work="apply", job_id=import_id)
    return await _accepted(request, once, job)


@router.post(
    "/v1/staff/imports/{import_id}/undo",
    status_code=202,
    responses={
        202: {"model": ImportOut},
        **responses(*FOUND, ImportState, UndoBlocked, ContentRemoved, *LIMIT_ERRORS, *ONCE_ERRORS),
    },
    response_class=Response,
    dependencies=[limited("writes")],
)
async def undo(
    request: Request, session: Session, actor: Importer, once: Once, import_id: UUID, said: UndoIn
) -> Response:
    """Take an import back: every site is again as it was, new ones are gone. 409 lists what depends on it by now."""
    job = await ask_undo(session, actor, job_id=import_id, reason=said.reason, now=clock.now())
    await put_in_queue(session, work="undo", job_id=import_id)
    return await _accepted(request, once, job)


@router.delete(
    "/v1/staff/imports/{import_id}",
    status_code=204,
    responses=responses(*FOUND, ImportState, *LIMIT_ERRORS),
    dependencies=[limited("writes")],
)
async def forget(
    session: Session, actor: Importer, import_id: UUID, _: Annotated[NoParameters, Query()]
) -> None:
    """Forget an upload that was not applied, with its file and report."""
    await delete_job(session, actor, job_id=import_id, now=clock.now())


def _out(request: Request, job: ImportJob, progress: ImportProgress) -> ImportOut:
    return import_out(
        job,
        progress,
        english=prefers_english(request),
        zone=runtime_of(request).settings.zone,
        now=clock.now(),
    )


def _at(job: ImportJob) -> dict[str, str]:
    return {"Location": f"/v1/staff/imports/{job.id}"}


async def _accepted(request: Request, once: Execution, job: ImportJob) -> Response:
    headers = {**_at(job), "Vary": "Accept-Language"}
    return await once.answer(_out(request, job, ImportProgress(rows_read=0)), status=202, headers=headers)


def _json(out: BaseModel) -> Response:
    return private(out, headers={"Vary": "Accept-Language"})
