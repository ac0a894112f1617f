"""Townships (乡镇), centre communities (中心社区) and communities (社区、村): where a point is, and the codes in force.

A code is a dated alias of an area, never its key: 中川镇 is 620171101 to the statistics bureau (``nbs``) and 620122108
to the civil affairs ministry (``mca``), and a border or a name may move while both stay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal
from uuid import UUID

import shapely
from geoalchemy2.shape import from_shape, to_shape
from shapely.geometry import MultiPolygon, Polygon
from sqlalchemy import ColumnElement, Select, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from core.ids import new_id
from geo.errors import UnknownArea
from geo.models import Area, AreaCode

AreaKind = Literal["district", "township", "centre_community", "community"]

# ``distinct on`` keeps one area a kind; where two share a border the lower id has the border.
# The plan relies on area_geom_idx: st_intersects brings its own bounding-box test.
AREAS_AT = text(
    """
    select a.id, a.kind, a.name, a.name_en,
           coalesce((select jsonb_object_agg(c.system, c.code) from area_code c
                     where c.area_id = a.id and c.valid_from <= :on
                       and (c.valid_to is null or c.valid_to > :on)), '{}'::jsonb) as codes
    from (
        select distinct on (kind) id, kind, name, name_en
        from area
        where kind in ('township', 'centre_community', 'community')
          and valid_from <= :on and (valid_to is null or valid_to > :on)
          and st_intersects(geom, st_setsrid(st_makepoint(:lon, :lat), 4326))
        order by kind, id
    ) a
    order by array_position(array['township', 'centre_community', 'community'], a.kind::text)
    """
)

# An area and what lies below it. A district may have its border only through its townships.
PARTS = """
with recursive part as (
    select id, geom from area where id = :area_id
    union
    select a.id, a.geom from area a join part on a.parent_id = part.id{in_force}
)
"""
BELOW = text(PARTS.format(in_force="") + "select id from part")
SHAPE = text(
    PARTS.format(in_force=" and daterange(a.valid_from, a.valid_to) @> cast(:on as date)")
    + "select st_asbinary(st_union(geom)) from part"
)


@dataclass(frozen=True, slots=True)
class AreaAt:
    """An area with the codes it had on the day asked for, by system."""

    id: UUID
    kind: AreaKind
    name: str
    name_en: str | None
    codes: Mapping[str, str]


async def areas_at(session: AsyncSession, actor: Actor, *, lon: float, lat: float, on: date) -> list[AreaAt]:
    """The areas that contain a WGS84 point on a day: at most one of each kind, the smallest last.

    On a shared border the area with the lower id is given, so that the answer does not change between calls.
    """
    rows = await session.execute(AREAS_AT, {"lon": lon, "lat": lat, "on": on})
    return [AreaAt(row.id, row.kind, row.name, row.name_en, row.codes) for row in rows]


async def find_area(
    session: AsyncSession, actor: Actor, *, code: str, system: str | None = None, on: date
) -> AreaAt | None:
    """The area that ``code`` meant on a day, in ``system`` or, without one, in any.

    Where two systems give one code to different areas, the system first in the alphabet decides.
    """
    wanted = select(AreaCode.area_id, AreaCode.system).where(
        AreaCode.code == code, _in_force(AreaCode, on), *([AreaCode.system == system] if system else [])
    )
    found = wanted.subquery()
    row = (
        await session.execute(
            select(Area.id, Area.kind, Area.name, Area.name_en)
            .join(found, found.c.area_id == Area.id)
            .where(_in_force(Area, on))
            .order_by(found.c.system)
            .limit(1)
        )
    ).one_or_none()
    if row is None:
        return None
    codes = {given.system: given.code for given in await session.execute(_codes_query(row.id, on))}
    return AreaAt(row.id, row.kind, row.name, row.name_en, codes)


async def get_area(
    session: AsyncSession, actor: Actor, *, code: str, system: str | None = None, on: date
) -> AreaAt:
    """As ``find_area``. Raises UnknownArea."""
    area = await find_area(session, actor, code=code, system=system, on=on)
    if area is None:
        raise UnknownArea(
            f"{on} 没有代码为 {code} 的区域，请核对代码和日期。",
            f"No area has the code {code} on {on}; check the code and the date.",
            area_code=code,
        )
    return area


async def areas_below(session: AsyncSession, actor: Actor, *, area_id: UUID) -> Sequence[UUID]:
    """The area's id and those of all that lie or lay below it: a site stays filed under the area it was put into."""
    return (await session.scalars(BELOW, {"area_id": area_id})).all()


async def find_area_shape(
    session: AsyncSession, actor: Actor, *, area_id: UUID, on: date
) -> Polygon | MultiPolygon | None:
    """What the area and all below it cover on a day, in WGS84; None when no border of theirs is known."""
    binary = await session.scalar(SHAPE, {"area_id": area_id, "on": on})
    if binary is None:
        return None
    shape = shapely.from_wkb(bytes(binary))
    assert isinstance(shape, Polygon | MultiPolygon)
    return shape


async def put_area(
    session: AsyncSession,
    actor: Actor,
    *,
    source_code: str,
    kind: AreaKind,
    name: str,
    name_en: str | None = None,
    parent_id: UUID | None = None,
    geometry: Polygon | MultiPolygon | None = None,
    valid_from: date,
    valid_to: date | None = None,
) -> UUID:
    """Create an area or bring it up to date; its id.

    One source's area is known again by kind, name, parent and ``valid_from``: two towns of one district each have a
    陈家井村. ``geometry`` is WGS84; ``valid_to`` is the first day on which the area is no more.
    """
    await session.execute(
        text("select pg_advisory_xact_lock(hashtext('area'), hashtext(:source))"), {"source": source_code}
    )
    area = await session.scalar(
        select(Area).where(
            Area.source_code == source_code,
            Area.kind == kind,
            Area.name == name,
            Area.parent_id.is_not_distinct_from(parent_id),
            Area.valid_from == valid_from,
        )
    )
    if area is None:
        area = Area(
            id=new_id(),
            source_code=source_code,
            kind=kind,
            name=name,
            parent_id=parent_id,
            valid_from=valid_from,
        )
        session.add(area)
    area.name_en = name_en
    area.valid_to = valid_to
    if not same_shape(area.geom, geometry):
        area.geom = None if geometry is None else from_shape(as_multipolygon(geometry), srid=4326)
    await session.flush()
    return area.id


async def put_area_code(
    session: AsyncSession,
    actor: Actor,
    *,
    area_id: UUID,
    system: str,
    code: str,
    valid_from: date,
    valid_to: date | None = None,
) -> None:
    """Give an area a code in a system from ``valid_from`` until before ``valid_to``; a second call replaces it.

    That one code of one system means one area a day is the constraint ``area_code_one_area_a_day_excl``.
    """
    said = {"code": code, "valid_to": valid_to}
    await session.execute(
        insert(AreaCode)
        .values(area_id=area_id, system=system, valid_from=valid_from, **said)
        .on_conflict_do_update(index_elements=["area_id", "system", "valid_from"], set_=said)
    )


def as_multipolygon(geometry: Polygon | MultiPolygon) -> MultiPolygon:
    """The same surface as the one type our columns hold, without heights."""
    flat = shapely.force_2d(geometry)
    return flat if isinstance(flat, MultiPolygon) else MultiPolygon([flat])


def same_shape(stored: Any, geometry: Polygon | MultiPolygon | None) -> bool:
    """Whether a column already holds exactly these vertices, so that writing it would be no change."""
    if stored is None or geometry is None:
        return stored is geometry
    return to_shape(stored).wkb == as_multipolygon(geometry).wkb


def _in_force(model: Any, on: date) -> ColumnElement[bool]:
    starts: ColumnElement[bool] = model.valid_from <= on
    return starts & or_(model.valid_to.is_(None), model.valid_to > on)


def _codes_query(area_id: UUID, on: date) -> Select[str, str]:
    return select(AreaCode.system, AreaCode.code).where(AreaCode.area_id == area_id, _in_force(AreaCode, on))
