"""Reserving: any shape, several capacities at once, all or nothing, in the written lock order."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from booking.attendance.marks import check_blocked
from booking.capacity.buckets import move, taking
from booking.capacity.seats import take_seats
from booking.capacity.spans import check_span, lock_resources, pick_resources, refuse_span, take_spans
from booking.errors import InvalidWish
from booking.models import Reservation
from booking.recording.entitlement import Entitlement, details_of, entitle
from booking.recording.record import Draft, record, refusals
from booking.recording.targets import (
    DESK_CHANNELS,
    Target,
    find_window,
    load_target,
    require_bookable,
)
from booking.reservations.expiry import lock_fresh
from booking.reservations.places import find_places
from core.actor import Actor
from core.keyring import KeyRing


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants: a slot, or of an interval offering a span (``offering_id``, ``starts_at``, ``ends_at``).

    ``seats``: ids; none of a seated slot: the best that are free. ``hold``: keep the places for a while first.
    ``person_id`` None: a walk-in at the desk who was not asked for a name.
    """

    person_id: UUID | None
    slot_id: UUID | None = None
    offering_id: UUID | None = None
    party_size: int = 1
    mode: str | None = None
    seats: tuple[UUID, ...] = ()
    wheelchair: bool = False
    resource_id: UUID | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    hold: bool = False
    details: dict[str, Any] = field(default_factory=dict)


async def reserve(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, wish: Wish, why: str = "booked", now: datetime
) -> Reservation:
    """Give ``wish`` its places, or refuse. The desk's channels book for anybody at the site they work at.

    Raises what ``require_bookable``, ``entitle``, ``check_blocked`` and the three shapes raise; SlotFull has
    ``alternatives``.
    """
    slot_id = wish.slot_id or await _window_of(session, wish)
    target = await load_target(session, slot_id=slot_id)
    _check_shape(target, wish)
    require_bookable(target, actor, now=now)
    entitled = await entitle(
        session,
        actor,
        ring=ring,
        target=target,
        person_id=wish.person_id,
        party_size=wish.party_size,
        mode=wish.mode,
        now=now,
    )
    if entitled.person is not None and actor.channel not in DESK_CHANNELS:
        await check_blocked(session, person_id=entitled.person.id, target=target, who=entitled.who, now=now)
    draft = draft_of(target, actor, wish, entitled, why=why, now=now)
    if target.offering.shape == "interval":
        return await _reserve_span(session, actor, target, wish, draft, now=now)
    return await _reserve_places(session, actor, target, wish, draft, entitled, now=now)


async def _reserve_places(
    session: AsyncSession,
    actor: Actor,
    target: Target,
    wish: Wish,
    draft: Draft,
    entitled: Entitlement,
    *,
    now: datetime,
) -> Reservation:
    buckets = await lock_fresh(session, {target.slot.id}, person_id=wish.person_id, now=now)
    found = await find_places(
        session,
        target,
        buckets,
        tiers=entitled.tiers,
        party_size=wish.party_size,
        mode=draft.mode,
        seat_ids=wish.seats,
        wheelchair=wish.wheelchair,
        now=now,
    )
    reservation = await record(session, actor, draft, now=now)
    with refusals():
        await move(session, taking(found.claims, draft.state), reservation_id=draft.id, now=now)
    await take_seats(session, slot_id=target.slot.id, seat_ids=found.seat_ids, reservation_id=draft.id)
    return reservation


async def _reserve_span(
    session: AsyncSession, actor: Actor, target: Target, wish: Wish, draft: Draft, *, now: datetime
) -> Reservation:
    assert wish.starts_at is not None
    assert wish.ends_at is not None
    check_span(
        target.offering,
        target.slot,
        wish.starts_at,
        wish.ends_at,
        at_desk=actor.channel in DESK_CHANNELS,
        now=now,
    )
    candidates = await lock_resources(session, offering_id=target.offering.id)
    await lock_fresh(session, {target.slot.id}, person_id=wish.person_id, now=now)
    chosen = await pick_resources(
        session, candidates, resource_id=wish.resource_id, starts_at=wish.starts_at, ends_at=wish.ends_at
    )
    reservation = await record(session, actor, draft, now=now)
    with refusals():
        await take_spans(
            session, chosen, reservation_id=draft.id, starts_at=wish.starts_at, ends_at=wish.ends_at
        )
    return reservation


def draft_of(
    target: Target, actor: Actor, wish: Wish, entitled: Entitlement, *, why: str, now: datetime
) -> Draft:
    """The reservation that ``wish`` becomes."""
    offering, slot = target.offering, target.slot
    return Draft(
        slot_id=slot.id,
        offering_id=offering.id,
        person_id=wish.person_id,
        account_id=actor.account_id,
        party_size=wish.party_size,
        mode=wish.mode or (offering.modes[0] if len(offering.modes) == 1 else None),
        state="held" if wish.hold else "confirmed",
        starts_at=wish.starts_at
        if wish.starts_at is not None and offering.shape == "interval"
        else slot.starts_at,
        ends_at=wish.ends_at if wish.ends_at is not None and offering.shape == "interval" else slot.ends_at,
        expires_at=now + timedelta(seconds=offering.hold_seconds) if wish.hold else None,
        price_fen=entitled.price.fen,
        exclusive=offering.exclusive,
        quotas=entitled.quotas,
        details={**wish.details, **details_of(target, entitled, wheelchair=wish.wheelchair)},
        why=why,
        tells=why != "standing",  # told of all its dates at once
    )


async def _window_of(session: AsyncSession, wish: Wish) -> UUID:
    if wish.offering_id is None or wish.starts_at is None or wish.ends_at is None:
        raise InvalidWish(
            "请给出时段编号，或项目编号与起止时间。",
            "Give slot_id, or offering_id with starts_at and ends_at.",
        )
    return await find_window(
        session, offering_id=wish.offering_id, starts_at=wish.starts_at, ends_at=wish.ends_at
    )


def _check_shape(target: Target, wish: Wish) -> None:
    """Raises InvalidWish for what does not go with the offering's shape."""
    shape = target.offering.shape
    if shape == "interval" and (wish.starts_at is None or wish.ends_at is None):
        raise InvalidWish("请选择开始和结束时间。", "Say from when to when.")
    if shape != "interval":
        refuse_span(wish.starts_at, wish.ends_at, wish.resource_id)
    if wish.offering_id is not None and wish.offering_id != target.offering.id:
        raise InvalidWish("该时段不属于这个项目。", "The slot belongs to another offering.")
    if shape != "seated" and (wish.seats or wish.wheelchair):
        raise InvalidWish("该项目不选座位。", "There are no seats to choose here.")
    if wish.seats and len(wish.seats) != wish.party_size:
        raise InvalidWish(
            f"选了 {len(wish.seats)} 个座位，共 {wish.party_size} 人。",
            f"{len(wish.seats)} seats for a party of {wish.party_size}.",
        )
