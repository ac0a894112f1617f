"""Ratings that staff enter, and what people wrote about the sites they run."""

from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.access import allowed
from api.idempotency import ONCE_ERRORS, Once
from api.limits import LIMIT_ERRORS, limited
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.feedback import DeskRatingIn, EnteredOut, RemarkOut, RemarkPage, RemarkParameters, SheetIn
from booking.feedback.errors import RatingInFuture, SheetEntered, SheetNotFound, UnknownService
from booking.feedback.ratings import collect_rating, enter_sheet, remove_sheet
from booking.feedback.texts import read_text
from booking.feedback.totals import remarks_query, require_remarks
from core import clock
from core.actor import Actor
from core.errors import InvalidCursor
from core.paging import next_cursor, read_one
from core.permissions import NotAllowed, NotSignedIn
from geo.errors import SiteNotFound

router = APIRouter(tags=["staff"])

STAFF = (NotSignedIn, NotAllowed)


@router.get("/v1/staff/ratings", responses=responses(InvalidCursor, SiteNotFound, *STAFF))
async def list_remarks(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("rating.collect")],
    asked: Annotated[RemarkParameters, Query()],
) -> RemarkPage:
    """What people wrote about a site one runs, without who they are; the look is on record."""
    fingerprint = orjson.dumps(asked.model_dump(mode="json", exclude={"next", "limit"}))
    after = read_one(fingerprint, asked.next, UUID)
    await require_remarks(session, actor, site_id=asked.site_id, now=clock.now())
    query = remarks_query(site_id=asked.site_id, after=after, limit=asked.limit + 1)
    found = (await session.scalars(query)).all()
    shown, ring = found[: asked.limit], runtime_of(request).ring
    return RemarkPage(
        items=[
            RemarkOut(
                id=one.id,
                level=one.level,
                service=one.service,
                tags=one.tags,
                text=read_text(ring, one),
                on=one.rated_on,
            )
            for one in shown
        ],
        next=next_cursor(fingerprint, found, asked.limit, lambda one: [one.id]),
    )


@router.post(
    "/v1/staff/ratings",
    status_code=201,
    responses={
        201: {"model": EnteredOut},
        **responses(SiteNotFound, UnknownService, *STAFF, *LIMIT_ERRORS, *ONCE_ERRORS),
    },
    response_class=Response,
    dependencies=[limited("writes")],
)
async def collect(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("rating.collect")],
    once: Once,
    body: DeskRatingIn,
) -> Response:
    """A rating said at the desk, by telephone, or on a slip of paper."""
    runtime = runtime_of(request)
    rating = await collect_rating(
        session,
        actor,
        ring=runtime.ring,
        site_id=body.site_id,
        level=body.level,
        channel=body.channel,
        service=body.service,
        tags=body.tags,
        text=body.text,
        zone=runtime.settings.zone,
        now=clock.now(),
    )
    out = EnteredOut(id=rating.id, site_id=rating.site_id, on=rating.rated_on, count=1)
    return await once.answer(out, status=201)


@router.post(
    "/v1/staff/ratings/batch",
    status_code=201,
    responses={
        201: {"model": EnteredOut},
        **responses(
            SiteNotFound, UnknownService, RatingInFuture, SheetEntered, *STAFF, *LIMIT_ERRORS, *ONCE_ERRORS
        ),
    },
    response_class=Response,
    dependencies=[limited("writes")],
)
async def enter(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("rating.collect")],
    once: Once,
    body: SheetIn,
) -> Response:
    """A sheet on which people ticked; the same sheet is entered once."""
    now = clock.now()
    sheet = await enter_sheet(
        session,
        actor,
        site_id=body.site_id,
        rated_on=body.on,
        today=now.astimezone(ZoneInfo(runtime_of(request).settings.zone)).date(),
        counts={int(level): count for level, count in body.counts.items()},
        reference=body.sheet_reference,
        service=body.service,
        now=now,
    )
    out = EnteredOut(id=sheet.id, site_id=sheet.site_id, on=sheet.rated_on, count=sum(body.counts.values()))
    return await once.answer(out, status=201)


@router.delete(
    "/v1/staff/ratings/batch/{sheet_id}",
    status_code=204,
    responses=responses(SheetNotFound, *STAFF, *LIMIT_ERRORS),
    dependencies=[limited("writes")],
)
async def take_back(
    session: Session, actor: Annotated[Actor, allowed("rating.collect")], sheet_id: UUID
) -> None:
    """Take back a sheet that was entered wrongly; it can then be entered again."""
    await remove_sheet(session, actor, sheet_id=sheet_id, now=clock.now())
