"""Which reservation somebody at the desk means, and whether it is for here and now."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.desk.places import ACTION, at_desk
from booking.desk.tickets import read_ticket
from booking.errors import InvalidTime, OutsideCheckIn, ReservationNotFound, WrongDay, WrongDesk
from booking.models import Offering, Reservation, ReservationStep
from booking.recording.entitlement import LOCK
from booking.reservations.find import lock_row
from core.actor import Actor
from core.keyring import KeyRing
from core.permissions import Place, covers, require, require_at
from geo.models import Site
from geo.sites.places import place_of

CHECK_IN_BEFORE = timedelta(hours=2)
# Devices that had no network send what they did; their clocks are a little off.
OLDEST = timedelta(hours=24)
CLOCKS_DIFFER = timedelta(minutes=2)
WEEKDAYS = "一二三四五六日"

By = Literal["ticket", "code", "list"]


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown or said at the desk: a ticket; a code among those of a slot; or one picked from the list.

    ``site_id``: where the desk is, to tell whoever came to the wrong one.
    """

    ticket: str | None = None
    code: str | None = None
    slot_id: UUID | None = None
    reservation_id: UUID | None = None
    site_id: UUID | None = None

    @property
    def by(self) -> By:
        """How it was found."""
        return "ticket" if self.ticket is not None else "code" if self.code is not None else "list"


@dataclass(frozen=True, slots=True)
class Meant:
    """The reservation, where and what it is for. ``actor`` serves at its desk."""

    actor: Actor
    reservation: Reservation
    offering: Offering
    site_name: str
    zone: ZoneInfo

    def when(self) -> tuple[str, str]:
        """When it is, in Chinese and English, by the site's clock."""
        starts = self.reservation.starts_at.astimezone(self.zone)
        zh = f"{starts.month}月{starts.day}日（星期{WEEKDAYS[starts.weekday()]}）{starts:%H:%M}"
        return zh, f"{starts:%a %-d %B, %H:%M}"


async def find_meant(session: AsyncSession, actor: Actor, *, ring: KeyRing, shown: Shown) -> Meant:
    """The reservation, at a desk that the actor may run; locked behind its person, as every change needs it.

    Raises InvalidTicket, ReservationNotFound, WrongDesk, NotAllowed.
    """
    row = (
        await session.execute(
            select(Reservation, Offering, Site.name, Site.zone)
            .join(Offering, Offering.id == Reservation.offering_id)
            .join(Site, Site.id == Offering.site_id)
            .where(_condition(ring, shown))
        )
    ).one_or_none()
    require(actor, ACTION)
    if row is None:
        raise ReservationNotFound("请核对预约号和时段。", "Check the code and the slot.")
    meant = Meant(at_desk(actor), row.Reservation, row.Offering, row.name, ZoneInfo(row.zone))
    await _require_here(session, actor, meant, shown)
    await lock_meant(session, meant)
    return meant


def _condition(ring: KeyRing, shown: Shown) -> ColumnElement[bool]:
    if shown.ticket is not None:
        return Reservation.id == read_ticket(ring, shown.ticket)
    if shown.code is not None:
        return and_(Reservation.slot_id == shown.slot_id, Reservation.code == shown.code)
    return Reservation.id == shown.reservation_id


async def _require_here(session: AsyncSession, actor: Actor, meant: Meant, shown: Shown) -> None:
    """Whoever holds a ticket may be told where it is for; of another desk's list nothing is told."""
    site_id = meant.offering.site_id
    place: Place = await place_of(session, site_id=site_id)
    here = covers(actor, ACTION, place)
    if shown.ticket is None:
        require_at(actor, ACTION, place)
    if here and shown.site_id in (None, site_id):
        return
    zh, en = meant.when()
    raise WrongDesk(
        f"预约的是 {meant.site_name}，{zh}。",
        f"It is for {meant.site_name}, {en}.",
        site_id=str(site_id),
        site_name=meant.site_name,
        starts_at=meant.reservation.starts_at.astimezone(meant.zone).isoformat(),
    )


async def lock_meant(session: AsyncSession, meant: Meant) -> None:
    """Person, then row: the written order."""
    if meant.reservation.person_id is not None:
        await session.execute(LOCK, {"person_id": meant.reservation.person_id})
    await lock_row(session, meant.reservation)


def instant_of(at: datetime | None, *, now: datetime) -> datetime:
    """When something was done: ``at``, if a device says so, else now. Raises InvalidTime for what cannot be."""
    if at is None:
        return now
    if at > now + CLOCKS_DIFFER:
        raise InvalidTime(
            "时间晚于现在，请校对设备时钟。",
            "It is in the future; set the device's clock.",
            now=now.isoformat(),
        )
    if at < now - OLDEST:
        raise InvalidTime("只能补录 24 小时以内的。", "It is more than 24 hours ago.", now=now.isoformat())
    return min(at, now)


def require_in_time(meant: Meant, *, at: datetime, why: str | None) -> None:
    """Raises WrongDay on another day, whatever the reason; OutsideCheckIn outside the window, unless a reason is given."""
    one = meant.reservation
    first, last = one.starts_at - CHECK_IN_BEFORE, one.ends_at
    if first <= at <= last:
        return
    zh, en = meant.when()
    said = {
        "starts_at": one.starts_at.astimezone(meant.zone).isoformat(),
        "ends_at": one.ends_at.astimezone(meant.zone).isoformat(),
        "site_name": meant.site_name,
    }
    days = {instant.astimezone(meant.zone).date() for instant in (one.starts_at, one.ends_at)}
    if at.astimezone(meant.zone).date() not in days:
        raise WrongDay(f"预约的是 {zh}，{meant.site_name}。", f"It is for {en}, {meant.site_name}.", **said)
    if why is None:
        hour = one.starts_at.astimezone(meant.zone)
        zh, en = (
            (
                f"预约 {hour:%H:%M} 开始，提前 2 小时起可签到。",
                f"It begins at {hour:%H:%M}; check-in opens 2 hours before.",
            )
            if at < first
            else ("该时段已经结束。", "It is over.")
        )
        raise OutsideCheckIn(zh + "确需签到请填写原因。", en + " To check in all the same, say why.", **said)


async def last_step(session: AsyncSession, reservation: Reservation) -> ReservationStep:
    """The step that led to the present state."""
    return await session.get_one(ReservationStep, (reservation.id, reservation.version))
