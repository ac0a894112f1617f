"""Which areas hold a place."""

from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.access import public
from api.conditional import answer
from api.params import AreaParameters, place_in_wgs84
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.locator import AreaOut, AreasOut
from core import clock
from core.actor import ANYONE
from geo.areas import areas_at
from geo.errors import CoordinatesSwapped, CrsDisabled, InvalidCoordinates

router = APIRouter(tags=["locator"])


@router.get(
    "/v1/areas/at",
    responses={
        200: {"model": AreasOut},
        **responses(InvalidCoordinates, CoordinatesSwapped, CrsDisabled),
    },
    response_class=Response,
    openapi_extra=public("locator.read"),
)
async def find_areas(
    request: Request, session: Session, asked: Annotated[AreaParameters, Query()]
) -> Response:
    """District, township, centre community and community of a place, each with the codes several systems give it."""
    settings = runtime_of(request).settings
    lon, lat = place_in_wgs84(asked.lon, asked.lat, asked.crs, shifted=settings.gcj02_enabled)
    on = asked.on or clock.now().astimezone(ZoneInfo(settings.zone)).date()
    found = await areas_at(session, ANYONE, lon=lon, lat=lat, on=on)
    out = AreasOut(items=[AreaOut.model_validate(one) for one in found], on=on)
    return answer(request, out.model_dump_json().encode(), cache_control="private, max-age=60")
