"""The day's list of a site: who comes when, how many places are left. Two queries, however long it is.

Names and phones are encrypted, so that they are searched here, in memory, among one day of one site.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, literal, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.desk.places import ACTION, Desk, get_desk
from booking.models import Allocation, Reservation, ReservationStep, Resource, ResourceSpan, Seat, SlotSeat
from booking.people.models import Account, Person, PersonTag
from booking.people.persons import name_of, phone_of_account, phone_of_person
from booking.rules.reading import Rules, read_rules
from core import audit
from core.actor import Actor
from core.keyring import KeyRing

# What the list shows unasked; a search also finds what was cancelled, since people come with that too.
SHOWN = frozenset({"held", "confirmed", "checked_in", "no_show"})
LAST_DIGITS = 4
# By site and time, not by date: uses offering_site_id_idx and slot_offering_id_starts_at_idx.
SLOTS = text(
    """
    select slot.id, slot.starts_at, slot.ends_at, slot.state, slot.closed_reason,
        offering.id as offering_id, offering.title, offering.title_en, offering.kind, offering.shape, offering.modes,
        offering.party_max, offering.rules, offering.status,
        (
            select jsonb_object_agg(tier, jsonb_build_array(capacity, capacity - held - confirmed - set_aside))
            from slot_bucket where slot_id = slot.id
        ) as buckets,
        (select count(*) from waitlist_entry where slot_id = slot.id and state = 'waiting') as waiting,
        (
            select coalesce(sum(party_size), 0) from reservation
            where slot_id = slot.id and state = 'held' and expires_at <= :now
        ) as lapsed
    from offering join slot on slot.offering_id = offering.id
    where offering.site_id = :site_id and offering.kind <> 'supply' and offering.status <> 'draft'
      and slot.starts_at >= :first and slot.starts_at < :after
    order by slot.starts_at, offering.title, slot.id
    """
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A reservation with what the desk needs to know of whose it is. ``name`` and ``phone`` in plain text."""

    reservation: Reservation
    name: str | None
    phone: str | None
    tiers: Sequence[str]
    tags: Sequence[str]
    seats: Sequence[str]
    resources: Sequence[str]
    checked_in_at: datetime | None

    @property
    def last_digits(self) -> str | None:
        """Of the phone: enough to tell two people apart, too little to call."""
        return None if self.phone is None else self.phone[-LAST_DIGITS:]

    @property
    def needs(self) -> list[str]:
        """Codes of what to prepare."""
        details = self.reservation.details
        return ["wheelchair"] if details.get("wheelchair") else []

    def matches(self, sought: str) -> bool:
        """Whether it is what somebody at the desk says: the code, the end of the phone, or a part of the name."""
        if self.reservation.code == sought:
            return True
        if sought.isdigit():
            return len(sought) >= 2 and self.phone is not None and self.phone.endswith(sought)
        return self.name is not None and sought.casefold() in self.name.casefold()


@dataclass(slots=True)
class DaySlot:
    """A slot of the day with who comes. ``places_left`` None: no places are counted (courts, rooms)."""

    id: UUID
    offering_id: UUID
    title: str
    title_en: str | None
    kind: str
    shape: str
    modes: Sequence[str]
    party_max: int
    starts_at: datetime
    ends_at: datetime
    state: str
    closed_reason: str | None
    waiting: int
    places: int | None
    places_left: int | None
    left_by_tier: Mapping[str, int]
    rules: Rules
    bookable: bool
    counts: Counter[str] = field(default_factory=Counter)  # reservations by state
    people: Counter[str] = field(default_factory=Counter)  # heads by state
    entries: list[Entry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Day:
    """A site's day."""

    desk: Desk
    on: date
    slots: Sequence[DaySlot]

    def entries(self) -> Iterable[Entry]:
        """All that are shown, slot by slot."""
        return (entry for slot in self.slots for entry in slot.entries)

    def person_ids(self) -> list[UUID]:
        """Whom the list is about, each once."""
        found = (entry.reservation.person_id for entry in self.entries())
        return list(dict.fromkeys(one for one in found if one is not None))


async def list_day(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    site_id: UUID,
    on: date | None = None,
    sought: str | None = None,
    now: datetime,
) -> Day:
    """The list of ``on`` (today), or what of it matches ``sought``. On record, with everyone it shows.

    Raises SiteNotFound, NotAllowed.
    """
    desk = await get_desk(session, actor, site_id=site_id)
    day = await read_day(session, desk, ring=ring, on=on or desk.day_of(now), sought=sought, now=now)
    await audit.record(
        session,
        actor,
        action=ACTION,
        object_kind="site",
        object_id=site_id,
        person_ids=day.person_ids(),
        detail={"look": "list" if sought is None else "search", "on": day.on.isoformat()},
        now=now,
    )
    return day


async def read_day(
    session: AsyncSession,
    desk: Desk,
    *,
    ring: KeyRing,
    on: date,
    sought: str | None = None,
    now: datetime,
) -> Day:
    """The same, unrecorded: whoever calls says why it is read."""
    slots = await read_slots(session, desk, on=on, now=now)
    by_id = {one.id: one for one in slots}
    sought = None if sought is None else sought.strip()
    for row in await session.execute(reservations_query(list(by_id), on)):
        reservation = row.Reservation
        slot = by_id[reservation.slot_id]
        lapsed = reservation.state == "held" and reservation.expires_at <= now
        state = "expired" if lapsed else reservation.state
        slot.counts[state] += 1
        slot.people[state] += reservation.party_size
        if state == "expired" or (sought is None and state not in SHOWN):
            continue
        entry = _entry(ring, row, slot)
        if sought is None or entry.matches(sought):
            slot.entries.append(entry)
    return Day(desk, on, slots)


async def read_slots(session: AsyncSession, desk: Desk, *, on: date, now: datetime) -> list[DaySlot]:
    """The slots that start on ``on``, in order, with their places."""
    first, after = desk.bounds(on)
    rows = await session.execute(SLOTS, {"site_id": desk.site_id, "first": first, "after": after, "now": now})
    return [_slot(row) for row in rows]


def _slot(row: Any) -> DaySlot:
    buckets: dict[str, list[int]] = row.buckets or {}
    left = {tier: free for tier, (_, free) in sorted(buckets.items())}
    # A hold that ran out is free unless somebody waits for it.
    lapsed = 0 if row.waiting else int(row.lapsed)
    return DaySlot(
        id=row.id,
        offering_id=row.offering_id,
        title=row.title,
        title_en=row.title_en,
        kind=row.kind,
        shape=row.shape,
        modes=row.modes,
        party_max=row.party_max,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        state=row.state,
        closed_reason=row.closed_reason,
        waiting=row.waiting,
        places=sum(capacity for capacity, _ in buckets.values()) if buckets else None,
        places_left=sum(left.values()) + lapsed if buckets else None,
        left_by_tier=left,
        rules=read_rules(row.rules),
        bookable=row.status == "active" and row.state == "open",
    )


def reservations_query(slot_ids: Sequence[UUID], on: date) -> Select[Any]:
    """Uses reservation_slot_id_code_key, and for each row the indexes of what belongs to it."""
    tiers = (
        select(func.array_agg(Allocation.tier.distinct()))
        .where(
            Allocation.reservation_id == Reservation.id,
            Allocation.slot_id == Reservation.slot_id,
            Allocation.held + Allocation.confirmed > 0,
        )
        .scalar_subquery()
    )
    tags = (
        select(func.array_agg(PersonTag.tag.distinct()))
        .where(PersonTag.person_id == Reservation.person_id, *_in_force(on))
        .scalar_subquery()
    )
    seats = (
        select(func.array_agg(func.concat_ws(literal("-"), Seat.row_name, Seat.number)))
        .join(SlotSeat, SlotSeat.seat_id == Seat.id)
        .where(SlotSeat.reservation_id == Reservation.id)
        .scalar_subquery()
    )
    resources = (
        select(func.array_agg(Resource.name))
        .join(ResourceSpan, ResourceSpan.resource_id == Resource.id)
        .where(ResourceSpan.reservation_id == Reservation.id)
        .scalar_subquery()
    )
    stepped = (
        select(ReservationStep.at)
        .where(
            ReservationStep.reservation_id == Reservation.id,
            ReservationStep.number == Reservation.version,
            ReservationStep.state == "checked_in",
        )
        .scalar_subquery()
    )
    return (
        select(
            Reservation,
            Person,
            Account,
            tiers.label("tiers"),
            tags.label("tags"),
            seats.label("seats"),
            resources.label("resources"),
            stepped.label("checked_in_at"),
        )
        .outerjoin(Person, Person.id == Reservation.person_id)
        .outerjoin(Account, Account.id == Person.account_id)
        .where(Reservation.slot_id.in_(slot_ids), Reservation.state != "expired")
        .order_by(Reservation.starts_at, Reservation.code)
        # The list is read before and after acts of the same transaction.
        .execution_options(populate_existing=True)
    )


def _in_force(on: date) -> tuple[ColumnElement[bool], ...]:
    return (
        PersonTag.revoked_at.is_(None),
        PersonTag.from_on <= on,
        or_(PersonTag.until_on.is_(None), PersonTag.until_on >= on),
    )


def _entry(ring: KeyRing, row: Any, slot: DaySlot) -> Entry:
    person, account = row.Person, row.Account
    name = None if person is None else name_of(ring, person) or None
    phone = None if person is None else phone_of_person(ring, person)
    if phone is None and account is not None:
        phone = phone_of_account(ring, account)
    mattering = tags_that_matter(slot.rules)
    return Entry(
        reservation=row.Reservation,
        name=name,
        phone=phone,
        tiers=sorted(row.tiers or ()),
        tags=sorted(mattering.intersection(row.tags or ())),
        seats=sorted(row.seats or ()),
        resources=sorted(row.resources or ()),
        checked_in_at=row.checked_in_at,
    )


def tags_that_matter(rules: Rules) -> frozenset[str]:
    """Tags that the offering's rules ask about; the desk is told no others."""
    conditions = [
        *rules.eligibility,
        *(one for tier in rules.tiers.values() for one in tier.who),
        *(one for price in rules.price for one in price.who),
    ]
    return frozenset(tag for one in conditions if one.rule == "tag" for tag in one.value)
