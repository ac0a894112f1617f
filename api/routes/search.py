"""Sites by words."""

from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.conditional import answer
from api.params import SearchParameters, check_crs_enabled, place_in_wgs84
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas import SearchItem, SearchPage
from api.views import site_item
from core import clock
from geo.crs import Crs
from geo.errors import CoordinatesSwapped, CrsDisabled, CrsMissing, InvalidCoordinates
from geo.models import Site
from geo.search.find import search
from geo.sites.read import list_sites, published_query

router = APIRouter(tags=["locator"])


@router.get(
    "/v1/search",
    responses={
        200: {"model": SearchPage},
        **responses(InvalidCoordinates, CoordinatesSwapped, CrsMissing, CrsDisabled),
    },
    response_class=Response,
)
async def search_sites(
    request: Request, session: Session, asked: Annotated[SearchParameters, Query()]
) -> Response:
    """Chinese from one character up, pinyin (`zhucandian`), initials (`zcd`), aliases, addresses.

    Names before aliases before addresses; among equals the nearer first when a place is given.
    """
    runtime = runtime_of(request)
    crs = asked.crs or Crs.wgs84
    place: tuple[float, float] | None = None
    if (asked.lon is None) != (asked.lat is None) or (asked.lon is not None and asked.crs is None):
        raise CrsMissing(
            "给出位置时，lon、lat 和 crs 三个参数都要有。", "A place needs all three: lon, lat and crs."
        )
    if asked.lon is not None and asked.lat is not None:
        place = place_in_wgs84(asked.lon, asked.lat, crs, shifted=runtime.settings.gcj02_enabled)
    check_crs_enabled(crs, shifted=runtime.settings.gcj02_enabled)
    loaded = runtime.loaded()
    async with runtime.database.hot() as connection:
        hits = await search(
            connection,
            q=asked.q,
            categories=loaded.categories.below(asked.category) if asked.category else (),
            lon=place[0] if place else None,
            lat=place[1] if place else None,
            limit=asked.limit,
        )
    now = clock.now()
    query = published_query().where(Site.id.in_([hit.site_id for hit in hits]))
    today = now.astimezone(ZoneInfo(runtime.settings.zone)).date()
    rows = {row.site.id: row for row in await list_sites(session, query, today=today)}
    items = [
        SearchItem(
            **site_item(rows[hit.site_id], crs, loaded.index.tables.calendar, now),
            matched=hit.matched,
            distance_m=None if hit.distance_m is None else round(hit.distance_m, 1),
        )
        for hit in hits
        if hit.site_id in rows
    ]
    out = SearchPage(items=items, crs=crs)
    return answer(request, out.model_dump_json().encode(), cache_control="private, max-age=10")
