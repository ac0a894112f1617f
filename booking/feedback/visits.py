"""Visits that can be rated: somebody was checked in at the site, not long ago, and nobody rated it yet (到访评价)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.errors import ReservationNotFound
from booking.feedback.errors import NotVisited
from booking.feedback.models import Rating
from booking.models import Offering, Reservation
from booking.people.delegations import reach
from core.actor import Actor

RATED_WITHIN = timedelta(days=30)
MOST_NAMED = 5

Reason = Literal["no_reservation", "other_site", "not_checked_in", "too_long_ago"]
SAYS: dict[Reason, tuple[str, str]] = {
    "no_reservation": ("评价时请带上预约编号 reservation_id", "Send the visit's reservation_id"),
    "other_site": ("这个预约不在该服务点", "This reservation was for another place"),
    "not_checked_in": ("这个预约还没有签到", "Nobody was checked in for this reservation yet"),
    "too_long_ago": ("到访后 30 天内可以评价", "A visit can be rated for 30 days"),
}


async def require_visit(
    session: AsyncSession, actor: Actor, *, reservation_id: UUID | None, site_id: UUID, now: datetime
) -> Reservation:
    """The visit that the actor may rate: their own, or of somebody who delegated to them.

    Raises ReservationNotFound, also for one of others; NotVisited, which names visits to the site that can be rated.
    """
    assert actor.account_id is not None
    persons = sorted(await reach(session, actor.account_id, now=now))
    if reservation_id is None:
        raise await _not_visited(session, "no_reservation", persons, site_id, now)
    row = (
        await session.execute(
            select(Reservation, Offering.site_id)
            .join(Offering, Offering.id == Reservation.offering_id)
            .where(Reservation.id == reservation_id, Reservation.person_id.in_(persons))
        )
    ).one_or_none()
    if row is None:
        raise ReservationNotFound(
            "请核对编号；授权可能已结束。", "Check the id; the delegation may have ended."
        )
    visit: Reservation = row.Reservation
    reason: Reason | None = None
    if row.site_id != site_id:
        reason = "other_site"
    elif visit.state != "checked_in":
        reason = "not_checked_in"
    elif visit.ends_at < now - RATED_WITHIN:
        reason = "too_long_ago"
    if reason is not None:
        raise await _not_visited(session, reason, persons, site_id, now)
    return visit


async def _not_visited(
    session: AsyncSession, reason: Reason, persons: Sequence[UUID], site_id: UUID, now: datetime
) -> NotVisited:
    """Says what to do. Uses reservation_person_id_starts_at_idx."""
    waiting = await session.scalars(
        select(Reservation.id)
        .join(Offering, Offering.id == Reservation.offering_id)
        .where(
            Reservation.person_id.in_(persons),
            Reservation.state == "checked_in",
            Reservation.ends_at >= now - RATED_WITHIN,
            Offering.site_id == site_id,
            ~exists().where(Rating.reservation_id == Reservation.id),
        )
        .order_by(Reservation.starts_at.desc())
        .limit(MOST_NAMED)
    )
    zh, en = SAYS[reason]
    return NotVisited(
        f"{zh}。先预约，到店签到后即可评价；没有预约的，可在窗口当面评价。",
        f"{en}. Book, be checked in, then rate; without a reservation, say it at the desk.",
        reason=reason,
        reservation_ids=waiting.all(),
    )
