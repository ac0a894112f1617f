"""Which places somebody gets: of the slot itself, and of every supply it takes along; all or nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from booking.capacity.buckets import Buckets, Claim, choose
from booking.capacity.seats import WHEELCHAIR, FreeSeat, claims_for, find_best, find_named
from booking.errors import InvalidWish, SlotFull
from booking.recording.alternatives import next_free
from booking.recording.targets import Target, needs_of


@dataclass(frozen=True, slots=True)
class Places:
    """Of buckets, and of a seated slot the seats themselves."""

    claims: list[Claim]
    seat_ids: list[UUID]


async def find_places(
    session: AsyncSession,
    target: Target,
    buckets: Buckets,
    *,
    tiers: Sequence[str],
    party_size: int,
    mode: str | None,
    seat_ids: Sequence[UUID],
    wheelchair: bool,
    refusal: tuple[str, str] = (
        "请选其他时段，或加入候补。",
        "Choose another slot, or join the waiting list.",
    ),
    now: datetime,
) -> Places:
    """The caller holds the locks of ``buckets``: the slot's and those of all it needs.

    Raises SlotFull, naming slots that still have places; SeatTaken and InvalidWish of seats that were named.
    """
    slot_id = target.slot.id
    seats: Sequence[FreeSeat] | None = None
    claims: list[Claim] | None
    if target.offering.shape == "seated":
        if seat_ids:
            seats = await find_named(session, slot_id=slot_id, seat_ids=seat_ids)
            if wheelchair != any(seat.kind == WHEELCHAIR for seat in seats):
                raise InvalidWish(
                    "轮椅位请注明 wheelchair，且只给需要的人。",
                    "A wheelchair space goes with `wheelchair`, and is for those who need one.",
                )
        else:
            seats = await find_best(session, slot_id=slot_id, party_size=party_size, wheelchair=wheelchair)
        claims = None if seats is None else _fitting(buckets, claims_for(slot_id, seats))
    else:
        claims = choose(buckets, slot_id=slot_id, tiers=tiers, places=party_size, now=now)
    for need in await needs_of(session, slot_id=slot_id):
        if claims is None or (need.modes and mode not in need.modes):
            continue
        places = party_size if need.per == "person" else 1
        more = choose(buckets, slot_id=need.needs_slot_id, tiers=tiers, places=places, now=now)
        claims = None if more is None else claims + more
    if claims is None:
        raise SlotFull(
            *refusal,
            waitlist=target.rules.waitlist.enabled,
            alternatives=await next_free(
                session,
                offering_id=target.offering.id,
                but=slot_id,
                tiers=tuple(tiers),
                places=party_size,
                now=now,
            ),
        )
    return Places(claims, [seat.id for seat in seats or ()])


def _fitting(buckets: Buckets, claims: list[Claim]) -> list[Claim] | None:
    """``claims``, or None when a bucket has too few places: seats that are free but set aside for those who wait."""
    for one in claims:
        bucket = buckets.get((one.slot_id, one.tier))
        if bucket is None or bucket.free < one.places:
            return None
    return claims
