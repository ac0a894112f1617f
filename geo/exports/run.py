"""An export from end to end: into a file beside the target first, so that nobody ever opens half of one."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from core.ids import new_id
from geo.exports.query import Row, Selection, stream_sites
from geo.exports.tables import write_csv, write_xlsx
from geo.exports.vectors import write_gdal, write_geojson


class Format(StrEnum):
    """Formats we write, by the suffix of the file."""

    geojson = "geojson"
    csv = "csv"
    xlsx = "xlsx"
    gpkg = "gpkg"
    fgb = "fgb"


GDAL_DRIVERS = {Format.gpkg: "GPKG", Format.fgb: "FlatGeobuf"}


async def export_sites(
    session: AsyncSession,
    actor: Actor,
    *,
    path: Path,
    format_: Format,
    selection: Selection,
    now: datetime,
    zone: str,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write the selected sites to `path`, replacing it when all is written; returns how many.

    Area codes are those of `now` in `zone` (IANA). Raises UnknownCategory, UnknownArea, and OSError when the file cannot be written.
    """
    on = now.astimezone(ZoneInfo(zone)).date()
    batches = _counted(stream_sites(session, actor, selection=selection, on=on), progress)
    beside = path.with_name(f".{path.stem}.{new_id().hex}.{format_}")
    try:
        if format_ is Format.geojson:
            count = await write_geojson(batches, beside)
        elif format_ is Format.csv:
            count = await write_csv(batches, beside)
        elif format_ is Format.xlsx:
            count = await write_xlsx(batches, beside)
        else:
            count = await write_gdal(batches, beside, driver=GDAL_DRIVERS[format_])
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return count


async def _counted(
    batches: AsyncIterator[list[Row]], progress: Callable[[int], None] | None
) -> AsyncIterator[list[Row]]:
    done = 0
    async for rows in batches:
        yield rows
        done += len(rows)
        if progress is not None:
            progress(done)
