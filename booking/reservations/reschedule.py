"""Moving a reservation to another time: the new place is taken before the old one is freed, in one transaction."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import flag_modified

from booking.capacity.buckets import Claim, Move, choose, claims_of, move, taking
from booking.capacity.seats import claims_for, find_best, find_named, free_seats, take_seats
from booking.capacity.spans import check_span, free_spans, lock_resources, pick_resources, take_spans
from booking.errors import InvalidWish, SlotFull, TooLate
from booking.events import Kind
from booking.models import Reservation, ResourceSpan
from booking.recording.alternatives import next_free
from booking.recording.entitlement import Entitlement, entitle
from booking.recording.record import CODES_TRIED, is_code_taken, new_code, refusals
from booking.recording.targets import (
    DESK_CHANNELS,
    Target,
    find_window,
    load_target,
    needs_of,
    require_bookable,
)
from booking.reservations import states
from booking.reservations.expiry import lock_fresh
from booking.reservations.find import get_reservation
from booking.reservations.reserve import fitting
from booking.reservations.steps import (
    commit_person,
    is_waited_for,
    release_person,
    require_not_over,
    step,
)
from booking.reservations.use import use_quotas
from booking.waitlist.promote import promote
from core.actor import Actor
from core.ids import new_id
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
    if now >= one.starts_at and actor.channel not in DESK_CHANNELS and not actor.is_system:
        raise TooLate("已经开始，不能改期。", "It has begun and cannot be moved.")
    if slot_id is None and starts_at is not None and ends_at is not None:
        slot_id = await find_window(
            session, offering_id=one.offering_id, starts_at=starts_at, ends_at=ends_at
        )
    target = await load_target(session, slot_id=slot_id or one.slot_id)
    if target.offering.id != one.offering_id and not actor.is_system:
        raise InvalidWish("只能改到同一项目的其他时段。", "Only to another time of the same offering.")
    if actor.is_system:
        entitled = None
    else:
        require_bookable(target, actor, now=now)
        entitled = await entitle(
            session,
            actor,
            ring=ring,
            target=target,
            person_id=one.person_id,
            party_size=one.party_size,
            mode=one.mode,
            now=now,
        )
    if target.offering.shape == "interval":
        waited = False
        await _move_span(session, one, target, starts_at, ends_at, resource_id, now=now)
    else:
        waited = await _move_places(session, one, target, entitled, seats, now=now)
    old_slot_id = one.slot_id
    if target.slot.id != old_slot_id:
        await _rename(session, one, target)
    if entitled is not None:
        one.price_fen = entitled.price.fen
    await _rebind(session, one, target, entitled)
    await step(session, actor, one, state=one.state, why=why, tell=tell, now=now)
    if waited:
        await promote(session, slot_ids=[old_slot_id], now=now)
    return one


async def _move_places(
    session: AsyncSession,
    one: Reservation,
    target: Target,
    entitled: Entitlement | None,
    seat_ids: tuple[UUID, ...],
    *,
    now: datetime,
) -> bool:
    """Take the places of ``target``, then free the old ones. True when those who wait get them."""
    slot = target.slot
    needs = [
        (need.needs_slot_id, one.party_size if need.per == "person" else 1)
        for need in await needs_of(session, slot_id=slot.id)
        if not need.modes or one.mode in need.modes
    ]
    old = await claims_of(session, reservation_id=one.id)
    # The old slot too: what it holds is freed, and both may share a supply.
    buckets = await lock_fresh(session, {slot.id, one.slot_id}, person_id=one.person_id, now=now)
    same = slot.id == one.slot_id
    if same and not seat_ids:
        raise InvalidWish("请选择另一个时段。", "Choose another slot.")
    tiers = ("general",) if entitled is None else entitled.tiers
    seats = []
    claims: list[Claim] | None
    if target.offering.shape == "seated":
        if seat_ids and len(seat_ids) != one.party_size:
            raise InvalidWish(f"请选 {one.party_size} 个座位。", f"Choose {one.party_size} seats.")
        seats = (
            await find_named(session, slot_id=slot.id, seat_ids=seat_ids, own=one.id)
            if seat_ids
            else await find_best(
                session,
                slot_id=slot.id,
                party_size=one.party_size,
                wheelchair=bool(one.details.get("wheelchair")),
            )
        )
        claims = claims_for(slot.id, seats)
        if same:
            if claims != [claim for claim in old if claim.slot_id == slot.id]:
                raise InvalidWish("请选同类座位。", "Choose seats of the same kind.")
            await free_seats(session, reservation_id=one.id)
            await take_seats(
                session, slot_id=slot.id, seat_ids=[seat.id for seat in seats], reservation_id=one.id
            )
            return False
        claims = fitting(buckets, claims)
    else:
        claims = choose(buckets, slot_id=slot.id, tiers=tiers, places=one.party_size, now=now)
    for needed, places in needs:
        more = choose(buckets, slot_id=needed, tiers=tiers, places=places, now=now)
        claims = None if claims is None or more is None else claims + more
    if claims is None:
        raise SlotFull(
            "原来的预约还在。请选其他时段。",
            "Your present reservation stays. Choose another slot.",
            waitlist=target.rules.waitlist.enabled,
            alternatives=await next_free(
                session,
                offering_id=target.offering.id,
                but=slot.id,
                tiers=tiers,
                places=one.party_size,
                now=now,
            ),
        )
    waits = await is_waited_for(session, slot_id=one.slot_id)
    with refusals():
        await move(
            session,
            _both(taking(claims, one.state), _freeing(one, old, waits)),
            reservation_id=one.id,
            now=now,
        )
    await free_seats(session, reservation_id=one.id)
    if seats:
        await take_seats(
            session, slot_id=slot.id, seat_ids=[seat.id for seat in seats], reservation_id=one.id
        )
    return waits


def _freeing(one: Reservation, claims: list[Claim], waits: bool) -> list[Move]:
    aside = [claim.places if waits and claim.slot_id == one.slot_id else 0 for claim in claims]
    if one.state == "held":
        return [
            Move(c.slot_id, c.tier, held=-c.places, set_aside=a) for c, a in zip(claims, aside, strict=True)
        ]
    return [
        Move(c.slot_id, c.tier, confirmed=-c.places, set_aside=a) for c, a in zip(claims, aside, strict=True)
    ]


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
    now: datetime,
) -> None:
    if starts_at is None or ends_at is None:
        raise InvalidWish("请选择开始和结束时间。", "Say from when to when.")
    check_span(target.offering, target.slot, starts_at, ends_at)
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


async def _rebind(
    session: AsyncSession, one: Reservation, target: Target, entitled: Entitlement | None
) -> None:
    """Bind the person to the new time in place of the old, and count it in the new periods."""
    if target.offering.shape != "interval":
        one.starts_at, one.ends_at = target.slot.starts_at, target.slot.ends_at
    await session.flush()
    await release_person(session, one)
    if one.person_id is None:
        return
    with refusals():
        if target.offering.exclusive:
            await commit_person(session, one, new_id())
        quotas = () if entitled is None else entitled.quotas
        await use_quotas(session, person_id=one.person_id, quotas=quotas)
    one.details = {**one.details, "quotas": [[quota.scope, quota.period_on.isoformat()] for quota in quotas]}
    flag_modified(one, "details")
