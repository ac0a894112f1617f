"""Moving a reservation to another time: the new place is taken before the old one is freed, in one transaction."""

from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from booking.capacity.buckets import Claim, Move, claims_of, move, taking
from booking.capacity.seats import claims_for, find_named, free_seats, take_seats
from booking.capacity.spans import (
    check_span,
    free_spans,
    lock_resources,
    pick_resources,
    refuse_span,
    take_spans,
)
from booking.errors import InvalidWish, TooLate
from booking.events import Kind
from booking.models import Offering, Reservation, ResourceSpan
from booking.recording.entitlement import Entitlement, details_of, entitle
from booking.recording.record import CODES_TRIED, bind_person, is_code_taken, new_code, noted, refusals
from booking.recording.targets import (
    DESK_CHANNELS,
    Target,
    find_window,
    load_target,
    require_bookable,
)
from booking.reservations import states
from booking.reservations.expiry import lock_fresh
from booking.reservations.find import get_reservation
from booking.reservations.places import find_places
from booking.reservations.steps import cut_off, freeing, is_waited_for, release_person, require_not_over, step
from booking.waitlist.promote import promote
from core.actor import Actor, Channel
from core.keyring import KeyRing


async def reschedule(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    reservation_id: UUID,
    slot_id: UUID | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    resource_id: UUID | None = None,
    seats: tuple[UUID, ...] = (),
    why: str = "rescheduled",
    tell: Kind = "reservation_changed",
    now: datetime,
) -> Reservation:
    """Move to another slot of the same offering, to another span, or to other seats. Refused, everything stays.

    Raises what reserving does, and TooLate, WrongState.
    """
    one = await get_reservation(session, actor, reservation_id=reservation_id, change=True, now=now)
    if one.state not in states.MOVABLE:
        raise states.wrong(one.state)
    require_not_over(one, now=now)
    if one.state == "held" and "waitlist" in one.details:
        raise InvalidWish("请先接受候补名额，再改期。", "Accept the offer first, then move it.")
    at_desk = actor.channel in DESK_CHANNELS or actor.is_system
    if slot_id is None and starts_at is not None and ends_at is not None:
        slot_id = await find_window(
            session, offering_id=one.offering_id, starts_at=starts_at, ends_at=ends_at
        )
    target = await load_target(session, slot_id=slot_id or one.slot_id)
    if target.offering.id != one.offering_id and not actor.is_system:
        raise InvalidWish("只能改到同一项目的其他时段。", "Only to another time of the same offering.")
    if not at_desk and not (target.offering.shape == "seated" and target.slot.id == one.slot_id):
        await _require_in_time(session, one, now=now)
    if not actor.is_system:
        require_bookable(target, actor, now=now)
    entitled = await entitle(
        session,
        actor,
        ring=ring,
        target=target,
        person_id=one.person_id,
        party_size=one.party_size,
        mode=one.mode,
        channel=cast(Channel, one.channel) if actor.is_system else actor.channel,
        now=now,
    )
    if target.offering.shape == "interval":
        waited = False
        await _move_span(session, one, target, starts_at, ends_at, resource_id, at_desk=at_desk, now=now)
    else:
        refuse_span(starts_at, ends_at, resource_id)
        waited = await _move_places(session, one, target, entitled, seats, now=now)
    old_slot_id = one.slot_id
    if target.slot.id != old_slot_id:
        await _rename(session, one, target)
    if not actor.is_system:  # whoever we move ourselves pays what was said
        one.price_fen = entitled.price.fen
        kept = {name: value for name, value in one.details.items() if name not in ("price", "spared")}
        one.details = kept | details_of(target, entitled, wheelchair=bool(kept.get("wheelchair")))
    await _rebind(session, one, target, entitled)
    await step(session, actor, one, state=one.state, why=why, tell=tell, now=now)
    if waited:
        await promote(session, slot_ids=[old_slot_id], now=now)
    return one


async def _require_in_time(session: AsyncSession, one: Reservation, *, now: datetime) -> None:
    """Raises TooLate after the cut-off, when cancelling counts as late: moving it away is no way around that."""
    offering = await session.get_one(Offering, one.offering_id)
    if one.state == "confirmed" and now > cut_off(one, offering):
        raise TooLate(
            "已过改期时间；如不能来，请取消。", "It is too late to move it; cancel it if you cannot come."
        )
    if now >= one.starts_at:
        raise TooLate("已经开始，不能改期。", "It has begun and cannot be moved.")


async def _move_places(
    session: AsyncSession,
    one: Reservation,
    target: Target,
    entitled: Entitlement,
    seat_ids: tuple[UUID, ...],
    *,
    now: datetime,
) -> bool:
    """Take the places of ``target``, then free the old ones. True when those who wait get them."""
    slot = target.slot
    if seat_ids and len(seat_ids) != one.party_size:
        raise InvalidWish(f"请选 {one.party_size} 个座位。", f"Choose {one.party_size} seats.")
    # The old slot too: what it holds is freed, and both may share a supply.
    buckets = await lock_fresh(session, {slot.id, one.slot_id}, person_id=one.person_id, now=now)
    old = await claims_of(session, reservation_id=one.id)
    if slot.id == one.slot_id:
        await _change_seats(session, one, target, old, seat_ids)
        return False
    found = await find_places(
        session,
        target,
        buckets,
        tiers=entitled.tiers,
        party_size=one.party_size,
        mode=one.mode,
        seat_ids=seat_ids,
        wheelchair=bool(one.details.get("wheelchair")),
        refusal=("原来的预约还在。请选其他时段。", "Your present reservation stays. Choose another slot."),
        now=now,
    )
    waits = await is_waited_for(session, slot_id=one.slot_id)
    moves = _both(taking(found.claims, one.state), freeing(one, old, waits=waits))
    with refusals():
        await move(session, moves, reservation_id=one.id, now=now)
    await free_seats(session, reservation_id=one.id)
    await take_seats(session, slot_id=slot.id, seat_ids=found.seat_ids, reservation_id=one.id)
    return waits


async def _change_seats(
    session: AsyncSession, one: Reservation, target: Target, claims: list[Claim], seat_ids: tuple[UUID, ...]
) -> None:
    """Other seats of the same kind in the same slot, so that its counts stay as they are."""
    if not seat_ids or target.offering.shape != "seated":
        raise InvalidWish("请选择另一个时段。", "Choose another slot.")
    slot_id = target.slot.id
    seats = await find_named(session, slot_id=slot_id, seat_ids=seat_ids, own=one.id)
    if claims_for(slot_id, seats) != [claim for claim in claims if claim.slot_id == slot_id]:
        raise InvalidWish("请选同类座位。", "Choose seats of the same kind.")
    await free_seats(session, reservation_id=one.id)
    await take_seats(session, slot_id=slot_id, seat_ids=list(seat_ids), reservation_id=one.id)


def _both(taken: list[Move], freed: list[Move]) -> list[Move]:
    """One move a bucket: both slots may need the same supply."""
    sums: dict[tuple[UUID, str], Move] = {}
    for one in (*taken, *freed):
        was = sums.get((one.slot_id, one.tier), Move(one.slot_id, one.tier))
        sums[one.slot_id, one.tier] = Move(
            one.slot_id,
            one.tier,
            was.held + one.held,
            was.confirmed + one.confirmed,
            was.set_aside + one.set_aside,
        )
    return list(sums.values())


async def _move_span(
    session: AsyncSession,
    one: Reservation,
    target: Target,
    starts_at: datetime | None,
    ends_at: datetime | None,
    resource_id: UUID | None,
    *,
    at_desk: bool,
    now: datetime,
) -> None:
    if starts_at is None or ends_at is None:
        raise InvalidWish("请选择开始和结束时间。", "Say from when to when.")
    check_span(target.offering, target.slot, starts_at, ends_at, at_desk=at_desk, now=now)
    candidates = await lock_resources(session, offering_id=target.offering.id)
    await lock_fresh(session, {target.slot.id}, person_id=one.person_id, now=now)
    had = select(ResourceSpan.resource_id).where(ResourceSpan.reservation_id == one.id)
    chosen = await pick_resources(
        session,
        candidates,
        resource_id=resource_id,
        starts_at=starts_at,
        ends_at=ends_at,
        own=one.id,
        prefer=frozenset(await session.scalars(had)),
    )
    await free_spans(session, reservation_id=one.id)  # an overlap with itself is none
    with refusals():
        await take_spans(session, chosen, reservation_id=one.id, starts_at=starts_at, ends_at=ends_at)
    one.starts_at, one.ends_at = starts_at, ends_at


async def _rename(session: AsyncSession, one: Reservation, target: Target) -> None:
    """Belong to the new slot, under a code that nobody there has."""
    for left in reversed(range(CODES_TRIED)):
        said = {"slot_id": target.slot.id, "offering_id": target.offering.id, "code": new_code()}
        change = update(Reservation).where(Reservation.id == one.id).values(said)
        try:
            async with session.begin_nested():
                await session.execute(change, execution_options={"synchronize_session": False})
            break
        except IntegrityError as error:
            if not left or not is_code_taken(error):
                raise
    await session.refresh(one, list(said))


async def _rebind(session: AsyncSession, one: Reservation, target: Target, entitled: Entitlement) -> None:
    """Bind the person to the new time in place of the old, and count it in the new periods."""
    if target.offering.shape != "interval":
        one.starts_at, one.ends_at = target.slot.starts_at, target.slot.ends_at
    await session.flush()
    await release_person(session, one)
    if one.person_id is None:
        return
    await bind_person(session, one, quotas=entitled.quotas, exclusive=target.offering.exclusive)
    one.details = {**one.details, "quotas": noted(entitled.quotas)}
