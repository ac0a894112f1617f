"""Standing bookings: ask for one, see what came of each date, end it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from api.access import allowed
from api.idempotency import ONCE_ERRORS, OnceRequired
from api.limits import LIMIT_ERRORS, limited
from api.params import NoParameters
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.standing import (
    EndedOut,
    EndParameters,
    StandingCounts,
    StandingDateOut,
    StandingIn,
    StandingItemOut,
    StandingOut,
    StandingPage,
    StandingParameters,
    clock_of,
)
from booking.errors import (
    AssuranceNeeded,
    InvalidStanding,
    InvalidWish,
    NotBookable,
    OfferingNotFound,
    StandingExists,
    StandingNotFound,
)
from booking.models import Offering, StandingBooking
from booking.people.delegations import reach
from booking.people.errors import DelegationInsufficient, PersonNotFound
from booking.standing.book import Asked, ask, end, get_standing
from booking.standing.dates import report
from booking.standing.listing import own_query
from core import clock
from core.actor import Actor
from core.errors import InvalidCursor
from core.paging import next_cursor, read_one
from core.permissions import NotAllowed, NotSignedIn
from geo.models import Site

router = APIRouter(tags=["booking"])
Own = Annotated[Actor, allowed("reservation.own")]
DENIED = (NotSignedIn, NotAllowed)


@router.post(
    "/v1/standing-bookings",
    status_code=201,
    response_model=StandingOut,
    dependencies=[limited("bookings")],
    responses=responses(
        *DENIED,
        *LIMIT_ERRORS,
        *ONCE_ERRORS,
        OfferingNotFound,
        NotBookable,
        InvalidWish,
        InvalidStanding,
        StandingExists,
        AssuranceNeeded,
        PersonNotFound,
        DelegationInsufficient,
    ),
)
async def create(
    request: Request, session: Session, actor: Own, once: OnceRequired, body: StandingIn
) -> Response:
    """Lunch every weekday until June. What is open is booked at once, and the answer says of each date what became of it.

    Dates that open later are booked then, for whoever asked first. A date without a place is not tried again.
    """
    now = clock.now()
    asked = Asked(
        offering_id=body.offering_id,
        person_id=body.person_id,
        weekdays=tuple(body.weekdays),
        starts_at=clock_of(body.starts_at),
        from_on=body.from_,
        until_on=body.until,
        party_size=body.party_size,
        mode=body.mode,
    )
    standing = await ask(session, actor, ring=runtime_of(request).ring, asked=asked, now=now)
    return await once.answer(await _whole(session, standing, now), status=201)


@router.get("/v1/standing-bookings", responses=responses(*DENIED, InvalidCursor))
async def list_mine(
    session: Session, actor: Own, asked: Annotated[StandingParameters, Query()]
) -> StandingPage:
    """Mine and those of people who delegated to me, newest first."""
    assert actor.account_id is not None
    fingerprint = f"standing {actor.account_id} {asked.ended}".encode()
    after = read_one(fingerprint, asked.next, UUID)
    persons = sorted(await reach(session, actor.account_id, now=clock.now()))
    query = own_query(persons, ended=asked.ended, after=after, limit=asked.limit + 1)
    found = (await session.execute(query)).all()
    return StandingPage(
        items=[StandingItemOut.model_validate(_said(*row)) for row in found[: asked.limit]],
        next=next_cursor(fingerprint, found, asked.limit, lambda row: [row[0].id]),
    )


@router.get("/v1/standing-bookings/{standing_id}", responses=responses(*DENIED, StandingNotFound))
async def show(
    session: Session, actor: Own, standing_id: UUID, asked: Annotated[NoParameters, Query()]
) -> StandingOut:
    """One, with what became of each date."""
    now = clock.now()
    return await _whole(session, await get_standing(session, actor, standing_id=standing_id, now=now), now)


@router.delete(
    "/v1/standing-bookings/{standing_id}",
    dependencies=[limited("bookings")],
    responses=responses(*DENIED, *LIMIT_ERRORS, StandingNotFound),
)
async def end_it(
    session: Session, actor: Own, standing_id: UUID, asked: Annotated[EndParameters, Query()]
) -> EndedOut:
    """Book no more dates; with `cancel_future` also cancel what is booked ahead."""
    standing, cancelled = await end(
        session, actor, standing_id=standing_id, cancel_future=asked.cancel_future, now=clock.now()
    )
    offering = await session.get_one(Offering, standing.offering_id)
    return EndedOut.model_validate({**_said(standing, offering), "cancelled": list(cancelled)})


async def _whole(session: AsyncSession, standing: StandingBooking, now: datetime) -> StandingOut:
    offering = await session.get_one(Offering, standing.offering_id)
    zone = (await session.get_one(Site, offering.site_id)).zone
    outcomes = await report(session, standing, zone=zone, now=now)
    states = [one.state for one in outcomes]
    return StandingOut.model_validate(
        {
            **_said(standing, offering),
            "counts": StandingCounts(
                booked=states.count("booked"),
                not_booked=states.count("not_booked"),
                later=states.count("later"),
                no_slot=states.count("no_slot"),
            ),
            "dates": [
                StandingDateOut(
                    on=one.on,
                    state=one.state,
                    reservation_id=one.reservation_id,
                    reason=one.reason,
                    opens_at=one.opens_at,
                )
                for one in outcomes
            ],
        }
    )


def _said(standing: StandingBooking, offering: Offering) -> dict[str, Any]:
    return {
        "id": standing.id,
        "state": standing.state,
        "offering_id": offering.id,
        "title": offering.title,
        "title_en": offering.title_en,
        "person_id": standing.person_id,
        "weekdays": list(standing.weekdays),
        "starts_at": f"{standing.starts_at:%H:%M}",
        "from_": standing.from_on,
        "until": standing.until_on,
        "party_size": standing.party_size,
        "mode": standing.mode,
        "created_at": standing.created_at,
        "ended_at": standing.ended_at,
    }
