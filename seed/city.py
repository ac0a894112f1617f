"""Writing the demo city: areas, sites, school districts, calendar, what can be booked; all of it in one transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import SYSTEM
from core.database import Database
from geo.areas import put_area, put_area_code
from geo.calendar.store import SpecialDay, load_calendar, put_calendar_year, put_school_term
from geo.calendar.workdays import DayKind, Term
from geo.district_store import GroupMember, put_district, put_school_group
from geo.models import Site
from geo.sites.store import PutCounts, put_sites, put_source
from seed.bookings import BookableCounts, put_bookables
from seed.names import DISTRICT_CODE, DISTRICT_NAME, DISTRICT_NAME_EN, communities, read_rows, townships
from seed.schools import FIRST_DAY, GROUPS, districts
from seed.sites import demo_sites
from seed.sites.education import schools
from seed.tiling import tiling

SOURCE = "synthetic-demo"
SOURCE_NAME = "synthetic demo 合成演示数据"
LICENCE = "CC0-1.0"
ATTRIBUTION = "虚构数据，仅街道社区名称与代码为真实信息 / Invented, except names and codes of places"

# The code lists are those of 2023 (see seed/names.py); how long each code was in use before is not known to us.
CODES_VALID_FROM = date(2023, 1, 1)

CALENDAR_SOURCE = (
    "国务院办公厅关于部分节假日安排的通知（每年一份） / the State Council's yearly notice on holidays"
)

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class CityCounts:
    """What was put, new or not."""

    areas: int
    sites: PutCounts
    districts: int
    groups: int
    bookable: BookableCounts


def _say_nothing(_: str) -> None:
    pass


async def is_empty(database: Database) -> bool:
    """Whether the database holds no site of any source."""
    async with database.transaction() as session:
        return not await session.scalar(select(exists(select(Site.id))))


async def seed_city(
    database: Database, *, now: datetime, region: str = "CN", report: Report = _say_nothing
) -> CityCounts:
    """Put the demo city; a second call changes nothing. ``report`` hears the name of each step as it begins."""
    async with database.transaction() as session:
        await put_source(
            session, SYSTEM, code=SOURCE, name=SOURCE_NAME, licence=LICENCE, attribution=ATTRIBUTION
        )
        report("区域 areas")
        areas = await _put_areas(session)
        report("服务点 sites")
        counts = await put_sites(session, SYSTEM, source_code=SOURCE, sites=demo_sites(), now=now)
        report("招生片区 school districts")
        district_count = await _put_districts(session)
        report("日历 calendar")
        await _put_calendar(session, region=region, now=now)
        report("可预约项目 what can be booked")
        bookable = await put_bookables(session, source_code=SOURCE, region=region, now=now)
    return CityCounts(
        areas=areas, sites=counts, districts=district_count, groups=len(GROUPS), bookable=bookable
    )


async def _put_areas(session: AsyncSession) -> int:
    tiles = tiling()

    async def put(kind: str, name: str, name_en: str | None, parent_id: UUID | None, codes: set[str]) -> UUID:
        return await put_area(
            session,
            SYSTEM,
            source_code=SOURCE,
            kind=kind,  # type: ignore[arg-type]  # one of the kinds, as the file has it
            name=name,
            name_en=name_en,
            parent_id=parent_id,
            geometry=tiles.union(codes),
            valid_from=CODES_VALID_FROM,
        )

    async def give_code(area_id: UUID, system: str, code: str) -> None:
        await put_area_code(
            session, SYSTEM, area_id=area_id, system=system, code=code, valid_from=CODES_VALID_FROM
        )

    places = communities()
    district = await put("district", DISTRICT_NAME, DISTRICT_NAME_EN, None, {place.code for place in places})
    await give_code(district, "nbs", DISTRICT_CODE)
    count = 1
    for town in townships():
        inside = [place for place in places if place.township == town.code]
        town_id = await put("township", town.name, town.name_en, district, {place.code for place in inside})
        await give_code(town_id, "nbs", town.code)
        await give_code(town_id, "mca", town.code_mca)
        parents: dict[str | None, UUID] = {None: town_id}
        for place in inside:
            centre = place.centre_community
            if centre not in parents:
                members = {other.code for other in inside if other.centre_community == centre}
                parents[centre] = await put("centre_community", str(centre), None, town_id, members)
            area_id = await put("community", place.name, None, parents[centre], {place.code})
            await give_code(area_id, "nbs", place.code)
        count += len(parents) + len(inside)
    return count


async def _put_districts(session: AsyncSession) -> int:
    tiles = tiling()
    rows = await session.execute(
        select(Site.external_id, Site.id).where(
            Site.source_code == SOURCE, Site.external_id.in_([school.external_id for school in schools()])
        )
    )
    ids = {row.external_id: row.id for row in rows}
    planned = sorted(districts(), key=lambda district: district.effective_from)
    for district in planned:
        await put_district(
            session,
            SYSTEM,
            source_code=SOURCE,
            name=district.name,
            stage=district.stage,
            geometry=tiles.union(district.communities),
            effective_from=district.effective_from,
            effective_to=district.effective_to,
            note=district.note,
            schools=[ids[school.external_id] for school in district.schools],
        )
    by_name = {school.name.removeprefix(DISTRICT_NAME): ids[school.external_id] for school in schools()}
    for group in GROUPS:
        since = dict(group.since)
        await put_school_group(
            session,
            SYSTEM,
            source_code=SOURCE,
            kind=group.kind,
            name=group.name,
            members=[
                GroupMember(
                    site_id=by_name[name],
                    effective_from=since.get(name, FIRST_DAY),
                    leads=name == group.schools[0],
                )
                for name in group.schools
            ],
        )
    return len(planned)


async def _put_calendar(session: AsyncSession, *, region: str, now: datetime) -> None:
    """The announced years that the database does not know yet, and invented school terms."""
    known = await load_calendar(session, region=region)
    years: dict[int, list[SpecialDay]] = {}
    for row in read_rows("geo", "cn_special_days.csv"):
        on = date.fromisoformat(row["on_date"])
        years.setdefault(on.year, []).append((on, DayKind(row["kind"]), row["name"]))
    for year, days in years.items():
        if year not in known.announced:
            await put_calendar_year(
                session, SYSTEM, region=region, year=year, days=days, source=CALENDAR_SOURCE, now=now
            )
    for row in read_rows("seed", "terms.csv"):
        term = Term(
            name=row["name"],
            kind="vacation" if row["kind"] == "vacation" else "term",
            starts_on=date.fromisoformat(row["starts_on"]),
            ends_on=date.fromisoformat(row["ends_on"]),
        )
        await put_school_term(session, SYSTEM, region=region, term=term, source=SOURCE_NAME)
