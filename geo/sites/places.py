"""Where a site is, as permissions see it, and queries narrowed to where somebody may act.

A township's staff act for the communities below it, a category's for the kinds below it. Both follow from the trees in
the database, so that a scope is one id or code and never a list that goes stale.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

from sqlalchemy import ColumnElement, Select, false, or_, select, text, true
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import ScopeKind
from core.permissions import Place
from geo.errors import SiteNotFound
from geo.models import Area, Category, Site

# Up both trees by primary keys: a handful of look-ups. `union` ends also on a ring.
ABOVE = """
with recursive area_above as (
    select a.id, a.parent_id from area a where a.id = {area}
    union
    select a.id, a.parent_id from area a join area_above below on a.id = below.parent_id
), category_above as (
    select c.code, c.parent_code from category c where c.code = {category}
    union
    select c.code, c.parent_code from category c join category_above below on c.code = below.parent_code
)
"""
SITE_PLACE = text(
    ABOVE.format(
        area="(select area_id from site where id = :site_id)",
        category="(select category_code from site where id = :site_id)",
    )
    + """
select array(select id::text from area_above), array(select code from category_above)
where exists (select from site where id = :site_id)
"""
)
# The smallest area that holds a place names it; where two share a border the lower id does (area_geom_idx).
SMALLEST_AREA = """select a.id from area a
        where a.geom && {geom} and st_intersects(a.geom, st_pointonsurface({geom}))
          and daterange(a.valid_from, a.valid_to) @> ({now} at time zone {zone})::date
        order by array_position(array['community', 'centre_community', 'township', 'district'], a.kind::text), a.id
        limit 1"""
NEW_PLACE = text(
    ABOVE.format(
        area="("
        + SMALLEST_AREA.format(
            geom="st_geomfromwkb(:wkb, 4326)",
            now="cast(:now as timestamptz)",
            zone="cast(:zone as text)",
        )
        + ")",
        category="cast(:category as text)",
    )
    + "select array(select id::text from area_above), array(select code from category_above)"
)


async def find_place(session: AsyncSession, *, site_id: UUID) -> Place | None:
    """The site, the areas above it and its categories, published or not; None when there is no such site."""
    row = (await session.execute(SITE_PLACE, {"site_id": site_id})).one_or_none()
    return Place(str(site_id), tuple(row[0]), tuple(row[1])) if row is not None else None


async def place_of(session: AsyncSession, *, site_id: UUID) -> Place:
    """The site, the areas above it and its categories, published or not. Raises SiteNotFound."""
    place = await find_place(session, site_id=site_id)
    if place is None:
        raise SiteNotFound("没有这个服务点。", "There is no such site.")
    return place


def scope_condition(scopes: Mapping[ScopeKind, Iterable[str]] | None) -> ColumnElement[bool]:
    """Which sites a query on Site may see: ``scopes`` is what ``core.permissions.scopes`` answers; None: all.

    Part of the statement, so that scoping costs no query of its own. An id that is none matches nothing.
    """
    if scopes is None:
        return true()
    conditions: list[ColumnElement[bool]] = []
    if site_ids := _uuids(scopes.get("site", ())):
        conditions.append(Site.id.in_(site_ids))
    if area_ids := _uuids(scopes.get("township", ())):
        conditions.append(Site.area_id.in_(_areas_below(area_ids)))
    if codes := list(scopes.get("category", ())):
        conditions.append(Site.category_code.in_(_categories_below(codes)))
    return or_(*conditions) if conditions else false()


def _areas_below(area_ids: list[UUID]) -> Select[UUID]:
    below = select(Area.id).where(Area.id.in_(area_ids)).cte(recursive=True)
    return select(below.union(select(Area.id).join(below, Area.parent_id == below.c.id)).c.id)


def _categories_below(codes: list[str]) -> Select[str]:
    below = select(Category.code).where(Category.code.in_(codes)).cte(recursive=True)
    return select(below.union(select(Category.code).join(below, Category.parent_code == below.c.code)).c.code)


def _uuids(texts: Iterable[str]) -> list[UUID]:
    found = []
    for one in texts:
        try:
            found.append(UUID(one))
        except ValueError:
            continue
    return found
