"""How content residents were with a site: published once enough of them said so, and read in detail by its staff."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.feedback.levels import LEVELS
from booking.feedback.models import Rating
from core.actor import Actor
from core.audit import record
from core.permissions import require_at
from geo.published import require_published
from geo.sites.places import place_of

ACTION = "rating.collect"
# Answered from the index rating_site_id_idx alone, which holds a site's ratings side by side: there are no counters
# that could drift from the ratings they count.
TOTALS = text(
    "select service, level, sum(count)::bigint from rating where site_id = :site_id group by service, level"
)


@dataclass
class Totals:
    """Ratings by level."""

    levels: dict[int, int] = field(default_factory=lambda: dict.fromkeys(LEVELS, 0))

    @property
    def count(self) -> int:
        """All of them."""
        return sum(self.levels.values())

    @property
    def average(self) -> float:
        """The mean level, to 0.01; there must be a rating."""
        return round(sum(level * count for level, count in self.levels.items()) / self.count, 2)


@dataclass
class SiteTotals(Totals):
    """Of a site, and of each of its services that was rated by name."""

    services: dict[str, Totals] = field(default_factory=dict)


async def totals_of(session: AsyncSession, *, site_id: UUID) -> SiteTotals:
    """A published site's totals. Raises SiteNotFound."""
    await require_published(session, site_id=site_id)
    found = SiteTotals()
    for service, level, count in await session.execute(TOTALS, {"site_id": site_id}):
        found.levels[level] += count
        if service is not None:
            found.services.setdefault(service, Totals()).levels[level] += count
    return found


def remarks_query(*, site_id: UUID, after: UUID | None, limit: int) -> Select[Rating]:
    """Ratings of a site with something written, the newest first (rating_text_idx)."""
    query = select(Rating).where(Rating.site_id == site_id, Rating.text.is_not(None))
    if after is not None:
        query = query.where(Rating.id < after)
    return query.order_by(Rating.id.desc()).limit(limit)


async def require_remarks(session: AsyncSession, actor: Actor, *, site_id: UUID, now: datetime) -> None:
    """Before staff read what was written about a site: puts that on record. Raises SiteNotFound, NotAllowed."""
    require_at(actor, ACTION, await place_of(session, site_id=site_id))
    await record(
        session,
        actor,
        action=ACTION,
        object_kind="site",
        object_id=site_id,
        detail={"read": ["rating.text"]},
        now=now,
    )
