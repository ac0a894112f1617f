"""One slot as staff see and change it: how many places, when reserved ones are everyone's, kept though it does not fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Select, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Allotment, Slot, SlotBucket, SlotWarning
from booking.offerings.buckets import Resized, Size, resize_buckets
from booking.offerings.closed_texts import TEMPLATE_CHANGED
from booking.offerings.errors import PlacesTaken, SlotInvalid, SlotOver
from booking.offerings.held import HeldSlot, hold_offering, hold_slot, record_change
from booking.offerings.warnings import MISFIT, forget_misfit
from booking.rules.reading import GENERAL, read_rules
from core.actor import Actor

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class TierSize:
    """``release_minutes``: how long before the start what is left is everyone's; None: never, or everyone's anyway."""

    capacity: int
    release_minutes: int | None = None


@dataclass(frozen=True)
class SlotRow:
    """A slot with its buckets (by tier) and what staff should know."""

    slot: Slot
    buckets: Sequence[Mapping[str, Any]]
    does_not_fit: bool
    allotment: Allotment | None


async def list_slots(
    session: AsyncSession,
    actor: Actor,
    *,
    offering_id: UUID,
    first: date,
    last: date,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[SlotRow]:
    """Slots of an offering from one local date to another, both included, with their buckets: one query.

    Uses slot_offering_id_starts_at_idx: a date anywhere lies within a day of the same date in UTC. Raises OfferingNotFound, NotSignedIn, NotAllowed.
    """
    await hold_offering(session, actor, offering_id=offering_id, lock=False)
    query = slots_query().where(
        Slot.offering_id == offering_id,
        Slot.on_date.between(first, last),
        Slot.starts_at >= datetime.combine(first, time(), UTC) - ONE_DAY,
        Slot.starts_at < datetime.combine(last, time(), UTC) + 2 * ONE_DAY,
        # What the template took away was never there.
        func.coalesce(Slot.closed_reason, "") != TEMPLATE_CHANGED,
    )
    if after is not None:
        query = query.where(tuple_(Slot.starts_at, Slot.id) > tuple_(literal(after[0]), literal(after[1])))
    query = query.order_by(Slot.starts_at, Slot.id).limit(limit)
    return [SlotRow(*row) for row in await session.execute(query)]


async def show_slot(session: AsyncSession, *, slot_id: UUID) -> SlotRow:
    """One slot that the caller has been allowed."""
    query = slots_query().where(Slot.id == slot_id).execution_options(populate_existing=True)
    return SlotRow(*(await session.execute(query)).one())


def slots_query() -> Select[Any]:
    """Slots, each with its buckets, whether it no longer fits, and its allotment."""
    bucket = func.json_build_object(
        "tier", SlotBucket.tier,
        "capacity", SlotBucket.capacity,
        "held", SlotBucket.held,
        "confirmed", SlotBucket.confirmed,
        "set_aside", SlotBucket.set_aside,
        "released_at", SlotBucket.released_at,
    )  # fmt: skip
    buckets = (
        select(func.coalesce(func.json_agg(aggregate_order_by(bucket, SlotBucket.tier)), literal([], JSON)))
        .where(SlotBucket.slot_id == Slot.id)
        .scalar_subquery()
    )
    misfit = (
        select(SlotWarning).where(
            SlotWarning.offering_id == Slot.offering_id,
            SlotWarning.on_date == Slot.on_date,
            SlotWarning.slot_id == Slot.id,
            SlotWarning.code == MISFIT,
        )
    ).exists()
    return select(Slot, buckets, misfit, Allotment).outerjoin(Allotment, Allotment.slot_id == Slot.id)


async def change_places(
    session: AsyncSession, actor: Actor, *, slot_id: UUID, tiers: Mapping[str, TierSize], now: datetime
) -> Resized:
    """More or fewer places in one slot; tiers not named stay. The slot no longer follows its template.

    New places go to those who wait: ``booking.closing.places`` then asks them. Raises SlotNotFound, NotSignedIn,
    NotAllowed, SlotOver, SlotInvalid, PlacesTaken.
    """
    held = await hold_slot(session, actor, slot_id=slot_id)
    require_ahead(held.slot, now)
    _check_tiers(held, tiers)
    resized = await resize_buckets(
        session,
        [
            Size(
                slot_id,
                tier,
                size.capacity,
                None
                if size.release_minutes is None
                else held.slot.starts_at - timedelta(minutes=size.release_minutes),
            )
            for tier, size in tiers.items()
        ],
        complete=False,
        refuse=True,
        now=now,
    )
    if resized.over:
        one = resized.over[0]
        raise PlacesTaken(
            f"“{one.tier}”已占用 {one.taken} 个名额，不能减到 {one.wanted} 个；可先请人改约，或停止这个时段。",
            f"{one.taken} places of {one.tier} are taken: it cannot have {one.wanted}. Move people first, or close it.",
            taken={over.tier: over.taken for over in resized.over},
        )
    held.slot.edited = True
    await session.flush()
    await forget_misfit(session, slot_id=slot_id)
    await record_change(
        session,
        actor,
        object_kind="slot",
        object_id=slot_id,
        act="places_changed",
        detail={
            "offering_id": str(held.offering.id),
            "tiers": {tier: size.capacity for tier, size in tiers.items()},
        },
        now=now,
    )
    return resized


async def keep_slot(session: AsyncSession, actor: Actor, *, slot_id: UUID, now: datetime) -> None:
    """Keep a booked slot that no longer fits its template: it takes place as booked, and nobody is asked again.

    Raises SlotNotFound, NotSignedIn, NotAllowed, SlotOver.
    """
    held = await hold_slot(session, actor, slot_id=slot_id)
    require_ahead(held.slot, now)
    held.slot.edited = True
    await session.flush()
    await forget_misfit(session, slot_id=slot_id)
    await record_change(session, actor, object_kind="slot", object_id=slot_id, act="kept", now=now)


def require_ahead(slot: Slot, now: datetime) -> None:
    """Raises SlotOver for a slot that is over or closed."""
    if slot.ends_at <= now or slot.state == "closed":
        raise SlotOver(
            "只能修改还没结束、没有停止的时段。", "Only slots that are open and not over can be changed."
        )


def _check_tiers(held: HeldSlot, tiers: Mapping[str, TierSize]) -> None:
    offering = held.offering
    if offering.shape != "counted" or offering.capacity_authority != "owned":
        raise SlotInvalid(
            "名额由座位图、场地或借入的号源决定。",
            "Its seats, resources or lent block say how many places there are.",
        )
    known = {GENERAL, *read_rules(offering.rules).tiers}
    for tier, size in tiers.items():
        if tier not in known:
            raise _invalid(tier, "项目没有这类名额", "the offering has no such tier")
        if tier == GENERAL and size.release_minutes is not None:
            raise _invalid(f"{tier}/release_minutes", "这类名额本来就对所有人开放", "it is everyone's anyway")


def _invalid(field: str, zh: str, en: str) -> SlotInvalid:
    return SlotInvalid(
        f"{zh}。",
        f"{en[0].upper()}{en[1:]}.",
        errors=[{"field": f"tiers/{field}", "reason": f"{zh} / {en}"}],
    )
