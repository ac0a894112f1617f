"""Giving freed places to those who wait (候补递补), in the transaction that freed them.

The queue is walked in order. A party gets a held reservation for all its places, which is its offer, or waits on; then
the buckets it waits for are closed to those behind it, until ``rule.strict_until``. What nobody can use is free for all.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, cast
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.capacity.buckets import Bucket, Claim, Move, choose, lock_buckets, move, taking
from booking.capacity.seats import FreeSeat, claims_for, find_best, take_seats
from booking.errors import LimitReached, PersonBusy
from booking.events import emit
from booking.models import Offering, Reservation, Slot, WaitlistEntry
from booking.recording.record import Draft, booker_of, record
from booking.recording.targets import needs_of
from booking.rules.limits import quotas_of
from booking.rules.reading import Rules, read_rules
from booking.waitlist.rule import offered_until, strict_until
from booking.waitlist.settling import settle
from core.actor import SYSTEM, Channel

# Too few places; places, but not what else it takes; or what it takes is locked by somebody whom we may not wait for.
Misfit = Literal["too_few", "no_supplies", "busy"]

# Persons come before buckets in the order of locks, and we hold buckets: whoever is busy elsewhere is not waited for.
# So is whoever has a hold that ran out and still binds them: ending it takes locks that come before ours.
LOCK_PERSON = text(
    """
    select erased_at is null from person where id = :person_id and not exists (
        select from reservation where person_id = :person_id and state = 'held' and expires_at <= :now
    ) for no key update skip locked
    """
)
# The same goes for supply slots, whose turn may be before ours.
LOCK_SUPPLY = text(
    """
    select slot_id, tier, capacity, held, confirmed, set_aside, released_at, slot.state = 'closed' as closed
    from slot_bucket join slot on slot.id = slot_bucket.slot_id
    where slot_id = any(:slot_ids) order by slot_id, tier for update of slot_bucket skip locked
    """
)
COUNT_SUPPLY = text("select count(*) from slot_bucket where slot_id = any(:slot_ids)")


async def promote(session: AsyncSession, *, slot_ids: Iterable[UUID], now: datetime) -> int:
    """Offer what is set aside or free in these slots to those who wait; how many offers were made.

    The caller holds the locks of the slots' buckets, or takes no other lock before. Where somebody else has the person
    whose turn it is, nobody passes: the places stay set aside, and the worker comes back (``sweep``).
    """
    made = 0
    for slot_id in sorted(set(slot_ids)):
        buckets = await lock_buckets(session, [slot_id])
        # The locks first: whoever joined or left before we got them is seen.
        await settle(session, slot_ids=[slot_id], now=now)
        query = select(WaitlistEntry).where(
            WaitlistEntry.slot_id == slot_id, WaitlistEntry.state == "waiting"
        )
        waiting = (await session.scalars(query.order_by(WaitlistEntry.number))).all()
        if not waiting and not any(one.set_aside for one in buckets.values()):
            continue
        walk = await _begin(session, slot_id, {one.tier: one for one in buckets.values()}, now)
        made += await _walk(session, walk, waiting)
        await _give_back(session, walk)
    return made


def could_ever_fit(buckets: Iterable[Bucket], tiers: Iterable[str], places: int, by: datetime) -> bool:
    """Whether buckets that are open to ``tiers`` at some time until ``by`` have as many places, free or not."""
    own = set(tiers)
    return sum(one.capacity for one in buckets if one.open_to(own, by)) >= places


@dataclass(slots=True)
class _Walk:
    """One slot's queue being walked. ``buckets`` by tier, as they stand by now; ``closed``: tiers a party waits for."""

    slot: Slot
    offering: Offering
    rules: Rules
    buckets: dict[str, Bucket]
    now: datetime
    offers: bool
    strict: bool
    closed: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)

    def may_use(self, entry: WaitlistEntry) -> set[str]:
        """Tiers the party may take from: its own, and those that are everyone's by now."""
        return {tier for tier, one in self.buckets.items() if one.open_to(entry.tiers, self.now)}

    def could_ever_fit(self, entry: WaitlistEntry) -> bool:
        """Whether the slot has as many places for the party at all; staff may have taken some away since it came."""
        return could_ever_fit(self.buckets.values(), entry.tiers, entry.party_size, self.slot.closes_at)

    def within_reach(self) -> dict[tuple[UUID, str], Bucket]:
        """What can be offered: set aside and free alike, but for buckets that a party ahead waits for."""
        return {
            (self.slot.id, tier): replace(one, set_aside=0)
            for tier, one in self.buckets.items()
            if tier not in self.closed
        }

    def take(self, claims: Iterable[Claim]) -> list[Move]:
        """Hold ``claims``, from what is set aside as far as it goes."""
        moves = []
        for claim in claims:
            one = self.buckets[claim.tier]
            aside = min(one.set_aside, claim.places)
            self.buckets[claim.tier] = replace(
                one, held=one.held + claim.places, set_aside=one.set_aside - aside
            )
            moves.append(Move(claim.slot_id, claim.tier, held=claim.places, set_aside=-aside))
        return moves


@dataclass(frozen=True, slots=True)
class _Fit:
    """Where a party's places come from."""

    claims: list[Claim]
    supplies: list[Move]
    seats: list[FreeSeat]


async def _begin(session: AsyncSession, slot_id: UUID, buckets: dict[str, Bucket], now: datetime) -> _Walk:
    query = select(Slot, Offering).join(Offering, Offering.id == Slot.offering_id).where(Slot.id == slot_id)
    slot, offering = (await session.execute(query.execution_options(populate_existing=True))).one()
    rules = read_rules(offering.rules)
    return _Walk(
        slot=slot,
        offering=offering,
        rules=rules,
        buckets=buckets,
        now=now,
        offers=slot.state == "open" and now < slot.closes_at and offering.status == "active",
        strict=now < strict_until(slot, rules.waitlist),
    )


async def _walk(session: AsyncSession, walk: _Walk, waiting: Iterable[WaitlistEntry]) -> int:
    made = 0
    if not walk.offers:
        return made
    for entry in waiting:
        if not any(one.free > 0 for one in walk.within_reach().values()):
            break
        fit = await _fit(session, walk, entry)
        if fit == "too_few" and walk.strict and walk.could_ever_fit(entry):
            mine = walk.may_use(entry)
            walk.closed |= mine
            walk.kept |= mine
        if fit == "too_few" or fit == "no_supplies":
            continue
        who = {"person_id": entry.person_id, "now": walk.now}
        alive = None if fit == "busy" else await session.scalar(LOCK_PERSON, who)
        if fit == "busy" or alive is None:
            walk.kept |= set(walk.buckets)
            break
        refused = "person-gone" if not alive else await _offer(session, walk, entry, fit)
        if refused is None:
            made += 1
        else:
            await _pass(session, entry, refused, walk.now)
    return made


async def _fit(session: AsyncSession, walk: _Walk, entry: WaitlistEntry) -> _Fit | Misfit:
    """Where all places of the party come from, or why there is nothing to offer."""
    slot_id, reach, seats = walk.slot.id, walk.within_reach(), list[FreeSeat]()
    if walk.offering.shape == "seated":
        if sum(max(0, one.free) for one in reach.values()) < entry.party_size:
            return "too_few"  # seats are looked for only when it is worth it
        best = await find_best(
            session, slot_id=slot_id, party_size=entry.party_size, wheelchair=entry.wheelchair
        )
        if best is None:
            return "too_few"
        seats = best
        claims = claims_for(slot_id, seats)
        found = all(
            (one.slot_id, one.tier) in reach and reach[one.slot_id, one.tier].free >= one.places
            for one in claims
        )
    else:
        chosen = choose(reach, slot_id=slot_id, tiers=entry.tiers, places=entry.party_size, now=walk.now)
        claims, found = chosen or [], chosen is not None
    if not found:
        return "too_few"
    supplies = await _supplies(session, walk, entry)
    return supplies if isinstance(supplies, str) else _Fit(claims, supplies, seats)


async def _supplies(session: AsyncSession, walk: _Walk, entry: WaitlistEntry) -> list[Move] | Misfit:
    """What the booking takes along of supply slots."""
    needs = [
        one
        for one in await needs_of(session, slot_id=walk.slot.id)
        if not one.modes or entry.mode in one.modes
    ]
    if not needs:
        return []
    ids = {"slot_ids": [one.needs_slot_id for one in needs]}
    rows = (await session.execute(LOCK_SUPPLY, ids)).all()
    if len(rows) < (await session.scalar(COUNT_SUPPLY, ids) or 0):
        return "busy"
    buckets = {(row.slot_id, row.tier): Bucket(*row) for row in rows}
    moves = []
    for need in needs:
        places = entry.party_size if need.per == "person" else 1
        claims = choose(buckets, slot_id=need.needs_slot_id, tiers=entry.tiers, places=places, now=walk.now)
        if claims is None:
            return "no_supplies"
        moves += taking(claims, "held")
    return moves


async def _offer(session: AsyncSession, walk: _Walk, entry: WaitlistEntry, fit: _Fit) -> str | None:
    """Hold the places for the party and say so; the code of why the person cannot have them, if so."""
    slot, offering = walk.slot, walk.offering
    until = offered_until(slot, offering, now=walk.now)
    draft = Draft(
        slot_id=slot.id,
        offering_id=offering.id,
        person_id=entry.person_id,
        account_id=entry.account_id,
        party_size=entry.party_size,
        mode=entry.mode,
        state="held",
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        expires_at=until,
        price_fen=entry.price_fen,
        exclusive=offering.exclusive,
        quotas=quotas_of(walk.rules.limits, offering_id=offering.id, kind=offering.kind, on=slot.on_date),
        details={
            "waitlist": str(entry.id),
            "tiers": list(entry.tiers),
            **entry.details,
        },
        why="waitlist",
        tells=False,  # waitlist_offer says more
    )
    as_joined = replace(SYSTEM, channel=cast(Channel, entry.channel))
    try:
        reservation = await record(session, as_joined, draft, now=walk.now)
    except (PersonBusy, LimitReached) as error:
        return error.code
    await move(session, [*walk.take(fit.claims), *fit.supplies], reservation_id=reservation.id, now=walk.now)
    if fit.seats:
        await take_seats(
            session,
            slot_id=slot.id,
            seat_ids=[one.id for one in fit.seats],
            reservation_id=reservation.id,
        )
    entry.state, entry.reservation_id = "offered", reservation.id
    await session.flush()
    await emit(
        session,
        kind="waitlist_offer",
        person_id=entry.person_id,
        account_id=booker_of(entry.account_id, entry.channel),
        subject_id=entry.id,
        data=_said(entry, slot, reservation),
        now=walk.now,
    )
    return None


async def _pass(session: AsyncSession, entry: WaitlistEntry, reason: str, now: datetime) -> None:
    entry.state, entry.reason, entry.decided_at = "passed", reason, now
    await session.flush()
    await emit(
        session,
        kind="waitlist_passed",
        person_id=entry.person_id,
        account_id=booker_of(entry.account_id, entry.channel),
        subject_id=entry.id,
        data={
            "entry_id": str(entry.id),
            "slot_id": str(entry.slot_id),
            "party_size": entry.party_size,
            "why": reason,
        },
        now=now,
    )


async def _give_back(session: AsyncSession, walk: _Walk) -> None:
    """What is set aside and nobody waits for is free for all."""
    moves = [
        Move(walk.slot.id, tier, set_aside=-one.set_aside)
        for tier, one in sorted(walk.buckets.items())
        if one.set_aside and tier not in walk.kept
    ]
    await move(session, moves, reservation_id=None, now=walk.now)


def _said(entry: WaitlistEntry, slot: Slot, reservation: Reservation) -> dict[str, object]:
    assert reservation.expires_at is not None
    return {
        "entry_id": str(entry.id),
        "reservation_id": str(reservation.id),
        "offering_id": str(slot.offering_id),
        "slot_id": str(slot.id),
        "starts_at": slot.starts_at.isoformat(),
        "ends_at": slot.ends_at.isoformat(),
        "party_size": entry.party_size,
        "expires_at": reservation.expires_at.isoformat(),
    }
