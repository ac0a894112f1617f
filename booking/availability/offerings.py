"""Offerings that the public may see: those of published sites, by id or nearest first."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.errors import OfferingNotFound
from booking.models import Offering
from geo.models import Site
from geo.nearby.index import Index
from geo.nearby.lookup import Filters
from geo.nearby.segment import Chosen

# By primary keys: a slot's offering as the public sees it, and the zone of its site.
CARD = """
select offering.id, offering.site_id, offering.kind, offering.shape, offering.capacity_authority, offering.status,
    offering.modes, offering.exclusive, offering.assurance, offering.rules, offering.granularity_minutes,
    offering.shortest_minutes, offering.closes_minutes_before, site.zone
from offering join site on site.id = offering.site_id
where offering.id = %s and offering.status in ('active', 'paused') and offering.kind <> 'supply'
  and site.published_at is not null and site.status <> 'inactive'
"""


@dataclass(frozen=True)
class Listed:
    """An offering with its site; ``distance_m`` when a place was named."""

    offering: Offering
    site: Site
    distance_m: float | None


@dataclass(frozen=True)
class Near:
    """Around where (WGS 84 degrees), with the index that knows which sites are near."""

    index: Index
    lon: float
    lat: float


# What a page ends with: distance of the site (0 without a place), id of the site, id of the offering.
Last = tuple[float, UUID, UUID]


def public_query() -> Select[Offering, Site]:
    """Offerings with their sites, as anyone may see them. Supplies are nobody's to see."""
    return (
        select(Offering, Site)
        .join(Site, Site.id == Offering.site_id)
        .where(
            Offering.status.in_(("active", "paused")),
            Offering.kind != "supply",
            Site.published_at.is_not(None),
            Site.status != "inactive",
        )
    )


async def list_offerings(
    session: AsyncSession,
    *,
    site_id: UUID | None = None,
    kind: str | None = None,
    categories: Collection[str] = (),
    near: Near | None = None,
    limit: int,
    after: Last | None = None,
) -> Sequence[Listed]:
    """Active offerings, one more than ``limit`` if there are: by id, or of the nearest sites first, as ``nearby`` has
    them. ``categories``: of the site, those below included."""
    query = public_query().where(Offering.status == "active")
    if site_id is not None:
        query = query.where(Offering.site_id == site_id)
    if kind is not None:
        query = query.where(Offering.kind == kind)
    if categories:
        query = query.where(Site.category_code.in_(categories))
    if near is not None:
        return await _nearest(session, query, near, limit=limit, after=after)
    if after is not None:
        query = query.where(Offering.id > after[2])
    rows = await session.execute(query.order_by(Offering.id).limit(limit + 1))
    return [Listed(offering, site, None) for offering, site in rows]


async def _nearest(
    session: AsyncSession,
    query: Select[Offering, Site],
    near: Near,
    *,
    limit: int,
    after: Last | None,
) -> Sequence[Listed]:
    at: dict[UUID, list[UUID]] = {}
    for site_id, offering_id in await session.execute(
        query.with_only_columns(Offering.site_id, Offering.id).order_by(Offering.id)
    ):
        at.setdefault(site_id, []).append(offering_id)
    found: list[tuple[UUID, float]] = []
    key = None
    if after is not None:
        distance_m, last_site, last_offering = after
        found = [(one, distance_m) for one in at.get(last_site, ()) if one > last_offering]
        key = (distance_m, last_site.int >> 64, last_site.int & (1 << 64) - 1)
    sites = near.index.nearby(
        near.lon,
        near.lat,
        Filters(among=Chosen(at)),
        limit=limit + 1,  # each has at least one
        after=key,
        table=near.index.tables.now,
    )
    for site in sites:
        id_ = UUID(int=(site.id_high << 64) | site.id_low)
        found += [(one, site.distance_m) for one in at[id_]]
    chosen = dict(found[: limit + 1])
    rows = await session.execute(query.where(Offering.id.in_(chosen)))
    by_id = {offering.id: (offering, site) for offering, site in rows}
    return [Listed(*by_id[one], distance_m) for one, distance_m in chosen.items() if one in by_id]


async def get_offering(session: AsyncSession, *, offering_id: UUID) -> tuple[Offering, Site]:
    """Also a paused one, which people may have places of. Raises OfferingNotFound."""
    row = (await session.execute(public_query().where(Offering.id == offering_id))).one_or_none()
    if row is None:
        raise _not_found()
    return row[0], row[1]


async def get_card(connection: AsyncConnection[Any], *, offering_id: UUID) -> tuple[Offering, str]:
    """What slots are looked at with: the offering, as far as it matters, and the zone. Raises OfferingNotFound."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        row = await (await cursor.execute(CARD, (offering_id,))).fetchone()
    if row is None:
        raise _not_found()
    zone: str = row.pop("zone")
    return Offering(**row), zone


def _not_found() -> OfferingNotFound:
    return OfferingNotFound("可能已下线，请刷新。", "It may have been taken back; refresh.")
