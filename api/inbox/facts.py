"""What events are about: sites, times and people, read for a whole batch at once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api.inbox.words import PASSED, PASSED_ELSE, Said, fill
from booking.models import Event, Offering, Reservation, Slot
from booking.people.dates import ZONE
from booking.people.models import Person
from booking.people.persons import name_of
from core.keyring import KeyRing
from core.masking import mask_name
from geo.models import Site

Row = TypeVar("Row", Person, Reservation, Slot, Offering, Site)
WEEKDAYS_ZH = "一二三四五六日"
WEEKDAYS_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS_EN = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MOST_DATES = 5
YOU_ZH, YOU_EN = "您", "you"
# A name in a text message; in the inbox as well, since it may be read on a locked screen.
NOBODY = "*"
# Kinds that say how it is, and are not worth a text message when it no longer is.
PRESENT = frozenset(
    {
        "reservation_held",
        "reservation_confirmed",
        "reservation_changed",
        "reservation_moved",
        "reservation_reminder",
        "waitlist_offer",
    }
)


def moment(at: datetime, zone: ZoneInfo) -> tuple[str, str]:
    """``11月26日（周四）11:30`` and ``Thu 26 Nov 11:30``, by the clock of ``zone``."""
    here = at.astimezone(zone)
    clock = f"{here:%H:%M}"
    return (
        f"{here.month}月{here.day}日（周{WEEKDAYS_ZH[here.weekday()]}）{clock}",
        f"{WEEKDAYS_EN[here.weekday()]} {here.day} {MONTHS_EN[here.month - 1]} {clock}",
    )


@dataclass(frozen=True, slots=True)
class About:
    """What one event is about, as far as it is still there."""

    event: Event
    person: Person | None
    name: str
    reservation: Reservation | None
    offering: Offering | None
    site: Site | None
    starts_at: datetime | None
    ends_at: datetime | None
    expires_at: datetime | None

    @property
    def zone(self) -> ZoneInfo:
        """The clock of the place."""
        return ZONE if self.site is None else ZoneInfo(self.site.zone)

    @property
    def masked(self) -> str:
        """The person's name as others may see it."""
        return mask_name(self.name) if self.name else NOBODY

    @property
    def is_overtaken(self) -> bool:
        """Whether it no longer is so by now: cancelled, moved on, answered. The inbox has it all the same, in its order."""
        one = self.reservation
        if one is None or self.event.kind not in PRESENT:
            return False
        states = ("held",) if self.event.kind == "waitlist_offer" else ("held", "confirmed")
        return one.state not in states or (self.starts_at is not None and one.starts_at != self.starts_at)

    @property
    def dates(self) -> tuple[str, str] | None:
        """Several dates, in Chinese and English."""
        found = self.event.data.get("dates")
        return _dates(found) if found else None

    def said(self, *, to_person: bool) -> Said:
        """Its words, to the person or to whoever acts for them."""
        zh: dict[str, str] = {"who": YOU_ZH if to_person else self.masked}
        en: dict[str, str] = {"who": YOU_EN if to_person else self.masked}
        if self.offering is not None and self.site is not None:
            zh["what"] = f"{self.site.name}的{self.offering.title}"
            en["what"] = (
                f"{self.offering.title_en or self.offering.title}, {self.site.name_en or self.site.name}"
            )
            zh["address"] = en["address"] = self.site.address or ""
        for name, at in (("when", self.starts_at), ("until", self.expires_at)):
            if at is not None:
                zh[name], en[name] = moment(at, self.zone)
        if self.reservation is not None:
            zh["code"] = en["code"] = self.reservation.code
        self._add_more(zh, en)
        return fill(self.event.kind, zh, en)

    def _add_more(self, zh: dict[str, str], en: dict[str, str]) -> None:
        data = self.event.data
        zh["why"], en["why"] = PASSED.get(str(data.get("why")), PASSED_ELSE)
        if reason := data.get("reason"):
            zh["reason"] = en["reason"] = str(reason).rstrip("。.")
        for one in data.get("alternatives", [])[:1]:
            zh["alternative"], en["alternative"] = moment(datetime.fromisoformat(one["starts_at"]), self.zone)
        if self.dates is not None:
            zh["dates"], en["dates"] = self.dates


def _dates(dates: Sequence[Any]) -> tuple[str, str]:
    """The first few, and how many more."""
    days = [str(one.get("on", "") if isinstance(one, dict) else one) for one in dates]
    shown, more = days[:MOST_DATES], len(days) - MOST_DATES
    return (
        "、".join(shown) + (f" 等 {len(days)} 天" if more > 0 else ""),
        ", ".join(shown) + (f" and {more} more" if more > 0 else ""),
    )


async def read_about(session: AsyncSession, ring: KeyRing, events: Sequence[Event]) -> list[About]:
    """What ``events`` are about; five queries, however many they are."""
    persons = await _by_id(session, Person, {one.person_id for one in events})
    reservations = await _by_id(session, Reservation, {_id(one, "reservation_id") for one in events})
    slots = await _by_id(session, Slot, {_id(one, "slot_id") for one in events})
    offerings = await _by_id(
        session,
        Offering,
        {_id(one, "offering_id") for one in events} | {one.offering_id for one in slots.values()},
    )
    sites = await _by_id(
        session,
        Site,
        {_id(one, "site_id") for one in events} | {one.site_id for one in offerings.values()},
    )
    found = []
    for event in events:
        reservation = reservations.get(_id(event, "reservation_id"))
        slot = slots.get(_id(event, "slot_id"))
        offering_id = _id(event, "offering_id") or (slot.offering_id if slot else None)
        offering = offerings.get(offering_id)
        person = persons.get(event.person_id)
        found.append(
            About(
                event,
                person,
                "" if person is None else name_of(ring, person),
                reservation,
                offering,
                sites.get(offering.site_id if offering else _id(event, "site_id")),
                _at(event, "starts_at", reservation or slot),
                _at(event, "ends_at", reservation or slot),
                _at(event, "expires_at", reservation),
            )
        )
    return found


def _id(event: Event, name: str) -> UUID | None:
    said = event.data.get(name)
    return None if said is None else UUID(said)


def _at(event: Event, name: str, otherwise: object) -> datetime | None:
    said = event.data.get(name)
    return getattr(otherwise, name, None) if said is None else datetime.fromisoformat(said)


async def _by_id(
    session: AsyncSession, model: type[Row], ids: Collection[UUID | None]
) -> Mapping[UUID | None, Row]:
    wanted = sorted(one for one in ids if one is not None)
    if not wanted:
        return {}
    return {one.id: one for one in await session.scalars(select(model).where(model.id.in_(wanted)))}
