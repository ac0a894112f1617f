"""Published sites one by one and in lists, from PostgreSQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar
from uuid import UUID

import shapely
from geoalchemy2.functions import ST_Intersects, ST_MakeEnvelope, ST_PointOnSurface
from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from geo.errors import SiteNotFound
from geo.hours.state import ClosedTime, Hours, HoursException
from geo.models import (
    Area,
    CostOption,
    Organisation,
    Phone,
    RequiredDocument,
    Service,
    Site,
    SiteClosure,
    SiteExternalId,
    Source,
)
from geo.models import HoursException as HoursExceptionRow

T = TypeVar("T")
# Hours belong to the day they start on, also past midnight, and a site's today may be the day before the caller's.
PAST_DAYS = timedelta(days=2)
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class SiteRow:
    """A site as lists show it, with the name of its area, its first phone and its hours of today onwards."""

    site: Site
    area: str | None
    phone: str | None
    geometry: shapely.Geometry
    location: tuple[float, float]
    hours: Hours
    closures: Sequence[SiteClosure]


@dataclass(frozen=True)
class ServiceRows:
    """A service with its prices and papers."""

    service: Service
    costs: Sequence[CostOption]
    documents: Sequence[RequiredDocument]


@dataclass(frozen=True)
class SiteDetail:
    """Everything public about one site."""

    row: SiteRow
    operator: Organisation | None
    source: Source
    phones: Sequence[Phone]
    services: Sequence[ServiceRows]
    exceptions: Sequence[HoursExceptionRow]
    external_ids: Sequence[SiteExternalId]


def published_query() -> Select[Any]:
    """Published sites with what lists show of them, columns as ``_make_row`` reads them."""
    first_phone = select(Phone.number).where(Phone.site_id == Site.id, Phone.position == 0).scalar_subquery()
    return (
        select(
            Site,
            Area.name,
            first_phone,
            func.st_asbinary(Site.geom),
            func.st_x(ST_PointOnSurface(Site.geom)),
            func.st_y(ST_PointOnSurface(Site.geom)),
        )
        .outerjoin(Area, Area.id == Site.area_id)
        .where(Site.published_at.is_not(None))
    )


def sites_query(
    *,
    after: UUID | None,
    limit: int,
    box: Box | None = None,
    categories: Sequence[str] = (),
    area_id: UUID | None = None,
    statuses: Sequence[str] = (),
    modified_after: datetime | None = None,
) -> Select[Any]:
    """A page of published sites in the order of their ids, which no edit changes: nothing is lost or shown twice.

    ``box``: west, south, east, north in WGS84 degrees.
    """
    query = published_query().order_by(Site.id).limit(limit)
    if after is not None:
        query = query.where(Site.id > after)
    if box is not None:
        query = query.where(_in_box(box))
    if categories:
        query = query.where(Site.category_code.in_(categories))
    if area_id is not None:
        query = query.where(_in_area(area_id))
    if statuses:
        query = query.where(Site.status.in_(statuses))
    if modified_after is not None:
        query = query.where(Site.updated_at > modified_after)
    return query


def _in_box(box: Box) -> ColumnElement[bool]:
    """A box whose west is greater than its east crosses the 180th meridian (RFC 7946)."""
    west, south, east, north = box
    halves = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    return or_(*(ST_Intersects(Site.geom, ST_MakeEnvelope(w, south, e, north, 4326)) for w, e in halves))


def _in_area(area_id: UUID) -> ColumnElement[bool]:
    """Inside the area's border, or filed under it where it has none."""
    border = select(Area.geom).where(Area.id == area_id).scalar_subquery()
    return or_(Site.area_id == area_id, and_(border.is_not(None), ST_Intersects(Site.geom, border)))


async def list_sites(session: AsyncSession, query: Select[Any], *, today: date) -> list[SiteRow]:
    """The rows of a query made from ``published_query``, with what exceptions to their hours matter from ``today`` on."""
    found = (await session.execute(query)).all()
    ids = [row[0].id for row in found]
    exceptions: dict[UUID, list[HoursException]] = {}
    for one in await session.scalars(
        select(HoursExceptionRow)
        .where(HoursExceptionRow.site_id.in_(ids), HoursExceptionRow.on_date >= today - PAST_DAYS)
        .order_by(HoursExceptionRow.on_date)
    ):
        exceptions.setdefault(one.site_id, []).append(HoursException(one.on_date, one.hours, one.reason))
    closures: dict[UUID, list[SiteClosure]] = {}
    for closure in await session.scalars(_closures_query(ids, today)):
        closures.setdefault(closure.site_id, []).append(closure)
    return [_make_row(row, exceptions.get(row[0].id, ()), closures.get(row[0].id, ())) for row in found]


def _closures_query(ids: Sequence[UUID], today: date) -> Select[SiteClosure]:
    """Closures of sites that are not over and were not ended early, and a few that were over lately."""
    since = datetime.combine(today - PAST_DAYS, time(), UTC)
    return (
        select(SiteClosure)
        .where(
            SiteClosure.site_id.in_(ids),
            SiteClosure.ended_at.is_(None),
            or_(SiteClosure.ends_at.is_(None), SiteClosure.ends_at > since),
        )
        .order_by(SiteClosure.starts_at, SiteClosure.id)
    )


def _make_row(row: Any, exceptions: Sequence[HoursException], closures: Sequence[SiteClosure]) -> SiteRow:
    site, area, phone, wkb, lon, lat = row
    closed = tuple([ClosedTime(one.starts_at, one.ends_at, one.for_good) for one in closures])
    return SiteRow(
        site=site,
        area=area,
        phone=phone,
        geometry=shapely.from_wkb(wkb),
        location=(lon, lat),
        hours=Hours(site.hours, site.makeup_hours, tuple(exceptions), site.zone, closed),
        closures=closures,
    )


async def get_site(session: AsyncSession, actor: Actor, *, site_id: UUID, today: date) -> SiteDetail:
    """A published site with all that belongs to it. Raises SiteNotFound."""
    rows = await list_sites(session, published_query().where(Site.id == site_id), today=today)
    if not rows:
        raise SiteNotFound(
            "没有这个服务点，或者它尚未发布。", "There is no such site, or it is not published."
        )
    row = rows[0]
    services = await _all(session, select(Service).where(Service.site_id == site_id), Service.position)
    service_ids = [service.id for service in services]
    costs = await _all(
        session, select(CostOption).where(CostOption.service_id.in_(service_ids)), CostOption.position
    )
    documents = await _all(
        session,
        select(RequiredDocument).where(RequiredDocument.service_id.in_(service_ids)),
        RequiredDocument.position,
    )
    organisation_id = row.site.organisation_id
    return SiteDetail(
        row=row,
        operator=await session.get(Organisation, organisation_id) if organisation_id else None,
        source=await session.get_one(Source, row.site.source_code),
        phones=await _all(session, select(Phone).where(Phone.site_id == site_id), Phone.position),
        services=[
            ServiceRows(
                service,
                [cost for cost in costs if cost.service_id == service.id],
                [document for document in documents if document.service_id == service.id],
            )
            for service in services
        ],
        exceptions=await _all(
            session,
            select(HoursExceptionRow).where(
                HoursExceptionRow.site_id == site_id, HoursExceptionRow.on_date >= today
            ),
            HoursExceptionRow.on_date,
        ),
        external_ids=await _all(
            session, select(SiteExternalId).where(SiteExternalId.site_id == site_id), SiteExternalId.scheme
        ),
    )


async def _all(session: AsyncSession, query: Select[T], order: Any) -> Sequence[T]:
    return (await session.scalars(query.order_by(order))).all()
