"""What only the file as a whole shows: repeated points, the wrong part of the world, the wrong coordinate system."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from geo.crs import Crs, to_wgs84
from geo.imports.places import Placed, Projection
from geo.imports.report import Finding

FloatArray = NDArray[np.float64]

REPEATS_FROM = 3  # rows on one point; two offices in one building are common
MOST_REPEATS_LISTED = 50
REPEAT_DECIMALS = 6  # 0.1 m
CLEARLY_BETTER = 0.05  # share of points by which another reading must win to be suggested
LANDMARKS_FROM = 3  # known sites with the same name, before their offset says something
LANDMARK_NEAR_M = 150.0  # addresses of the same place in two good sources are within this
METRES_PER_DEGREE = 111_195.0  # of latitude, on a sphere of 6,371 km
OTHERS = (Crs.wgs84, Crs.gcj02, Crs.bd09)


@dataclass
class Tally:
    """Where the accepted rows are: 40 bytes a row, kept until the end of the file."""

    numbers: list[NDArray[np.int64]] = field(default_factory=list)
    coordinates: list[FloatArray] = field(default_factory=list)  # columns: lon, lat, given lon, given lat

    def add(self, numbers: Sequence[int], indices: Sequence[int], placed: Placed) -> None:
        """Take note of the rows of a chunk at `indices`."""
        self.numbers.append(np.array(numbers, dtype=np.int64))
        every = np.column_stack([placed.lon, placed.lat, placed.given_lon, placed.given_lat])
        self.coordinates.append(every[list(indices)])

    def arrays(self) -> tuple[NDArray[np.int64], FloatArray]:
        """Row numbers, and lon, lat, given lon, given lat as columns."""
        if not self.numbers:
            return np.empty(0, dtype=np.int64), np.empty((0, 4))
        return np.concatenate(self.numbers), np.concatenate(self.coordinates)


def find_repeats(numbers: NDArray[np.int64], coordinates: FloatArray) -> list[Finding]:
    """Points that three rows or more share: often the middle of a town, put where an address was not found."""
    if len(numbers) == 0:
        return []
    rounded = np.round(coordinates[:, :2], REPEAT_DECIMALS)
    points, inverse, counts = np.unique(rounded, axis=0, return_inverse=True, return_counts=True)
    findings = []
    for k in np.argsort(-counts, kind="stable")[:MOST_REPEATS_LISTED]:
        if counts[k] < REPEATS_FROM:
            break
        rows = numbers[inverse == k]
        listed = ", ".join(str(row) for row in rows[:5]) + ("…" if len(rows) > 5 else "")
        findings.append(
            Finding(
                "warning",
                "repeated-point",
                f"{counts[k]} 行在同一个点上（第 {listed} 行）。",
                f"{counts[k]} rows are on the same point (rows {listed}).",
                int(rows[0]),
                None,
                f"{points[k][0]:g}, {points[k][1]:g}",
                "可能是按镇名而不是门牌定位的，请核对。",
                "Perhaps placed by town, not by address: check them.",
            )
        )
    return findings


def check_area(
    numbers: NDArray[np.int64],
    coordinates: FloatArray,
    *,
    area: BaseGeometry,
    area_name: str,
    crs: Projection,
    gcj02_enabled: bool,
) -> list[Finding]:
    """Rows outside the expected area, each; or, when most are, one finding with the reading that would fit."""
    if len(numbers) == 0:
        return []
    shapely.prepare(area)
    inside = shapely.intersects_xy(area, coordinates[:, 0], coordinates[:, 1])
    share = float(inside.mean())
    hint_zh, hint_en = _better_reading(coordinates, area, share, crs, gcj02_enabled)
    if share < 0.5 or hint_zh:
        outside = int((~inside).sum())
        return [
            Finding(
                "warning",
                "outside-area",
                f"{len(numbers)} 个点中有 {outside} 个不在{area_name}范围内。",
                f"{outside} of {len(numbers)} points are outside {area_name}.",
                do_zh=hint_zh or "请核对坐标系，或用 --within 指明应在的区域。",
                do_en=hint_en or "Check the coordinate system, or name the area with --within.",
            )
        ]
    return [
        Finding(
            "warning",
            "outside-area",
            f"不在{area_name}范围内。",
            f"Is outside {area_name}.",
            int(numbers[i]),
            None,
            f"{coordinates[i, 2]:g}, {coordinates[i, 3]:g}",
            "请核对坐标。",
            "Check the coordinates.",
        )
        for i in np.flatnonzero(~inside)
    ]


def _better_reading(
    coordinates: FloatArray, area: BaseGeometry, share: float, crs: Projection, gcj02_enabled: bool
) -> tuple[str, str]:
    if share >= 1.0 - CLEARLY_BETTER:
        return "", ""
    given_lon, given_lat = coordinates[:, 2], coordinates[:, 3]
    readings = {"swap": float(shapely.intersects_xy(area, given_lat, given_lon).mean())}
    if crs.known is not None and gcj02_enabled:
        for other in OTHERS:
            if other is not crs.known:
                lon, lat = to_wgs84(other, given_lon, given_lat)
                readings[other.value] = float(shapely.intersects_xy(area, lon, lat).mean())
    best = max(readings, key=lambda name: readings[name])
    if readings[best] < share + CLEARLY_BETTER:
        return "", ""
    percent = f"{readings[best]:.0%}"
    if best == "swap":
        return (
            f"交换经度和纬度后有 {percent} 在范围内，请检查列的顺序。",
            f"With longitude and latitude exchanged {percent} would be inside: check the columns.",
        )
    return (
        f"按 {best} 读取则有 {percent} 在范围内，是不是 --crs {best}？",
        f"Read as {best}, {percent} would be inside: perhaps --crs {best}?",
    )


def check_landmarks(
    given: FloatArray, known: FloatArray, *, crs: Projection, gcj02_enabled: bool
) -> Finding | None:
    """Compare rows with known sites of the same name. Columns: lon, lat; `given` as in the file, `known` in WGS84.

    A warning when another coordinate system brings them clearly closer: half the distance, and near.
    """
    if len(given) < LANDMARKS_FROM or crs.known is None or not gcj02_enabled:
        return None
    medians = {}
    for other in OTHERS:
        lon, lat = to_wgs84(other, given[:, 0].copy(), given[:, 1].copy())
        medians[other] = float(np.median(distances_m(lon, lat, known[:, 0], known[:, 1])))
    now = medians[Crs.wgs84 if crs.known is Crs.cgcs2000 else crs.known]
    best = min(medians, key=lambda name: medians[name])
    if now <= LANDMARK_NEAR_M or medians[best] > LANDMARK_NEAR_M or medians[best] > now / 2:
        return None
    return Finding(
        "warning",
        "landmarks-off",
        f"{len(given)} 个同名的已知服务点平均偏离 {now:.0f} 米；按 {best} 读取则只偏 {medians[best]:.0f} 米。",
        f"{len(given)} known sites of the same name are {now:.0f} m off; read as {best} only {medians[best]:.0f} m.",
        do_zh=f"坐标系很可能是 {best}，请加 --crs {best}。",
        do_en=f"The coordinates are probably {best}: add --crs {best}.",
    )


def distances_m(lon: FloatArray, lat: FloatArray, other_lon: FloatArray, other_lat: FloatArray) -> FloatArray:
    """Metres between pairs of points a few kilometres apart, on a sphere (within 0.5 %)."""
    east = (lon - other_lon) * np.cos(np.radians((lat + other_lat) / 2.0))
    return np.asarray(np.hypot(east, lat - other_lat) * METRES_PER_DEGREE, dtype=np.float64)
