"""What is being booked: a slot with its offering and rules, and whether it can be booked at this moment."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.errors import BookingClosed, NotBookable, NotYetOpen, SlotClosed, SlotNotFound
from booking.models import Offering, Slot, SlotNeed
from booking.people.dates import ZONE
from booking.rules.reading import Rules, read_rules
from core.actor import Actor

# Which delegation lets somebody book what.
SCOPES = {"meal": "book.meal", "clinic": "book.clinic"}
DESK_CHANNELS = frozenset({"counter", "phone"})


@dataclass(frozen=True, slots=True)
class Target:
    """A slot (of an interval offering: the window) with its offering."""

    offering: Offering
    slot: Slot
    rules: Rules

    @property
    def scope(self) -> str:
        """The delegation that it takes."""
        return scope_of(self.offering.kind)


def scope_of(kind: str) -> str:
    """The delegation that lets somebody book a kind of offering."""
    return SCOPES.get(kind, "book.all")


async def load_target(session: AsyncSession, *, slot_id: UUID) -> Target:
    """Raises SlotNotFound, also for supply slots, which nobody books by themselves."""
    row = (
        await session.execute(
            select(Slot, Offering)
            .join(Offering, Offering.id == Slot.offering_id)
            .where(Slot.id == slot_id, Offering.kind != "supply", Offering.status != "draft")
        )
    ).one_or_none()
    if row is None:
        raise SlotNotFound("请刷新后重选时段。", "Refresh and choose again.", slot_id=slot_id)
    return Target(row.Offering, row.Slot, read_rules(row.Offering.rules))


async def find_window(
    session: AsyncSession, *, offering_id: UUID, starts_at: datetime, ends_at: datetime
) -> UUID:
    """The slot of an interval offering that holds the span. Raises SlotNotFound. Uses slot_offering_id_starts_at_idx."""
    found = await session.scalar(
        select(Slot.id)
        .where(Slot.offering_id == offering_id, Slot.starts_at <= starts_at, Slot.ends_at >= ends_at)
        .order_by(Slot.state.desc(), Slot.starts_at)
        .limit(1)
    )
    if found is None:
        raise SlotNotFound("这个时间不开放预约。", "It is not open at that time.")
    return found


async def needs_of(session: AsyncSession, *, slot_id: UUID) -> list[SlotNeed]:
    """Supply slots that a booking takes along."""
    query = select(SlotNeed).where(SlotNeed.slot_id == slot_id).order_by(SlotNeed.needs_slot_id)
    return list(await session.scalars(query))


def require_bookable(target: Target, actor: Actor, *, now: datetime) -> None:
    """Raises NotBookable, SlotClosed, NotYetOpen, BookingClosed. The desk may book until the slot ends."""
    offering, slot = target.offering, target.slot
    if offering.capacity_authority == "external":
        raise NotBookable("请到原系统预约。", "Please book there.", external_url=offering.external_url)
    if offering.status != "active":
        raise NotBookable("该项目暂停预约。", "Booking is paused for this.")
    if slot.state != "open":
        raise SlotClosed(slot.closed_reason or "", slot.closed_reason or "")
    if now < slot.opens_at:
        raise NotYetOpen(
            "请在开放后再来。",
            "Come back when it opens.",
            opens_at=slot.opens_at.astimezone(ZONE).isoformat(),
        )
    if now >= (slot.ends_at if actor.channel in DESK_CHANNELS else slot.closes_at):
        raise BookingClosed("请选择以后的时段。", "Choose a later slot.")
