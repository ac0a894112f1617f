"""Asking for a standing booking, ending it, and booking its dates: each in a savepoint of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ARRAY, SmallInteger, select
from sqlalchemy import cast as cast_as
from sqlalchemy.ext.asyncio import AsyncSession

from booking.errors import (
    AssuranceNeeded,
    InvalidStanding,
    InvalidWish,
    NotBookable,
    OfferingNotFound,
    StandingExists,
    StandingNotFound,
)
from booking.events import Kind, emit
from booking.models import Offering, Reservation, StandingBooking, StandingDate
from booking.people.dates import add_years
from booking.people.delegations import allows, reach, require_person
from booking.people.errors import DelegationInsufficient, PersonNotFound
from booking.people.models import Person
from booking.recording.entitlement import LOCK, check_wish
from booking.recording.record import booker_of
from booking.recording.targets import DESK_CHANNELS, scope_of
from booking.reservations import life
from booking.reservations.reserve import Wish, reserve
from booking.standing.dates import SlotOn, dates_of, slots_of, times_of
from core.actor import Actor
from core.errors import DomainError
from core.keyring import KeyRing
from core.permissions import covers, may, require_at
from geo.models import Site
from geo.sites.places import find_place, place_of

LONGEST_YEARS = 1
MOST_TIMES = 10
WHY = "standing"
# Whoever may not act for the person any more books nothing for them ever again.
NO_LONGER = (PersonNotFound, DelegationInsufficient)


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants; ``from_on`` None: from today on."""

    offering_id: UUID
    person_id: UUID
    weekdays: tuple[int, ...]
    starts_at: time
    until_on: date
    from_on: date | None = None
    party_size: int = 1
    mode: str | None = None


async def ask(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, asked: Asked, now: datetime
) -> StandingBooking:
    """Put a standing booking down and book what is open by now. ``dates.report`` says what came of it.

    Raises OfferingNotFound, NotBookable, InvalidWish, InvalidStanding, StandingExists, AssuranceNeeded, PersonNotFound,
    DelegationInsufficient, NotAllowed (at the desk).
    """
    offering, zone = await _offering(session, asked.offering_id)
    check_wish(offering, party_size=asked.party_size, mode=asked.mode)
    await session.execute(LOCK, {"person_id": asked.person_id})
    await _require(session, actor, offering, person_id=asked.person_id, now=now)
    today = now.astimezone(ZoneInfo(zone)).date()
    first = asked.from_on or today
    _check_dates(first, asked.until_on, today=today)
    standing = StandingBooking(
        offering_id=offering.id,
        person_id=asked.person_id,
        account_id=actor.account_id,
        channel=actor.channel,
        weekdays=sorted(set(asked.weekdays)),
        starts_at=asked.starts_at,
        from_on=first,
        until_on=asked.until_on,
        party_size=asked.party_size,
        mode=asked.mode,
        created_at=now,
    )
    if not any(True for _ in dates_of(standing)):
        raise InvalidStanding("这段时间内没有所选的星期。", "None of these weekdays lies in these dates.")
    await _check_time(session, standing, zone=zone, now=now)
    await _check_same(session, standing)
    session.add(standing)
    await session.flush()
    await book_due(session, actor, ring=ring, standing=standing, zone=zone, now=now)
    return standing


async def book_due(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, standing: StandingBooking, zone: str, now: datetime
) -> int:
    """Try each date that is open and was not tried; how many were. People are told once for all of them.

    Raises AssuranceNeeded, PersonNotFound, DelegationInsufficient: then nothing at all will come of it.
    """
    tried = set(
        await session.scalars(select(StandingDate.on_date).where(StandingDate.standing_id == standing.id))
    )
    left = [on for on in dates_of(standing) if on not in tried]
    slots = await slots_of(session, standing, zone=zone, dates=left)
    booked: list[dict[str, str]] = []
    failed: list[dict[str, str]] = []
    # Places are locked in the order of slots; a savepoint that is released keeps its locks.
    for on, slot in sorted(slots.items(), key=lambda item: item[1].id):
        if not slot.is_due(now):
            continue
        result = await _book(session, actor, ring=ring, standing=standing, slot=slot, now=now)
        session.add(
            StandingDate(
                standing_id=standing.id,
                on_date=on,
                reservation_id=result.id if isinstance(result, Reservation) else None,
                reason=None if isinstance(result, Reservation) else result.code,
                tried_at=now,
            )
        )
        await session.flush()
        if isinstance(result, Reservation):
            booked.append({"on": on.isoformat(), "reservation_id": str(result.id)})
        else:
            failed.append({"on": on.isoformat(), "why": result.code})
    for kind, dates in (("standing_booked", booked), ("standing_failed", failed)):
        if dates:
            await tell(session, standing, cast(Kind, kind), {"dates": dates}, now=now)
    return len(booked) + len(failed)


async def _book(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    standing: StandingBooking,
    slot: SlotOn,
    now: datetime,
) -> Reservation | DomainError:
    wish = Wish(
        person_id=standing.person_id, slot_id=slot.id, party_size=standing.party_size, mode=standing.mode
    )
    try:
        async with session.begin_nested():
            return await reserve(session, actor, ring=ring, wish=wish, why=WHY, now=now)
    except (AssuranceNeeded, *NO_LONGER):
        raise
    except DomainError as error:
        return error


async def tell(
    session: AsyncSession, standing: StandingBooking, kind: Kind, data: dict[str, Any], *, now: datetime
) -> None:
    """Tell the person, and whoever asked for it."""
    said = {"standing_id": str(standing.id), "offering_id": str(standing.offering_id)}
    await emit(
        session,
        kind=kind,
        person_id=standing.person_id,
        account_id=booker_of(standing.account_id, standing.channel),
        subject_id=standing.id,
        data={**said, "party_size": standing.party_size, **data},
        now=now,
    )


async def end(
    session: AsyncSession, actor: Actor, *, standing_id: UUID, cancel_future: bool, now: datetime
) -> tuple[StandingBooking, Sequence[UUID]]:
    """Book no more dates; with ``cancel_future`` also cancel what is ahead: the ids of those cancelled.

    Ended already: only cancels. Raises StandingNotFound.
    """
    standing = await get_standing(session, actor, standing_id=standing_id, change=True, now=now)
    await session.refresh(standing, with_for_update=True)
    if standing.state == "active":
        standing.state, standing.ended_at = "ended", now
        await session.flush()
    cancelled = []
    for reservation_id in await _ahead(session, standing.id, now) if cancel_future else ():
        try:
            async with session.begin_nested():
                await life.cancel(
                    session, actor, reservation_id=reservation_id, why="standing_ended", now=now
                )
        except DomainError:
            continue  # it went another way meanwhile
        cancelled.append(reservation_id)
    return standing, cancelled


async def get_standing(
    session: AsyncSession, actor: Actor, *, standing_id: UUID, change: bool = False, now: datetime
) -> StandingBooking:
    """One of one's own, of somebody who delegated, or of a site one works at. Raises StandingNotFound."""
    standing = await session.get(StandingBooking, standing_id)
    if standing is not None:
        offering = await session.get_one(Offering, standing.offering_id)
        reached = {} if actor.account_id is None else await reach(session, actor.account_id, now=now)
        scope = scope_of(offering.kind) if change else "view"
        if standing.person_id in reached and allows(reached[standing.person_id], scope):
            return standing
        place = await find_place(session, site_id=offering.site_id) if may(actor, "desk.run") else None
        if place is not None and covers(actor, "desk.run", place):
            return standing
    raise StandingNotFound("请核对编号；授权可能已结束。", "Check the id; the delegation may have ended.")


async def _offering(session: AsyncSession, offering_id: UUID) -> tuple[Offering, str]:
    row = (
        await session.execute(
            select(Offering, Site.zone)
            .join(Site, Site.id == Offering.site_id)
            .where(Offering.id == offering_id, Offering.kind != "supply", Offering.status != "draft")
        )
    ).one_or_none()
    if row is None:
        raise OfferingNotFound("请核对编号。", "Check the id.", offering_id=offering_id)
    offering, zone = row
    if offering.shape == "interval":
        raise InvalidWish(
            "按起止时间使用的场地不能长期预约。", "What is booked from to cannot be booked for long."
        )
    if offering.capacity_authority == "external" or offering.status != "active":
        raise NotBookable("该项目目前不能预约。", "It cannot be booked at the moment.")
    return offering, zone


async def _require(
    session: AsyncSession, actor: Actor, offering: Offering, *, person_id: UUID, now: datetime
) -> None:
    if actor.channel not in DESK_CHANNELS:
        await require_person(session, actor, person_id=person_id, scope=scope_of(offering.kind), now=now)
        return
    require_at(actor, "desk.run", await place_of(session, site_id=offering.site_id))
    person = await session.get(Person, person_id)
    if person is None or person.erased_at is not None:
        raise PersonNotFound("请先查找或登记。", "Look the person up or register them first.")


async def _check_time(session: AsyncSession, standing: StandingBooking, *, zone: str, now: datetime) -> None:
    """Raises InvalidStanding when there are slots ahead and none begins at that time; it names when they begin."""
    times = await times_of(
        session, offering_id=standing.offering_id, first=standing.from_on, zone=zone, now=now
    )
    if times and standing.starts_at not in times:
        there = [f"{one:%H:%M}" for one in times[:MOST_TIMES]]
        raise _invalid(
            "starts_at", f"可选的开始时间：{'、'.join(there)}", f"they begin at {', '.join(there)}"
        )


def _check_dates(first: date, last: date, *, today: date) -> None:
    latest = add_years(max(first, today), LONGEST_YEARS)
    if first < today:
        raise _invalid("from", f"不能早于今天 {today}", f"not before today, {today}")
    if first > add_years(today, LONGEST_YEARS):
        raise _invalid("from", "最多提前一年", "at most a year ahead")
    if not first <= last <= latest:
        raise _invalid("until", f"应在 {first} 至 {latest} 之间", f"from {first} to {latest}")


def _invalid(field: str, zh: str, en: str) -> InvalidStanding:
    return InvalidStanding(
        f"{zh}。", f"{en.capitalize()}.", errors=[{"field": field, "reason": f"{zh} / {en}"}]
    )


async def _check_same(session: AsyncSession, standing: StandingBooking) -> None:
    """Raises StandingExists. The caller holds the person's lock."""
    same = await session.scalar(
        select(StandingBooking.id).where(
            StandingBooking.person_id == standing.person_id,
            StandingBooking.offering_id == standing.offering_id,
            StandingBooking.starts_at == standing.starts_at,
            StandingBooking.state == "active",
            StandingBooking.from_on <= standing.until_on,
            StandingBooking.until_on >= standing.from_on,
            StandingBooking.weekdays.op("&&")(cast_as(standing.weekdays, ARRAY(SmallInteger))),
        )
    )
    if same is not None:
        raise StandingExists("请先结束原来的长期预约。", "End the other one first.", standing_id=same)


async def _ahead(session: AsyncSession, standing_id: UUID, now: datetime) -> Sequence[UUID]:
    return (
        await session.scalars(
            select(Reservation.id)
            .join(StandingDate, StandingDate.reservation_id == Reservation.id)
            .where(
                StandingDate.standing_id == standing_id,
                Reservation.state.in_(("held", "confirmed")),
                Reservation.starts_at > now,
            )
            .order_by(Reservation.slot_id)  # the order in which places are locked
        )
    ).all()
