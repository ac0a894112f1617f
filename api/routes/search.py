"""Sites by words."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.access import public
from api.conditional import answer
from api.params import SearchParameters, check_crs_enabled, place_in_wgs84
from api.problems import responses
from api.runtime import runtime_of
from api.schemas.locator import SearchPage
from core import clock
from geo.crs import Crs
from geo.errors import CoordinatesSwapped, CrsDisabled, CrsMissing, InvalidCoordinates
from geo.nearby.page import site_cards
from geo.search.find import search

router = APIRouter(tags=["locator"])


@router.get(
    "/v1/search",
    responses={
        200: {"model": SearchPage},
        **responses(InvalidCoordinates, CoordinatesSwapped, CrsMissing, CrsDisabled),
    },
    response_class=Response,
    openapi_extra=public("locator.read"),
)
async def search_sites(request: Request, asked: Annotated[SearchParameters, Query()]) -> Response:
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
    cards = site_cards(loaded.index, [hit.site_id for hit in hits], crs, now=clock.now())
    items = b",".join(
        b'%s,"matched":"%s","distance_m":%s}'
        % (
            cards[hit.site_id],
            hit.matched.encode(),
            b"null" if hit.distance_m is None else b"%.1f" % hit.distance_m,
        )
        for hit in hits
        if hit.site_id in cards  # a site published this very second is not yet in the index
    )
    body = b'{"items":[%s],"crs":"%s"}' % (items, crs.value.encode())
    return answer(request, body, cache_control="private, max-age=10")
