"""GeoJSON by hand, feature by feature (RFC 7946); GeoPackage and FlatGeobuf by GDAL from record batches."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import shapely
from pyogrio.raw import write_arrow

from geo.exports.query import COLUMNS, NAMES, Row

DECIMALS = 7  # 1 cm (RFC 7946, section 11.2, advises 6)
GEOMETRY = "geom"
_ARROW = {
    "text": pa.string(),
    "number": pa.float64(),
    "integer": pa.int32(),
    "time": pa.timestamp("ms", tz="UTC"),
}
SCHEMA = pa.schema(
    [pa.field(column.name, _ARROW[column.kind]) for column in COLUMNS] + [pa.field(GEOMETRY, pa.binary())]
)


async def write_geojson(batches: AsyncIterator[list[Row]], path: Path) -> int:
    """A FeatureCollection in WGS84, one feature a line; `id` is the site's."""
    count = 0
    with path.open("wb") as file:
        file.write(b'{"type":"FeatureCollection","features":[')
        async for rows in batches:
            shapes = shapely.from_wkb([bytes(row[-1]) for row in rows])
            for row, shape in zip(rows, geojson_shapes(shapes), strict=True):
                file.write(b",\n" if count else b"\n")
                file.write(_feature(row, shape))
                count += 1
        file.write(b"\n]}\n")
    return count


def geojson_shapes(shapes: Any) -> Any:
    """Rounded, and polygons with their outer rings counterclockwise, as RFC 7946 section 3.1.6 asks."""
    rounded = shapely.transform(shapes, lambda coordinates: np.round(coordinates, DECIMALS))
    return shapely.orient_polygons(rounded, exterior_cw=False)


def _geometry(shape: Any) -> Any:
    # GEOS writes 17 digits; most sites are points, and orjson writes as few as tell the number.
    if shape.geom_type == "Point":
        return {"type": "Point", "coordinates": [shape.x, shape.y]}
    return orjson.Fragment(shapely.to_geojson(shape))


def _feature(row: Row, shape: Any) -> bytes:
    properties = {
        name: value.isoformat(timespec="seconds") if isinstance(value, datetime) else value
        for name, value in zip(NAMES[1:], row[1:-1], strict=True)
    }
    return orjson.dumps(
        {"type": "Feature", "id": row[0], "geometry": _geometry(shape), "properties": properties}
    )


async def write_gdal(batches: AsyncIterator[list[Row]], path: Path, *, driver: str) -> int:
    """GDAL pulls record batches in a thread of its own while the cursor is read in this one: one batch at a time."""
    loop = asyncio.get_running_loop()
    count = 0
    failure: BaseException | None = None

    async def advance() -> list[Row] | None:
        nonlocal failure
        try:
            return await anext(batches, None)
        except BaseException as error:
            failure = error
            raise

    def pulled() -> Iterator[pa.RecordBatch]:
        nonlocal count
        while (rows := asyncio.run_coroutine_threadsafe(advance(), loop).result()) is not None:
            count += len(rows)
            columns = list(zip(*rows, strict=True))
            yield pa.record_batch(
                [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)],
                schema=SCHEMA,
            )

    def write() -> None:
        reader = pa.RecordBatchReader.from_batches(SCHEMA, pulled())
        # Points, lines and polygons in one layer: the type of the layer is left open.
        write_arrow(
            reader, str(path), layer="site", driver=driver, geometry_name=GEOMETRY, geometry_type="Unknown",
            crs="EPSG:4326",
        )  # fmt: skip

    try:
        await asyncio.to_thread(write)
    except Exception as error:  # whatever GDAL raises
        # GDAL only knows that the stream ended badly; we know why.
        raise failure if failure is not None else OSError(str(error)) from error
    return count
