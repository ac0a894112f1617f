"""Writing school districts and school groups. The database's trigger has the last word on overlaps."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from geoalchemy2.shape import from_shape
from psycopg.errors import ExclusionViolation
from shapely.geometry import MultiPolygon, Polygon
from sqlalchemy import delete, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from core.ids import new_id
from geo.areas import as_multipolygon, same_shape
from geo.districts import GroupKind, Stage
from geo.errors import DistrictOverlap
from geo.models import DistrictSchool, SchoolDistrict, SchoolGroup, SchoolGroupMember

NO_OVERLAP = "school_district_no_overlap"


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A school in a group, from ``effective_from`` until before ``effective_to``."""

    site_id: UUID
    effective_from: date
    effective_to: date | None = None
    leads: bool = False


async def put_district(
    session: AsyncSession,
    actor: Actor,
    *,
    source_code: str,
    name: str,
    stage: Stage,
    geometry: Polygon | MultiPolygon,
    effective_from: date,
    effective_to: date | None = None,
    note: str | None = None,
    schools: Sequence[UUID] = (),
) -> UUID:
    """Create a district or bring it up to date, with the schools it leads to (ids of sites); its id.

    One source's district is known again by stage, name and ``effective_from``; its version grows when something
    changes. ``geometry`` is WGS84. Editors of one stage take turns until their transactions end. Raises
    DistrictOverlap, naming the other, when more than 1 m² would belong to two districts of the stage on one day;
    the caller's transaction stays usable.
    """
    # The trigger takes this lock too; taken before the look-up, two editors cannot both find nothing and insert twice.
    await session.execute(
        text("select pg_advisory_xact_lock(hashtext('school_district'), hashtext(:stage))"), {"stage": stage}
    )
    district = await session.scalar(
        select(SchoolDistrict)
        .where(
            SchoolDistrict.source_code == source_code,
            SchoolDistrict.stage == stage,
            SchoolDistrict.name == name,
            SchoolDistrict.effective_from == effective_from,
        )
        .execution_options(populate_existing=True)
    )
    said = (True, effective_to, note, set(schools))
    if district is not None and await _said_before(session, district, geometry) == said:
        return district.id
    try:
        async with session.begin_nested():
            if district is None:
                district = SchoolDistrict(
                    id=new_id(),
                    source_code=source_code,
                    stage=stage,
                    name=name,
                    effective_from=effective_from,
                )
                session.add(district)
            else:
                district.version += 1
            district.geom = from_shape(as_multipolygon(geometry), srid=4326)
            district.effective_to = effective_to
            district.note = note
            await session.flush()
            await session.execute(delete(DistrictSchool).where(DistrictSchool.district_id == district.id))
            session.add_all(
                DistrictSchool(district_id=district.id, site_id=site_id) for site_id in set(schools)
            )
    except IntegrityError as error:
        other_id = _overlapped(error)
        if other_id is None:
            raise
        raise await _overlap_with(session, other_id) from error
    return district.id


async def put_school_group(
    session: AsyncSession,
    actor: Actor,
    *,
    source_code: str,
    kind: GroupKind,
    name: str,
    members: Sequence[GroupMember],
) -> UUID:
    """Create a group of schools or replace its members; its id. Known again by source, kind and name."""
    await session.execute(
        text("select pg_advisory_xact_lock(hashtext('school_group'), hashtext(:source))"),
        {"source": source_code},
    )
    group = await session.scalar(
        select(SchoolGroup).where(
            SchoolGroup.source_code == source_code, SchoolGroup.kind == kind, SchoolGroup.name == name
        )
    )
    if group is None:
        group = SchoolGroup(id=new_id(), source_code=source_code, kind=kind, name=name)
        session.add(group)
        await session.flush()
    await session.execute(delete(SchoolGroupMember).where(SchoolGroupMember.group_id == group.id))
    session.add_all(
        SchoolGroupMember(
            group_id=group.id,
            site_id=member.site_id,
            effective_from=member.effective_from,
            effective_to=member.effective_to,
            leads=member.leads,
        )
        for member in members
    )
    await session.flush()
    return group.id


async def _said_before(
    session: AsyncSession, district: SchoolDistrict, geometry: Polygon | MultiPolygon
) -> tuple[bool, date | None, str | None, set[UUID]]:
    """What is stored, in the form of what a caller says: the same geometry, end, note, schools."""
    schools = await session.scalars(
        select(DistrictSchool.site_id).where(DistrictSchool.district_id == district.id)
    )
    return same_shape(district.geom, geometry), district.effective_to, district.note, set(schools)


def _overlapped(error: IntegrityError) -> UUID | None:
    """The district our trigger named, when it is our trigger that refused."""
    cause = error.orig
    if isinstance(cause, ExclusionViolation) and cause.diag.constraint_name == NO_OVERLAP:
        return UUID(cause.diag.message_detail or "")
    return None


async def _overlap_with(session: AsyncSession, other_id: UUID) -> DistrictOverlap:
    other = (
        await session.execute(
            select(SchoolDistrict.name, SchoolDistrict.effective_from).where(SchoolDistrict.id == other_id)
        )
    ).one()
    return DistrictOverlap(
        f"与片区“{other.name}”（{other.effective_from} 起）重叠超过 1 平方米，请修改边界或生效日期。",
        f"Overlaps the district {other.name} (from {other.effective_from}) by more than 1 m²; "
        "change the border or the dates.",
        district_id=str(other_id),
        district_name=other.name,
    )
