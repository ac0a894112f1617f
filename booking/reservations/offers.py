"""Answering an offer of the waiting list: the held reservation is confirmed, or its places go to the next."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import WaitlistEntry
from booking.reservations import life
from booking.waitlist.queue import get_entry, wrong
from core.actor import Actor


async def accept_offer(
    session: AsyncSession, actor: Actor, *, entry_id: UUID, now: datetime
) -> WaitlistEntry:
    """Take the place; doing it again changes nothing. Raises WaitlistEntryNotFound, WrongEntryState, HoldExpired."""
    entry = await get_entry(session, actor, entry_id=entry_id, change=True, now=now)
    if entry.state == "accepted":
        return entry
    if entry.state != "offered" or entry.reservation_id is None:
        raise wrong(entry.state)
    await life.confirm(session, actor, reservation_id=entry.reservation_id, now=now)
    await session.refresh(entry)
    return entry


async def decline_offer(
    session: AsyncSession, actor: Actor, *, entry_id: UUID, now: datetime
) -> WaitlistEntry:
    """Leave it to the next, in this transaction; doing it again changes nothing. Raises as ``accept_offer``."""
    entry = await get_entry(session, actor, entry_id=entry_id, change=True, now=now)
    if entry.state == "declined":
        return entry
    if entry.state != "offered" or entry.reservation_id is None:
        raise wrong(entry.state)
    await life.cancel(session, actor, reservation_id=entry.reservation_id, why="declined", now=now)
    await session.refresh(entry)
    return entry
