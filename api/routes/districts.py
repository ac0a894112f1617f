"""Which school district holds a place, and which schools it leads to."""

from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.access import public
from api.conditional import answer
from api.params import DistrictParameters, place_in_wgs84
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.locator import DistrictOut, DistrictsOut
from core import clock
from core.actor import ANYONE
from geo.districts import districts_at
from geo.errors import CoordinatesSwapped, CrsDisabled, InvalidCoordinates

router = APIRouter(tags=["locator"])


@router.get(
    "/v1/districts/at",
    responses={
        200: {"model": DistrictsOut},
        **responses(InvalidCoordinates, CoordinatesSwapped, CrsDisabled),
    },
    response_class=Response,
    openapi_extra=public("locator.read"),
)
async def find_districts(
    request: Request, session: Session, asked: Annotated[DistrictParameters, Query()]
) -> Response:
    """The school district of a place on a date, with its schools.

    A phone's position is off by `accuracy_m`: when a border is that near, `ambiguous` is true and every district
    that the place may be in is listed.
    """
    settings = runtime_of(request).settings
    lon, lat = place_in_wgs84(asked.lon, asked.lat, asked.crs, shifted=settings.gcj02_enabled)
    on = asked.on or clock.now().astimezone(ZoneInfo(settings.zone)).date()
    found = await districts_at(
        session, ANYONE, lon=lon, lat=lat, stage=asked.stage, on=on, accuracy_m=asked.accuracy_m
    )
    out = DistrictsOut(
        districts=[DistrictOut.model_validate(one) for one in found.districts],
        ambiguous=found.ambiguous,
        border_distance_m=None if found.border_distance_m is None else round(found.border_distance_m, 1),
        on=on,
    )
    return answer(request, out.model_dump_json().encode(), cache_control="private, max-age=60")
