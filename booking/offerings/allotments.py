"""Blocks of places that another system lends us (号源池): taken in, given back at a time, compared afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Allotment
from booking.offerings.buckets import Resized, Size, resize_buckets
from booking.offerings.errors import AllotmentNotFound, AllotmentReturned, PlacesTaken, SlotInvalid
from booking.offerings.held import hold_slot, record_change
from booking.offerings.slots import require_ahead
from booking.rules.reading import GENERAL
from core.actor import Actor

# One statement, under the bucket's lock: what is booked meanwhile stays, everything else goes back.
RETURN = text(
    """
    with due as (
        select allotment.slot_id, bucket.tier, bucket.held + bucket.confirmed + bucket.set_aside as taken
        from allotment join slot_bucket as bucket on bucket.slot_id = allotment.slot_id and bucket.tier = 'general'
        where allotment.returned_at is null and allotment.return_at <= :now
        order by bucket.slot_id, bucket.tier limit :limit for update of bucket
    ), shrunk as (
        update slot_bucket as bucket set capacity = due.taken
        from due where bucket.slot_id = due.slot_id and bucket.tier = due.tier returning bucket.slot_id, due.taken
    )
    update allotment set returned = greatest(0, allotment.lent - shrunk.taken), returned_at = :now
    from shrunk where allotment.slot_id = shrunk.slot_id and allotment.returned_at is null
    returning allotment.slot_id, allotment.returned
    """
)
USED = text(
    """
    select coalesce(sum(party_size) filter (where state in ('held', 'confirmed')), 0) as booked,
        coalesce(sum(party_size) filter (where state = 'checked_in'), 0) as came,
        coalesce(sum(party_size) filter (where state = 'no_show'), 0) as stayed_away
    from reservation where slot_id = :slot_id
    """
)


@dataclass(frozen=True, slots=True)
class Compared:
    """What the lender says was used, and what we have: ``ours`` are places booked or used through us."""

    lent: int
    returned: int
    reported_used: int
    ours: int
    came: int
    no_show: int

    @property
    def difference(self) -> int:
        """Used by their count beyond ours; negative: fewer."""
        return self.reported_used - self.ours


async def take_block(
    session: AsyncSession,
    actor: Actor,
    *,
    slot_id: UUID,
    lender: str,
    reference: str,
    lent: int,
    return_at: datetime,
    now: datetime,
) -> Resized:
    """Take in a block for a slot, or say anew how large it is. Those who wait come first.

    Raises SlotNotFound, NotSignedIn, NotAllowed, SlotOver, SlotInvalid, AllotmentReturned, PlacesTaken.
    """
    held = await hold_slot(session, actor, slot_id=slot_id)
    require_ahead(held.slot, now)
    if held.offering.capacity_authority != "allotted":
        raise SlotInvalid("这个项目的名额不是借入的。", "The places of this offering are its own.")
    if not now < return_at <= held.slot.ends_at:
        raise SlotInvalid(
            "归还时间应在现在之后、时段结束之前。", "It goes back after now and before the slot ends."
        )
    allotment = await session.get(Allotment, slot_id, populate_existing=True)
    if allotment is not None and allotment.returned_at is not None:
        raise AllotmentReturned("已归还的号源不能再改。", "It can no longer be changed.")
    resized = await resize_buckets(
        session, [Size(slot_id, GENERAL, lent)], complete=False, refuse=True, now=now
    )
    if resized.over:
        raise PlacesTaken(
            f"已占用 {resized.over[0].taken} 个名额，不能少于此数。",
            f"{resized.over[0].taken} places are taken; it cannot be fewer.",
            taken={GENERAL: resized.over[0].taken},
        )
    if allotment is None:
        allotment = Allotment(slot_id=slot_id)
        session.add(allotment)
    allotment.lender, allotment.reference = lender, reference
    allotment.lent, allotment.return_at = lent, return_at
    await session.flush()
    await record_change(
        session,
        actor,
        object_kind="slot",
        object_id=slot_id,
        act="block_taken",
        detail={"lent": lent, "reference": reference},
        now=now,
    )
    return resized


async def return_blocks(
    session: AsyncSession, actor: Actor, *, limit: int = 200, now: datetime
) -> Sequence[tuple[UUID, int]]:
    """Give back what is unused of blocks whose time has come: (slot, places). Several workers may do it at once.

    Uses allotment_return_at_idx.
    """
    rows = (await session.execute(RETURN, {"now": now, "limit": limit})).all()
    for slot_id, returned in rows:
        await record_change(
            session,
            actor,
            object_kind="slot",
            object_id=slot_id,
            act="block_returned",
            detail={"returned": returned},
            now=now,
        )
    return [(row[0], row[1]) for row in rows]


async def reconcile_block(
    session: AsyncSession, actor: Actor, *, slot_id: UUID, used: int, now: datetime
) -> Compared:
    """Note what the lender says was used, and compare. Raises SlotNotFound, NotSignedIn, NotAllowed, AllotmentNotFound."""
    await hold_slot(session, actor, slot_id=slot_id)
    allotment = await session.scalar(
        select(Allotment).where(Allotment.slot_id == slot_id).execution_options(populate_existing=True)
    )
    if allotment is None:
        raise AllotmentNotFound("请先登记借入的号源。", "Enter the block first.")
    allotment.reported_used, allotment.reported_at = used, now
    await session.flush()
    ours = (await session.execute(USED, {"slot_id": slot_id})).one()
    await record_change(
        session,
        actor,
        object_kind="slot",
        object_id=slot_id,
        act="block_compared",
        detail={"used": used},
        now=now,
    )
    return Compared(
        lent=allotment.lent,
        returned=allotment.returned or 0,
        reported_used=used,
        ours=int(ours.booked + ours.came + ours.stayed_away),
        came=int(ours.came),
        no_show=int(ours.stayed_away),
    )
