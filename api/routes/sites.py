"""Published sites in lists and one by one."""

from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from api.access import public
from api.conditional import answer
from api.params import SiteParameters, SitesParameters, area_id_of, box_in_wgs84, check_crs_enabled
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.locator import SiteItem, SiteOut, SitePage
from api.views.sites import geojson_feature, site_item, site_out
from core import clock
from core.actor import ANYONE
from core.errors import InvalidCursor
from core.paging import next_cursor, read_one
from geo.areas import get_area
from geo.crs import Crs
from geo.errors import CrsDisabled, CrsMissing, SiteNotFound, UnknownArea
from geo.sites.read import get_site, list_sites, sites_query

router = APIRouter(tags=["locator"])

GEOJSON = "application/geo+json"
CACHE = "public, max-age=10"


class FeatureCollection(BaseModel):
    """RFC 7946, WGS84, with `next` as a foreign member."""

    type: str
    features: list[dict[str, Any]]
    next: str | None


@router.get(
    "/v1/sites",
    responses={
        200: {
            "model": SitePage,
            "content": {GEOJSON: {"schema": {"$ref": "#/components/schemas/FeatureCollection"}}},
        },
        **responses(InvalidCursor, UnknownArea, CrsMissing, CrsDisabled),
    },
    response_class=Response,
    openapi_extra=public("locator.read"),
)
async def list_published(
    request: Request, session: Session, asked: Annotated[SitesParameters, Query()]
) -> Response:
    """Published sites by box, category, area, status; `Accept: application/geo+json` gives GeoJSON in WGS84.

    Pages follow the ids of sites, which no edit changes. To harvest changes, ask with `modified_after` a few minutes
    before the last time you asked.
    """
    runtime = runtime_of(request)
    if asked.bbox is not None and asked.crs is None:
        raise CrsMissing("给出 bbox 时必须同时给出 crs。", "A bbox needs a crs.")
    as_geojson = GEOJSON in request.headers.get("accept", "")
    crs = Crs.wgs84 if as_geojson else asked.crs or Crs.wgs84
    check_crs_enabled(asked.crs or crs, shifted=runtime.settings.gcj02_enabled)
    fingerprint = orjson.dumps(asked.model_dump(mode="json", exclude={"next", "limit"}))
    after = read_one(fingerprint, asked.next, UUID)
    now = clock.now()
    today = now.astimezone(ZoneInfo(runtime.settings.zone)).date()
    area_id = None
    if asked.area is not None:
        area_id = area_id_of(asked.area) or (await get_area(session, ANYONE, code=asked.area, on=today)).id
    tree, calendar = runtime.loaded().categories, runtime.loaded().index.tables.calendar
    query = sites_query(
        after=after,
        limit=asked.limit + 1,
        box=box_in_wgs84(asked.bbox, asked.crs or Crs.wgs84) if asked.bbox is not None else None,
        categories=tree.below(asked.category) if asked.category else (),
        area_id=area_id,
        statuses=[status.value for status in asked.status],
        modified_after=asked.modified_after,
    )
    rows = await list_sites(session, query, today=today)
    shown = rows[: asked.limit]
    following = next_cursor(fingerprint, rows, asked.limit, lambda row: [row.site.id])
    items = [SiteItem(**site_item(row, crs, calendar, now)) for row in shown]
    headers = {"Vary": "Accept-Encoding, Accept"}
    if as_geojson:
        features = [geojson_feature(row, item) for row, item in zip(shown, items, strict=True)]
        body = orjson.dumps({"type": "FeatureCollection", "features": features, "next": following})
        return answer(request, body, media_type=GEOJSON, cache_control=CACHE, headers=headers)
    page = SitePage(items=items, next=following, crs=crs)
    return answer(request, page.model_dump_json().encode(), cache_control=CACHE, headers=headers)


@router.get(
    "/v1/sites/{site_id}",
    responses={200: {"model": SiteOut}, **responses(SiteNotFound, CrsDisabled)},
    response_class=Response,
    openapi_extra=public("locator.read"),
)
async def show_site(
    request: Request, session: Session, site_id: UUID, asked: Annotated[SiteParameters, Query()]
) -> Response:
    """The whole site: services, hours of the coming week, fees, papers, accessibility, source."""
    runtime = runtime_of(request)
    check_crs_enabled(asked.crs, shifted=runtime.settings.gcj02_enabled)
    now = clock.now()
    today = now.astimezone(ZoneInfo(runtime.settings.zone)).date()
    detail = await get_site(session, ANYONE, site_id=site_id, today=today)
    loaded = runtime.loaded()
    out = site_out(detail, asked.crs, loaded.categories, loaded.index.tables.calendar, now)
    return answer(request, out.model_dump_json().encode(), cache_control=CACHE)
