"""Calendars: one reservation as a file, and an account's reservations at a secret address (RFC 5545)."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from geoalchemy2 import Geometry
from icalendar import Alarm, Calendar, Event, vGeo
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from api.inbox.errors import CalendarNotFound
from api.inbox.models import CalendarFeed
from booking.models import Offering, Reservation
from booking.people.models import Account, Person
from booking.people.persons import name_of
from booking.reservations.find import mine_query
from core.actor import Actor
from core.keyring import KeyRing
from core.masking import mask_name
from geo.models import Site

TOKEN_BYTES = 32
PAST = timedelta(days=30)
MOST_SHOWN = 500
ALARM = timedelta(minutes=-60)
PRODUCT = "-//Xinban//Xinban//ZH"
DOMAIN = "reservation.xinban"
STATUS = {"held": "TENTATIVE", "confirmed": "CONFIRMED", "checked_in": "CONFIRMED", "no_show": "CONFIRMED"}
# Holds that ran out never were in anybody's calendar.
SHOWN = ("held", "confirmed", "checked_in", "no_show", "cancelled")


@dataclass(frozen=True, slots=True)
class Entry:
    """A reservation as a calendar shows it. ``name``: masked, of somebody else."""

    reservation: Reservation
    offering: Offering
    site: Site
    lon: float
    lat: float
    name: str | None


async def make_feed(session: AsyncSession, actor: Actor, *, now: datetime) -> str:
    """A new secret for the actor's calendar, told once; an earlier one is worth nothing from now on."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    values = {"digest": _digest(token), "created_at": now}
    await session.execute(
        insert(CalendarFeed)
        .values(account_id=actor.account_id, **values)
        .on_conflict_do_update(index_elements=["account_id"], set_=values)
    )
    return token


async def end_feed(session: AsyncSession, actor: Actor) -> None:
    """Nobody reads it any more. Raises CalendarNotFound when there is none."""
    feed = await session.get(CalendarFeed, actor.account_id)
    if feed is None:
        raise CalendarNotFound("您没有日历订阅。", "You have no calendar feed.")
    await session.delete(feed)


async def open_feed(session: AsyncSession, *, token: str) -> Actor:
    """Whoever the secret belongs to, to read with. Raises CalendarNotFound."""
    account_id = await session.scalar(
        select(CalendarFeed.account_id)
        .join(Account, Account.id == CalendarFeed.account_id)
        .where(CalendarFeed.digest == _digest(token), Account.state == "active")
    )
    if account_id is None:
        raise CalendarNotFound("请在手机上重新生成订阅地址。", "Make a new address in the app.")
    return Actor(name=f"account:{account_id}", channel="web", account_id=account_id)


async def entries_of_feed(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, now: datetime
) -> list[Entry]:
    """From a month ago on, of oneself and those who delegated, the soonest first, MOST_SHOWN at most.

    Uses reservation_person_id_starts_at_idx.
    """
    query = (await mine_query(session, actor, now=now)).where(
        Reservation.starts_at >= now - PAST, Reservation.state.in_(SHOWN)
    )
    found = (
        await session.scalars(query.order_by(Reservation.starts_at, Reservation.id).limit(MOST_SHOWN))
    ).all()
    return await read_entries(session, actor, ring=ring, reservations=found)


async def read_entries(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, reservations: Sequence[Reservation]
) -> list[Entry]:
    """What calendars show of ``reservations``; two queries."""
    if not reservations:
        return []
    point = func.st_pointonsurface(Site.geom, type_=Geometry)
    places = {
        row.Offering.id: row
        for row in await session.execute(
            select(Offering, Site, func.st_x(point).label("lon"), func.st_y(point).label("lat"))
            .join(Site, Site.id == Offering.site_id)
            .where(Offering.id.in_({one.offering_id for one in reservations}))
        )
    }
    person_ids = {one.person_id for one in reservations if one.person_id is not None}
    persons = {one.id: one for one in await session.scalars(select(Person).where(Person.id.in_(person_ids)))}
    return [
        Entry(
            one,
            places[one.offering_id].Offering,
            places[one.offering_id].Site,
            places[one.offering_id].lon,
            places[one.offering_id].lat,
            _other(ring, actor, persons.get(one.person_id) if one.person_id else None),
        )
        for one in reservations
    ]


def _other(ring: KeyRing, actor: Actor, person: Person | None) -> str | None:
    if person is None or person.account_id == actor.account_id:
        return None
    return mask_name(name_of(ring, person)) or None


def calendar_of(entries: Sequence[Entry], *, name: str | None = None) -> bytes:
    """An iCalendar file. The same reservations give the same bytes, so that its ETag is honest."""
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    if name is not None:
        calendar.add("x-wr-calname", name)
        calendar.add("refresh-interval", timedelta(hours=1), parameters={"VALUE": "DURATION"})
    for one in entries:
        calendar.add_component(_event(one))
    body: bytes = calendar.to_ical()
    return body


def _event(entry: Entry) -> Event:
    one, offering, site = entry.reservation, entry.offering, entry.site
    event = Event()
    event.add("uid", f"{one.id}@{DOMAIN}")
    # Later versions replace earlier ones, whatever time a phone fetched them.
    event.add("sequence", one.version)
    event.add("dtstamp", one.created_at.replace(microsecond=0))
    event.add("dtstart", one.starts_at)
    event.add("dtend", one.ends_at)
    event.add("summary", f"{offering.title}（{entry.name}）" if entry.name else offering.title)
    event.add("location", f"{site.name}，{site.address}" if site.address else site.name)
    event["geo"] = vGeo((round(entry.lat, 6), round(entry.lon, 6)))
    event.add("status", STATUS.get(one.state, "CANCELLED"))
    event.add(
        "description", f"预约码 {one.code}　Code {one.code}\n{one.party_size} 人　party of {one.party_size}"
    )
    if one.state in ("held", "confirmed"):
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", offering.title)
        alarm.add("trigger", ALARM)
        event.add_component(alarm)
    return event


def _digest(token: str) -> bytes:
    """A random secret needs no slow hash."""
    return sha256(token.encode()).digest()
