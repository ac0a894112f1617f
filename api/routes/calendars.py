"""Reservations in the calendar of a phone: a file, or a feed at a secret address."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.access import allowed
from api.conditional import answer
from api.idempotency import ONCE_ERRORS, Once
from api.inbox.errors import CalendarNotFound
from api.inbox.feeds import calendar_of, end_feed, entries_of_feed, make_feed, open_feed, read_entries
from api.limits import LIMIT_ERRORS, limited
from api.params import NoParameters
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.inbox import CalendarParameters, FeedOut
from booking.errors import ReservationNotFound
from booking.reservations.find import get_reservation
from core import clock
from core.actor import Actor
from core.permissions import NotAllowed, NotSignedIn

router = APIRouter(tags=["inbox"])
Own = Annotated[Actor, allowed("reservation.own")]
OwnInbox = Annotated[Actor, allowed("inbox.own")]
# The secret is the permission.
Anyone = Annotated[Actor, allowed("offering.read")]
MEDIA_TYPE = "text/calendar; charset=utf-8"
# Nobody on the way keeps it, and the phone asks whether it is still the same.
PRIVATE = "private, no-cache"
ICS: dict[int | str, dict[str, object]] = {
    200: {"content": {"text/calendar": {"schema": {"type": "string"}}}, "description": "iCalendar (RFC 5545)"}
}
NAME = "心办预约"


# Before /v1/reservations/{reservation_id}, which would read "….ics" as an id.
@router.get(
    "/v1/reservations/{reservation_id}.ics",
    response_class=Response,
    responses={**responses(NotSignedIn, NotAllowed, ReservationNotFound), **ICS},
)
async def reservation_file(
    request: Request,
    actor: Own,
    session: Session,
    reservation_id: UUID,
    _: Annotated[NoParameters, Query()],
) -> Response:
    """One reservation, to put into a calendar; a cancelled one takes itself out of it."""
    one = await get_reservation(session, actor, reservation_id=reservation_id, now=clock.now())
    entries = await read_entries(session, actor, ring=runtime_of(request).ring, reservations=[one])
    return answer(
        request,
        calendar_of(entries),
        media_type=MEDIA_TYPE,
        cache_control=PRIVATE,
        headers={"Content-Disposition": f'attachment; filename="{reservation_id}.ics"'},
    )


@router.get(
    "/v1/calendar.ics",
    response_class=Response,
    responses={**responses(CalendarNotFound), **ICS},
)
async def calendar_feed(
    request: Request, _: Anyone, session: Session, asked: Annotated[CalendarParameters, Query()]
) -> Response:
    """My reservations and those of persons who delegated to me, from 30 days ago on. Calendars cannot sign in: `token` does."""
    actor = await open_feed(session, token=asked.token)
    entries = await entries_of_feed(session, actor, ring=runtime_of(request).ring, now=clock.now())
    return answer(request, calendar_of(entries, name=NAME), media_type=MEDIA_TYPE, cache_control=PRIVATE)


@router.post(
    "/v1/me/calendar",
    dependencies=[limited("writes")],
    status_code=201,
    response_model=FeedOut,
    responses=responses(*LIMIT_ERRORS, *ONCE_ERRORS, NotSignedIn, NotAllowed),
)
async def open_calendar(request: Request, actor: OwnInbox, session: Session, once: Once) -> Response:
    """A new secret address for my calendar; an earlier one stops at once."""
    token = await make_feed(session, actor, now=clock.now())
    base = runtime_of(request).settings.public_url.rstrip("/") or str(request.base_url).rstrip("/")
    return await once.answer(FeedOut(url=f"{base}/v1/calendar.ics?token={token}", token=token), status=201)


@router.delete(
    "/v1/me/calendar",
    dependencies=[limited("writes")],
    status_code=204,
    response_class=Response,
    responses=responses(*LIMIT_ERRORS, NotSignedIn, NotAllowed, CalendarNotFound),
)
async def close_calendar(actor: OwnInbox, session: Session) -> Response:
    """Nobody reads it any more."""
    await end_feed(session, actor)
    return Response(status_code=204)
