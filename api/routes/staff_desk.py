"""The desk: today's list, check-in, walk-ins, callers, sign-in sheets, and devices without a network."""

import time
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.responses import Response

from api.access import allowed
from api.conditional import NO_STORE, private
from api.idempotency import ONCE_ERRORS, Once
from api.limits import LIMIT_ERRORS, limited
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.desk import (
    DeskListParameters,
    DeskOut,
    DeskParameters,
    DeskSearchIn,
    RosterOut,
    RosterParameters,
    SyncIn,
    SyncItemIn,
    SyncOut,
)
from api.views.desk import day_out, roster_out, sync_out
from booking.desk import rosters, sheets
from booking.desk.found import Shown
from booking.desk.sync import Item, sync
from booking.desk.today import list_day
from booking.errors import (
    InvalidDeviceKey,
)
from core import clock
from core.actor import Actor
from core.permissions import NotAllowed, NotSignedIn
from geo.errors import SiteNotFound

router = APIRouter(tags=["staff"])
templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
    autoescape=select_autoescape(),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

Runs = Annotated[Actor, allowed("desk.run")]
DENIED = (NotSignedIn, NotAllowed)
AT_SITE = (*DENIED, SiteNotFound)
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# Of the time in which a request must be answered; the rest is for the commit and the way back.
PART_OF_TIMEOUT = 0.6


@router.get("/v1/staff/desk", response_model=DeskOut, responses=responses(*AT_SITE))
async def show_day(
    request: Request, session: Session, actor: Runs, asked: Annotated[DeskListParameters, Query()]
) -> Response:
    """Who comes, slot by slot, with the places left. `q` finds by code or last digits, also what was cancelled. On record."""
    now = clock.now()
    day = await list_day(
        session,
        actor,
        ring=runtime_of(request).ring,
        site_id=asked.site_id,
        on=asked.on,
        sought=asked.q,
        now=now,
    )
    return private(day_out(day, now=now))


@router.post(
    "/v1/staff/desk/search",
    dependencies=[limited("writes")],
    response_model=DeskOut,
    responses=responses(*LIMIT_ERRORS, *AT_SITE),
)
async def search_day(request: Request, session: Session, actor: Runs, body: DeskSearchIn) -> Response:
    """The same list searched by name, code or last digits. On record."""
    now = clock.now()
    day = await list_day(
        session,
        actor,
        ring=runtime_of(request).ring,
        site_id=body.site_id,
        on=body.on,
        sought=body.q,
        now=now,
    )
    return private(day_out(day, now=now))


@router.get(
    "/v1/staff/desk/sheet.xlsx",
    response_class=Response,
    responses={
        200: {"content": {XLSX: {"schema": {"type": "string", "format": "binary"}}}},
        **responses(*AT_SITE),
    },
)
async def sheet_xlsx(
    request: Request, session: Session, actor: Runs, asked: Annotated[DeskParameters, Query()]
) -> Response:
    """The sign-in sheet as a spreadsheet: full names, last four digits. On record with everyone on it."""
    day = await sheets.read_sheet(
        session,
        actor,
        ring=runtime_of(request).ring,
        site_id=asked.site_id,
        on=asked.on,
        now=clock.now(),
    )
    name = quote(f"签到表 {day.desk.name} {day.on}.xlsx")
    said = f"attachment; filename=\"sign-in-{day.on}.xlsx\"; filename*=UTF-8''{name}"
    return Response(sheets.xlsx_of(day), headers={**NO_STORE, "Content-Disposition": said}, media_type=XLSX)


@router.get(
    "/v1/staff/desk/sheet",
    response_class=Response,
    responses={
        200: {"content": {"text/html": {"schema": {"type": "string"}}}},
        **responses(*AT_SITE),
    },
)
async def sheet_page(
    request: Request, session: Session, actor: Runs, asked: Annotated[DeskParameters, Query()]
) -> Response:
    """The sign-in sheet to print, A4 in large type: full names, last four digits. On record with everyone on it."""
    day = await sheets.read_sheet(
        session,
        actor,
        ring=runtime_of(request).ring,
        site_id=asked.site_id,
        on=asked.on,
        now=clock.now(),
    )
    body = templates.get_template("sign_in_sheet.html").render(
        title=sheets.title_of(day), columns=sheets.COLUMNS, lines=list(sheets.lines_of(day))
    )
    return Response(body, headers=NO_STORE, media_type="text/html")


@router.get(
    "/v1/staff/desk/roster",
    response_model=RosterOut,
    responses=responses(*AT_SITE, InvalidDeviceKey),
)
async def roster(
    request: Request, session: Session, actor: Runs, asked: Annotated[RosterParameters, Query()]
) -> Response:
    """The day's list for a device that may lose its network, encrypted for that device alone. On record."""
    made = await rosters.make_roster(
        session,
        actor,
        ring=runtime_of(request).ring,
        site_id=asked.site_id,
        on=asked.on,
        device_key=asked.device_key,
        now=clock.now(),
    )
    return private(roster_out(made))


@router.post(
    "/v1/staff/desk/sync",
    dependencies=[limited("writes")],
    response_model=SyncOut,
    responses=responses(*LIMIT_ERRORS, *AT_SITE, *ONCE_ERRORS),
)
async def send_in(request: Request, session: Session, actor: Runs, once: Once, body: SyncIn) -> Response:
    """What a device did without a network, each item once however often it is sent; conflicts are told, never hidden."""
    runtime = runtime_of(request)
    ends = time.monotonic() + PART_OF_TIMEOUT * runtime.settings.request_timeout_seconds
    reports = await sync(
        session,
        actor,
        ring=runtime.ring,
        site_id=body.site_id,
        device_id=body.device_id,
        roster_id=body.roster_id,
        items=[_item(one) for one in body.items],
        out_of_time=lambda: time.monotonic() > ends,
        now=clock.now(),
    )
    return await once.answer(sync_out(reports))


def _item(one: SyncItemIn) -> Item:
    walks_in = one.kind == "walk_in"
    shown = Shown(
        ticket=one.ticket,
        code=one.code,
        slot_id=None if walks_in else one.slot_id,
        reservation_id=one.reservation_id,
    )
    return Item(
        id=one.id,
        kind=one.kind,
        at=one.at,
        shown=shown,
        undoes=one.undoes,
        slot_id=one.slot_id if walks_in else None,
        party_size=one.party_size,
        mode=one.mode,
        person_id=one.person_id,
        why=one.why,
    )
