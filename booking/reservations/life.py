"""Confirm, cancel, check in and the rest of a reservation's life. Each locks the person, the row, then its buckets."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from booking.attendance.marks import mark, unmark
from booking.capacity.buckets import Move, move
from booking.errors import TooLate
from booking.events import Kind
from booking.models import Offering, Reservation
from booking.recording.targets import DESK_CHANNELS
from booking.reservations import states
from booking.reservations.find import get_reservation
from booking.reservations.steps import cut_off, give_back, lock_places, require_not_over, settle_offer, step
from booking.rules.reading import read_rules
from booking.waitlist.promote import promote
from core.actor import Actor

UNDO_MINUTES = 10


async def confirm(session: AsyncSession, actor: Actor, *, reservation_id: UUID, now: datetime) -> Reservation:
    """Turn a hold into a reservation; doing it again changes nothing.

    Raises ReservationNotFound, HoldExpired, WrongState.
    """
    one = await get_reservation(session, actor, reservation_id=reservation_id, change=True, now=now)
    if one.state == "confirmed":
        return one
    require_not_over(one, now=now)
    states.require(one.state, "confirmed")
    claims = await lock_places(session, one)
    moves = [Move(claim.slot_id, claim.tier, held=-claim.places, confirmed=claim.places) for claim in claims]
    await move(session, moves, reservation_id=one.id, now=now)
    await settle_offer(session, one.id, "accepted", now=now)
    one.expires_at = None
    await step(session, actor, one, state="confirmed", why="confirmed", tell="reservation_confirmed", now=now)
    return one


async def cancel(
    session: AsyncSession,
    actor: Actor,
    *,
    reservation_id: UUID,
    why: str = "cancelled",
    tell: Kind | None = "reservation_cancelled",
    now: datetime,
) -> Reservation:
    """Give the places back, to those who wait first. Cancelled already: nothing changes.

    After the cut-off it still can be done until the start, and counts as late; the desk may at any time.
    Raises ReservationNotFound, TooLate, WrongState.
    """
    one = await get_reservation(session, actor, reservation_id=reservation_id, change=True, now=now)
    if one.state == "cancelled":
        return one
    states.require(one.state, "cancelled")
    offering = await session.get(Offering, one.offering_id)
    assert offering is not None
    by_person = actor.channel not in DESK_CHANNELS and not actor.is_system
    if by_person and now >= one.starts_at:
        raise TooLate("已经开始，请联系服务点。", "It has begun; ask the site.")
    late = now > cut_off(one, offering)
    was_held = one.state == "held"
    claims = await lock_places(session, one)
    waited = await give_back(session, one, claims, now=now)
    await settle_offer(session, one.id, "closed" if actor.is_system else "declined", now=now)
    await step(session, actor, one, state="cancelled", why=why, tell=tell, now=now)
    if waited:
        await promote(session, slot_ids=[one.slot_id], now=now)
    if by_person and late and not was_held and read_rules(offering.rules).attendance.late_cancel_counts:
        await mark(session, reservation=one, kind="late_cancel", now=now)
    return one


async def check_in(
    session: AsyncSession, actor: Actor, *, reservation_id: UUID, why: str = "checked_in", now: datetime
) -> Reservation:
    """They are here; whoever came after being noted as absent is here too. Raises ReservationNotFound, WrongState."""
    one = await get_reservation(session, actor, reservation_id=reservation_id, change=True, now=now)
    states.require(one.state, "checked_in")
    if one.state == "no_show":
        await unmark(session, reservation=one)
    await step(session, actor, one, state="checked_in", why=why, tell="checked_in", now=now)
    return one


async def mark_no_show(
    session: AsyncSession, actor: Actor, *, reservation_id: UUID, why: str = "no_show", now: datetime
) -> Reservation:
    """They did not come. Raises ReservationNotFound, WrongState, TooLate before the start."""
    one = await get_reservation(session, actor, reservation_id=reservation_id, change=True, now=now)
    states.require(one.state, "no_show")
    if now < one.starts_at:
        raise TooLate("还没开始，不能登记未到。", "It has not begun yet.")
    await step(session, actor, one, state="no_show", why=why, tell="no_show", now=now)
    await mark(session, reservation=one, kind="no_show", now=now)
    return one


async def undo(
    session: AsyncSession, actor: Actor, *, reservation_id: UUID, changed_at: datetime, now: datetime
) -> Reservation:
    """Take a check-in or a no-show back; ``changed_at``: when it was made. Raises TooLate after ten minutes, WrongState."""
    one = await get_reservation(session, actor, reservation_id=reservation_id, change=True, now=now)
    if one.state not in ("checked_in", "no_show"):
        raise states.wrong(one.state)
    if now > changed_at + timedelta(minutes=UNDO_MINUTES):
        raise TooLate(f"只能在 {UNDO_MINUTES} 分钟内撤销。", f"Only within {UNDO_MINUTES} minutes.")
    if one.state == "no_show":
        await unmark(session, reservation=one)
    await step(session, actor, one, state="confirmed", why="undone", tell=None, now=now)
    return one
