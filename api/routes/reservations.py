"""Reservations: book, look, confirm, cancel, move; mine and those of persons I act for."""

from io import BytesIO
from typing import Annotated
from uuid import UUID

import segno
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.access import allowed, caller, public
from api.bookings.fast import Reserving
from api.conditional import NO_STORE
from api.idempotency import ONCE_ERRORS, OnceRequired, read_required_key
from api.limits import LIMIT_ERRORS, limit, limited
from api.params import NoParameters
from api.problems import responses
from api.query import PlainRoute, read_body, read_query
from api.runtime import Session, runtime_of
from api.schemas.reservations import (
    RescheduleIn,
    ReservationIn,
    ReservationOut,
    ReservationsPage,
    ReservationsParameters,
)
from api.views.reservations import reservations_out, whole_out
from booking.desk.tickets import ticket_of
from booking.errors import (
    AssuranceNeeded,
    Blocked,
    BookingClosed,
    HoldExpired,
    InvalidWish,
    LimitReached,
    NotBookable,
    NotEligible,
    NotYetOpen,
    PersonBusy,
    ReservationNotFound,
    ResourceTaken,
    SeatTaken,
    SlotClosed,
    SlotFull,
    SlotNotFound,
    TooLate,
    WrongState,
)
from booking.people.errors import DelegationInsufficient, PersonNotFound
from booking.reservations.find import get_reservation
from booking.reservations.life import cancel, confirm
from booking.reservations.mine import list_mine
from booking.reservations.reschedule import reschedule
from booking.reservations.reserve import Wish
from core import clock
from core.actor import Actor
from core.errors import InvalidCursor
from core.permissions import NotAllowed, NotSignedIn, require

router = APIRouter(tags=["booking"])
plain = APIRouter(tags=["booking"], route_class=PlainRoute)

Own = Annotated[Actor, allowed("reservation.own")]
DENIED = (NotSignedIn, NotAllowed)
RESERVING = (
    PersonNotFound,
    DelegationInsufficient,
    SlotNotFound,
    SlotFull,
    SlotClosed,
    NotYetOpen,
    BookingClosed,
    NotBookable,
    NotEligible,
    AssuranceNeeded,
    LimitReached,
    PersonBusy,
    Blocked,
    InvalidWish,
    SeatTaken,
    ResourceTaken,
)
KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "schema": {"type": "string", "minLength": 8, "maxLength": 200, "pattern": "^[!-~]+$"},
    "description": "a new random value, such as a UUID, for each booking; the same when you send it again",
}


@plain.post(
    "/v1/reservations",
    status_code=201,
    responses={
        201: {"model": ReservationOut},
        **responses(*DENIED, *LIMIT_ERRORS, *ONCE_ERRORS, *RESERVING),
    },
    response_class=Response,
    openapi_extra={
        **public("reservation.own"),
        "parameters": [KEY_PARAMETER],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ReservationIn"}}},
        },
    },
)
async def reserve(request: Request) -> Response:
    """Book a place: `confirmed` at once, or with `hold` `held` until `expires_at`.

    A place is never sold twice, whoever asks at the same moment. `slot-full` names slots that still have a place. Send
    the same Idempotency-Key again when no answer came: what was booked is answered, and nothing is booked twice.
    """
    actor = await caller(request)
    require(actor, "reservation.own")
    await limit(request, "bookings", actor)
    read_query(NoParameters, request)
    key = read_required_key(request)
    body = await read_body(ReservationIn, request)
    wish = Wish(
        person_id=body.person_id,
        slot_id=body.slot_id,
        offering_id=body.offering_id,
        party_size=body.party_size,
        mode=body.mode,
        seats=tuple(body.seats),
        wheelchair=body.wheelchair,
        resource_id=body.resource_id,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
        hold=body.hold,
    )
    state = request.app.state
    reserving: Reserving | None = getattr(state, "reserving", None)
    if reserving is None:
        reserving = state.reserving = Reserving(runtime_of(request))
    return await reserving.answer(request, actor, wish, key)


@router.get("/v1/reservations", responses=responses(*DENIED, InvalidCursor))
async def list_reservations(
    actor: Own, session: Session, asked: Annotated[ReservationsParameters, Query()]
) -> ReservationsPage:
    """Mine and those of persons who delegated to me, the latest time first."""
    page = await list_mine(
        session,
        actor,
        person_id=asked.person_id,
        states=asked.state,
        from_on=asked.from_,
        limit=asked.limit,
        cursor=asked.next,
        now=clock.now(),
    )
    return ReservationsPage(items=await reservations_out(session, page.items), next=page.next)


@router.get("/v1/reservations/{reservation_id}", responses=responses(*DENIED, ReservationNotFound))
async def show_reservation(actor: Own, session: Session, reservation_id: UUID) -> ReservationOut:
    """One, with its history."""
    one = await get_reservation(session, actor, reservation_id=reservation_id, now=clock.now())
    return await whole_out(session, one)


@router.get(
    "/v1/reservations/{reservation_id}/qr.svg",
    response_class=Response,
    responses={
        200: {"content": {"image/svg+xml": {}}, "description": "the code to show at the desk"},
        **responses(*DENIED, ReservationNotFound),
    },
)
async def show_ticket(request: Request, actor: Own, session: Session, reservation_id: UUID) -> Response:
    """The code that the desk scans. It is signed, names nobody, and can be printed."""
    one = await get_reservation(session, actor, reservation_id=reservation_id, now=clock.now())
    ticket, picture = ticket_of(runtime_of(request).ring, one), BytesIO()
    segno.make(ticket, error="m").save(picture, kind="svg", scale=8, desc=ticket)
    return Response(picture.getvalue(), headers=NO_STORE, media_type="image/svg+xml")


@router.post(
    "/v1/reservations/{reservation_id}/confirm",
    dependencies=[limited("bookings")],
    response_model=ReservationOut,
    responses=responses(*DENIED, *LIMIT_ERRORS, *ONCE_ERRORS, ReservationNotFound, HoldExpired, WrongState),
)
async def confirm_hold(actor: Own, session: Session, once: OnceRequired, reservation_id: UUID) -> Response:
    """Make a hold, or the offer of a waiting list, a reservation, before it expires."""
    one = await confirm(session, actor, reservation_id=reservation_id, now=clock.now())
    return await once.answer((await reservations_out(session, [one]))[0])


@router.post(
    "/v1/reservations/{reservation_id}/cancel",
    dependencies=[limited("bookings")],
    response_model=ReservationOut,
    responses=responses(*DENIED, *LIMIT_ERRORS, *ONCE_ERRORS, ReservationNotFound, TooLate, WrongState),
)
async def cancel_reservation(
    actor: Own, session: Session, once: OnceRequired, reservation_id: UUID
) -> Response:
    """Give the place back; whoever waits gets it. After `cancel_until` it counts as cancelled late."""
    one = await cancel(session, actor, reservation_id=reservation_id, now=clock.now())
    return await once.answer((await reservations_out(session, [one]))[0])


@router.post(
    "/v1/reservations/{reservation_id}/reschedule",
    dependencies=[limited("bookings")],
    response_model=ReservationOut,
    responses=responses(
        *DENIED,
        *LIMIT_ERRORS,
        *ONCE_ERRORS,
        *RESERVING,
        ReservationNotFound,
        HoldExpired,
        TooLate,
        WrongState,
    ),
)
async def move_reservation(
    request: Request,
    actor: Own,
    session: Session,
    once: OnceRequired,
    reservation_id: UUID,
    body: RescheduleIn,
) -> Response:
    """Move to another time of the same offering. The new place is taken first: refused, the old one stays."""
    one = await reschedule(
        session,
        actor,
        ring=runtime_of(request).ring,
        reservation_id=reservation_id,
        slot_id=body.slot_id,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
        resource_id=body.resource_id,
        seats=tuple(body.seats),
        now=clock.now(),
    )
    return await once.answer((await reservations_out(session, [one]))[0])


router.routes.extend(plain.routes)
