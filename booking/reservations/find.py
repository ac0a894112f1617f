"""Reservations that somebody may see: their own, those of persons who delegated, those of a site they work at."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.errors import ReservationNotFound
from booking.models import Offering, Reservation
from booking.people.delegations import allows, reach
from booking.recording.entitlement import LOCK
from booking.recording.targets import scope_of
from core.actor import Actor
from core.errors import NotFound
from core.permissions import covers, may
from geo.sites.places import place_of


def _missing() -> ReservationNotFound:
    return ReservationNotFound("请核对编号；授权可能已结束。", "Check the id; the delegation may have ended.")


async def get_reservation(
    session: AsyncSession, actor: Actor, *, reservation_id: UUID, change: bool = False, now: datetime
) -> Reservation:
    """One that the actor may see; with ``change`` may change, and then person and row are locked, in this order.

    Raises ReservationNotFound, also for one of others: nobody learns that it exists.
    """
    found = await session.get(Reservation, reservation_id)
    if found is None:
        raise _missing()
    if change and found.person_id is not None:
        await session.execute(LOCK, {"person_id": found.person_id})
    if not await _may(session, actor, found, change=change, now=now):
        raise _missing()
    if change:
        await lock_row(session, found)
    return found


async def lock_row(session: AsyncSession, reservation: Reservation) -> None:
    """The row as it is now, locked until the transaction ends; behind the person, before any bucket."""
    await session.refresh(reservation, with_for_update=True)


async def _may(
    session: AsyncSession, actor: Actor, found: Reservation, *, change: bool, now: datetime
) -> bool:
    if actor.is_system:
        return True
    offering = await session.get(Offering, found.offering_id)
    assert offering is not None
    if actor.account_id is not None and found.person_id is not None:
        scopes = (await reach(session, actor.account_id, now=now)).get(found.person_id)
        if scopes is not None and allows(scopes, scope_of(offering.kind) if change else "view"):
            return True
    if not may(actor, "desk.run"):
        return False
    try:
        return covers(actor, "desk.run", await place_of(session, site_id=offering.site_id))
    except NotFound:  # the site went meanwhile
        return False


async def mine_query(
    session: AsyncSession, actor: Actor, *, now: datetime, person_id: UUID | None = None
) -> Select[Reservation]:
    """Reservations of oneself and of persons who delegated, the soonest last; narrowed to one of them.

    Uses reservation_person_id_starts_at_idx.
    """
    persons: Sequence[UUID] = []
    if actor.account_id is not None:
        persons = sorted(await reach(session, actor.account_id, now=now))
    if person_id is not None:
        persons = [one for one in persons if one == person_id]
    return select(Reservation).where(Reservation.person_id.in_(persons))
