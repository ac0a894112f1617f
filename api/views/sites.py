"""From the domain's rows to what clients see."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import shapely
from numpy.typing import NDArray

from api.schemas.base import LabelOut
from api.schemas.locator import (
    ClosureOut,
    CostOut,
    DayOut,
    DocumentOut,
    ExceptionOut,
    HoursOut,
    LocationOut,
    OpenOut,
    OperatorOut,
    PhoneOut,
    ServiceOut,
    SiteItem,
    SiteOut,
    SourceOut,
)
from geo.calendar.workdays import WorkCalendar
from geo.categories import CategoryTree
from geo.crs import Crs, from_wgs84
from geo.features import features
from geo.hours.state import day_intervals
from geo.models import SiteClosure
from geo.models.organisation import OPERATING_MODELS
from geo.nearby.open_table import state_of
from geo.nearby.rows import Timetable
from geo.sites.read import ServiceRows, SiteDetail, SiteRow

DAYS_SHOWN = 7


def site_item(row: SiteRow, crs: Crs, calendar: WorkCalendar, now: datetime) -> dict[str, Any]:
    """The fields of SiteItem."""
    site = row.site
    lon, lat = from_wgs84(crs, *row.location)
    return {
        "id": site.id,
        "name": site.name,
        "category": site.category_code,
        "location": LocationOut(lon=round(lon, 7), lat=round(lat, 7)),
        "address": site.address,
        "area": row.area,
        "phone": row.phone,
        "status": site.status,
        "open": _open(row, calendar, now),
        "features": [*site.features, *site.accessibility],
        "version": site.version,
    }


def geojson_feature(row: SiteRow, item: SiteItem) -> dict[str, Any]:
    """An RFC 7946 Feature; ``item`` must be in WGS84."""
    properties = item.model_dump(mode="json", exclude={"id", "location"})
    return {
        "type": "Feature",
        "id": str(item.id),
        "geometry": geometry_in(row.geometry, Crs.wgs84),
        "properties": properties,
    }


def geometry_in(geometry: shapely.Geometry, crs: Crs) -> dict[str, Any]:
    """A GeoJSON geometry in ``crs``, to the centimetre."""

    def moved(coordinates: NDArray[Any]) -> NDArray[Any]:
        lon, lat = from_wgs84(crs, coordinates[:, 0].copy(), coordinates[:, 1].copy())
        coordinates[:, 0], coordinates[:, 1] = lon.round(7), lat.round(7)
        return coordinates

    shown: dict[str, Any] = orjson.loads(shapely.to_geojson(shapely.transform(geometry, moved)))
    return shown


def site_out(
    detail: SiteDetail, crs: Crs, tree: CategoryTree, calendar: WorkCalendar, now: datetime
) -> SiteOut:
    """Everything about one site; the coming days start with the site's own today."""
    site = detail.row.site
    category = tree.nodes[site.category_code]
    zone = ZoneInfo(site.zone)
    return SiteOut(
        **site_item(detail.row, crs, calendar, now),
        crs=crs,
        name_en=site.name_en,
        aliases=site.aliases,
        category_labels=LabelOut.model_validate(category),
        description=site.description,
        url=site.url,
        alert=site.alert,
        operator=_operator(detail),
        geometry=geometry_in(detail.row.geometry, crs),
        hours=_hours(detail, calendar, now),
        closures=closures_out(detail.row.closures, zone, now),
        phones=[PhoneOut.model_validate(one) for one in detail.phones],
        services=[_service(one) for one in detail.services],
        accessibility=[_label(code) for code in site.accessibility],
        languages=site.languages,
        batch=site.batch,
        plaque_number=site.plaque_number,
        funding=site.funding,
        assured_at=site.assured_at and site.assured_at.astimezone(zone),
        source=SourceOut.model_validate(detail.source),
        external_ids={one.scheme: one.value for one in detail.external_ids},
        updated_at=site.updated_at.astimezone(zone),
    )


def closures_out(closures: Sequence[SiteClosure], zone: ZoneInfo, now: datetime) -> list[ClosureOut]:
    """Those of ``closures`` that are not over, by the clock of their site."""
    return [
        ClosureOut(
            id=one.id,
            starts_at=one.starts_at.astimezone(zone),
            ends_at=one.ends_at and one.ends_at.astimezone(zone),
            reason=one.reason,
            for_good=one.for_good,
        )
        for one in closures
        if one.ended_at is None and (one.ends_at is None or one.ends_at > now)
    ]


def _open(row: SiteRow, calendar: WorkCalendar, now: datetime) -> OpenOut:
    if row.site.status == "inactive":
        return OpenOut(state="closed", until=None, reason="inactive")
    closed = row.site.status == "temporarily_closed"
    state = state_of(Timetable(row.hours, closed_for_now=closed), calendar, now)
    return OpenOut(state=state.state, until=state.until, reason=state.reason)


def _operator(detail: SiteDetail) -> OperatorOut | None:
    operator = detail.operator
    if operator is None:
        return None
    return OperatorOut(
        name=operator.name,
        name_en=operator.name_en,
        operating_model=operator.operating_model,
        operating_model_label=OPERATING_MODELS.get(operator.operating_model or ""),
    )


def _hours(detail: SiteDetail, calendar: WorkCalendar, now: datetime) -> HoursOut:
    hours = detail.row.hours
    today = now.astimezone(ZoneInfo(hours.zone)).date()
    days = [day_intervals(hours, calendar, today + timedelta(days=ahead)) for ahead in range(DAYS_SHOWN)]
    return HoursOut(
        weekly=hours.weekly,
        makeup=hours.makeup,
        zone=hours.zone,
        days=[DayOut.model_validate(day) for day in days],
        exceptions=[
            ExceptionOut(on=one.on_date, hours=one.hours, reason=one.reason) for one in detail.exceptions
        ],
    )


def _service(one: ServiceRows) -> ServiceOut:
    service = one.service
    return ServiceOut(
        id=service.id,
        name=service.name,
        name_en=service.name_en,
        description=service.description,
        minimum_age=service.minimum_age,
        maximum_age=service.maximum_age,
        eligibility=service.eligibility,
        fees=[CostOut.model_validate(cost) for cost in one.costs],
        documents=[DocumentOut.model_validate(document) for document in one.documents],
    )


def _label(code: str) -> LabelOut:
    feature = features().get(code)
    return LabelOut(
        code=code,
        label_zh=feature.label_zh if feature else code,
        label_en=feature.label_en if feature else code,
    )
