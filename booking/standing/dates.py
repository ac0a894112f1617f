"""The dates of a standing booking and what became of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import StandingBooking, StandingDate

State = Literal["booked", "not_booked", "later", "no_slot"]
# One slot a date: the one that starts at that time. Uses slot_offering_id_starts_at_idx.
SLOTS = text(
    """
    select distinct on (on_date) on_date, id, state, opens_at, closes_at from slot
    where offering_id = :offering_id and on_date = any(:dates)
      and starts_at >= cast(:first as timestamptz) and starts_at < cast(:last as timestamptz)
      and cast(starts_at at time zone cast(:zone as text) as time) = :starts_at
    order by on_date, state desc, id
    """
)
# Times of the day at which something begins ahead. Uses slot_offering_id_starts_at_idx.
TIMES = text(
    """
    select distinct cast(starts_at at time zone cast(:zone as text) as time) as begins from slot
    where offering_id = :offering_id and starts_at > :now and on_date >= :first and state = 'open' order by begins
    """
)
LAST_MADE = text("select max(on_date) from slot where offering_id = :offering_id")
WARNED = text(
    "select on_date, min(code) as code from slot_warning"
    " where offering_id = :offering_id and on_date = any(:dates) and slot_id is null group by on_date"
)


@dataclass(frozen=True, slots=True)
class SlotOn:
    """The slot of a date."""

    on: date
    id: UUID
    state: str
    opens_at: datetime
    closes_at: datetime

    def is_due(self, now: datetime) -> bool:
        """Whether it can be booked at this moment."""
        return self.state == "open" and self.opens_at <= now < self.closes_at


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a date. ``reason``: the code of why not; ``opens_at``: when it will be tried, if that is known."""

    on: date
    state: State
    reservation_id: UUID | None = None
    reason: str | None = None
    opens_at: datetime | None = None


def dates_of(standing: StandingBooking) -> Iterator[date]:
    """Every date it is about."""
    days = (standing.until_on - standing.from_on).days
    for day in range(days + 1):
        on = standing.from_on + timedelta(days=day)
        if on.isoweekday() in standing.weekdays:
            yield on


async def times_of(
    session: AsyncSession, *, offering_id: UUID, first: date, zone: str, now: datetime
) -> Sequence[time]:
    """When slots ahead begin, from ``first`` on, by the site's clock."""
    asked = {"offering_id": offering_id, "first": first, "zone": zone, "now": now}
    return (await session.scalars(TIMES, asked)).all()


async def slots_of(
    session: AsyncSession, standing: StandingBooking, *, zone: str, dates: Sequence[date]
) -> dict[date, SlotOn]:
    """The slots of these dates, where there are any; one that is open before one that is closed."""
    if not dates:
        return {}
    rows = await session.execute(
        SLOTS,
        {
            "offering_id": standing.offering_id,
            "dates": list(dates),
            # No zone is further from UTC than that; the index wants instants.
            "first": f"{min(dates) - timedelta(days=1)} 00:00+00",
            "last": f"{max(dates) + timedelta(days=2)} 00:00+00",
            "zone": zone,
            "starts_at": standing.starts_at,
        },
    )
    return {row.on_date: SlotOn(*row) for row in rows}


async def report(
    session: AsyncSession, standing: StandingBooking, *, zone: str, now: datetime
) -> list[Outcome]:
    """Each date: booked, not and why, later, or none since nothing takes place then."""
    dates = list(dates_of(standing))
    done = {
        one.on_date: one
        for one in await session.scalars(select(StandingDate).where(StandingDate.standing_id == standing.id))
    }
    slots = await slots_of(session, standing, zone=zone, dates=dates)
    last_made = await session.scalar(LAST_MADE, {"offering_id": standing.offering_id})
    warned = await session.execute(WARNED, {"offering_id": standing.offering_id, "dates": dates})
    why = {row.on_date: row.code for row in warned}
    return [_outcome(on, done.get(on), slots.get(on), last_made, why.get(on), now) for on in dates]


def _outcome(
    on: date,
    done: StandingDate | None,
    slot: SlotOn | None,
    last_made: date | None,
    warned: str | None,
    now: datetime,
) -> Outcome:
    if done is not None and done.reservation_id is not None:
        return Outcome(on, "booked", reservation_id=done.reservation_id)
    if done is not None:
        return Outcome(on, "not_booked", reason=done.reason)
    if slot is None:
        if last_made is None or on > last_made:
            return Outcome(on, "later")
        return Outcome(on, "no_slot", reason=warned or "no-slot")
    if slot.state != "open":
        return Outcome(on, "not_booked", reason="slot-closed")
    if now >= slot.closes_at:
        return Outcome(on, "not_booked", reason="booking-closed")
    return Outcome(on, "later", opens_at=slot.opens_at)
