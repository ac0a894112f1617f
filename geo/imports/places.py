"""Coordinates of a chunk of rows: parsed, brought to WGS84, and refused with what to do."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from pyproj.exceptions import CRSError

from geo.crs import Crs, ShiftDisabled, looks_swapped, to_wgs84
from geo.errors import ImportRefused
from geo.imports.kinds import Kind
from geo.imports.mapping import GeometrySpec
from geo.imports.report import Finding
from geo.imports.rows import Chunk, Geometries

FloatArray = NDArray[np.float64]
# Shapes that staff may not lose area by: repairing a bow tie changes it, dropping a doubled vertex does not.
REPAIR_TOLERANCE = 1e-3
WGS84_NAMES = {"EPSG:4326", "OGC:CRS84"}


@dataclass(frozen=True)
class Placed:
    """For each row of a chunk: its WGS84 geometry, None where it has none, and the reasons why.

    `lon` and `lat` are a point of it (NaN where there is none); `given_lon`, `given_lat` the same before conversion.
    """

    geometries: Geometries
    lon: FloatArray
    lat: FloatArray
    given_lon: FloatArray
    given_lat: FloatArray
    findings: dict[int, Finding]


@dataclass(frozen=True)
class Projection:
    """How coordinates of a file become WGS84. `known` is set when it is one of the four systems named in requests."""

    name: str
    known: Crs | None
    to_wgs84: Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]


def projection(name: str, *, gcj02_enabled: bool) -> Projection:
    """The projection called `name`: wgs84, cgcs2000, gcj02, bd09 or EPSG:nnnn. Raises ImportRefused."""
    if name.upper() in WGS84_NAMES:
        name = "wgs84"
    elif name.upper() == "EPSG:4490":
        name = "cgcs2000"
    if name.lower() in Crs.__members__:
        crs = Crs(name.lower())
        try:  # says now, not at the first row, that a shifted system is switched off
            to_wgs84(crs, 0.0, 0.0, enabled=gcj02_enabled)
        except ShiftDisabled as error:
            raise ImportRefused(error.zh, error.en) from None
        return Projection(crs.value, crs, lambda lon, lat: to_wgs84(crs, lon, lat, enabled=gcj02_enabled))
    try:
        transform = _transformer(name)
    except CRSError:
        raise ImportRefused(
            f"不认识坐标系“{name}”；可用 wgs84、cgcs2000、gcj02、bd09，或 EPSG:4547 这样的编号。",
            f"There is no coordinate system “{name}”: use wgs84, cgcs2000, gcj02, bd09, or a number such as EPSG:4547.",
        ) from None
    return Projection(name, None, transform)


@lru_cache(maxsize=8)
def _transformer(name: str) -> Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:
    transformer = pyproj.Transformer.from_crs(pyproj.CRS.from_user_input(name), "EPSG:4326", always_xy=True)

    def transform(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        lon, lat = transformer.transform(x, y)  # inf where the point is outside the projection
        return np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)

    return transform


def choose_crs(
    kind: Kind, declared: str | None, asked: str | None, mapped: str | None
) -> tuple[str, Finding | None]:
    """The coordinate system to read a file in. `--crs` comes before the mapping, the mapping before the file itself.

    Raises ImportRefused when nobody says: unlabelled coordinates are mostly gcj02, 200-600 m off, and never assumed.
    """
    said = asked or mapped
    if said is None and declared is None:
        prj = "（Shapefile 缺 .prj）" if kind is Kind.shapefile else ""
        raise ImportRefused(
            f"文件没有说明坐标系{prj}，不能猜测（猜错会偏 200–600 米）。请问来源单位，再加 --crs："
            "高德、腾讯坐标用 gcj02，百度用 bd09，GPS 或天地图用 wgs84 或 cgcs2000，投影坐标用 EPSG:编号。",
            "The file does not say its coordinate system, and it is not guessed (a wrong one is 200–600 m off). Ask the"
            " source, then add --crs: gcj02 for Amap or Tencent, bd09 for Baidu, wgs84 or cgcs2000 for GPS or Tianditu,"
            " EPSG:nnnn for projected coordinates.",
        )
    if said is None:
        assert declared is not None
        return declared, None
    if declared is not None and not _same(said, declared):
        return said, Finding(
            "note",
            "crs-overridden",
            f"文件声明的坐标系是 {declared}，按指定的 {said} 读取。",
            f"The file declares {declared}; read as {said}, as told.",
        )
    return said, None


def _same(one: str, other: str) -> bool:
    names = {"EPSG:4326": "wgs84", "OGC:CRS84": "wgs84", "EPSG:4490": "cgcs2000"}
    return names.get(one.upper(), one.lower()) == names.get(other.upper(), other.lower())


def place(chunk: Chunk, spec: GeometrySpec, crs: Projection) -> Placed:
    """Geometries of a chunk in WGS84, vectorised; what cannot be a place has a finding instead."""
    findings: dict[int, Finding] = {}
    if chunk.geometries is None and spec.wkt is None:
        return _place_points(chunk, spec, crs, findings)
    given = _from_wkt(chunk, spec.wkt, findings) if spec.wkt is not None else chunk.geometries
    assert given is not None
    return _place_shapes(chunk, given.copy(), spec, crs, findings)


def _place_points(chunk: Chunk, spec: GeometrySpec, crs: Projection, findings: dict[int, Finding]) -> Placed:
    if spec.pair is not None:
        parts = [
            re.split(r"[,，;；\s]+", cells.get(spec.pair, "").strip(" ()（）[]")) for cells in chunk.cells
        ]
        texts = [(part[0], part[1]) if len(part) == 2 else ("", "") for part in parts]
        lon_texts, lat_texts = [text[0] for text in texts], [text[1] for text in texts]
        lon_name = lat_name = spec.pair
    else:
        lon_name, lat_name = spec.lon or "", spec.lat or ""
        lon_texts = [cells.get(lon_name, "") for cells in chunk.cells]
        lat_texts = [cells.get(lat_name, "") for cells in chunk.cells]
    given_lon, given_lat = _numbers(lon_texts), _numbers(lat_texts)
    lon, lat, good = _convert(crs, given_lon, given_lat)
    for i in np.flatnonzero(~good):
        bad_lon = not np.isfinite(given_lon[i])
        findings[int(i)] = _refusal(
            chunk.numbers[i],
            lon_name if bad_lon else lat_name,
            f"{lon_texts[i]}, {lat_texts[i]}" if not spec.pair else chunk.cells[i].get(spec.pair, ""),
            float(given_lon[i]),
            float(given_lat[i]),
            crs,
        )
    geometries = np.full(len(lon), None, dtype=object)
    geometries[good] = shapely.points(lon[good], lat[good])
    return Placed(geometries, lon, lat, given_lon, given_lat, findings)


def _numbers(texts: list[str]) -> FloatArray:
    try:  # one call for a clean column
        return np.array(texts, dtype=np.float64)
    except ValueError:
        return np.array([_number(text) for text in texts], dtype=np.float64)


def _number(text: str) -> float:
    try:
        return float(text.strip().rstrip("°"))
    except ValueError:
        return float("nan")


def _convert(
    crs: Projection, x: FloatArray, y: FloatArray
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """WGS84 where the result is a place (third: where it is), NaN elsewhere. A swapped pair is not a place."""
    good = np.isfinite(x) & np.isfinite(y)
    if crs.known is not None:
        good &= (np.abs(x) <= 180.0) & (np.abs(y) <= 90.0)
        suspects = np.flatnonzero(
            good & (np.abs(y) > np.abs(x))
        )  # China's and most of Asia's lon is above its lat
        good[[i for i in suspects if looks_swapped(float(x[i]), float(y[i]))]] = False
    lon, lat = np.full(len(x), np.nan), np.full(len(x), np.nan)
    if good.any():
        lon[good], lat[good] = crs.to_wgs84(x[good], y[good])
    good &= (np.abs(lon) <= 180.0) & (np.abs(lat) <= 90.0)  # false for NaN and inf
    lon[~good] = lat[~good] = np.nan
    return lon, lat, good


def _refusal(row: int, column: str | None, value: str, x: float, y: float, crs: Projection) -> Finding:
    if not value.strip(" ,"):
        return Finding(
            "rejected", "no-coordinates", "没有坐标。", "There are no coordinates.", row, column, value,
            "请补上坐标。", "Add them.",
        )  # fmt: skip
    if not (np.isfinite(x) and np.isfinite(y)):
        return Finding(
            "rejected", "not-a-number", "坐标不是数值。", "The coordinates are no numbers.", row, column, value,
            "请写成十进制度数，例如 103.5731。", "Write decimal degrees, such as 103.5731.",
        )  # fmt: skip
    if crs.known is not None and looks_swapped(x, y):
        return Finding(
            "rejected", "swapped-axes", "经度和纬度似乎颠倒了。", "Longitude and latitude seem to be swapped.",
            row, column, value, f"请核对：经度 {y:g}，纬度 {x:g}。", f"Check: longitude {y:g}, latitude {x:g}.",
        )  # fmt: skip
    return Finding(
        "rejected", "out-of-range", f"在 {crs.name} 中不是有效位置。", f"Is no place in {crs.name}.", row, column, value,
        "请核对数值；投影坐标请用 --crs EPSG:编号。", "Check the value; for projected coordinates use --crs EPSG:nnnn.",
    )  # fmt: skip


def _from_wkt(chunk: Chunk, column: str, findings: dict[int, Finding]) -> Geometries:
    geometries = shapely.from_wkt(
        [cells.get(column, "") or None for cells in chunk.cells], on_invalid="ignore"
    )
    for i, geometry in enumerate(geometries):
        if geometry is None:
            findings[i] = Finding(
                "rejected", "bad-wkt", "几何文本（WKT）无法识别。", "The WKT cannot be read.",
                chunk.numbers[i], column, chunk.cells[i].get(column, ""),
                "例如 POINT (103.57 36.51)。", "For example POINT (103.57 36.51).",
            )  # fmt: skip
    return np.asarray(geometries, dtype=object)


def _place_shapes(
    chunk: Chunk, given: Geometries, spec: GeometrySpec, crs: Projection, findings: dict[int, Finding]
) -> Placed:
    given = shapely.force_2d(given)
    missing = shapely.is_missing(given) | shapely.is_empty(given)
    for i in np.flatnonzero(missing):
        findings.setdefault(int(i), _refusal(chunk.numbers[i], None, "", 0.0, 0.0, crs))
    given[missing] = None
    given_lon, given_lat = _representative(given)
    coordinates, owner = shapely.get_coordinates(given, return_index=True)
    lon, lat, good = _convert(crs, coordinates[:, 0].copy(), coordinates[:, 1].copy())
    for i in np.unique(owner[~good]):
        first = coordinates[(owner == i) & ~good][0]
        findings[int(i)] = _refusal(
            chunk.numbers[i], None, f"{first[0]:g}, {first[1]:g}", float(first[0]), float(first[1]), crs
        )
        given[i] = None
    kept = ~np.isin(owner, list(findings)) if findings else np.full(len(owner), True)
    shapes = shapely.set_coordinates(given, np.column_stack([lon[kept], lat[kept]]))
    _simplify_types(chunk, shapes, findings)
    _repair(chunk, shapes, findings)
    if spec.as_point:
        shapes = np.asarray(shapely.point_on_surface(shapes), dtype=object)  # None stays None
    out_lon, out_lat = _representative(shapes)
    return Placed(shapes, out_lon, out_lat, given_lon, given_lat, findings)


def _representative(shapes: Geometries) -> tuple[FloatArray, FloatArray]:
    """The point itself, or the middle of the bounds: enough to tell where a shape is."""
    west, south, east, north = shapely.bounds(shapes).T
    return (west + east) / 2.0, (south + north) / 2.0


def _simplify_types(chunk: Chunk, shapes: Geometries, findings: dict[int, Finding]) -> None:
    """A multi-geometry of one part becomes the part; what no site can be is refused."""
    for i in np.flatnonzero(shapely.get_type_id(shapes) >= 4):
        parts = shapely.get_parts(shapes[i])
        if len(parts) == 1:
            shapes[i] = parts[0]
        elif shapes[i].geom_type not in ("MultiLineString", "MultiPolygon"):
            findings[int(i)] = Finding(
                "rejected", "geometry-type", f"一条记录有 {len(parts)} 个分散的图形。",
                f"One row has {len(parts)} separate shapes.", chunk.numbers[i], None, shapes[i].geom_type,
                "请拆成多条记录，或用点、线、面。", "Split it into rows, or use a point, line or polygon.",
            )  # fmt: skip
            shapes[i] = None


def _repair(chunk: Chunk, shapes: Geometries, findings: dict[int, Finding]) -> None:
    """Repair an invalid surface when that hardly changes it, and say so; else refuse it."""
    present = ~shapely.is_missing(shapes)
    for i in np.flatnonzero(present & ~shapely.is_valid(shapes)):
        shape = shapes[i]
        reason = shapely.is_valid_reason(shape)
        fixed = shapely.make_valid(shape)
        close = abs(fixed.area - shape.area) <= REPAIR_TOLERANCE * max(fixed.area, shape.area)
        repaired = close and fixed.geom_type in ("Polygon", "MultiPolygon") and fixed.area > 0
        shapes[i] = fixed if repaired else None
        findings[int(i)] = Finding(
            "warning" if repaired else "rejected",
            "geometry-repaired" if repaired else "invalid-geometry",
            "图形有误，已自动修复（面积不变）。" if repaired else "图形有误（自相交等），无法自动修复。",
            "The shape was not valid and has been repaired, area unchanged."
            if repaired
            else "The shape is not valid.",
            chunk.numbers[i],
            None,
            reason,
            "" if repaired else "请在 GIS 软件中修复几何后重新导出。",
            "" if repaired else "Repair the geometry in a GIS and export it again.",
        )
