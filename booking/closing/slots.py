"""Staff close one slot, and say where those who are booked go."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.closing.affected import affected_query
from booking.models import Slot
from booking.offerings.closed_texts import check_reason
from booking.offerings.errors import SlotInvalid
from booking.offerings.held import HeldSlot, hold_slot, record_change
from booking.offerings.slots import require_ahead
from booking.offerings.warnings import forget_misfit
from core.actor import Actor


@dataclass(frozen=True)
class Closed:
    """A slot that was closed, and how many reservations the worker now moves or cancels."""

    slot: Slot
    reservations: int


async def close_slot(
    session: AsyncSession,
    actor: Actor,
    *,
    slot_id: UUID,
    reason: str,
    move_to: UUID | None = None,
    now: datetime,
) -> Closed:
    """Close a slot for ``reason``, as people read it; with ``move_to`` they are moved there as far as there are places.

    Raises SlotNotFound, NotSignedIn, NotAllowed, SlotOver, SlotInvalid.
    """
    held = await hold_slot(session, actor, slot_id=slot_id)
    require_ahead(held.slot, now)
    reason = check_reason(reason)
    if move_to is not None:
        _check_target(held, await hold_slot(session, actor, slot_id=move_to, lock=False), now)
    slot = held.slot
    slot.state, slot.closed_reason, slot.closed_at = "closed", reason, now
    slot.moved_to, slot.settled_at, slot.edited = move_to, None, True
    await session.flush()
    await forget_misfit(session, slot_id=slot_id)
    count = await session.scalar(select(func.count()).select_from(affected_query(slot_id).subquery()))
    await record_change(
        session,
        actor,
        object_kind="slot",
        object_id=slot_id,
        act="closed",
        reason=reason,
        detail={"move_to": move_to and str(move_to), "reservations": count},
        now=now,
    )
    return Closed(slot, count or 0)


def _check_target(held: HeldSlot, target: HeldSlot, now: datetime) -> None:
    """Raises SlotInvalid, SlotOver."""
    require_ahead(target.slot, now)
    if target.slot.id == held.slot.id:
        raise _invalid("请选另一个时段", "choose another slot")
    if target.slot.starts_at <= now:
        raise _invalid("那个时段已经开始", "that slot has begun")
    if held.offering.kind == "supply":
        raise _invalid(
            "配套名额不能移动，请移动用到它的时段",
            "what is taken along cannot be moved; move the slots that take it",
        )
    same = (held.offering.kind, held.offering.shape, held.offering.exclusive)
    if (target.offering.kind, target.offering.shape, target.offering.exclusive) != same:
        raise _invalid("只能移到同类项目的时段", "only to a slot of the same kind and shape")
    if target.offering.status != "active" or target.offering.capacity_authority == "external":
        raise _invalid("那个项目现在不接受预约", "that offering takes no bookings now")


def _invalid(zh: str, en: str) -> SlotInvalid:
    return SlotInvalid(
        f"{zh}。", f"{en[0].upper()}{en[1:]}.", errors=[{"field": "move_to", "reason": f"{zh} / {en}"}]
    )
