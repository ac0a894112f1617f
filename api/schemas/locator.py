"""Answers of the locator, as clients see them. Names are part of the contract (docs: /openapi.json)."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from api.schemas.base import InstantOut, LabelOut, Out
from geo.crs import Crs
from geo.hours.state import REASONS


class LocationOut(Out):
    """Degrees in the coordinate system that the answer names."""

    lon: float = Field(examples=[103.6153])
    lat: float = Field(examples=[36.4819])


class OpenOut(Out):
    """Open or not, until when this holds, and why."""

    state: Literal["open", "closed", "unknown"]
    until: InstantOut | None
    reason: str | None = Field(examples=["holiday"], description=f"one of: {', '.join(REASONS)}")


class SiteItem(Out):
    """A site in a list."""

    id: UUID
    name: str = Field(examples=["彩虹城社区老年助餐点"])
    category: str = Field(examples=["meal_point"])
    location: LocationOut
    address: str | None
    area: str | None = Field(description="name of the smallest area it is in")
    phone: str | None
    status: Literal["active", "temporarily_closed", "inactive"]
    open: OpenOut
    features: list[str]
    version: int


class NearbyItem(SiteItem):
    """A site near a place; of a line or polygon, ``location`` is its nearest point."""

    distance_m: float = Field(ge=0, description="metres on the ellipsoid, to 0.1")


class NearbyPage(Out):
    """Nearest first."""

    items: list[NearbyItem]
    next: str | None
    crs: Crs


class SitePage(Out):
    """In an order that edits do not change."""

    items: list[SiteItem]
    next: str | None
    crs: Crs


class SearchItem(SiteItem):
    """A site found by words."""

    matched: str = Field(description="where the words were found: name, alias, address, fuzzy")
    distance_m: float | None


class SearchPage(Out):
    """Best first."""

    items: list[SearchItem]
    crs: Crs


class CategoryOut(Out):
    """A category with those below it."""

    code: str
    label_zh: str
    label_en: str
    icon: str
    geometry_kind: Literal["point", "line", "polygon"]
    measure: str | None = Field(description="the promise it serves")
    children: list["CategoryOut"]


class CategoriesOut(Out):
    """The tree, and the features sites may have."""

    items: list[CategoryOut]
    features: list["FeatureOut"]


class FeatureOut(Out):
    """Something a site may have."""

    code: str
    kind: str
    label_zh: str
    label_en: str


class AreaOut(Out):
    """An area with its codes by system."""

    id: UUID
    kind: Literal["district", "township", "centre_community", "community"]
    name: str
    name_en: str | None
    codes: dict[str, str] = Field(examples=[{"nbs": "620171101", "mca": "620122108"}])


class AreasOut(Out):
    """Areas that hold the place, largest first."""

    items: list[AreaOut]
    on: date


class GroupOut(Out):
    """A group, alliance or urban-rural community of schools."""

    id: UUID
    kind: str
    name: str
    leads: bool


class SchoolOut(Out):
    """A school that a district leads to."""

    id: UUID
    name: str
    name_en: str | None
    category: str
    address: str | None
    status: str
    groups: list[GroupOut]


class DistrictOut(Out):
    """A school district (招生片区)."""

    id: UUID
    name: str
    stage: str
    effective_from: date
    effective_to: date | None
    note: str | None
    schools: list[SchoolOut]


class DistrictsOut(Out):
    """The district of the place, or all it may be in when ``ambiguous``."""

    districts: list[DistrictOut]
    ambiguous: bool
    border_distance_m: float | None
    on: date


class PhoneOut(Out):
    """A number to call."""

    number: str
    extension: str | None
    label: str | None


class CostOut(Out):
    """A price in fen; null: ask; 0: free."""

    label: str
    amount_fen: int | None
    unit: str | None


class DocumentOut(Out):
    """A paper to bring."""

    name: str
    note: str | None


class ServiceOut(Out):
    """A service offered at the site; ages in full years, both included."""

    id: UUID
    name: str
    name_en: str | None
    description: str | None
    minimum_age: int | None
    maximum_age: int | None
    eligibility: str | None
    fees: list[CostOut]
    documents: list[DocumentOut]


class OperatorOut(Out):
    """Who runs it."""

    name: str
    name_en: str | None
    operating_model: str | None
    operating_model_label: str | None = Field(examples=["市场主体+社区食堂"])


class SourceOut(Out):
    """Where this was learnt."""

    code: str
    name: str
    licence: str | None
    attribution: str | None
    url: str | None


class IntervalOut(Out):
    """From and until, local, with offset."""

    starts_at: InstantOut
    ends_at: InstantOut
    state: Literal["open", "unknown"]
    reason: str | None


class DayOut(Out):
    """Hours that start on a date."""

    on: date
    intervals: list[IntervalOut]
    reason: str | None


class ExceptionOut(Out):
    """Other hours on a date."""

    on: date
    hours: str
    reason: str


class ClosureOut(Out):
    """A closure planned or in force; ``ends_at`` null: until further notice."""

    id: UUID
    starts_at: InstantOut
    ends_at: InstantOut | None
    reason: str = Field(examples=["设备检修"])
    for_good: bool


class HoursOut(Out):
    """Regular hours (OSM opening_hours), the coming seven days worked out, and what is announced beyond."""

    weekly: str | None = Field(examples=["Mo-Fr 11:00-13:00,17:00-18:30; PH off"])
    makeup: str | None
    zone: str
    days: list[DayOut]
    exceptions: list[ExceptionOut]


class SiteOut(SiteItem):
    """The whole site."""

    crs: Crs
    name_en: str | None
    aliases: list[str]
    category_labels: LabelOut
    description: str | None
    url: str | None
    alert: str | None
    operator: OperatorOut | None
    geometry: dict[str, Any] = Field(description="GeoJSON geometry in `crs`")
    hours: HoursOut
    closures: list[ClosureOut] = Field(description="shown before they begin; `open` and `hours` heed them")
    phones: list[PhoneOut]
    services: list[ServiceOut]
    accessibility: list[LabelOut]
    languages: list[str]
    batch: str | None
    plaque_number: str | None
    funding: list[str]
    assured_at: datetime | None = Field(description="when staff last confirmed all this")
    source: SourceOut
    external_ids: dict[str, str]
    updated_at: datetime
