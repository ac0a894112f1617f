"""People who come without a reservation: a place and the check-in in one step."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.desk.check_ins import WALK_IN, CheckedIn, note
from booking.desk.found import CHECK_IN_BEFORE, Meant, instant_of, last_step
from booking.desk.places import at_desk, get_desk
from booking.desk.tickets import read_ticket
from booking.errors import InvalidWish, ReservationNotFound, SlotNeeded, SlotNotFound, WrongDesk
from booking.models import Offering, Reservation, Slot
from booking.people.directory import get_visible_person
from booking.reservations import life
from booking.reservations.reserve import Wish, reserve
from core.actor import Actor
from core.keyring import KeyRing
from geo.models import Site

MOST_CHOICES = 20
# What runs now, or begins within the time in which people may already check in. Uses offering_site_id_idx and
# slot_offering_id_starts_at_idx.
NOW_OR_NEXT = text(
    """
    select slot.id, slot.offering_id, slot.starts_at, slot.ends_at, offering.title, offering.title_en
    from offering join slot on slot.offering_id = offering.id
    where offering.site_id = :site_id and offering.kind <> 'supply' and offering.shape <> 'interval'
      and offering.status = 'active' and offering.capacity_authority <> 'external'
      and (cast(:offering_id as uuid) is null or offering.id = :offering_id)
      and slot.state = 'open' and slot.starts_at > :day_before and slot.starts_at <= :soon and slot.ends_at > :at
    order by slot.starts_at, offering.title, slot.id limit :most
    """
)
ONE_DAY = timedelta(days=1)


async def walk_in(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    site_id: UUID | None = None,
    slot_id: UUID | None = None,
    offering_id: UUID | None = None,
    party_size: int = 1,
    person_id: UUID | None = None,
    ticket: str | None = None,
    mode: str | None = None,
    at: datetime | None = None,
    now: datetime,
) -> CheckedIn:
    """Give whoever stands there a place and check them in; nobody needs to say a name.

    Without ``slot_id`` it is the slot that runs now at the site, or else the next one. ``ticket``: of any reservation of
    theirs, to say who they are. Raises SlotNeeded with the choices when several offerings run, SlotFull with
    alternatives, and what ``reserve`` raises.
    """
    came_at = instant_of(at, now=now)
    if slot_id is None:
        slot_id = await _now_or_next(session, actor, site_id=site_id, offering_id=offering_id, at=came_at)
    row = (
        await session.execute(
            select(Slot, Offering, Site.name, Site.zone)
            .join(Offering, Offering.id == Slot.offering_id)
            .join(Site, Site.id == Offering.site_id)
            .where(Slot.id == slot_id, Offering.kind != "supply")
        )
    ).one_or_none()
    if row is None:
        raise SlotNotFound("请刷新后重选时段。", "Refresh and choose again.")
    desk = await get_desk(session, actor, site_id=row.Offering.site_id)
    if site_id not in (None, desk.site_id) or offering_id not in (None, row.Offering.id):
        raise WrongDesk("这个时段属于其他服务点或项目。", "This slot is of another place or offering.")
    if came_at < row.Slot.starts_at - CHECK_IN_BEFORE:
        raise SlotNeeded(
            "该时段还早，请代为预约。", "It is too early for this slot; book it for them instead."
        )
    if ticket is not None:
        person_id = await _holder(session, ring, ticket)
    elif person_id is not None:
        await get_visible_person(session, actor, person_id=person_id, action="person.read", now=now)
    if mode is None and row.Offering.modes:
        mode = row.Offering.modes[0]
    serving = at_desk(actor)
    wish = Wish(
        person_id=person_id, slot_id=slot_id, party_size=party_size, mode=mode, details={WALK_IN: True}
    )
    made = await reserve(session, serving, ring=ring, wish=wish, why="walk_in", now=came_at)
    await life.check_in(session, serving, reservation_id=made.id, why="walk_in", now=came_at)
    meant = Meant(serving, made, row.Offering, row.name, ZoneInfo(row.zone))
    await note(session, meant, "walk_in", now=now, named=person_id is not None)
    step = await last_step(session, made)
    return CheckedIn(meant, False, step.at, step.actor)


async def _now_or_next(
    session: AsyncSession,
    actor: Actor,
    *,
    site_id: UUID | None,
    offering_id: UUID | None,
    at: datetime,
) -> UUID:
    """Raises InvalidWish without a place, SlotNeeded when nothing or more than one thing is on."""
    if site_id is None:
        site_id = await session.scalar(select(Offering.site_id).where(Offering.id == offering_id))
    if site_id is None:
        raise InvalidWish("请给出 slot_id、offering_id 或 site_id。", "Give slot_id, offering_id or site_id.")
    desk = await get_desk(session, actor, site_id=site_id)
    rows = (
        await session.execute(
            NOW_OR_NEXT,
            {
                "site_id": site_id,
                "offering_id": offering_id,
                "at": at,
                "soon": at + CHECK_IN_BEFORE,
                "day_before": at - ONE_DAY,
                "most": MOST_CHOICES,
            },
        )
    ).all()
    running = [row for row in rows if row.starts_at <= at]
    # The first of what comes next: lunch at 11:30 and at 12:00 is lunch at 11:30.
    near = running or [row for row in rows if row.starts_at == rows[0].starts_at]
    if len(near) == 1:
        found: UUID = near[0].id
        return found
    if not near:
        raise SlotNeeded(
            "现在及两小时内没有可登记的时段。", "Nothing is on now or within two hours.", choices=[]
        )
    raise SlotNeeded(
        "现在有多个项目，请选择。", "Several things are on; choose one.", choices=_choices(near, desk.zone)
    )


def _choices(rows: Sequence[Any], zone: ZoneInfo) -> list[dict[str, Any]]:
    return [
        {
            "slot_id": str(row.id),
            "offering_id": str(row.offering_id),
            "title": row.title,
            "title_en": row.title_en,
            "starts_at": row.starts_at.astimezone(zone).isoformat(),
            "ends_at": row.ends_at.astimezone(zone).isoformat(),
        }
        for row in rows
    ]


async def _holder(session: AsyncSession, ring: KeyRing, ticket: str) -> UUID | None:
    """The person a ticket was made for. Raises InvalidTicket, ReservationNotFound."""
    found = await session.get(Reservation, read_ticket(ring, ticket))
    if found is None:
        raise ReservationNotFound("请核对预约码。", "Check the code.")
    return found.person_id
