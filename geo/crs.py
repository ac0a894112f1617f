"""Coordinate systems met in China, in and out of the one we store (WGS84, EPSG:4326).

This is the only module that converts coordinates or reasons about swapped axes.
Longitude comes first, in degrees, everywhere. `docs/coordinates.md` explains the systems and the edge of the box.

The gcj02 shift is not officially published. The formula here is the publicly known one (Krasovsky 1940 ellipsoid);
bd09 puts Baidu's own public formula on top of it. Deployments that may not use them pass `enabled=False`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

KRASOVSKY_A_M = 6378245.0
KRASOVSKY_EE = 0.00669342162296594323  # first eccentricity squared
BOX_WEST, BOX_EAST = 72.004, 137.8347  # degrees; the shift applies inside, sea included
BOX_SOUTH, BOX_NORTH = 0.8293, 55.8271
# Inside the box's edge the shift fades in over this many degrees. A step at the edge would send an inside point
# onto an outside one and no inverse could tell them apart. China's land is more than 1.3 degrees from the edge.
FADE_DEG = 0.25
BD09_EAST_DEG, BD09_NORTH_DEG = 0.0065, 0.006
_BD09_WAVE = math.pi * 3000.0 / 180.0
_TOLERANCE_DEG = 1e-11  # about a micrometre
# The shift changes by at most 0.12 degrees a degree (in the fade; measured), so 20 rounds leave far less than the
# tolerance; five to twelve are the rule. The bound is for longitude 105, where the formula's sqrt has no slope.
_MAX_ROUNDS = 40


class Crs(StrEnum):
    """Coordinate systems a caller may name.

    `cgcs2000` (EPSG:4490, 国家大地坐标系) is treated as WGS84: they differ by less than a metre, mostly by the
    motion of the plate since CGCS2000's epoch 2000.0 (about 3 cm a year), which is below the accuracy of a site.
    """

    wgs84 = "wgs84"
    cgcs2000 = "cgcs2000"
    gcj02 = "gcj02"
    bd09 = "bd09"


class CoordinateError(ValueError):
    """Coordinates that cannot be used. `zh` and `en` say what to do; `index` is the row in an array, or None."""

    def __init__(self, zh: str, en: str, *, index: int | None = None) -> None:
        super().__init__(f"{zh} / {en}")
        self.zh = zh
        self.en = en
        self.index = index


class ShiftDisabled(CoordinateError):
    """gcj02 and bd09 are switched off here, so the caller must send wgs84 or cgcs2000."""

    def __init__(self, crs: Crs) -> None:
        super().__init__(
            f"本服务未启用 {crs} 坐标换算，请改用 wgs84 或 cgcs2000 坐标。",
            f"conversion of {crs} is switched off here: send wgs84 or cgcs2000 coordinates.",
        )


@overload
def to_wgs84(crs: Crs, lon: float, lat: float, *, enabled: bool = True) -> tuple[float, float]: ...
@overload
def to_wgs84(
    crs: Crs, lon: FloatArray, lat: FloatArray, *, enabled: bool = True
) -> tuple[FloatArray, FloatArray]: ...
def to_wgs84(
    crs: Crs, lon: float | FloatArray, lat: float | FloatArray, *, enabled: bool = True
) -> tuple[float, float] | tuple[FloatArray, FloatArray]:
    """Coordinates in `crs` -> WGS84 (lon, lat), degrees. Two numbers, or two float64 arrays of the same shape.

    Undoes `from_wgs84` to well under a millimetre, everywhere. Identity outside the box.
    Raises CoordinateError (not finite, out of range) and ShiftDisabled (gcj02 or bd09 with `enabled=False`).
    """
    if isinstance(lon, np.ndarray) and isinstance(lat, np.ndarray):
        lon, lat = _checked_arrays(lon, lat)
        shift = _shift_of(crs, _ARRAY, enabled=enabled)
        return (lon.copy(), lat.copy()) if shift is None else _undo_array(shift, lon, lat)
    lon, lat = float(lon), float(lat)
    check_lon_lat(lon, lat)
    scalar = _shift_of(crs, _SCALAR, enabled=enabled)
    if scalar is None or not _in_box(lon, lat):
        return lon, lat
    return _undo_scalar(scalar, lon, lat)


@overload
def from_wgs84(crs: Crs, lon: float, lat: float, *, enabled: bool = True) -> tuple[float, float]: ...
@overload
def from_wgs84(
    crs: Crs, lon: FloatArray, lat: FloatArray, *, enabled: bool = True
) -> tuple[FloatArray, FloatArray]: ...
def from_wgs84(
    crs: Crs, lon: float | FloatArray, lat: float | FloatArray, *, enabled: bool = True
) -> tuple[float, float] | tuple[FloatArray, FloatArray]:
    """WGS84 (lon, lat), degrees -> the same place in `crs`. Shapes, errors and the box as in `to_wgs84`."""
    if isinstance(lon, np.ndarray) and isinstance(lat, np.ndarray):
        lon, lat = _checked_arrays(lon, lat)
        shift = _shift_of(crs, _ARRAY, enabled=enabled)
        if shift is None:
            return lon.copy(), lat.copy()
        east, north = shift(lon, lat)
        return lon + east, lat + north
    lon, lat = float(lon), float(lat)
    check_lon_lat(lon, lat)
    scalar = _shift_of(crs, _SCALAR, enabled=enabled)
    if scalar is None or not _in_box(lon, lat):
        return lon, lat
    east_deg, north_deg = scalar(lon, lat)
    return lon + east_deg, lat + north_deg


def check_lon_lat(lon: float, lat: float) -> None:
    """Raise CoordinateError unless both are finite, -180 <= lon <= 180 and -90 <= lat <= 90."""
    if -180.0 <= lon <= 180.0 and -90.0 <= lat <= 90.0:  # false for NaN too
        return
    raise _refusal(lon, lat, index=None)


def looks_swapped(lon: float, lat: float) -> bool:
    """Whether the two were probably given in the other order; a reason to ask, not to swap silently.

    True when `lat` cannot be a latitude but `lon` can, or when the point lies in the box only after a swap
    (39.5, 76.0 is Kashgar swapped; as written it is in the Arctic Ocean).
    """
    if not (abs(lon) <= 90.0 and abs(lat) <= 180.0):
        return False
    return abs(lat) > 90.0 or (_in_box(lat, lon) and not _in_box(lon, lat))


def _refusal(lon: float, lat: float, *, index: int | None) -> CoordinateError:
    row_zh = "" if index is None else f"第 {index + 1} 个点："
    row_en = "" if index is None else f"point {index + 1}: "
    if not (math.isfinite(lon) and math.isfinite(lat)):
        zh, en = "经纬度必须是有限的数值。", "longitude and latitude must be finite numbers."
    elif looks_swapped(lon, lat):
        zh = f"纬度 {lat:g} 超出范围，经度和纬度似乎颠倒了，请交换后重试（lon={lat:g}，lat={lon:g}）。"
        en = f"latitude {lat:g} is out of range; the axes look swapped: try lon={lat:g}, lat={lon:g}."
    else:
        zh = f"经度须在 -180 到 180 之间，纬度须在 -90 到 90 之间（收到 {lon:g}，{lat:g}），请核对单位是否为度。"
        en = f"lon must be within -180..180 and lat within -90..90 degrees (got {lon:g}, {lat:g})."
    return CoordinateError(row_zh + zh, row_en + en, index=index)


def _checked_arrays(lon: FloatArray, lat: FloatArray) -> tuple[FloatArray, FloatArray]:
    lon, lat = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    if lon.shape != lat.shape:
        raise CoordinateError(
            f"经度有 {lon.size} 个，纬度有 {lat.size} 个，数量必须相同。",
            f"{lon.size} longitudes and {lat.size} latitudes: there must be as many of each.",
        )
    good = (np.abs(lon) <= 180.0) & (np.abs(lat) <= 90.0)
    if not good.all():
        first = int(np.flatnonzero(~good.ravel())[0])
        raise _refusal(float(lon.ravel()[first]), float(lat.ravel()[first]), index=first)
    return lon, lat


def _in_box(lon: float, lat: float) -> bool:
    return BOX_WEST <= lon <= BOX_EAST and BOX_SOUTH <= lat <= BOX_NORTH


T = TypeVar("T", float, FloatArray)


@dataclass(frozen=True, slots=True)
class _Functions(Generic[T]):
    """One formula, on one point (math: a request converts one) and on many (numpy)."""

    sin: Callable[[T], T]
    cos: Callable[[T], T]
    sqrt: Callable[[T], T]
    atan2: Callable[[T, T], T]
    unit: Callable[[T], T]  # clamp to 0..1


def _unit_array(value: FloatArray) -> FloatArray:
    return np.clip(value, 0.0, 1.0)


def _unit_scalar(value: float) -> float:
    return 0.0 if value <= 0.0 else min(value, 1.0)


_SCALAR: _Functions[float] = _Functions(math.sin, math.cos, math.sqrt, math.atan2, _unit_scalar)
_ARRAY: _Functions[FloatArray] = _Functions(np.sin, np.cos, np.sqrt, np.arctan2, _unit_array)


def _shift_of(crs: Crs, fn: _Functions[T], *, enabled: bool) -> Callable[[T, T], tuple[T, T]] | None:
    """The shift from WGS84 to `crs` in degrees east and north, as a function of WGS84; None for no shift."""
    crs = Crs(crs)
    if crs in (Crs.wgs84, Crs.cgcs2000):
        return None
    if not enabled:
        raise ShiftDisabled(crs)
    bd09 = crs is Crs.bd09

    def shift(lon: T, lat: T) -> tuple[T, T]:
        share = _share(fn, lon, lat)
        east, north = _gcj02_shift(fn, lon, lat)
        if bd09:
            east_bd, north_bd = _bd09_shift(fn, lon + east, lat + north)
            east, north = east + east_bd, north + north_bd
        return east * share, north * share

    return shift


def _share(fn: _Functions[T], lon: T, lat: T) -> T:
    """How much of the shift applies: 0 outside the box, rising smoothly to 1 at FADE_DEG inside its edge."""
    across = fn.unit(((BOX_EAST - BOX_WEST) / 2.0 - abs(lon - (BOX_EAST + BOX_WEST) / 2.0)) / FADE_DEG)
    along = fn.unit(((BOX_NORTH - BOX_SOUTH) / 2.0 - abs(lat - (BOX_NORTH + BOX_SOUTH) / 2.0)) / FADE_DEG)
    return across * across * (3.0 - 2.0 * across) * along * along * (3.0 - 2.0 * along)


def _gcj02_shift(fn: _Functions[T], lon: T, lat: T) -> tuple[T, T]:
    x, y = lon - 105.0, lat - 35.0
    root = fn.sqrt(abs(x))
    pi = math.pi
    ripple = (20.0 * fn.sin(6.0 * pi * x) + 20.0 * fn.sin(2.0 * pi * x)) * 2.0 / 3.0
    north_m = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + ripple
    north_m = north_m + (20.0 * fn.sin(pi * y) + 40.0 * fn.sin(pi / 3.0 * y)) * 2.0 / 3.0
    north_m = north_m + (160.0 * fn.sin(pi / 12.0 * y) + 320.0 * fn.sin(pi / 30.0 * y)) * 2.0 / 3.0
    east_m = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + ripple
    east_m = east_m + (20.0 * fn.sin(pi * x) + 40.0 * fn.sin(pi / 3.0 * x)) * 2.0 / 3.0
    east_m = east_m + (150.0 * fn.sin(pi / 12.0 * x) + 300.0 * fn.sin(pi / 30.0 * x)) * 2.0 / 3.0
    phi = lat * (pi / 180.0)
    sin_phi = fn.sin(phi)
    magic = 1.0 - KRASOVSKY_EE * sin_phi * sin_phi
    root_magic = fn.sqrt(magic)
    prime_vertical_m = KRASOVSKY_A_M / root_magic
    meridian_m = KRASOVSKY_A_M * (1.0 - KRASOVSKY_EE) / (magic * root_magic)
    east = east_m * (180.0 / pi) / (prime_vertical_m * fn.cos(phi))
    return east, north_m * (180.0 / pi) / meridian_m


def _bd09_shift(fn: _Functions[T], lon: T, lat: T) -> tuple[T, T]:
    """From gcj02 to bd09, degrees; arguments are gcj02."""
    radius = fn.sqrt(lon * lon + lat * lat) + 2e-5 * fn.sin(_BD09_WAVE * lat)
    angle = fn.atan2(lat, lon) + 3e-6 * fn.cos(_BD09_WAVE * lon)
    return radius * fn.cos(angle) + BD09_EAST_DEG - lon, radius * fn.sin(angle) + BD09_NORTH_DEG - lat


def _undo_scalar(
    shift: Callable[[float, float], tuple[float, float]], lon: float, lat: float
) -> tuple[float, float]:
    """Solve p + shift(p) = (lon, lat) by fixed point iteration."""
    x, y = lon, lat
    for _ in range(_MAX_ROUNDS):
        east, north = shift(x, y)
        was_x, was_y = x, y
        x, y = lon - east, lat - north
        if abs(x - was_x) < _TOLERANCE_DEG and abs(y - was_y) < _TOLERANCE_DEG:
            break
    return x, y


def _undo_array(
    shift: Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]], lon: FloatArray, lat: FloatArray
) -> tuple[FloatArray, FloatArray]:
    x, y = lon, lat
    for _ in range(_MAX_ROUNDS):
        east, north = shift(x, y)
        was_x, was_y = x, y
        x, y = lon - east, lat - north
        if x.size == 0 or max(np.abs(x - was_x).max(), np.abs(y - was_y).max()) < _TOLERANCE_DEG:
            break
    return x, y
