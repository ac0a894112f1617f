"""What a caller says of a site: the one form that imports, the demo city and staff edits fill in.

Validated here, so that a clerk reads which field is wrong; the database's CHECKs and FKs are the last guard.
"""

from datetime import date, datetime
from functools import cache
from typing import Annotated, Literal, Self
from zoneinfo import available_timezones

import shapely
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from shapely import Point
from shapely.geometry.base import BaseGeometry

from core.text import check_storable
from geo.features import features
from geo.hours.state import HoursError, validate_exception_hours, validate_hours

# Behind the constraints: before them, spaces would be stripped after the length was checked.
STORABLE = AfterValidator(check_storable)
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), STORABLE]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300), STORABLE]
Prose = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=5000), STORABLE]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,39}$")]
HoursText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), STORABLE]
DayText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), STORABLE]
PhoneNumber = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9+*#() -]{3,32}$")]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]

# Fields of a site that are a column of the same name.
SAME_FIELDS = (
    "name",
    "name_en",
    "aliases",
    "address",
    "description",
    "url",
    "status",
    "alert",
    "hours",
    "makeup_hours",
    "zone",
    "features",
    "accessibility",
    "languages",
    "batch",
    "plaque_number",
    "funding",
)
GEOMETRY_TYPES = {"Point", "LineString", "MultiLineString", "Polygon", "MultiPolygon"}


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


_strict = ConfigDict(extra="forbid", frozen=True)


class PhoneIn(BaseModel):
    """A number to call, kept as text."""

    model_config = _strict
    number: PhoneNumber
    extension: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,8}$")] | None = None
    label: Line | None = None


class CostIn(BaseModel):
    """A price in fen; None means ask, 0 means free."""

    model_config = _strict
    label: Line
    amount_fen: int | None = Field(None, ge=0, le=100_000_000)
    unit: Line | None = None


class DocumentIn(BaseModel):
    """A paper to bring."""

    model_config = _strict
    name: Line
    note: Line | None = None


class ServiceIn(BaseModel):
    """A service offered at the site; ages in full years, both ends included."""

    model_config = _strict
    name: Name
    name_en: Name | None = None
    description: Prose | None = None
    minimum_age: int | None = Field(None, ge=0, le=150)
    maximum_age: int | None = Field(None, ge=0, le=150)
    eligibility: Prose | None = None
    costs: tuple[CostIn, ...] = ()
    documents: tuple[DocumentIn, ...] = ()

    @model_validator(mode="after")
    def _ages_in_order(self) -> Self:
        if None not in (self.minimum_age, self.maximum_age) and self.minimum_age > self.maximum_age:  # type: ignore[operator]  # neither is None here
            raise ValueError("最小年龄大于最大年龄 / minimum_age is above maximum_age")
        return self


class ExceptionIn(BaseModel):
    """Other hours on one date; ``off`` means closed that day."""

    model_config = _strict
    on_date: date
    hours: DayText
    reason: DayText

    @field_validator("hours")
    @classmethod
    def _known_hours(cls, text: str) -> str:
        try:
            validate_exception_hours(text)
        except HoursError as error:
            raise ValueError(str(error)) from error
        return text


class OperatorIn(BaseModel):
    """Who runs the site (运营主体)."""

    model_config = _strict
    name: Name
    name_en: Name | None = None
    operating_model: (
        Literal[
            "public",
            "public_private",
            "private",
            "market_canteen",
            "property_canteen",
            "community",
            "school_open",
        ]
        | None
    ) = None


class SiteFields(BaseModel):
    """What is said of a site, but for where it is and who says so."""

    model_config = _strict

    category: Code
    name: Name
    name_en: Name | None = None
    aliases: tuple[Name, ...] = Field((), max_length=20)
    address: Line | None = None
    description: Prose | None = None
    url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$", max_length=500), STORABLE] | None = None
    status: Literal["active", "temporarily_closed", "inactive"] = "active"
    alert: Line | None = None
    hours: HoursText | None = None
    makeup_hours: DayText | None = None
    zone: Line = "Asia/Shanghai"
    features: tuple[Code, ...] = Field((), max_length=40)
    accessibility: tuple[Code, ...] = Field((), max_length=20)
    languages: tuple[Language, ...] = Field((), max_length=20)
    batch: Line | None = None
    plaque_number: Line | None = None
    funding: tuple[Line, ...] = Field((), max_length=10)
    operator: OperatorIn | None = None
    phones: tuple[PhoneIn, ...] = Field((), max_length=10)
    services: tuple[ServiceIn, ...] = Field((), max_length=30)
    exceptions: tuple[ExceptionIn, ...] = Field((), max_length=400)
    external_ids: dict[Code, Line] = Field(default_factory=dict, max_length=20)

    @field_validator("hours", "makeup_hours")
    @classmethod
    def _known_hours(cls, text: str | None) -> str | None:
        if text is not None:
            try:
                validate_hours(text)
            except HoursError as error:
                raise ValueError(str(error)) from error
        return text

    @field_validator("features", "accessibility")
    @classmethod
    def _known_features(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [code for code in codes if code not in features()]:
            raise ValueError(
                f"没有设施标签 {'、'.join(unknown)}，可用的见 GET /v1/categories / "
                f"no feature {', '.join(unknown)}; GET /v1/categories lists them"
            )
        return codes

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        if zone not in _zones():
            raise ValueError("未知时区，例如 Asia/Shanghai / unknown time zone, for example Asia/Shanghai")
        return zone

    @field_validator("exceptions")
    @classmethod
    def _one_exception_a_day(cls, exceptions: tuple[ExceptionIn, ...]) -> tuple[ExceptionIn, ...]:
        if len({exception.on_date for exception in exceptions}) != len(exceptions):
            raise ValueError("同一天只能有一条例外时间 / one exception a date")
        return exceptions


def check_geometry(geometry: BaseGeometry) -> BaseGeometry:
    """The geometry in two dimensions. Raises ValueError, in zh / en, for one that cannot be kept."""
    if geometry.geom_type not in GEOMETRY_TYPES:
        raise ValueError(
            f"几何类型 {geometry.geom_type} 不支持，请用点、线或面 / use a point, line or polygon"
        )
    if geometry.is_empty:
        raise ValueError("几何为空 / the geometry is empty")
    flat = shapely.force_2d(geometry) if geometry.has_z else geometry
    if isinstance(flat, Point):  # bounds and validity would take as long as all the rest of a row
        west, south = east, north = flat.x, flat.y
    else:
        west, south, east, north = flat.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise ValueError(
            "坐标超出经纬度范围，请检查坐标系和列的顺序 / not degrees: check the crs and the order of columns"
        )
    if not isinstance(flat, Point) and not flat.is_valid:
        raise ValueError(f"几何无效：{shapely.is_valid_reason(flat)} / the geometry is not valid")
    return flat


class SiteIn(SiteFields):
    """A site from one source. ``geometry`` is a shapely geometry in WGS84, lon before lat.

    ``external_id`` is the source's own stable number; together with the source it finds the site again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    external_id: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), STORABLE
    ]
    geometry: BaseGeometry
    assured_at: datetime | None = None

    @field_validator("geometry")
    @classmethod
    def _storable_geometry(cls, geometry: BaseGeometry) -> BaseGeometry:
        return check_geometry(geometry)
