"""An import from end to end: a dry run that writes nothing, or all of it in the caller's one transaction.

Both read the file once, in chunks, so that memory stays flat.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from geo.errors import ImportRefused
from geo.imports.checks import Tally, check_area, check_landmarks, find_repeats
from geo.imports.known import find_duplicates, find_landmarks
from geo.imports.opening import ImportRequest, Opened, Reading, Ready, open_import
from geo.imports.report import Finding, Report
from geo.models import ImportRun, Site
from geo.sites.input import SiteIn
from geo.sites.store import Verdict, compare_sites, put_sites, put_source, settle

LANDMARK_SAMPLE = 500  # rows compared with known sites by name

Progress = Callable[[int, int | None], None]  # rows read so far, rows in all if known


class Watch(Protocol):
    """Sees each chunk of rows with what becomes of them, before and after they are written, if they are."""

    async def before(
        self, session: AsyncSession, sites: Sequence[SiteIn], verdicts: Sequence[Verdict], writing: bool
    ) -> None:
        """Nothing of the chunk is written yet."""
        ...

    async def after(
        self, session: AsyncSession, sites: Sequence[SiteIn], verdicts: Sequence[Verdict]
    ) -> None:
        """All of the chunk is written."""
        ...


async def import_file(
    session: AsyncSession,
    actor: Actor,
    *,
    request: ImportRequest,
    report: Report,
    now: datetime,
    apply: bool = False,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> UUID | None:
    """Read, check and, with `apply`, write: the id of the record of it. `report` is filled also by a refusal.

    Raises ImportRefused when the file cannot be read, and with `apply` when all rows were rejected, or some and not
    `skip_rejected`: the caller's transaction must then roll back, which undoes what was written before the first.
    """
    opened = await open_import(session, actor, request=request, report=report, now=now)
    source = request.mapping.source
    if apply:
        await put_source(session, actor, code=source.code, name=source.name, licence=source.licence,
                         attribution=source.attribution, url=source.url)  # fmt: skip
    tally, names = Tally(), list[str]()
    reading = Reading(request, opened, report)
    # The next chunk is read in a thread while the server works on this one. The report belongs to the thread from
    # `submit` until it is awaited.
    with ThreadPoolExecutor(max_workers=1) as executor:
        try:
            ready = await asyncio.wrap_future(executor.submit(reading.read))
            while ready is not None:
                placed, built = ready
                # After the first refused row nothing will be kept: go on reading for the report only.
                writing = apply and (request.skip_rejected or not report.counts["rejected"])
                compare = report.sink is not None or watch is not None or not writing
                done, total = report.counts["read"], opened.layer.total
                following = asyncio.wrap_future(executor.submit(reading.read))
                outcome = await _put(
                    session, actor, source.code, ready, now, writing, compare, opened.compare, watch
                )
                ready = await following
                outcome.tell(report)
                tally.add([number for _, number, _ in built], [i for i, _, _ in built], placed)
                names += [site.name for _, _, site in built[: LANDMARK_SAMPLE - len(names)]]
                if progress is not None:
                    progress(done, total)
        finally:
            executor.submit(reading.close)
    if not report.counts["read"]:
        raise ImportRefused(f"{request.path.name} 里没有数据行。", f"{request.path.name} holds no rows.")
    await _check_whole(session, actor, request, opened, tally, names, report)
    await _note_absent(session, source.code, report, apply)
    if not apply:
        return None
    _refuse_if_rejected(request, report)
    run = ImportRun(
        source_code=source.code,
        file_name=request.path.name,
        file_sha256=sha256(request.path),
        mapping=request.mapping.model_dump(mode="json", exclude_defaults=True) | {"read_as": opened.crs.name},
        counts=dict(report.counts),
        applied_by=actor.name,
        applied_at=now,
    )
    session.add(run)
    await session.flush()
    await settle(session, actor)
    return run.id


def sha256(path: Path) -> str:
    """Hex digest of the file, the record of what was imported."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass
class _Outcome:
    """What became of a chunk in the database."""

    counts: Counter[str] = field(default_factory=Counter)
    rows: list[tuple[Verdict, int, str, str]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def tell(self, report: Report) -> None:
        report.counts.update(self.counts)
        for verdict, number, external_id, name in self.rows:
            if verdict != "unchanged":
                report.row(verdict, number, external_id, name)
        for finding in self.findings:
            report.add(finding)


async def _put(
    session: AsyncSession,
    actor: Actor,
    source_code: str,
    ready: Ready,
    now: datetime,
    writing: bool,
    compare: bool,
    look_for_duplicates: bool,
    watch: Watch | None,
) -> _Outcome:
    """Write a chunk or find out what writing would do, and list likely duplicates among what is new or changed."""
    placed, built = ready
    outcome = _Outcome()
    if not built:
        return outcome
    sites = [site for _, _, site in built]
    wanted = built
    verdicts: list[Verdict] = []
    if compare:
        verdicts = await compare_sites(session, actor, source_code=source_code, sites=sites)
        wanted = [row for row, verdict in zip(built, verdicts, strict=True) if verdict != "unchanged"]
        outcome.rows = [
            (verdict, number, site.external_id, site.name)
            for (_, number, site), verdict in zip(built, verdicts, strict=True)
            if verdict != "unchanged"
        ]
        outcome.counts.update(verdicts)
    if look_for_duplicates and wanted:
        indices = [i for i, _, _ in wanted]
        outcome.findings = await find_duplicates(
            session,
            actor,
            source_code=source_code,
            sites=[site for _, _, site in wanted],
            numbers=[number for _, number, _ in wanted],
            lon=placed.lon[indices],
            lat=placed.lat[indices],
        )
    if watch is not None:
        await watch.before(session, sites, verdicts, writing)
    if writing:
        put = await put_sites(session, actor, source_code=source_code, sites=sites, now=now)
        outcome.counts = Counter(new=put.created, changed=put.changed, unchanged=put.unchanged)
        if watch is not None:
            await watch.after(session, sites, verdicts)
    return outcome


async def _check_whole(
    session: AsyncSession,
    actor: Actor,
    request: ImportRequest,
    opened: Opened,
    tally: Tally,
    names: list[str],
    report: Report,
) -> None:
    numbers, coordinates = tally.arrays()
    findings = find_repeats(numbers, coordinates)
    enabled = request.gcj02_enabled
    if 2 * report.by_code["swapped-axes"] > report.counts["read"]:
        findings.append(
            Finding("warning", "swapped-columns",
                    "多数行的经度和纬度颠倒，很可能是映射文件里 geometry 的 lon 和 lat 写反了。",
                    "Most rows have longitude and latitude exchanged: the mapping's geometry probably has lon and lat"
                    " the wrong way round.",
                    do_zh="请交换 geometry 的 lon 和 lat。", do_en="Exchange lon and lat under geometry.")
        )  # fmt: skip
    if opened.area is not None:
        name, area = opened.area
        findings += check_area(
            numbers, coordinates, area=area, area_name=name, crs=opened.crs, gcj02_enabled=enabled
        )
    if opened.compare and (finding := await _landmarks(session, actor, request, opened, names, coordinates)):
        findings.append(finding)
    for finding in findings:
        report.add(finding)


async def _landmarks(
    session: AsyncSession,
    actor: Actor,
    request: ImportRequest,
    opened: Opened,
    names: list[str],
    coordinates: NDArray[np.float64],
) -> Finding | None:
    head = coordinates[: len(names)]
    rows, known = await find_landmarks(
        session, actor, source_code=request.mapping.source.code, names=names, lon=head[:, 0], lat=head[:, 1]
    )
    return check_landmarks(head[rows, 2:4], known, crs=opened.crs, gcj02_enabled=request.gcj02_enabled)


async def _note_absent(session: AsyncSession, source_code: str, report: Report, apply: bool) -> None:
    """Say how many sites of this source the file does not have; they are left as they are."""
    stored = (
        await session.scalar(select(func.count()).select_from(Site).where(Site.source_code == source_code))
        or 0
    )
    met = report.counts["changed"] + report.counts["unchanged"]
    written = report.counts["new"] if apply else 0
    if (absent := stored - met - written) > 0:
        report.counts["absent"] = absent
        report.add(
            Finding("note", "absent", f"这个来源原有 {absent} 个服务点不在文件中（或被拒绝），保持不变。",
                    f"{absent} sites of this source are not in the file, or were rejected; they stay as they are.",
                    do_zh="若已撤销，请在后台停用。", do_en="Retire them if they are gone.")
        )  # fmt: skip


def _refuse_if_rejected(request: ImportRequest, report: Report) -> None:
    rejected = report.counts["rejected"]
    if rejected and not report.usable:
        raise ImportRefused(
            f"{rejected} 行被拒绝，没有一行可以导入，什么都没有写入。请先改正。",
            f"{rejected} rows were rejected and none can be imported; nothing was written. Correct them first.",
            rejected=rejected,
        )
    if rejected and not request.skip_rejected:
        raise ImportRefused(
            f"有 {rejected} 行被拒绝，什么都没有写入。请改正后再导入，或加 --skip-rejected 只导入其余的行。",
            f"{rejected} rows were rejected and nothing was written: correct them, or add --skip-rejected to import"
            " the others.",
            rejected=rejected,
        )
