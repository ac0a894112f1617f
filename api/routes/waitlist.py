"""Waiting lists: join, see one's place, accept or decline an offer, leave; the queue of a slot for the desk."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from api.access import allowed
from api.conditional import private
from api.idempotency import ONCE_ERRORS, OnceRequired
from api.limits import LIMIT_ERRORS, limited
from api.params import NoParameters
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.waitlist import (
    QueuedOut,
    QueueOut,
    WaitIn,
    WaitlistParameters,
    WaitOut,
    WaitsPage,
)
from api.views.waitlist import queued_out, wait_out
from booking.errors import (
    AlreadyWaiting,
    AssuranceNeeded,
    Blocked,
    BookingClosed,
    HoldExpired,
    InvalidWish,
    LimitReached,
    NotBookable,
    NotEligible,
    NotWaitable,
    NotYetOpen,
    PersonBusy,
    PlacesLeft,
    SlotClosed,
    SlotNotFound,
    WaitlistEntryNotFound,
    WrongEntryState,
)
from booking.people.delegations import reach
from booking.people.errors import DelegationInsufficient, PersonNotFound
from booking.reservations.offers import accept_offer, decline_offer
from booking.waitlist import queue
from booking.waitlist.listing import entry_query, own_query, queue_of
from core import clock
from core.actor import Actor
from core.errors import InvalidCursor
from core.paging import next_cursor, read_one
from core.permissions import NotAllowed, NotSignedIn

router = APIRouter(tags=["booking"])
Own = Annotated[Actor, allowed("reservation.own")]
DENIED = (NotSignedIn, NotAllowed)
JOINING = (
    PersonNotFound,
    DelegationInsufficient,
    SlotNotFound,
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
    NotWaitable,
    PlacesLeft,
    AlreadyWaiting,
)


@router.post(
    "/v1/waitlist",
    status_code=201,
    response_model=WaitOut,
    dependencies=[limited("bookings")],
    responses=responses(*DENIED, *LIMIT_ERRORS, *ONCE_ERRORS, *JOINING),
)
async def join(request: Request, session: Session, actor: Own, once: OnceRequired, body: WaitIn) -> Response:
    """Wait for a place in a full slot; the answer says where in the queue, and its rule.

    `places-left`: the party can book at this moment instead.
    """
    now = clock.now()
    wish = queue.Joining(body.slot_id, body.person_id, body.party_size, body.mode, body.wheelchair)
    entry = await queue.join(session, actor, ring=runtime_of(request).ring, wish=wish, now=now)
    return await once.answer(await _shown(session, entry.id), status=201)


@router.get("/v1/waitlist", responses=responses(*DENIED, InvalidCursor))
async def list_mine(session: Session, actor: Own, asked: Annotated[WaitlistParameters, Query()]) -> WaitsPage:
    """What I and those who delegated to me wait for, newest first, with the place in the queue and offers."""
    assert actor.account_id is not None
    fingerprint = f"waitlist {actor.account_id} {asked.over}".encode()
    after = read_one(fingerprint, asked.next, UUID)
    persons = sorted(await reach(session, actor.account_id, now=clock.now()))
    query = own_query(persons, over=asked.over, after=after, limit=asked.limit + 1)
    found = (await session.execute(query)).all()
    return WaitsPage(
        items=[wait_out(*row, now=clock.now()) for row in found[: asked.limit]],
        next=next_cursor(fingerprint, found, asked.limit, lambda row: [row[0].id]),
    )


@router.post(
    "/v1/waitlist/{entry_id}/accept",
    response_model=WaitOut,
    dependencies=[limited("bookings")],
    responses=responses(
        *DENIED, *LIMIT_ERRORS, *ONCE_ERRORS, WaitlistEntryNotFound, WrongEntryState, HoldExpired
    ),
)
async def accept(session: Session, actor: Own, once: OnceRequired, entry_id: UUID) -> Response:
    """Take the place that is offered: its reservation is confirmed."""
    await accept_offer(session, actor, entry_id=entry_id, now=clock.now())
    return await once.answer(await _shown(session, entry_id))


@router.post(
    "/v1/waitlist/{entry_id}/decline",
    response_model=WaitOut,
    dependencies=[limited("bookings")],
    responses=responses(*DENIED, *LIMIT_ERRORS, *ONCE_ERRORS, WaitlistEntryNotFound, WrongEntryState),
)
async def decline(session: Session, actor: Own, once: OnceRequired, entry_id: UUID) -> Response:
    """Leave the place that is offered to the next."""
    await decline_offer(session, actor, entry_id=entry_id, now=clock.now())
    return await once.answer(await _shown(session, entry_id))


@router.delete(
    "/v1/waitlist/{entry_id}",
    dependencies=[limited("bookings")],
    responses=responses(*DENIED, *LIMIT_ERRORS, WaitlistEntryNotFound, WrongEntryState),
)
async def leave(session: Session, actor: Own, entry_id: UUID) -> WaitOut:
    """Wait no longer. An offer is declined instead."""
    await queue.leave(session, actor, entry_id=entry_id, now=clock.now())
    return await _shown(session, entry_id)


@router.get(
    "/v1/staff/slots/{slot_id}/waitlist",
    response_model=QueueOut,
    responses=responses(*DENIED, SlotNotFound),
    tags=["staff"],
)
async def show_queue(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("desk.run")],
    slot_id: UUID,
    asked: Annotated[NoParameters, Query()],
) -> Response:
    """Who waits for a slot of one's site, in order; names and phones are masked, and the look is on record."""
    ring = runtime_of(request).ring
    rows = await queue_of(session, actor, slot_id=slot_id, now=clock.now())
    items: list[QueuedOut] = [queued_out(ring, entry, person) for entry, person in rows]
    return private(QueueOut(items=items))


async def _shown(session: AsyncSession, entry_id: UUID) -> WaitOut:
    row = (await session.execute(entry_query(entry_id))).one()
    return wait_out(*row, now=clock.now())
