"""Five levels of satisfaction."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.access import allowed, public
from api.conditional import answer
from api.idempotency import ONCE_ERRORS, Once
from api.limits import LIMIT_ERRORS, limited
from api.params import NoParameters
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.base import LabelOut
from api.schemas.feedback import (
    CategoryOptionOut,
    LevelOut,
    MyRatingParameters,
    OptionsOut,
    RatingChangeIn,
    RatingIn,
    RatingOut,
    RatingPage,
    ServiceTotalsOut,
    SiteTotalsOut,
    TotalsOut,
)
from booking.errors import ReservationNotFound
from booking.feedback.categories import CATEGORIES, REOPEN_DAYS
from booking.feedback.errors import (
    AlreadyRated,
    NotVisited,
    RatingFinal,
    RatingNotFound,
    UnknownService,
)
from booking.feedback.levels import LEVELS, TAGS
from booking.feedback.models import Rating
from booking.feedback.ratings import (
    change_rating,
    own_ratings_query,
    rate,
)
from booking.feedback.texts import read_text
from booking.feedback.totals import Totals, totals_of
from core import clock
from core.actor import Actor
from core.errors import InvalidCursor
from core.keyring import KeyRing
from core.paging import next_cursor, read_one
from core.permissions import NotSignedIn
from geo.corrections.fields import LABELS
from geo.errors import SiteNotFound

router = APIRouter(tags=["feedback"])


@router.get(
    "/v1/feedback/options",
    responses={200: {"model": OptionsOut}, **responses()},
    response_class=Response,
    openapi_extra=public("locator.read"),
)
async def options(request: Request, asked: Annotated[NoParameters, Query()]) -> Response:
    """What can be chosen in reports of mistakes, complaints and ratings, with labels; and how soon is answered."""
    out = OptionsOut(
        correction_fields=[
            LabelOut(code=code, label_zh=zh, label_en=en) for code, (zh, en) in LABELS.items()
        ],
        complaint_categories=[
            CategoryOptionOut(code=code, label_zh=one.label_zh, label_en=one.label_en, workdays=one.workdays)
            for code, one in CATEGORIES.items()
        ],
        rating_levels=[LevelOut(level=level, label_zh=zh, label_en=en) for level, (zh, en) in LEVELS.items()],
        rating_tags=[LabelOut(code=code, label_zh=zh, label_en=en) for code, (zh, en) in TAGS.items()],
        reopen_days=REOPEN_DAYS,
    )
    return answer(request, out.model_dump_json().encode(), cache_control="public, max-age=3600")


@router.get(
    "/v1/sites/{site_id}/ratings",
    responses={200: {"model": SiteTotalsOut}, **responses(SiteNotFound)},
    response_class=Response,
    openapi_extra=public("locator.read"),
)
async def show_totals(
    request: Request, session: Session, site_id: UUID, asked: Annotated[NoParameters, Query()]
) -> Response:
    """How content people were with a site, once enough of them said so."""
    shown_from = runtime_of(request).settings.ratings_shown_from
    totals = await totals_of(session, site_id=site_id)
    out = SiteTotalsOut(
        site_id=site_id,
        shown_from=shown_from,
        services=[
            ServiceTotalsOut(service=service, **_totals(one, shown_from).model_dump())
            for service, one in sorted(totals.services.items())
            if one.count >= shown_from
        ],
        **_totals(totals, shown_from).model_dump(),
    )
    return answer(request, out.model_dump_json().encode(), cache_control="public, max-age=60")


@router.post(
    "/v1/ratings",
    status_code=201,
    responses={
        201: {"model": RatingOut},
        **responses(
            NotSignedIn,
            SiteNotFound,
            UnknownService,
            ReservationNotFound,
            NotVisited,
            AlreadyRated,
            *LIMIT_ERRORS,
            *ONCE_ERRORS,
        ),
    },
    response_class=Response,
    dependencies=[limited("ratings")],
)
async def give(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("rating.own")],
    once: Once,
    body: RatingIn,
) -> Response:
    """Rate a visit, once: a reservation that was checked in within the last 30 days, mine or of somebody I act for.

    `not-visited` says what to do, and names visits to the site that nobody rated yet.
    """
    runtime = runtime_of(request)
    rating = await rate(
        session,
        actor,
        ring=runtime.ring,
        site_id=body.site_id,
        reservation_id=body.reservation_id,
        level=body.level,
        service=body.service,
        tags=body.tags,
        text=body.text,
        zone=runtime.settings.zone,
        now=clock.now(),
    )
    return await once.answer(_rating_out(runtime.ring, rating), status=201)


@router.put(
    "/v1/ratings/{rating_id}",
    responses={
        200: {"model": RatingOut},
        **responses(NotSignedIn, RatingNotFound, RatingFinal, UnknownService, *LIMIT_ERRORS),
    },
    dependencies=[limited("ratings")],
)
async def change(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("rating.own")],
    rating_id: UUID,
    body: RatingChangeIn,
) -> RatingOut:
    """Say something else on the same day."""
    runtime = runtime_of(request)
    rating = await change_rating(
        session,
        actor,
        ring=runtime.ring,
        rating_id=rating_id,
        level=body.level,
        service=body.service,
        tags=body.tags,
        text=body.text,
        zone=runtime.settings.zone,
        now=clock.now(),
    )
    return _rating_out(runtime.ring, rating)


@router.get("/v1/ratings", responses=responses(InvalidCursor, NotSignedIn))
async def list_mine(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("rating.own")],
    asked: Annotated[MyRatingParameters, Query()],
) -> RatingPage:
    """One's own ratings."""
    assert actor.account_id is not None
    fingerprint = f"ratings {actor.account_id} {asked.site_id}".encode()
    after = read_one(fingerprint, asked.next, UUID)
    query = own_ratings_query(actor.account_id, site_id=asked.site_id, after=after, limit=asked.limit + 1)
    found = (await session.scalars(query)).all()
    shown, ring = found[: asked.limit], runtime_of(request).ring
    return RatingPage(
        items=[_rating_out(ring, one) for one in shown],
        next=next_cursor(fingerprint, found, asked.limit, lambda one: [one.id]),
    )


def _totals(totals: Totals, shown_from: int) -> TotalsOut:
    if totals.count < shown_from:
        return TotalsOut(count=None, average=None, levels=None, reason="too_few")
    levels = {str(level): count for level, count in totals.levels.items()}
    return TotalsOut(count=totals.count, average=totals.average, levels=levels, reason=None)


def _rating_out(ring: KeyRing, rating: Rating) -> RatingOut:
    return RatingOut(
        id=rating.id,
        site_id=rating.site_id,
        reservation_id=rating.reservation_id,
        service=rating.service,
        level=rating.level,
        tags=rating.tags,
        text=read_text(ring, rating),
        on=rating.rated_on,
        created_at=rating.created_at,
    )
