"""Who waits for what, and how many are before them."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, String, cast, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from booking.models import Offering, Reservation, Slot, WaitlistEntry
from booking.people.models import Person
from booking.recording.targets import load_target
from core import audit
from core.actor import Actor
from core.permissions import require_at
from geo.sites.places import place_of

# As the partial index waitlist_entry_person_key says it.
IS_OPEN = text("waitlist_entry.state in ('waiting', 'offered')")
MOST_SHOWN = 500


def _ahead() -> ColumnElement[int]:
    """How many parties wait before an entry for places that it may have too. Uses waitlist_entry_queue_idx."""
    other = aliased(WaitlistEntry, name="before")
    return (
        select(func.count())
        .where(
            other.slot_id == WaitlistEntry.slot_id,
            text("before.state = 'waiting'"),
            other.number < WaitlistEntry.number,
            other.tiers.op("&&")(cast(WaitlistEntry.tiers, ARRAY(String))),
        )
        .correlate(WaitlistEntry)
        .scalar_subquery()
    )


def _entries() -> Select[WaitlistEntry, Slot, Offering, datetime | None, int]:
    return (
        select(WaitlistEntry, Slot, Offering, Reservation.expires_at, _ahead().label("ahead"))
        .join(Slot, Slot.id == WaitlistEntry.slot_id)
        .join(Offering, Offering.id == Slot.offering_id)
        .outerjoin(Reservation, Reservation.id == WaitlistEntry.reservation_id)
    )


def own_query(
    person_ids: Collection[UUID], *, over: bool, after: UUID | None = None, limit: int
) -> Select[WaitlistEntry, Slot, Offering, datetime | None, int]:
    """Entries of these persons, newest first; without ``over`` only those that wait or are offered a place."""
    query = _entries().where(WaitlistEntry.person_id.in_(person_ids))
    if not over:
        query = query.where(IS_OPEN)
    if after is not None:
        query = query.where(WaitlistEntry.id < after)
    return query.order_by(WaitlistEntry.id.desc()).limit(limit)


def entry_query(entry_id: UUID) -> Select[WaitlistEntry, Slot, Offering, datetime | None, int]:
    """One entry with what is shown beside it."""
    return _entries().where(WaitlistEntry.id == entry_id)


async def queue_of(
    session: AsyncSession, actor: Actor, *, slot_id: UUID, now: datetime
) -> list[tuple[WaitlistEntry, Person]]:
    """A slot's queue in order, those with an offer first, for the desk; on record. Raises SlotNotFound, NotAllowed."""
    target = await load_target(session, slot_id=slot_id)
    require_at(actor, "desk.run", await place_of(session, site_id=target.offering.site_id))
    rows = (
        await session.execute(
            select(WaitlistEntry, Person)
            .join(Person, Person.id == WaitlistEntry.person_id)
            .where(WaitlistEntry.slot_id == slot_id, IS_OPEN)
            .order_by(WaitlistEntry.state, WaitlistEntry.number)
            .limit(MOST_SHOWN)
        )
    ).all()
    if rows:
        await audit.record(
            session,
            actor,
            action="waitlist.read",
            object_kind="slot",
            object_id=slot_id,
            person_ids=[person.id for _, person in rows],
            detail={"read": ["name", "phone"]},
            now=now,
        )
    return [(entry, person) for entry, person in rows]
