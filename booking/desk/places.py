"""The site a desk belongs to: its name and clock, and whether somebody may run its desk."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from core.permissions import require_at
from geo.models import Site
from geo.sites.places import place_of

ACTION = "desk.run"


@dataclass(frozen=True, slots=True)
class Desk:
    """Where it is, and by which clock it works."""

    site_id: UUID
    name: str
    zone: ZoneInfo

    def day_of(self, at: datetime) -> date:
        """The local date."""
        return at.astimezone(self.zone).date()

    def bounds(self, on: date) -> tuple[datetime, datetime]:
        """The first instant of ``on``, and that of the next day."""
        first = datetime(on.year, on.month, on.day, tzinfo=self.zone)
        after = on + timedelta(days=1)
        return first, datetime(after.year, after.month, after.day, tzinfo=self.zone)


async def get_desk(session: AsyncSession, actor: Actor, *, site_id: UUID) -> Desk:
    """The desk of a site, which the actor may run. Raises SiteNotFound, NotAllowed."""
    require_at(actor, ACTION, await place_of(session, site_id=site_id))
    row = (await session.execute(select(Site.name, Site.zone).where(Site.id == site_id))).one()
    return Desk(site_id, row.name, ZoneInfo(row.zone))


def at_desk(actor: Actor, channel: Literal["counter", "phone"] = "counter") -> Actor:
    """The same actor, serving somebody who stands there or calls."""
    return replace(actor, channel=channel)
