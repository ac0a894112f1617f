"""Booking and cancelling for somebody who calls, or stands at the desk and wants another day."""

from dataclasses import replace
from datetime import datetime
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.desk.check_ins import note
from booking.desk.found import Meant, Shown, find_meant
from booking.desk.places import at_desk
from booking.models import Offering
from booking.people.directory import get_visible_person
from booking.reservations import life
from booking.reservations.reserve import Wish, reserve
from core.actor import Actor
from core.keyring import KeyRing
from geo.models import Site

By = Literal["phone", "counter"]


async def book_for(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, wish: Wish, channel: By, now: datetime
) -> Meant:
    """Book for a person whom the actor found a moment ago (``POST /v1/staff/persons/search``).

    Raises PersonNotFound for anybody else, and what ``reserve`` raises.
    """
    assert wish.person_id is not None
    await get_visible_person(session, actor, person_id=wish.person_id, action="person.read", now=now)
    serving = at_desk(actor, channel)
    made = await reserve(session, serving, ring=ring, wish=wish, why=f"booked_by_{channel}", now=now)
    row = (
        await session.execute(
            select(Offering, Site.name, Site.zone)
            .join(Site, Site.id == Offering.site_id)
            .where(Offering.id == made.offering_id)
        )
    ).one()
    meant = Meant(serving, made, row.Offering, row.name, ZoneInfo(row.zone))
    await note(session, meant, "book", now=now)
    return meant


async def cancel_for(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    reservation_id: UUID,
    channel: By,
    reason: str,
    now: datetime,
) -> Meant:
    """Cancel because they called, or because it cannot be; ``reason`` is on record. Cancelled already: nothing changes.

    Raises ReservationNotFound, NotAllowed, WrongState.
    """
    found = await find_meant(session, actor, ring=ring, shown=Shown(reservation_id=reservation_id))
    meant = replace(found, actor=at_desk(actor, channel))
    await life.cancel(
        session, meant.actor, reservation_id=reservation_id, why=f"cancelled_by_{channel}", now=now
    )
    await note(session, meant, "cancel", reason=reason, now=now)
    return meant
