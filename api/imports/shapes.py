"""What is said of imports over HTTP."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from api.imports.wording import line_over_http
from api.params import Parameters
from api.schemas.base import In, InstantOut
from core.text import Text, check_storable
from geo.import_jobs.keeping import KEPT
from geo.import_jobs.states import STATES_ZH
from geo.imports.report import Finding
from geo.models import ImportJob, ImportProgress

# A worker that is not heard of for so long is probably gone.
SILENT = timedelta(seconds=90)
# So long a wait for a worker that is busy is nothing to speak of.
PATIENCE = timedelta(seconds=20)
UNCONFIRMED = (
    "映射是自动猜测的：请用 GET …/mapping 逐项核对，再用 PUT …/mapping 发回确认，然后才能导入。",
    "The mapping was guessed: check every line of GET …/mapping and send it back with PUT …/mapping, then apply.",
)

YAML = "application/yaml"
UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "mapping": {"type": "string", "description": "YAML, as text or as a file"},
                        "options": {"type": "string", "description": "the query's parameters, as JSON"},
                    },
                }
            },
        },
    }
}
MAPPING_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {YAML: {"schema": {"type": "string"}}, "application/json": {"schema": {"type": "object"}}},
    }
}

State = Literal[
    "uploaded", "checking", "checked", "refused", "applying", "applied", "undoing", "undone", "failed"
]
Outcome = Literal["new", "changed", "rejected", "warning", "note"]
SourceCode = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
Option = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(check_storable),
]


class UploadOptions(Parameters):
    """How a file is to be read; all of it can be left out, and corrected later in the mapping."""

    source: SourceCode | None = Field(
        None, description="whose rows these are; the mapping saved for it is used again"
    )
    crs: Option | None = Field(None, description="wgs84, cgcs2000, gcj02, bd09 or EPSG:nnnn")
    encoding: Option | None = Field(None, description="utf-8, gb18030, big5; usually found")
    layer: Option | None = Field(None, description="which layer, or which sheet")
    sheet: Option | None = Field(None, description="the same as layer")
    within: Option | None = Field(None, description="code of the area the points should be in")
    map: Annotated[Text, StringConstraints(min_length=1, max_length=1_000_000)] | None = Field(
        None, description="the mapping, as YAML (docs/importing.md); without one it is guessed"
    )

    def options(self) -> dict[str, str]:
        """As domain functions take them."""
        said = self.model_dump(exclude_none=True, exclude={"map", "filename"})
        if "sheet" in said:
            said.setdefault("layer", said.pop("sheet"))
        return said


class UploadParameters(UploadOptions):
    """The same in the query, with the name of a file that is the body itself. Addresses are short: a long mapping goes in a form."""

    map: Annotated[Text, StringConstraints(min_length=1, max_length=8_000)] | None = Field(
        None,
        description="the mapping, as YAML; a longer one goes into a form, or to PUT …/mapping afterwards",
    )
    filename: Annotated[Text, StringConstraints(min_length=1, max_length=500)] | None = Field(
        None, description="what the file is called; a form says it by itself"
    )


class ListParameters(Parameters):
    """Which imports to list."""

    state: list[State] = Field([], description="only these states; repeat it")
    source: SourceCode | None = None
    limit: int = Field(50, ge=1, le=200)
    next: str | None = Field(None, max_length=600)


class ReportParameters(Parameters):
    """Which lines of a report."""

    format: Literal["json", "csv"] = Field("json", description="csv is whole, with a BOM, for a spreadsheet")
    outcome: list[Outcome] = Field([], description="only these outcomes; repeat it")
    limit: int = Field(100, ge=1, le=200)
    next: str | None = Field(None, max_length=600)


class ApplyIn(In):
    """How to import."""

    skip_rejected: bool = Field(False, description="import the other rows although some were rejected")


class UndoIn(In):
    """Why an import is taken back."""

    reason: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=500),
        AfterValidator(check_storable),
    ]


class FileOut(BaseModel):
    """What was uploaded."""

    name: str
    size_bytes: int
    sha256: str


class CountsOut(BaseModel):
    """Rows by what becomes of them. ``absent``: sites of the source that the file does not have; they stay."""

    read: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0
    dropped: int = 0
    warnings: int = 0
    absent: int = 0


class ProgressOut(BaseModel):
    """How far the worker is. ``waiting_since``: no worker has begun; ``silent_since``: it was last heard of then."""

    rows_read: int
    rows_total: int | None
    rows_per_second: float | None
    started_at: InstantOut | None
    waiting_since: InstantOut | None
    silent_since: InstantOut | None


class ImportOut(BaseModel):
    """An uploaded file and what became of it."""

    id: UUID
    state: State
    state_zh: str
    message: str | None = Field(description="what happened and what to do, where there is something to say")
    file: FileOut
    source: str | None
    mapping: Literal["given", "saved", "guessed"] | None = Field(
        description="who made the mapping; a guessed one must be confirmed before the import"
    )
    counts: CountsOut | None
    progress: ProgressOut | None = Field(description="while the worker is waited for or working")
    created_at: InstantOut
    checked_at: InstantOut | None
    applied_at: InstantOut | None
    undone_at: InstantOut | None
    undo_reason: str | None
    kept_until: InstantOut | None = Field(
        description="until then the file and the report are kept and the import can be undone"
    )


class ImportPage(BaseModel):
    """Imports, newest first."""

    items: list[ImportOut]
    next: str | None


class LineOut(BaseModel):
    """A line of the report. ``row`` as the file counts; null: the whole file."""

    outcome: Outcome
    row: int | None
    column: str | None
    value: str
    reason: str
    suggestion: str
    code: str


class ReportPage(BaseModel):
    """Lines of the report, in the order of the file; what concerns the whole file comes last."""

    counts: CountsOut
    items: list[LineOut]
    next: str | None


class MappingOut(BaseModel):
    """How the file is read: as YAML with its comments, and as data."""

    origin: Literal["given", "saved", "guessed"]
    yaml: str
    mapping: dict[str, Any] | None = Field(description="null when the YAML still has mistakes")


def import_out(
    job: ImportJob, progress: ImportProgress, *, english: bool, zone: str, now: datetime
) -> ImportOut:
    """A job as its staff see it; times inside texts are in ``zone``."""
    message = job.message_en if english else job.message_zh
    how_far = None
    if job.queued_at is not None:
        how_far = _progress(job, progress, now)
        message = _waiting(how_far, english, ZoneInfo(zone), now) or message
    elif job.state == "checked" and job.mapping_origin == "guessed":
        message = message or UNCONFIRMED[english]
    kept_until = None
    if job.content_removed_at is None and job.state != "undone":
        kept_until = (job.applied_at or job.created_at) + KEPT
    return ImportOut(
        id=job.id,
        state=job.state,
        state_zh=STATES_ZH[job.state],
        message=message,
        file=FileOut(name=job.file_name, size_bytes=job.size_bytes, sha256=job.sha256),
        source=job.source_code,
        mapping=job.mapping_origin,
        counts=None if job.counts is None else counts_out(job),
        progress=how_far,
        created_at=job.created_at,
        checked_at=job.checked_at,
        applied_at=job.applied_at,
        undone_at=job.undone_at,
        undo_reason=job.undo_reason,
        kept_until=kept_until,
    )


def counts_out(job: ImportJob) -> CountsOut:
    """The counts of a job that was checked."""
    return CountsOut(**{name: n for name, n in (job.counts or {}).items() if name in CountsOut.model_fields})


def line_out(line: Finding, *, english: bool) -> LineOut:
    """A line of the report in one language."""
    said = line_over_http(line)
    return LineOut(
        outcome=said.severity,
        row=said.row,
        column=said.column,
        value=said.value,
        reason=said.en if english else said.zh,
        suggestion=said.do_en if english else said.do_zh,
        code=said.code,
    )


def _progress(job: ImportJob, progress: ImportProgress, now: datetime) -> ProgressOut:
    started, heard = progress.started_at, progress.updated_at
    rate = None
    if started is not None and heard is not None and heard > started:
        rate = round(progress.rows_read / (heard - started).total_seconds(), 1)
    silent = heard if heard is not None and now - heard > SILENT else None
    return ProgressOut(
        rows_read=progress.rows_read,
        rows_total=progress.rows_total,
        rows_per_second=rate,
        started_at=started,
        waiting_since=job.queued_at if started is None else None,
        silent_since=silent,
    )


def _waiting(progress: ProgressOut, english: bool, zone: ZoneInfo, now: datetime) -> str | None:
    if progress.waiting_since is not None and now - progress.waiting_since > PATIENCE:
        since = progress.waiting_since.astimezone(zone).isoformat(timespec="seconds")
        return (
            f"Waiting for the worker since {since}. If it stays so, ask your administrator whether `xinban worker` runs."
            if english
            else f"自 {since} 起等待后台处理；一直没有动静时，请让管理员检查 xinban worker 是否在运行。"
        )
    if progress.silent_since is not None:
        since = progress.silent_since.astimezone(zone).isoformat(timespec="seconds")
        return (
            f"The worker was last heard of at {since}; another one begins anew within some minutes."
            if english
            else f"后台自 {since} 起没有消息；几分钟内会自动重新处理，不会只写入一部分。"
        )
    return None
