"""What staff send and get about sites. Names are part of the contract (docs: /openapi.json)."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import shapely
from pydantic import (
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from api.params import DATE, INSTANT, CategoryCode, Cursor, Limit, Parameters
from api.schemas.base import In, InstantOut, Out
from api.schemas.locator import ClosureOut
from geo.crs import CoordinateError, Crs, check_lon_lat, looks_swapped
from geo.sites.input import STORABLE, SiteFields, check_geometry

Why = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300), STORABLE]
WHEN = (
    "请写日期，如 2026-12-01，或带时区的时间，如 2026-12-01T08:00:00+08:00 / "
    "a date such as 2026-12-01, or an instant such as 2026-12-01T08:00:00+08:00"
)


def _read_when(said: Any) -> Any:
    """A date or an aware instant. One reader, so that a mistake is told once."""
    if said is None:
        return None
    try:
        if not isinstance(said, str):
            raise TypeError
        if DATE.match(said):
            return date.fromisoformat(said)
        if not INSTANT.match(said):
            raise ValueError
        at = datetime.fromisoformat(said.upper())
    except (TypeError, ValueError):
        raise ValueError(WHEN) from None
    if at.tzinfo is None:
        raise ValueError(WHEN)
    return at


When = Annotated[date | AwareDatetime | None, BeforeValidator(_read_when)]
SiteState = Literal["draft", "submitted", "published", "withdrawn"]


class PlaceIn(In):
    """Where it is, as the caller's map knows it."""

    lon: float = Field(examples=[103.615], json_schema_extra={"minimum": -180, "maximum": 180})
    lat: float = Field(examples=[36.482], json_schema_extra={"minimum": -90, "maximum": 90})
    crs: Crs = Field(examples=["gcj02"])

    @model_validator(mode="after")
    def _a_place(self) -> Self:
        try:
            check_lon_lat(self.lon, self.lat)
        except CoordinateError as error:
            if looks_swapped(self.lon, self.lat):
                raise ValueError(
                    f"经度和纬度似乎颠倒了，请改用 lon={self.lat}，lat={self.lon} / "
                    f"longitude and latitude seem to be swapped; use lon={self.lat}, lat={self.lon}"
                ) from None
            raise ValueError(f"{error.zh} / {error.en}") from None
        return self


class GeometryIn(In):
    """GeoJSON (RFC 7946): WGS84, longitude before latitude."""

    type: Literal["Point", "LineString", "MultiLineString", "Polygon", "MultiPolygon"]
    coordinates: list[Any] = Field(examples=[[103.615, 36.482]])

    @model_validator(mode="after")
    def _a_geometry(self) -> Self:
        try:
            geometry = shapely.from_geojson(self.model_dump_json())
        except shapely.errors.GEOSException:
            raise ValueError("不是有效的 GeoJSON 几何 / not a GeoJSON geometry") from None
        check_geometry(geometry)
        return self


class StaffSiteIn(SiteFields):
    """A site, whole: what is left out is empty. Where it is: ``location`` or ``geometry``."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)

    location: PlaceIn | None = None
    geometry: GeometryIn | None = None
    reason: Why | None = Field(None, description="why it is changed; kept in the history")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.location is None) == (self.geometry is None):
            raise ValueError(
                "location 和 geometry 请填写其中一项 / send either location or geometry, not both"
            )
        return self


class StepIn(In):
    """Why, for the history."""

    reason: Why | None = None


class WithdrawIn(In):
    """Why it is taken back."""

    reason: Why = Field(examples=["地址有误，核实后再发布"])


class RevertIn(In):
    """Which version to return to, and why."""

    version: int = Field(ge=1, le=1_000_000_000)
    reason: Why | None = None


class ClosureIn(In):
    """From when until when: dates are whole days, both included; instants are to the minute."""

    from_: When = Field(None, alias="from", description="left out: now", examples=["2026-12-01"])
    until: When = Field(None, description="left out: until further notice", examples=["2026-12-03"])
    reason: Why = Field(examples=["设备检修"])
    for_good: bool = Field(False, description="closed for good; has no `until`")


class StaffClosureOut(ClosureOut):
    """A closure with where it is."""

    stage: Literal["planned", "in_force", "over", "called_off"]
    created_at: InstantOut
    ended_at: InstantOut | None = Field(description="ended early or called off")
    site_version: int = Field(description="of the site, with this closure")


class StaffClosuresOut(Out):
    """In the order they begin."""

    items: list[StaffClosureOut]


class StaffSiteItem(Out):
    """A site in a staff list."""

    id: UUID
    name: str
    category: str
    address: str | None
    area: str | None
    state: SiteState
    status: Literal["active", "temporarily_closed", "inactive"]
    closed_now: bool = Field(description="by its status or a closure, whatever its hours")
    closed_until: InstantOut | None
    version: int
    assured_at: InstantOut | None = Field(description="when staff last confirmed it; null: never")
    updated_at: InstantOut


class StaffSitePage(Out):
    """By id, or the longest unconfirmed first."""

    items: list[StaffSiteItem]
    next: str | None


class StaffSiteOut(Out):
    """The whole site as staff have it; ``site`` is what PUT takes."""

    id: UUID
    version: int
    state: SiteState
    source: str
    external_id: str
    area: str | None
    site: dict[str, Any] = Field(description="all that PUT takes, as StaffSiteIn has it, with `geometry`")
    staff_fields: list[str] = Field(description="written by staff: imports leave them as they are")
    closures: list[ClosureOut] = Field(description="planned or in force")
    assured_at: InstantOut | None
    published_at: InstantOut | None
    submitted_at: InstantOut | None
    withdrawn_at: InstantOut | None
    created_at: InstantOut
    updated_at: InstantOut


class PastOut(Out):
    """A version of the site: who made it, and field -> [before, after]."""

    version: int
    at: InstantOut
    act: str = Field(examples=["edited"])
    actor: str = Field(examples=["account:01a20bdf-c805-74ce-ad29-b82e41200121"])
    roles: str | None = Field(examples=["site_staff"])
    channel: str
    reason: str | None
    changes: dict[str, list[Any]] = Field(examples=[{"hours": ["Mo-Fr 11:00-13:00", "Mo-Su 11:00-13:00"]}])


class HistoryPage(Out):
    """Newest first."""

    items: list[PastOut]
    next: str | None


class StaffSitesParameters(Parameters):
    """Which sites to list."""

    state: list[Literal["draft", "submitted", "published", "withdrawn", "closed"]] = Field(
        [], max_length=5, description="may repeat; closed: by status or a closure in force"
    )
    category: list[CategoryCode] = Field([], max_length=20, description="may repeat; includes those below")
    not_assured_for_days: int | None = Field(
        None, ge=0, le=36_500, description="published sites not confirmed for so long, oldest first"
    )
    limit: Limit = 50
    next: Cursor | None = None


class HistoryParameters(Parameters):
    """Which versions to list."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    next: Cursor | None = None


class ClosuresParameters(Parameters):
    """Which closures to list."""

    over: bool = Field(False, description="those that are over, too")
