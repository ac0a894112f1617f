"""Check-in, no-show, and taking either back within minutes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from booking.desk.found import (
    Meant,
    Shown,
    find_meant,
    instant_of,
    last_step,
    require_in_time,
)
from booking.desk.places import ACTION
from booking.errors import WrongState
from booking.models import Reservation
from booking.reservations import life, states
from core import audit
from core.actor import Actor
from core.keyring import KeyRing

# In a reservation's details: they came without a reservation.
WALK_IN = "walk_in"


@dataclass(frozen=True, slots=True)
class CheckedIn:
    """Somebody is here since ``at``. ``already``: before this call; ``by`` names whoever did it, an account."""

    meant: Meant
    already: bool
    at: datetime
    by: str

    @property
    def reservation(self) -> Reservation:
        """Whose check-in it is."""
        return self.meant.reservation


async def check_in(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    shown: Shown,
    at: datetime | None = None,
    why: str | None = None,
    now: datetime,
) -> CheckedIn:
    """They are here. Of two who do it at once one does it, the other is told since when.

    A place that is still held is confirmed with it. Raises what ``find_meant``, ``instant_of`` and ``require_in_time``
    raise; WrongState says what became of the reservation.
    """
    came_at = instant_of(at, now=now)
    meant = await find_meant(session, actor, ring=ring, shown=shown)
    one = meant.reservation
    already = one.state == "checked_in"
    if not already:
        await _require_live(session, meant)
        require_in_time(meant, at=came_at, why=why)
        if one.state == "held":
            await life.confirm(session, meant.actor, reservation_id=one.id, now=now)
        # History goes forward: nobody comes before the step that led here.
        came_at = max(came_at, (await last_step(session, one)).at)
        await life.check_in(
            session,
            meant.actor,
            reservation_id=one.id,
            why="checked_in" if why is None else "checked_in_with_reason",
            now=came_at,
        )
    step = await last_step(session, one)
    await note(session, meant, "check_in", reason=why, now=now, by=shown.by, already=already)
    return CheckedIn(meant, already, step.at, step.actor)


async def _require_live(session: AsyncSession, meant: Meant) -> None:
    """Raises WrongState that says since when it is cancelled, or what else it is."""
    one = meant.reservation
    if one.state in states.LIVE:
        return
    zh, en = states.NAMES[one.state]
    at = (await last_step(session, one)).at.astimezone(meant.zone)
    raise WrongState(
        f"这个预约{zh}（{at.month}月{at.day}日 {at:%H:%M}）。如有空位可按现场登记。",
        f"It is {en} since {at:%-d %B, %H:%M}. If there is a place, take them as a walk-in.",
        state=one.state,
        since=at.isoformat(),
    )


async def mark_absent(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    shown: Shown,
    at: datetime | None = None,
    now: datetime,
) -> CheckedIn:
    """They did not come; said again, nothing changes. Raises TooLate before the start, WrongState."""
    noted_at = instant_of(at, now=now)
    meant = await find_meant(session, actor, ring=ring, shown=shown)
    already = meant.reservation.state == "no_show"
    if not already:
        noted_at = max(noted_at, (await last_step(session, meant.reservation)).at)
        await life.mark_no_show(session, meant.actor, reservation_id=meant.reservation.id, now=noted_at)
    step = await last_step(session, meant.reservation)
    await note(session, meant, "no_show", now=now, already=already)
    return CheckedIn(meant, already, step.at, step.actor)


async def undo(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    reservation_id: UUID,
    state: Literal["checked_in", "no_show"],
    at: datetime | None = None,
    now: datetime,
) -> Meant:
    """Take it back within ten minutes; a walk-in goes with its check-in, and the place is free again.

    Raises WrongState when it is not in ``state``, TooLate.
    """
    undone_at = instant_of(at, now=now)
    meant = await find_meant(session, actor, ring=ring, shown=Shown(reservation_id=reservation_id))
    one = meant.reservation
    if one.state != state:
        raise states.wrong(one.state)
    changed_at = (await last_step(session, one)).at
    undone_at = max(undone_at, changed_at)
    await life.undo(session, meant.actor, reservation_id=one.id, changed_at=changed_at, now=undone_at)
    if one.details.get(WALK_IN):
        await life.cancel(session, meant.actor, reservation_id=one.id, why="walk_in_undone", now=undone_at)
    await note(session, meant, f"undo_{state}", now=now)
    return meant


async def note(
    session: AsyncSession,
    meant: Meant,
    act: str,
    *,
    reason: str | None = None,
    now: datetime,
    **detail: str | bool,
) -> None:
    """One entry of the audit record for what was done with a reservation at the desk."""
    person_id = meant.reservation.person_id
    await audit.record(
        session,
        meant.actor,
        action=ACTION,
        object_kind="reservation",
        object_id=meant.reservation.id,
        person_ids=() if person_id is None else (person_id,),
        reason=reason,
        detail={"act": act, **detail},
        now=now,
    )
