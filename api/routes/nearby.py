"""What is near me and open now?"""

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.access import public
from api.conditional import answer
from api.free_sites import FreeSitesUnknown
from api.params import NearbyParameters, check_place
from api.problems import responses
from api.query import PlainRoute, describe_query, read_query
from api.runtime import runtime_of
from api.schemas.locator import NearbyPage
from core import clock
from core.errors import InvalidCursor
from geo.errors import CoordinatesSwapped, CrsDisabled, InvalidCoordinates, WordsTooCommon
from geo.nearby.page import NearbyQuestion, nearby
from geo.search.find import matching_ids

router = APIRouter(tags=["locator"], route_class=PlainRoute)

# Where somebody stands is nobody else's: only the phone itself may keep the answer, and states change by the minute.
CACHE = "private, max-age=5"


@router.get(
    "/v1/sites/nearby",
    responses={
        200: {"model": NearbyPage},
        **responses(
            InvalidCursor,
            InvalidCoordinates,
            CoordinatesSwapped,
            CrsDisabled,
            WordsTooCommon,
            FreeSitesUnknown,
        ),
    },
    response_class=Response,
    openapi_extra={**public("locator.read"), **describe_query(NearbyParameters)},
)
async def find_nearby(request: Request) -> Response:
    """Published sites, nearest first; equal distances in the order of their ids.

    A line or polygon counts from its nearest point. `open_at=now` keeps only sites open now; without it every site
    comes with its state. `bookable=true` keeps sites where anyone can book a place now, within the next 7 days; what it
    knows of places is at most 5 s old. Continue with `next`, all else unchanged.
    """
    asked = read_query(NearbyParameters, request)
    runtime = runtime_of(request)
    loaded = runtime.loaded()
    check_place(asked.lon, asked.lat, asked.crs, shifted=runtime.settings.gcj02_enabled)
    bookable = runtime.free_sites.chosen() if asked.bookable else None
    ids = None
    if asked.q is not None:
        categories = loaded.categories.below(asked.category) if asked.category else ()
        async with runtime.database.hot() as connection:
            ids = await matching_ids(connection, q=asked.q, categories=categories)
    question = NearbyQuestion(
        lon=asked.lon,
        lat=asked.lat,
        crs=asked.crs,
        categories=tuple(asked.category),
        radius_m=asked.radius_m,
        open_at=asked.open_at,
        tags=frozenset(asked.has),
        text=asked.q,
        bookable=bookable,
        ids=ids,
        limit=asked.limit,
        cursor=asked.next,
    )
    body = nearby(loaded.index, loaded.categories, question, now=clock.now())
    stale = runtime.feed.stale_since
    if bookable is not None and (since := runtime.free_sites.stale_since) is not None:
        stale = since if stale is None else min(stale, since)
    headers = {"X-Xinban-Stale-Since": stale.isoformat()} if stale is not None else None
    return answer(request, body, cache_control=CACHE, headers=headers)
