"""What becomes of slots ahead when their template, or what it goes by, has changed.

Nobody booked: the slot is closed as if it had never been there (``closed_texts.TEMPLATE_CHANGED``), or follows the change.
Somebody booked: it stays as it is, and staff are told and decide. What staff edited one by one is left alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Slot
from booking.offerings.buckets import Size, resize_buckets
from booking.offerings.closed_texts import TEMPLATE_CHANGED
from booking.offerings.making import tiers_of
from booking.offerings.plans import Plan

Why = Literal["time", "places"]

LOCK = text("select from slot_bucket where slot_id = any(:ids) order by slot_id, tier for update")
# Uses reservation_slot_id_code_key. Places of supply slots are taken without a reservation of their own.
BOOKED = text(
    """
    select slot.id,
        (select coalesce(sum(party_size), 0) from reservation
         where slot_id = slot.id and state in ('held', 'confirmed', 'checked_in')) as people,
        exists (select from waitlist_entry where slot_id = slot.id and state in ('waiting', 'offered')) as waited,
        (select coalesce(sum(held + confirmed + set_aside), 0) from slot_bucket where slot_id = slot.id) as taken
    from slot where slot.id = any(:ids)
    """
)
NEEDED = text(
    """
    select distinct need.needs_slot_id from slot_need as need join slot on slot.id = need.slot_id
    where need.needs_slot_id = any(:ids) and slot.state = 'open'
    """
)
# settled_at stays empty: whoever booked in the very same moment is told by the sweep.
TAKE_AWAY = text(
    """
    update slot set state = 'closed', closed_reason = :reason, closed_at = :now, settled_at = null, moved_to = null
    where id = any(:ids) and state = 'open'
    """
)
BRING_BACK = text(
    """
    update slot set state = 'open', closed_reason = null, closed_at = null, settled_at = null
    where id = any(:ids) and state = 'closed' and closed_reason = :reason
    """
)
RETIME = text(
    """
    update slot set ends_at = retimed.ends_at, closes_at = closing.at, opens_at = least(slot.opens_at, closing.at)
    from unnest(cast(:ids as uuid[]), cast(:ends as timestamptz[])) as retimed(id, ends_at)
    join slot as was on was.id = retimed.id join offering on offering.id = was.offering_id
    cross join lateral (
        select case when offering.shape = 'interval' then was.closes_at + (retimed.ends_at - was.ends_at)
            else was.closes_at end as at
    ) closing
    where slot.id = retimed.id
    """
)


class Ahead(NamedTuple):
    """A slot that is there and has not begun; plain columns, since there may be tens of thousands."""

    id: UUID
    template_id: UUID
    on_date: date
    starts_at: datetime
    ends_at: datetime
    state: str
    closed_reason: str | None
    edited: bool


@dataclass(frozen=True, slots=True)
class Misfit:
    """A booked slot that no longer fits. ``why``: its time, or more places are taken than there should be."""

    template_id: UUID
    slot_id: UUID
    on_date: date
    starts_at: datetime
    ends_at: datetime
    people: int
    why: Why


@dataclass
class Fitted:
    """What was done. ``promotable``: slots with new places that people wait for; ``known``: starts that are there."""

    known: set[tuple[UUID, datetime]] = field(default_factory=set)
    taken_away: int = 0
    brought_back: int = 0
    resized: int = 0
    misfits: list[Misfit] = field(default_factory=list)
    promotable: set[UUID] = field(default_factory=set)


async def fit_slots(session: AsyncSession, plans: Sequence[Plan], *, sizes: bool, now: datetime) -> Fitted:
    """Compare the slots ahead with what ``plans`` call for. ``sizes``: also how many places they have.

    The caller holds the templates' locks.
    """
    done = Fitted()
    by_template = {plan.template.id: plan for plan in plans}
    slots = await _ahead(session, by_template, now)
    done.known = {(slot.template_id, slot.starts_at) for slot in slots}
    misfits: list[Ahead] = []
    retimed: list[tuple[Ahead, datetime]] = []
    back: list[tuple[Ahead, datetime]] = []
    fitting: list[Ahead] = []
    wanted = {plan.template.id: {one.starts_at: one.ends_at for one in plan.windows} for plan in plans}
    for slot in slots:
        plan = by_template[slot.template_id]
        if slot.edited or (slot.on_date > plan.last_on and plan.template.ended_at is None):
            continue
        ends_at = wanted[slot.template_id].get(slot.starts_at)
        if slot.state == "closed":
            if ends_at is not None and slot.closed_reason == TEMPLATE_CHANGED:
                back.append((slot, ends_at))
        elif ends_at is None:
            if slot.starts_at not in plan.kept_closed:
                misfits.append(slot)
        elif ends_at != slot.ends_at:
            retimed.append((slot, ends_at))
        else:
            fitting.append(slot)
    touched = [*misfits, *(slot for slot, _ in retimed)]
    at_stake = [*touched, *fitting, *(slot for slot, _ in back)] if sizes else touched
    # All at once: bookings lock buckets in this order, too.
    await session.execute(LOCK, {"ids": [slot.id for slot in at_stake]})
    people = await _booked(session, touched, by_template)
    done.misfits = [_misfit(slot, people[slot.id], "time") for slot in touched if slot.id in people]
    away = [slot.id for slot in misfits if slot.id not in people]
    moved = [(slot, ends_at) for slot, ends_at in retimed if slot.id not in people]
    if away:
        await session.execute(TAKE_AWAY, {"ids": away, "reason": TEMPLATE_CHANGED, "now": now})
    if back:
        await session.execute(BRING_BACK, {"ids": [slot.id for slot, _ in back], "reason": TEMPLATE_CHANGED})
    if moved or back:
        pairs = [*moved, *back]
        await session.execute(
            RETIME, {"ids": [slot.id for slot, _ in pairs], "ends": [ends_at for _, ends_at in pairs]}
        )
    done.taken_away, done.brought_back = len(away), len(back)
    if sizes:
        stay = [*fitting, *(slot for slot, _ in moved), *(slot for slot, _ in back)]
        await _resize(session, stay, plans, done, now)
    return done


async def _ahead(session: AsyncSession, template_ids: Iterable[UUID], now: datetime) -> list[Ahead]:
    """Uses slot_template_id_starts_at_key."""
    query = select(*(getattr(Slot, name) for name in Ahead._fields)).where(
        Slot.template_id.in_(list(template_ids)), Slot.starts_at > now
    )
    return [Ahead(*row) for row in await session.execute(query)]


async def _booked(
    session: AsyncSession, slots: Sequence[Ahead], plans: Mapping[UUID, Plan]
) -> dict[UUID, int]:
    """People booked by slot, of those slots that somebody booked, waits for or needs. Their buckets are locked."""
    if not slots:
        return {}
    ids = [slot.id for slot in slots]
    found = {
        row.id: int(max(row.people, row.taken))
        for row in await session.execute(BOOKED, {"ids": ids})
        if row.people or row.waited or row.taken
    }
    supply = [slot.id for slot in slots if plans[slot.template_id].offering.kind == "supply"]
    if supply:
        for slot_id in await session.scalars(NEEDED, {"ids": supply}):
            found.setdefault(slot_id, 0)
    return found


async def _resize(
    session: AsyncSession, slots: Sequence[Ahead], plans: Sequence[Plan], done: Fitted, now: datetime
) -> None:
    """Buckets as the template has them; seats and lent blocks have sizes of their own."""
    counted = [
        plan
        for plan in plans
        if plan.offering.shape == "counted" and plan.offering.capacity_authority == "owned"
    ]
    tiers = await tiers_of(session, counted)
    by_id = {slot.id: slot for slot in slots}
    resized = await resize_buckets(
        session,
        [
            Size(slot.id, tier, capacity, slot.starts_at - timedelta(minutes=release))
            if release is not None
            else Size(slot.id, tier, capacity)
            for slot in slots
            for tier, (capacity, release) in tiers.get(slot.template_id, {}).items()
        ],
        complete=True,
        refuse=False,
        now=now,
    )
    done.resized = resized.changed
    done.promotable |= set(resized.promotable)
    taken: dict[UUID, int] = {}
    for over in resized.over:
        taken[over.slot_id] = taken.get(over.slot_id, 0) + over.taken
    done.misfits += [_misfit(by_id[slot_id], people, "places") for slot_id, people in taken.items()]


def _misfit(slot: Ahead, people: int, why: Why) -> Misfit:
    return Misfit(slot.template_id, slot.id, slot.on_date, slot.starts_at, slot.ends_at, people, why)
