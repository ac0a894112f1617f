"""What can be booked, and when there is a place."""

import math
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from psycopg import AsyncConnection
from sqlalchemy import select
from starlette.responses import Response

from api.access import allowed
from api.conditional import answer, private
from api.params import NoParameters, place_in_wgs84
from api.problems import responses
from api.runtime import Runtime, Session, runtime_of
from api.schemas.offerings import (
    OfferingsPage,
    OfferingsParameters,
    SlotOut,
    SlotsOut,
    SlotsParameters,
    WholeOfferingOut,
)
from api.views.offerings import offering_out, seat_out, slot_out, whole_offering_out, window_out
from booking.availability.askers import NOBODY, asker_of
from booking.availability.offerings import Near, get_card, get_offering, list_offerings
from booking.availability.reasons import Look
from booking.availability.seats import free_seats, seats_of
from booking.availability.slots import MOST, SlotState, slot_states
from booking.availability.windows import Grid, windows
from booking.errors import OfferingNotFound
from booking.models import Resource
from booking.people.errors import DelegationInsufficient, PersonNotFound
from booking.rules.reading import read_rules
from core import clock
from core.actor import Actor
from core.errors import InvalidCursor
from core.paging import encode_cursor, read_cursor
from core.permissions import NotSignedIn, require
from geo.errors import CoordinatesSwapped, CrsDisabled, CrsMissing, InvalidCoordinates, UnknownCategory

router = APIRouter(tags=["booking"])
Reads = Annotated[Actor, allowed("offering.read")]
CACHE = "public, max-age=60"
# Places go by the second on the mornings that matter.
SLOTS_CACHE = "public, max-age=2"
WEEK, MOST_DAYS = timedelta(days=6), 62
# Slots are made weeks ahead and kept for years; dates far from either only break calendars.
FIRST_YEAR, LAST_YEAR = 2000, 2999


@router.get(
    "/v1/offerings",
    response_model=OfferingsPage,
    responses=responses(
        InvalidCursor,
        UnknownCategory,
        CrsMissing,
        InvalidCoordinates,
        CoordinatesSwapped,
        CrsDisabled,
    ),
)
async def list_all(
    request: Request, _: Reads, session: Session, asked: Annotated[OfferingsParameters, Query()]
) -> Response:
    """What can be booked; with `lon`, `lat` and `crs` at the nearest sites first."""
    runtime = runtime_of(request)
    near = _near(runtime, asked)
    query = orjson.dumps(["offerings", asked.model_dump(exclude={"next", "limit"})], default=str)
    key = read_cursor(query, asked.next, _distance, UUID, UUID)
    found = await list_offerings(
        session,
        site_id=asked.site_id,
        kind=asked.kind,
        categories=runtime.loaded().categories.below(asked.category) if asked.category else (),
        near=near,
        limit=asked.limit,
        after=None if key is None else (key[0], key[1], key[2]),
    )
    following = None
    if len(found) > asked.limit:
        last = found[asked.limit - 1]
        ids = [str(last.site.id), str(last.offering.id)]
        following = encode_cursor(query, [last.distance_m or 0.0, *ids])
    items = [offering_out(one.offering, one.site, one.distance_m) for one in found[: asked.limit]]
    page = OfferingsPage(items=items, next=following)
    # Where somebody stands is nobody else's.
    cache = CACHE if near is None else CACHE.replace("public", "private")
    return answer(request, page.model_dump_json().encode(), cache_control=cache)


def _near(runtime: Runtime, asked: OfferingsParameters) -> Near | None:
    if (asked.lon is None) != (asked.lat is None) or (asked.lon is not None and asked.crs is None):
        raise CrsMissing(
            "给出位置时，lon、lat 和 crs 三个参数都要有。", "A place needs all three: lon, lat and crs."
        )
    if asked.lon is None or asked.lat is None or asked.crs is None:
        return None
    lon, lat = place_in_wgs84(asked.lon, asked.lat, asked.crs, shifted=runtime.settings.gcj02_enabled)
    return Near(runtime.loaded().index, lon, lat)


def _distance(value: Any) -> float:
    if not isinstance(value, float) or not math.isfinite(value):
        raise ValueError("no distance")
    return value


@router.get(
    "/v1/offerings/{offering_id}", response_model=WholeOfferingOut, responses=responses(OfferingNotFound)
)
async def show(
    request: Request,
    _: Reads,
    session: Session,
    offering_id: UUID,
    __: Annotated[NoParameters, Query()],
) -> Response:
    """One, with its rules as data and in words, and what it is booked of: courts, rooms, people, seats."""
    offering, site = await get_offering(session, offering_id=offering_id)
    resources = await session.scalars(
        select(Resource)
        .where(Resource.offering_id == offering_id, Resource.status == "active")
        .order_by(Resource.role, Resource.position, Resource.name)
    )
    seats = await seats_of(session, offering=offering) if offering.shape == "seated" else ()
    out = whole_offering_out(offering, site, resources.all(), seats)
    return answer(request, out.model_dump_json().encode(), cache_control=CACHE)


@router.get(
    "/v1/offerings/{offering_id}/slots",
    response_model=SlotsOut,
    responses=responses(OfferingNotFound, NotSignedIn, PersonNotFound, DelegationInsufficient),
)
async def slots(
    request: Request,
    actor: Reads,
    session: Session,
    offering_id: UUID,
    asked: Annotated[SlotsParameters, Query()],
) -> Response:
    """Slots of a week, or of the asked days by the site's clock, with what is left and whether it can be booked: by
    anyone, or by a person.

    `bookable` says why not. What is free is as of this moment: booking it may still be refused. Places that are kept for
    those who wait are not free, and a hold that ran out is, unless somebody waits.
    """
    runtime, now = runtime_of(request), clock.now()
    if asked.person_id is not None:
        require(actor, "reservation.own")
    async with runtime.database.hot() as connection:
        offering, zone_name = await get_card(connection, offering_id=offering_id)
    zone, rules = ZoneInfo(zone_name), read_rules(offering.rules)
    first, last = _range(asked, now.astimezone(zone).date())
    starts_from, starts_before = _midnight(first, zone), _midnight(last + timedelta(days=1), zone)
    asker = NOBODY
    if asked.person_id is not None:
        asker = await asker_of(
            session,
            actor,
            ring=runtime.ring,
            offering=offering,
            rules=rules,
            person_id=asked.person_id,
            first=starts_from,
            last=starts_before,
            now=now,
        )
    look = Look(offering, rules, asker, now)
    async with runtime.database.hot() as connection:
        items = await _items(connection, look, starts_from, starts_before, zone, with_seats=asked.seats)
    items, last = _whole_days(items, last)
    body = SlotsOut(**{"from": first, "to": last, "items": items}).model_dump_json(by_alias=True).encode()
    if asked.person_id is not None:
        return private(body)
    return answer(request, body, cache_control=SLOTS_CACHE)


async def _items(
    connection: AsyncConnection[Any],
    look: Look,
    starts_from: datetime,
    starts_before: datetime,
    zone: ZoneInfo,
    *,
    with_seats: bool,
) -> list[SlotOut]:
    asked: dict[str, Any] = {
        "offering_id": look.offering.id,
        "starts_from": starts_from,
        "starts_before": starts_before,
        "now": look.now,
    }
    if look.offering.shape == "interval":
        grid = Grid(
            timedelta(minutes=look.offering.granularity_minutes or 1),
            timedelta(minutes=look.offering.shortest_minutes or 1),
            timedelta(minutes=0 if look.asker.at_desk else look.offering.closes_minutes_before),
        )
        found = await windows(connection, grid=grid, **asked)
        return [window_out(one, look, look.reason_for_window(one, grid), zone) for one in found]
    states = await slot_states(connection, **asked)
    items = [slot_out(one, look, look.reason_for(one), zone) for one in states]
    if with_seats and look.offering.shape == "seated":
        await _add_seats(connection, states, items, now=look.now)
    return items


async def _add_seats(
    connection: AsyncConnection[Any], states: Sequence[SlotState], items: Sequence[SlotOut], *, now: datetime
) -> None:
    by_id = {item.id: item for item in items}
    for item in items:
        item.seats = []
    for one in await free_seats(connection, slots=states, now=now):
        seats = by_id[one.slot_id].seats
        assert seats is not None
        seats.append(seat_out(one))


def _whole_days(items: list[SlotOut], last: date) -> tuple[list[SlotOut], date]:
    """No more than ``MOST``, all that begin until a date; one day with more is cut short."""
    if len(items) <= MOST:
        return items, last
    beyond = items[MOST].starts_at.date()
    whole = [one for one in items[:MOST] if one.starts_at.date() < beyond]
    return (whole, beyond - timedelta(days=1)) if whole else (items[:MOST], beyond)


def _range(asked: SlotsParameters, today: date) -> tuple[date, date]:
    first = asked.from_ or today
    if not FIRST_YEAR <= first.year < LAST_YEAR:
        raise _refused(
            "from",
            f"年份应为 {FIRST_YEAR} 到 {LAST_YEAR - 1}",
            f"a year before {FIRST_YEAR} or after {LAST_YEAR - 1}",
        )
    last = asked.to or first + WEEK
    if last < first:
        raise _refused("to", "不能早于 from", "before from")
    if (last - first).days >= MOST_DAYS:
        raise _refused("to", f"一次最多查 {MOST_DAYS} 天", f"at most {MOST_DAYS} days at once")
    return first, last


def _refused(name: str, zh: str, en: str) -> RequestValidationError:
    said = f"Value error, {zh} / {en}"  # as pydantic words what its validators refuse
    return RequestValidationError(
        [{"type": "value_error", "loc": ("query", name), "msg": said, "input": None}]
    )


def _midnight(on: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(on, time(), zone)
