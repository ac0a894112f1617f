"""What the worker does after the day: those who were expected and did not come."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, delete, exists, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from booking.desk.models import DeskSyncItem
from booking.models import Reservation
from booking.recording.entitlement import LOCK
from booking.reservations import life
from booking.reservations.find import lock_row
from core.actor import SYSTEM

# Devices without a network may send a check-in for a day; until then nobody is absent for sure.
AFTER_HOURS = 24
# Older ones were looked at before: no desk took attendance, or the worker was away for days.
LOOKS_BACK = timedelta(days=3)
SYNC_ITEMS_KEPT = timedelta(days=30)
# As reservation_live_idx says it: a parameter would hide the index from a generic plan.
IS_CONFIRMED = text("reservation.state = 'confirmed'")


def due_query(*, ended_by: datetime, limit: int) -> Select[UUID, UUID | None]:
    """Reservations (and their persons) that ended by then and nobody came for, in the order of locks.

    Only of slots whose desk took attendance: where nobody at all was checked in, nobody was looked for, and an empty
    record says nothing about people. Uses reservation_live_idx and reservation_slot_id_code_key.
    """
    other = aliased(Reservation)
    attended = exists().where(other.slot_id == Reservation.slot_id, other.state == "checked_in")
    return (
        select(Reservation.id, Reservation.person_id)
        .where(
            IS_CONFIRMED,
            Reservation.starts_at > ended_by - LOOKS_BACK,
            Reservation.starts_at < ended_by,
            Reservation.ends_at <= ended_by,
            attended,
        )
        .order_by(Reservation.person_id, Reservation.id)
        .limit(limit)
    )


async def mark_absences(
    session: AsyncSession, *, after_hours: int = AFTER_HOURS, limit: int = 50, now: datetime
) -> int:
    """Note up to ``limit`` confirmed reservations as not come, ``after_hours`` after their end; how many."""
    ended_by = now - timedelta(hours=after_hours)
    due = (await session.execute(due_query(ended_by=ended_by, limit=limit))).all()
    marked = 0
    for row in due:
        if row.person_id is not None:
            await session.execute(LOCK, {"person_id": row.person_id})
        one = await session.get_one(Reservation, row.id)
        await lock_row(session, one)
        if one.state == "confirmed" and one.ends_at <= ended_by:
            await life.mark_no_show(session, SYSTEM, reservation_id=one.id, why="not_checked_in", now=now)
            marked += 1
    return marked


async def forget_sync_items(session: AsyncSession, *, now: datetime) -> None:
    """Remove what devices sent long ago: they may send nothing as old again. Uses desk_sync_item_received_at_idx."""
    await session.execute(delete(DeskSyncItem).where(DeskSyncItem.received_at < now - SYNC_ITEMS_KEPT))
