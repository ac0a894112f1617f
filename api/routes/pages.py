"""Pages for people: what this is, and the guide behind each site's QR code (一码集成、一扫即知)."""

import io
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

import segno
from fastapi import APIRouter, Query, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.responses import Response

from api.access import allowed, public
from api.conditional import answer
from api.params import NoParameters
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.locator import SiteOut
from api.views.sites import DAYS_SHOWN, site_out
from core import clock
from core.actor import ANYONE, Actor
from core.permissions import NotAllowed, NotSignedIn
from geo.crs import Crs
from geo.errors import SiteNotFound
from geo.hours.state import REASONS
from geo.sites.detail import get_staff_site
from geo.sites.read import get_site

router = APIRouter()

templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
    autoescape=select_autoescape(),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
WEEKDAYS = ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日")
STATES = {
    "open": ("正在开放", "Open now"),
    "closed": ("现在不开放", "Closed now"),
    "unknown": ("是否开放请先询问", "Please ask first"),
}

HTML: dict[int | str, dict[str, object]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}


@router.get(
    "/",
    response_class=Response,
    responses={**HTML, **responses()},
    tags=["operation"],
    openapi_extra=public("operation.read"),
)
async def front_page(request: Request, _: Annotated[NoParameters, Query()]) -> Response:
    """What this is, with links to try."""
    body = templates.get_template("front.html").render()
    return answer(request, body.encode(), media_type="text/html", cache_control="public, max-age=300")


@router.get(
    "/v1/sites/{site_id}/guide",
    response_class=Response,
    responses={**HTML, **responses(SiteNotFound)},
    tags=["locator"],
    openapi_extra=public("locator.read"),
)
async def site_guide(
    request: Request, session: Session, site_id: UUID, _: Annotated[NoParameters, Query()]
) -> Response:
    """The guide of a site: large type, for a small phone and for a screen reader."""
    runtime = runtime_of(request)
    now = clock.now()
    today = now.astimezone(ZoneInfo(runtime.settings.zone)).date()
    detail = await get_site(session, ANYONE, site_id=site_id, today=today)
    loaded = runtime.loaded()
    # gcj02 is what map apps on phones in China expect in a link.
    crs = Crs.gcj02 if runtime.settings.gcj02_enabled else Crs.wgs84
    site = site_out(detail, crs, loaded.categories, loaded.index.tables.calendar, now)
    body = templates.get_template("guide.html").render(
        site=site,
        until=_until(site),
        map_url=_map_url(site),
        states=STATES,
        reasons=REASONS,
        weekdays=WEEKDAYS,
        days_shown=DAYS_SHOWN,
        one_day=timedelta(days=1),
    )
    return answer(request, body.encode(), media_type="text/html", cache_control="public, max-age=60")


@router.get(
    "/v1/sites/{site_id}/qr.svg",
    response_class=Response,
    responses={
        200: {"content": {"image/svg+xml": {"schema": {"type": "string"}}}},
        **responses(SiteNotFound),
    },
    tags=["locator"],
    openapi_extra=public("locator.read"),
)
async def site_qr(
    request: Request, session: Session, site_id: UUID, _: Annotated[NoParameters, Query()]
) -> Response:
    """The QR code to print; it opens the guide."""
    today = clock.now().astimezone(ZoneInfo(runtime_of(request).settings.zone)).date()
    detail = await get_site(session, ANYONE, site_id=site_id, today=today)
    drawn = _drawn(_guide_address(request, site_id), detail.row.site.name)
    return answer(request, drawn, media_type="image/svg+xml", cache_control="public, max-age=3600")


@router.get(
    "/v1/staff/sites/{site_id}/qr-sheet",
    response_class=Response,
    responses={**HTML, **responses(NotSignedIn, NotAllowed, SiteNotFound)},
    tags=["staff"],
)
async def qr_sheet(
    request: Request, actor: Annotated[Actor, allowed("site.read")], session: Session, site_id: UUID
) -> Response:
    """An A4 page to print and put up at the door: name, code, address, telephone."""
    detail = await get_staff_site(session, actor, site_id=site_id, now=clock.now())
    address = _guide_address(request, site_id)
    body = templates.get_template("qr_sheet.html").render(
        site=detail.site,
        category=runtime_of(request).loaded().categories.nodes[detail.site.category_code],
        phones=detail.content["phones"][:2],
        published=detail.state == "published",
        address=address,
        code=_drawn(address, detail.site.name, omitsize=True).decode(),
    )
    return Response(body, headers={"Cache-Control": "no-store"}, media_type="text/html")


def _guide_address(request: Request, site_id: UUID) -> str:
    """Where the guide is, as residents' phones reach it."""
    base = runtime_of(request).settings.public_url.rstrip("/") or str(request.base_url).rstrip("/")
    return f"{base}/v1/sites/{site_id}/guide"


def _drawn(address: str, name: str, *, omitsize: bool = False) -> bytes:
    """A QR code as SVG, without a size of its own where the page gives it one."""
    drawn = io.BytesIO()
    title = f"{name} 办事指南二维码"
    segno.make_qr(address, error="m").save(
        drawn, kind="svg", scale=8, border=4, title=title, xmldecl=False, omitsize=omitsize
    )
    return drawn.getvalue()


def _until(site: SiteOut) -> tuple[str, str] | None:
    """Until when it is open, or when it opens, in zh and en; None where neither is certain."""
    until = site.open.until
    if until is None or site.open.state == "unknown":
        return None
    on, clock_time = until.date(), until.strftime("%H:%M")
    ahead = (on - site.hours.days[0].on).days
    day_zh, day_en = {0: ("今天", "today"), 1: ("明天", "tomorrow")}.get(
        ahead, (f"{on.month}月{on.day}日", on.strftime("%-d %B"))
    )
    if site.open.state == "open":
        return f"{day_zh}开到 {clock_time}", f"until {clock_time} {day_en}"
    opens = any(
        one.starts_at == until and one.state == "open" for day in site.hours.days for one in day.intervals
    )
    return (f"{day_zh} {clock_time} 开门", f"opens {day_en} at {clock_time}") if opens else None


def _map_url(site: SiteOut) -> str:
    """A page of 高德地图 that opens its app where there is one; nothing of it is loaded with ours."""
    asked = {
        "position": f"{site.location.lon},{site.location.lat}",
        "name": site.name,
        "coordinate": "gaode" if site.crs is Crs.gcj02 else "wgs84",
        "src": "xinban",
    }
    return f"https://uri.amap.com/marker?{urlencode(asked)}"
