"""Booking dates as they open, for whoever asked first: by the worker, one standing booking a transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.errors import AssuranceNeeded
from booking.models import Offering, StandingBooking
from booking.people.models import Account
from booking.recording.targets import DESK_CHANNELS
from booking.standing.book import NO_LONGER, book_due, tell
from core.actor import Actor, Assurance, Channel, Grant
from core.keyring import KeyRing
from geo.models import Site

# The slots that are open now and begin later, with the standing bookings that want them and were not tried: uses
# standing_booking_offering_id_idx, slot_offering_id_starts_at_idx and standing_date_pkey.
DUE = text(
    """
    select standing.id, standing.created_at from standing_booking as standing
    join offering on offering.id = standing.offering_id and offering.status = 'active'
    join site on site.id = offering.site_id
    where standing.state = 'active' and (standing.created_at, standing.id) > (:after_at, :after_id)
      and exists (
        select from slot
        where slot.offering_id = standing.offering_id and slot.starts_at > :now
          and slot.state = 'open' and slot.opens_at <= :now and slot.closes_at > :now
          and slot.on_date between standing.from_on and standing.until_on
          and cast(extract(isodow from slot.on_date) as smallint) = any(standing.weekdays)
          and cast(slot.starts_at at time zone site.zone as time) = standing.starts_at
          and not exists (
            select from standing_date as tried
            where tried.standing_id = standing.id and tried.on_date = slot.on_date
          )
      )
    order by standing.created_at, standing.id limit :most
    """
)


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a run has come."""

    created_at: datetime
    id: UUID


async def due(
    session: AsyncSession, *, after: Mark | None = None, most: int = 100, now: datetime
) -> Sequence[Mark]:
    """Standing bookings with a date that has opened, in the order in which they were asked for."""
    rows = await session.execute(
        DUE,
        {
            "now": now,
            "most": most,
            "after_at": after.created_at if after else datetime.fromisoformat("0001-01-02T00:00:00+00:00"),
            "after_id": after.id if after else UUID(int=0),
        },
    )
    return [Mark(row.created_at, row.id) for row in rows]


async def run_one(session: AsyncSession, *, ring: KeyRing, standing_id: UUID, now: datetime) -> int:
    """Book what has opened of one; how many dates were tried. Whoever is at it already goes on, and we do nothing.

    One whose caller may not act for the person any more, or no longer proves who they are, ends; both are told.
    """
    standing = await session.scalar(
        select(StandingBooking)
        .where(StandingBooking.id == standing_id, StandingBooking.state == "active")
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    if standing is None:
        return 0
    offering = await session.get_one(Offering, standing.offering_id)
    zone = (await session.get_one(Site, offering.site_id)).zone
    actor = await _actor(session, standing, offering)
    try:
        async with session.begin_nested():
            return await book_due(session, actor, ring=ring, standing=standing, zone=zone, now=now)
    except (AssuranceNeeded, *NO_LONGER) as error:
        await session.refresh(standing)
        standing.state, standing.ended_at = "ended", now
        await session.flush()
        await tell(
            session, standing, "standing_failed", {"dates": [], "why": error.code, "ended": True}, now=now
        )
        return 0


async def _actor(session: AsyncSession, standing: StandingBooking, offering: Offering) -> Actor:
    """Whoever asked, with what they may by now. The desk was allowed when it asked, for this offering."""
    channel = cast(Channel, standing.channel)
    if channel in DESK_CHANNELS:
        grant = Grant("site_staff", "site", str(offering.site_id))
        return Actor("system", channel, account_id=standing.account_id, grants=(grant,))
    account = None if standing.account_id is None else await session.get(Account, standing.account_id)
    if account is None or account.state != "active":
        return Actor("system", channel)
    return Actor(
        f"account:{account.id}",
        channel,
        account_id=account.id,
        assurance=cast(Assurance, account.assurance),
    )
