"""An import before its first row: the file opened, the mapping compiled, the coordinate system settled."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from geo.errors import ImportRefused
from geo.imports.build import Built, build_chunk
from geo.imports.fields import Compiled, compile_mapping
from geo.imports.kinds import Kind
from geo.imports.known import find_expected_area, has_other_sources
from geo.imports.mapping import Mapping, check_columns
from geo.imports.places import Placed, Projection, choose_crs, place, projection
from geo.imports.readers import open_layer
from geo.imports.report import Report
from geo.imports.rows import Layer
from geo.models import Category

Ready = tuple[Placed, list[Built]]


@dataclass(frozen=True)
class ImportRequest:
    """A file and how to read it. Options win over what the mapping says.

    `zone` is that of rows that name none, and of today's areas; `expected_area` the code of the area most sites are in.
    """

    path: Path
    mapping: Mapping
    crs: str | None = None
    encoding: str | None = None
    layer: str | None = None
    within: str | None = None
    skip_rejected: bool = False
    zone: str = "Asia/Shanghai"
    gcj02_enabled: bool = True
    expected_area: str | None = None


@dataclass(frozen=True)
class Opened:
    """A file that can be read: how, in which coordinate system, and where its points should lie."""

    layer: Layer
    compiled: Compiled
    crs: Projection
    area: tuple[str, BaseGeometry] | None
    compare: bool  # whether other sources have sites


class Reading:
    """The file being read, mapped and placed, chunk by chunk; one thread at a time."""

    def __init__(self, request: ImportRequest, opened: Opened, report: Report) -> None:
        self._request, self._opened, self._report = request, opened, report
        self._seen: dict[str, int] = {}
        self._chunks = opened.layer.chunks()

    def read(self) -> Ready | None:
        """The next chunk's places and sites; None at the end."""
        chunk = next(self._chunks, None)
        if chunk is None:
            drain(self._opened.layer, self._report)
            return None
        placed = place(chunk, self._request.mapping.geometry, self._opened.crs)
        built = build_chunk(
            self._opened.compiled, chunk, placed, self._report, seen=self._seen, zone=self._request.zone
        )
        drain(self._opened.layer, self._report)
        return placed, built

    def close(self) -> None:
        """Close the file now, not when the garbage is collected."""
        self._chunks.close()


async def open_import(
    session: AsyncSession, actor: Actor, *, request: ImportRequest, report: Report, now: datetime
) -> Opened:
    """Raises ImportRefused for whatever makes the file or its mapping unusable as a whole."""
    layer = open_layer(request.path, request.mapping, encoding=request.encoding, layer=request.layer)
    check_columns(request.mapping, layer.columns)
    geometry = request.mapping.geometry
    if not geometry.columns() and layer.kind in (Kind.table, Kind.spreadsheet):
        raise ImportRefused(
            "映射文件没有说明坐标在哪些列，请写 geometry: {lon: 列名, lat: 列名}。",
            "The mapping does not say which columns hold coordinates: write geometry: {lon: NAME, lat: NAME}.",
        )
    crs_name, note = choose_crs(layer.kind, layer.crs, request.crs, request.mapping.crs)
    crs = projection(crs_name, gcj02_enabled=request.gcj02_enabled)
    drain(layer, report)
    if note is not None:
        report.add(note)
    compiled = compile_mapping(request.mapping, set(await session.scalars(select(Category.code))))
    compare = await has_other_sources(session, actor, source_code=request.mapping.source.code)
    return Opened(layer, compiled, crs, await _expected_area(session, actor, request, now), compare)


async def _expected_area(
    session: AsyncSession, actor: Actor, request: ImportRequest, now: datetime
) -> tuple[str, BaseGeometry] | None:
    within = request.within or request.mapping.within
    if isinstance(within, tuple):
        return "映射文件的 within / the mapping's within", shapely.box(*within)
    code = within or request.expected_area
    today = now.astimezone(ZoneInfo(request.zone)).date()
    area = await find_expected_area(session, actor, code=code, on=today) if code else None
    if within and area is None:
        raise ImportRefused(
            f"没有编码为 {within} 且带边界的区域。", f"There is no area with code {within} and a border."
        )
    return area


def drain(layer: Layer, report: Report) -> None:
    """Move what the reader had to say into the report."""
    while layer.findings:
        finding = layer.findings.pop(0)
        if finding.severity == "rejected":
            report.counts["read"] += 1
            report.reject(finding)
        else:
            report.add(finding)
