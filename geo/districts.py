"""School districts (招生片区): which one a home is in, the schools it leads to, and the groups those belong to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import cos, radians
from typing import Literal, cast
from uuid import UUID

from sqlalchemy import or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from geo.models import DistrictSchool, SchoolGroup, SchoolGroupMember, Site

Stage = Literal["kindergarten", "primary", "junior", "senior"]
GroupKind = Literal["group", "alliance", "urban_rural"]

# Degrees are shortest in metres at the equator for latitude and at the poles for longitude; a box 1 % too wide costs
# nothing, one too narrow would lose a neighbour.
M_PER_DEGREE_LAT = 110_574.0
M_PER_DEGREE_LON = 111_320.0  # times cos(latitude)
BOX_MARGIN = 1.01

# Inside is asked of the stored, planar polygon, so that neighbours with equal vertices leave no point between them;
# geography would bend their edges (by centimetres a kilometre). Only distances are on the spheroid.
# The plan relies on school_district_geom_idx for the box; st_dwithin on geography alone has no index here.
CANDIDATES = text(
    """
    with place as (select st_setsrid(st_makepoint(:lon, :lat), 4326) as geom)
    select d.id, d.name, d.stage, d.effective_from, d.effective_to, d.note,
           st_intersects(d.geom, p.geom) as holds,
           st_distance(st_boundary(d.geom)::geography, p.geom::geography) as border_m
    from school_district d, place p
    where d.stage = :stage and d.effective_from <= :on and (d.effective_to is null or d.effective_to > :on)
      and d.geom && st_expand(p.geom, :box_lon, :box_lat)
      and (st_intersects(d.geom, p.geom)
           or (:accuracy_m > 0 and st_dwithin(d.geom::geography, p.geom::geography, :accuracy_m)))
    order by holds desc, d.id
    """
)


@dataclass(frozen=True, slots=True)
class GroupAt:
    """A group (教育集团), alliance (联盟) or urban-rural community (城乡学校共同体) that a school is in on the day."""

    id: UUID
    kind: GroupKind
    name: str
    leads: bool


@dataclass(frozen=True, slots=True)
class SchoolAt:
    """A published school that a district leads to."""

    id: UUID
    name: str
    name_en: str | None
    category: str
    address: str | None
    status: str
    groups: tuple[GroupAt, ...]


@dataclass(frozen=True, slots=True)
class DistrictAt:
    """A district in force on the day; several schools make it a multi-school district (多校划片)."""

    id: UUID
    name: str
    stage: Stage
    effective_from: date
    effective_to: date | None
    note: str | None
    schools: tuple[SchoolAt, ...]


@dataclass(frozen=True, slots=True)
class DistrictsAt:
    """``districts``: the one the point is in, or every candidate when ``ambiguous``, those that hold it first.

    ``border_distance_m``: metres to the nearest border of those listed; None when none is.
    """

    districts: tuple[DistrictAt, ...]
    ambiguous: bool
    border_distance_m: float | None


async def districts_at(
    session: AsyncSession,
    actor: Actor,
    *,
    lon: float,
    lat: float,
    stage: Stage,
    on: date,
    accuracy_m: float = 0,
) -> DistrictsAt:
    """The school district of a WGS84 point on a day.

    ``ambiguous`` when a border, to another district or to none, lies within ``accuracy_m`` metres of the point, or the
    point lies on it: then every district within that distance is a candidate, and a person has to decide.
    Order is by id, so that the answer is the same at every call. Outside all districts the list is empty.
    """
    found = (
        await session.execute(
            CANDIDATES,
            {
                "lon": lon,
                "lat": lat,
                "stage": stage,
                "on": on,
                "accuracy_m": float(accuracy_m),
                "box_lat": accuracy_m / M_PER_DEGREE_LAT * BOX_MARGIN,
                "box_lon": accuracy_m / (M_PER_DEGREE_LON * max(cos(radians(lat)), 0.01)) * BOX_MARGIN,
            },
        )
    ).all()
    if not found:
        return DistrictsAt(districts=(), ambiguous=False, border_distance_m=None)
    border_m = min(row.border_m for row in found)
    ambiguous = border_m <= accuracy_m
    listed = found if ambiguous else found[:1]
    schools = await _schools_of(session, [row.id for row in listed], on)
    return DistrictsAt(
        districts=tuple(
            DistrictAt(
                id=row.id,
                name=row.name,
                stage=row.stage,
                effective_from=row.effective_from,
                effective_to=row.effective_to,
                note=row.note,
                schools=tuple(schools.get(row.id, ())),
            )
            for row in listed
        ),
        ambiguous=ambiguous,
        border_distance_m=border_m,
    )


async def _schools_of(
    session: AsyncSession, district_ids: Sequence[UUID], on: date
) -> dict[UUID, list[SchoolAt]]:
    rows = (
        await session.execute(
            select(
                DistrictSchool.district_id,
                Site.id,
                Site.name,
                Site.name_en,
                Site.category_code,
                Site.address,
                Site.status,
            )
            .join(Site, Site.id == DistrictSchool.site_id)
            .where(DistrictSchool.district_id.in_(district_ids), Site.published_at.is_not(None))
            .order_by(Site.name, Site.id)
        )
    ).all()
    groups = await _groups_of(session, {row.id for row in rows}, on)
    schools: dict[UUID, list[SchoolAt]] = {}
    for row in rows:
        schools.setdefault(row.district_id, []).append(
            SchoolAt(
                id=row.id,
                name=row.name,
                name_en=row.name_en,
                category=row.category_code,
                address=row.address,
                status=row.status,
                groups=tuple(groups.get(row.id, ())),
            )
        )
    return schools


async def _groups_of(session: AsyncSession, site_ids: set[UUID], on: date) -> dict[UUID, list[GroupAt]]:
    groups: dict[UUID, list[GroupAt]] = {}
    if not site_ids:
        return groups
    member = SchoolGroupMember
    rows = await session.execute(
        select(member.site_id, SchoolGroup.id, SchoolGroup.kind, SchoolGroup.name, member.leads)
        .join(SchoolGroup, SchoolGroup.id == member.group_id)
        .where(
            member.site_id.in_(site_ids),
            member.effective_from <= on,
            or_(member.effective_to.is_(None), member.effective_to > on),
        )
        .order_by(SchoolGroup.kind, SchoolGroup.name, SchoolGroup.id)
    )
    for site_id, group_id, kind, name, leads in rows:
        groups.setdefault(site_id, []).append(GroupAt(group_id, cast(GroupKind, kind), name, leads))
    return groups
