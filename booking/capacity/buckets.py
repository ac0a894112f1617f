"""Counted places: bucket rows with what is held, confirmed and set aside, and the ledger of each change."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# Sorted before they are locked, so that everyone takes them in the same order.
LOCK = text(
    """
    select slot_id, tier, capacity, held, confirmed, set_aside, released_at, slot.state = 'closed' as closed
    from slot_bucket join slot on slot.id = slot_bucket.slot_id
    where slot_id = any(:slot_ids) order by slot_id, tier for update of slot_bucket
    """
)
# The CHECKs of slot_bucket refuse what does not fit, whatever was read before.
MOVE = text(
    """
    with move as (
        select * from unnest(
            cast(:slot_ids as uuid[]), cast(:tiers as varchar[]),
            cast(:held as int[]), cast(:confirmed as int[]), cast(:set_aside as int[])
        ) as move(slot_id, tier, held, confirmed, set_aside)
    ), moved as (
        update slot_bucket as bucket
        set held = bucket.held + move.held, confirmed = bucket.confirmed + move.confirmed,
            set_aside = bucket.set_aside + move.set_aside
        from move where bucket.slot_id = move.slot_id and bucket.tier = move.tier
        returning bucket.slot_id, bucket.tier
    )
    insert into allocation (slot_id, tier, reservation_id, held, confirmed, set_aside, at)
    select move.slot_id, move.tier, cast(:reservation_id as uuid), move.held, move.confirmed, move.set_aside, :now
    from move join moved using (slot_id, tier)
    """
)
# Uses allocation_reservation_id_idx.
CLAIMS = text(
    """
    select slot_id, tier, sum(held) as held, sum(confirmed) as confirmed from allocation
    where reservation_id = :reservation_id group by slot_id, tier
    having sum(held) <> 0 or sum(confirmed) <> 0 order by slot_id, tier
    """
)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket as it stood when it was locked."""

    slot_id: UUID
    tier: str
    capacity: int
    held: int
    confirmed: int
    set_aside: int
    released_at: datetime | None
    closed: bool

    @property
    def free(self) -> int:
        """Places anyone who may take from this bucket can have now; none of a slot that is closed."""
        return 0 if self.closed else self.capacity - self.held - self.confirmed - self.set_aside

    def open_to(self, tiers: Iterable[str], now: datetime) -> bool:
        """Whether somebody with ``tiers`` may take from it: it is theirs, or everyone's by now."""
        return self.tier in tiers or (self.released_at is not None and self.released_at <= now)


@dataclass(frozen=True, slots=True)
class Claim:
    """Places of one bucket that a reservation takes or has."""

    slot_id: UUID
    tier: str
    places: int


@dataclass(frozen=True, slots=True)
class Move:
    """What changes in one bucket."""

    slot_id: UUID
    tier: str
    held: int = 0
    confirmed: int = 0
    set_aside: int = 0


Buckets = Mapping[tuple[UUID, str], Bucket]


async def lock_buckets(session: AsyncSession, slot_ids: Iterable[UUID]) -> Buckets:
    """The buckets of these slots by (slot id, tier), locked in order until the transaction ends.

    Name all slots that the transaction will touch at once.
    """
    rows = await session.execute(LOCK, {"slot_ids": list(set(slot_ids))})
    return {(row.slot_id, row.tier): Bucket(*row) for row in rows}


def choose(
    buckets: Buckets, *, slot_id: UUID, tiers: Sequence[str], places: int, now: datetime
) -> list[Claim] | None:
    """Where ``places`` of a slot come from: one bucket if it can be, own tiers first; else several; None: too few."""
    own = {tier: at for at, tier in enumerate(tiers)}
    mine = sorted(
        (one for one in buckets.values() if one.slot_id == slot_id and one.open_to(own, now)),
        key=lambda one: (own.get(one.tier, len(own)), one.tier),
    )
    for one in mine:
        if one.free >= places:
            return [Claim(slot_id, one.tier, places)]
    claims, left = [], places
    for one in mine:
        taken = min(left, max(0, one.free))
        if taken:
            claims.append(Claim(slot_id, one.tier, taken))
            left -= taken
    return None if left else claims


async def move(
    session: AsyncSession, moves: Sequence[Move], *, reservation_id: UUID | None, now: datetime
) -> None:
    """Apply ``moves``, one a bucket, and write them into the ledger. The caller holds the buckets' locks."""
    if not moves:
        return
    await session.execute(
        MOVE,
        {
            "slot_ids": [one.slot_id for one in moves],
            "tiers": [one.tier for one in moves],
            "held": [one.held for one in moves],
            "confirmed": [one.confirmed for one in moves],
            "set_aside": [one.set_aside for one in moves],
            "reservation_id": reservation_id,
            "now": now,
        },
    )


async def claims_of(session: AsyncSession, *, reservation_id: UUID) -> list[Claim]:
    """What a reservation has, as the ledger says."""
    rows = await session.execute(CLAIMS, {"reservation_id": reservation_id})
    return [Claim(row.slot_id, row.tier, int(row.held + row.confirmed)) for row in rows]


def taking(claims: Iterable[Claim], state: str) -> list[Move]:
    """Moves that give ``claims`` to a reservation in ``state`` (held, or confirmed)."""
    return [
        Move(one.slot_id, one.tier, held=one.places)
        if state == "held"
        else Move(one.slot_id, one.tier, confirmed=one.places)
        for one in claims
    ]
