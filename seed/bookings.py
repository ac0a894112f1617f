"""Putting what can be booked: as a clerk would, offering by offering, with the slots of the days ahead."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Offering
from booking.offerings.define import define_offering
from booking.offerings.edit import take_step
from booking.offerings.resources import put_resources
from booking.offerings.seats import put_seat_map
from booking.offerings.templates import add_template
from core.actor import SYSTEM
from geo.models import Site
from seed.offerings import bookable_sites
from seed.offerings.plan import MAP, Bookable
from seed.sites import demo_sites


@dataclass(slots=True)
class BookableCounts:
    """What is new."""

    offerings: int = 0
    slots: int = 0


async def put_bookables(
    session: AsyncSession, *, source_code: str, region: str, now: datetime
) -> BookableCounts:
    """Offerings at every site of the source that has none yet, and their slots; what staff made of theirs stays."""
    rows = await session.execute(
        select(Site.external_id, Site.id).where(
            Site.source_code == source_code, ~exists().where(Offering.site_id == Site.id)
        )
    )
    without = {row.external_id: row.id for row in rows}
    counts = BookableCounts()
    for site, offered in bookable_sites(demo_sites()):
        if site.external_id in without:
            for one in offered:
                made = await _put(session, without[site.external_id], one, region=region, now=now)
                counts.offerings += 1
                counts.slots += made
    return counts


async def _put(session: AsyncSession, site_id: UUID, one: Bookable, *, region: str, now: datetime) -> int:
    if one.seats:
        await put_seat_map(session, SYSTEM, site_id=site_id, name=MAP, seats=one.seats, now=now)
    offering = await define_offering(session, SYSTEM, site_id=site_id, content=one.content, now=now)
    if one.resources:
        await put_resources(session, SYSTEM, offering_id=offering.id, resources=one.resources, now=now)
    for template in one.templates:
        await add_template(session, SYSTEM, offering_id=offering.id, content=template, region=region, now=now)
    _, generated = await take_step(
        session, SYSTEM, offering_id=offering.id, step="activate", region=region, now=now
    )
    return generated.made
