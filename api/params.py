"""Query parameters, one model a call, so that an unknown parameter is named instead of ignored."""

import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from core.text import check_storable
from geo.categories import category_file
from geo.crs import CoordinateError, Crs, ShiftDisabled, check_lon_lat, looks_swapped, to_wgs84
from geo.errors import CoordinatesSwapped, CrsDisabled, InvalidCoordinates
from geo.features import features

MOST_ITEMS = 200
SPACED_OFFSET = re.compile(r"^(.*T.*) (\d\d:\d\d)$")
# RFC 3339; pydantic alone would also take a number for seconds since 1970.
INSTANT = re.compile(r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)?$")
DATE = re.compile(r"^\d{4}-\d\d-\d\d$")
# Degrees, west,south,east,north; a box whose west is greater than its east crosses the 180th meridian.
_LON = r"-?(180(\.0{1,20})?|(1[0-7]\d|\d{1,2})(\.\d{1,20})?)"
_LAT = r"-?(90(\.0{1,20})?|[0-8]?\d(\.\d{1,20})?)"
BOX = rf"^{_LON},{_LAT},{_LON},{_LAT}$"


def _read_instant(value: Any) -> Any:
    """``+08:00`` in an address that was not percent-encoded arrives as `` 08:00``."""
    if not isinstance(value, str):
        return value
    value = SPACED_OFFSET.sub(r"\1+\2", value)
    if not INSTANT.match(value):
        raise ValueError(
            "时间格式应为 2026-11-24T11:30:00+08:00 / an instant looks like 2026-11-24T11:30:00+08:00"
        )
    return value


def _read_date(value: Any) -> Any:
    if isinstance(value, str) and not DATE.match(value):
        raise ValueError("日期格式应为 2026-11-24 / a date looks like 2026-11-24")
    return value


def _check_box(text: str) -> str:
    """Four degrees; spaces around them do no harm."""
    text = text.replace(" ", "")
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            "应为四个数：西,南,东,北，例如 103.5,36.4,103.8,36.6 / "
            "four numbers are needed: west,south,east,north, such as 103.5,36.4,103.8,36.6"
        ) from None
    for lon, lat in ((west, south), (east, north)):
        try:
            check_lon_lat(lon, lat)
        except CoordinateError as error:
            raise ValueError(f"{error.zh} / {error.en}") from None
    return text


Instant = Annotated[AwareDatetime, BeforeValidator(_read_instant)]
Day = Annotated[date, BeforeValidator(_read_date)]
Words = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        examples=["助餐", "zhucandian", "zcd"],
        json_schema_extra={"pattern": "^[^\\u0000]*$"},
    ),
    AfterValidator(check_storable),
]
Cursor = Annotated[str, Field(max_length=600, description="`next` of the page before")]
Limit = Annotated[int, Field(ge=1, le=MOST_ITEMS, description="most items on this page")]

_codes = [node.code for node in category_file()]
CategoryCode = StrEnum("CategoryCode", {code: code for code in _codes})  # type: ignore[misc]  # members are data
Feature = StrEnum("Feature", {code: code for code in features()})  # type: ignore[misc]  # members are data


class Status(StrEnum):
    """Whether a site is in use."""

    active = "active"
    temporarily_closed = "temporarily_closed"
    inactive = "inactive"


class Parameters(BaseModel):
    """Base of all query models."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class NoParameters(Parameters):
    """For calls that take none."""


class Point(Parameters):
    """A place, as the caller's map knows it."""

    lon: float = Field(examples=[103.615], json_schema_extra={"minimum": -180, "maximum": 180})
    lat: float = Field(examples=[36.482], json_schema_extra={"minimum": -90, "maximum": 90})
    crs: Crs = Field(
        description="coordinate system of lon and lat; required, since a wrong guess is off by hundreds of metres",
        examples=["gcj02"],
    )


class OptionalPoint(Parameters):
    """A place that may be left out; then all three are."""

    lon: float | None = Field(None, json_schema_extra={"minimum": -180, "maximum": 180})
    lat: float | None = Field(None, json_schema_extra={"minimum": -90, "maximum": 90})
    crs: Crs | None = None


class NearbyParameters(Point):
    """What to look for, and around where."""

    category: list[CategoryCode] = Field([], max_length=20, description="may repeat; includes those below")
    radius_m: float | None = Field(None, gt=0, le=1_000_000, description="no further than this")
    open_at: Literal["now"] | Instant | None = Field(
        None, description="`now` or an instant: only sites open then. Omitted: all, with their state now"
    )
    has: list[Feature] = Field(
        [], max_length=20, description="features a site must have; may repeat, all count"
    )
    q: Words | None = Field(None, description="only sites found by these words")
    bookable: bool = Field(
        False, description="only sites with a place that can be booked now, within the next 7 days"
    )
    limit: Limit = 20
    next: Cursor | None = None


class SitesParameters(Parameters):
    """Which published sites to list."""

    bbox: Annotated[str, AfterValidator(_check_box)] | None = Field(
        None, json_schema_extra={"pattern": BOX}, description="west,south,east,north in `crs`"
    )
    crs: Crs | None = Field(None, description="of bbox and of the answer; required with bbox, else wgs84")
    category: list[CategoryCode] = Field([], max_length=20)
    area: Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{2,36}$")] | None = Field(
        None, description="id or any code of an area"
    )
    status: list[Status] = Field([], max_length=3)
    modified_after: Instant | None = None
    limit: Limit = 50
    next: Cursor | None = None


class SiteParameters(Parameters):
    """How to show one site."""

    crs: Crs = Field(Crs.wgs84, description="of the coordinates in the answer")


class SearchParameters(OptionalPoint):
    """What to search for; with a place, nearer sites come first among equals."""

    q: Words
    category: list[CategoryCode] = Field([], max_length=20)
    limit: Limit = 20


class AreaParameters(Point):
    """Which areas hold a place."""

    on: Day | None = Field(None, description="on this date; today if omitted")


class DistrictParameters(Point):
    """Which school districts hold a place."""

    stage: Literal["kindergarten", "primary", "junior", "senior"]
    on: Day | None = Field(None, description="on this date; today if omitted")
    accuracy_m: float = Field(0, ge=0, le=5_000, description="how far off the place may be")


def check_place(lon: float, lat: float, crs: Crs, *, shifted: bool) -> None:
    """Raises CoordinatesSwapped, InvalidCoordinates, CrsDisabled, each saying what to send instead."""
    check_crs_enabled(crs, shifted=shifted)
    try:
        check_lon_lat(lon, lat)
    except CoordinateError as error:
        if looks_swapped(lon, lat):
            raise CoordinatesSwapped(
                f"经度和纬度似乎颠倒了，请改用 lon={lat}&lat={lon}。",
                f"Longitude and latitude seem to be swapped; use lon={lat}&lat={lon}.",
                errors=[{"pointer": "/query/lat", "reason": f"{error.zh} / {error.en}"}],
            ) from error
        wrong = "lon" if abs(lon) > 180 else "lat"
        raise InvalidCoordinates(
            error.zh,
            error.en,
            errors=[{"pointer": f"/query/{wrong}", "reason": f"{error.zh} / {error.en}"}],
        ) from error


def place_in_wgs84(lon: float, lat: float, crs: Crs, *, shifted: bool) -> tuple[float, float]:
    """The place in WGS84 degrees; raises as ``check_place``."""
    check_place(lon, lat, crs, shifted=shifted)
    return to_wgs84(crs, lon, lat)


def check_crs_enabled(crs: Crs, *, shifted: bool) -> None:
    """Raises CrsDisabled for gcj02 and bd09 where they are switched off."""
    if not shifted and crs in (Crs.gcj02, Crs.bd09):
        error = ShiftDisabled(crs)
        raise CrsDisabled(error.zh, error.en)


def box_in_wgs84(text: str, crs: Crs) -> tuple[float, float, float, float]:
    """West, south, east, north of a ``bbox`` in WGS84 degrees; latitudes may come in either order."""
    west, south, east, north = (float(part) for part in text.split(","))
    south, north = sorted((south, north))
    west, south = to_wgs84(crs, west, south)
    east, north = to_wgs84(crs, east, north)
    return west, south, east, north


def area_id_of(text: str) -> UUID | None:
    """The id in ``text``, if it is one."""
    try:
        return UUID(text)
    except ValueError:
        return None
