"""Acts of the desk: check-in, no-show, walk-ins, and reservations for callers."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.access import allowed
from api.idempotency import ONCE_ERRORS, Once, OnceRequired
from api.limits import LIMIT_ERRORS, limited
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.desk import (
    BriefOut,
    CheckedInOut,
    CheckInIn,
    NoShowIn,
    NoShowOut,
    StaffCancelIn,
    StaffReservationIn,
    WalkInIn,
)
from api.views.desk import brief_out, checked_in_out, no_show_out
from booking.desk import check_ins, walk_ins
from booking.desk.callers import book_for, cancel_for
from booking.desk.found import Shown
from booking.errors import (
    BookingClosed,
    HoldExpired,
    InvalidTicket,
    InvalidTime,
    InvalidWish,
    LimitReached,
    NotBookable,
    NotEligible,
    NotYetOpen,
    OutsideCheckIn,
    PersonBusy,
    ReservationNotFound,
    ResourceTaken,
    SeatTaken,
    SlotClosed,
    SlotFull,
    SlotNeeded,
    SlotNotFound,
    TooLate,
    WrongDay,
    WrongDesk,
    WrongState,
)
from booking.people.errors import PersonNotFound
from booking.reservations.reserve import Wish
from core import clock
from core.actor import Actor
from core.permissions import NotAllowed, NotSignedIn
from geo.errors import SiteNotFound

router = APIRouter(tags=["staff"])

Runs = Annotated[Actor, allowed("desk.run")]
DENIED = (NotSignedIn, NotAllowed)
AT_SITE = (*DENIED, SiteNotFound)
FOUND = (*DENIED, InvalidTicket, InvalidTime, ReservationNotFound, WrongDesk)
RESERVING = (
    SlotNotFound,
    SlotFull,
    SlotClosed,
    NotYetOpen,
    BookingClosed,
    NotBookable,
    NotEligible,
    LimitReached,
    PersonBusy,
    PersonNotFound,
    InvalidWish,
    SeatTaken,
    ResourceTaken,
)


@router.post(
    "/v1/staff/checkins",
    dependencies=[limited("writes")],
    response_model=CheckedInOut,
    responses=responses(
        *LIMIT_ERRORS, *FOUND, *ONCE_ERRORS, WrongDay, OutsideCheckIn, WrongState, HoldExpired
    ),
)
async def check_in(request: Request, session: Session, actor: Runs, once: Once, body: CheckInIn) -> Response:
    """They are here: by QR code, by the six digits, or picked from the list. Said again, `already` is true."""
    shown = Shown(
        ticket=body.ticket,
        code=body.code,
        slot_id=body.slot_id,
        reservation_id=body.reservation_id,
        site_id=body.site_id,
    )
    done = await check_ins.check_in(
        session,
        actor,
        ring=runtime_of(request).ring,
        shown=shown,
        at=body.at,
        why=body.why,
        now=clock.now(),
    )
    return await once.answer(checked_in_out(done, actor))


@router.post(
    "/v1/staff/checkins/{reservation_id}/undo",
    dependencies=[limited("writes")],
    response_model=BriefOut,
    responses=responses(*LIMIT_ERRORS, *FOUND, *ONCE_ERRORS, WrongState, TooLate),
)
async def undo_check_in(
    request: Request, session: Session, actor: Runs, once: Once, reservation_id: UUID
) -> Response:
    """The wrong one was tapped: take a check-in back within ten minutes. A walk-in's place is free again."""
    meant = await check_ins.undo(
        session,
        actor,
        ring=runtime_of(request).ring,
        reservation_id=reservation_id,
        state="checked_in",
        now=clock.now(),
    )
    return await once.answer(brief_out(meant))


@router.post(
    "/v1/staff/reservations/{reservation_id}/no-show",
    dependencies=[limited("writes")],
    response_model=NoShowOut,
    responses=responses(*LIMIT_ERRORS, *FOUND, *ONCE_ERRORS, WrongState, TooLate),
)
async def no_show(
    request: Request,
    session: Session,
    actor: Runs,
    once: Once,
    reservation_id: UUID,
    body: NoShowIn | None = None,
) -> Response:
    """They did not come; possible once it began. Who comes after all is checked in as anybody."""
    done = await check_ins.mark_absent(
        session,
        actor,
        ring=runtime_of(request).ring,
        shown=Shown(reservation_id=reservation_id),
        at=None if body is None else body.at,
        now=clock.now(),
    )
    return await once.answer(no_show_out(done))


@router.post(
    "/v1/staff/reservations/{reservation_id}/no-show/undo",
    dependencies=[limited("writes")],
    response_model=BriefOut,
    responses=responses(*LIMIT_ERRORS, *FOUND, *ONCE_ERRORS, WrongState, TooLate),
)
async def undo_no_show(
    request: Request, session: Session, actor: Runs, once: Once, reservation_id: UUID
) -> Response:
    """Take a no-show back within ten minutes; its mark goes with it."""
    meant = await check_ins.undo(
        session,
        actor,
        ring=runtime_of(request).ring,
        reservation_id=reservation_id,
        state="no_show",
        now=clock.now(),
    )
    return await once.answer(brief_out(meant))


@router.post(
    "/v1/staff/walk-ins",
    dependencies=[limited("writes")],
    status_code=201,
    response_model=CheckedInOut,
    responses=responses(
        *LIMIT_ERRORS,
        *AT_SITE,
        *ONCE_ERRORS,
        *RESERVING,
        InvalidTicket,
        ReservationNotFound,
        SlotNeeded,
        WrongDesk,
    ),
)
async def walk_in(
    request: Request, session: Session, actor: Runs, once: OnceRequired, body: WalkInIn
) -> Response:
    """Somebody without a reservation gets a place and is checked in; full: `409` with alternatives, and whether to wait."""
    done = await walk_ins.walk_in(
        session,
        actor,
        ring=runtime_of(request).ring,
        site_id=body.site_id,
        slot_id=body.slot_id,
        offering_id=body.offering_id,
        party_size=body.party_size,
        person_id=body.person_id,
        ticket=body.ticket,
        mode=body.mode,
        now=clock.now(),
    )
    return await once.answer(checked_in_out(done, actor), status=201)


@router.post(
    "/v1/staff/reservations",
    dependencies=[limited("writes")],
    status_code=201,
    response_model=BriefOut,
    responses=responses(*LIMIT_ERRORS, *AT_SITE, *ONCE_ERRORS, *RESERVING),
)
async def book(
    request: Request, session: Session, actor: Runs, once: OnceRequired, body: StaffReservationIn
) -> Response:
    """Book for somebody who calls or stands at the desk; find them first with `POST /v1/staff/persons/search`."""
    wish = Wish(
        person_id=body.person_id,
        slot_id=body.slot_id,
        offering_id=body.offering_id,
        party_size=body.party_size,
        mode=body.mode,
        seats=body.seats,
        wheelchair=body.wheelchair,
        resource_id=body.resource_id,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
    )
    meant = await book_for(
        session, actor, ring=runtime_of(request).ring, wish=wish, channel=body.channel, now=clock.now()
    )
    return await once.answer(brief_out(meant), status=201)


@router.post(
    "/v1/staff/reservations/{reservation_id}/cancel",
    dependencies=[limited("writes")],
    response_model=BriefOut,
    responses=responses(*LIMIT_ERRORS, *FOUND, *ONCE_ERRORS, WrongState),
)
async def cancel(
    request: Request,
    session: Session,
    actor: Runs,
    once: OnceRequired,
    reservation_id: UUID,
    body: StaffCancelIn,
) -> Response:
    """Cancel for somebody who calls; the place goes to those who wait. Cancelled already: the same answer."""
    meant = await cancel_for(
        session,
        actor,
        ring=runtime_of(request).ring,
        reservation_id=reservation_id,
        channel=body.channel,
        reason=body.reason,
        now=clock.now(),
    )
    return await once.answer(brief_out(meant))
