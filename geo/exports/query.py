"""What an export says of a site, and the rows, a batch at a time."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from core.database import driver_connection
from core.ids import new_id
from geo.areas import areas_below, get_area
from geo.errors import UnknownCategory

BATCH_ROWS = 2_000

Row = tuple[Any, ...]
Kind = Literal["text", "number", "integer", "time"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of every format. Lists are joined by `; `; times are UTC."""

    name: str
    sql: str
    kind: Kind
    about: str


def _joined(array: str) -> str:
    return f"nullif(array_to_string({array}, '; '), '')"


# The geometry comes after these, as WKB. docs/importing.md lists them for readers of the files; a test compares.
COLUMNS = (
    Column("id", "s.id::text", "text", "our permanent id (UUID)"),
    Column("name", "s.name", "text", "name"),
    Column("name_en", "s.name_en", "text", "English name"),
    Column("category", "s.category_code", "text", "category code"),
    Column("category_name", "c.label_zh", "text", "category in Chinese"),
    Column("address", "s.address", "text", "address"),
    Column("area", "a.name", "text", "smallest area it lies in"),
    Column("lon", "round(st_x(p.point)::numeric, 7)::float8", "number", "longitude, WGS84 degrees; a point on lines and polygons"),
    Column("lat", "round(st_y(p.point)::numeric, 7)::float8", "number", "latitude, WGS84 degrees"),
    Column("phones", "f.phones", "text", "telephone numbers, extension after #"),
    Column("status", "s.status", "text", "active, temporarily_closed or inactive"),
    Column("alert", "s.alert", "text", "notice"),
    Column("hours", "s.hours", "text", "OSM opening_hours"),
    Column("makeup_hours", "s.makeup_hours", "text", "hours on make-up workdays (调休上班日)"),
    Column("zone", "s.zone", "text", "IANA time zone of the hours"),
    Column("operator", "o.name", "text", "who runs it"),
    Column("operating_model", "o.operating_model", "text", "how it is run"),
    Column("services", "v.services", "text", "services offered"),
    Column("minimum_age", "v.minimum_age", "integer", "lowest age any service takes, years"),
    Column("maximum_age", "v.maximum_age", "integer", "highest age any service takes, years"),
    Column("features", _joined("s.features"), "text", "feature codes"),
    Column("accessibility", _joined("s.accessibility"), "text", "accessibility codes"),
    Column("languages", _joined("s.languages"), "text", "language codes"),
    Column("aliases", _joined("s.aliases"), "text", "other names"),
    Column("description", "s.description", "text", "description"),
    Column("url", "s.url", "text", "web page"),
    Column("batch", "s.batch", "text", "batch it was built in"),
    Column("plaque_number", "s.plaque_number", "text", "number on its plaque"),
    Column("funding", _joined("s.funding"), "text", "sources of funding"),
    Column("source", "s.source_code", "text", "source code"),
    Column("external_id", "s.external_id", "text", "the source's number for it"),
    Column("licence", "r.licence", "text", "licence of the source"),
    Column("attribution", "r.attribution", "text", "whom to name when using it"),
    Column("assured_at", "s.assured_at", "time", "when somebody last checked it"),
    Column("updated_at", "s.updated_at", "time", "when it last changed here"),
    Column("version", "s.version", "integer", "counts its changes"),
)  # fmt: skip
NAMES = tuple(column.name for column in COLUMNS)

# Read in id order along the primary key, so that the first batch comes at once and two exports compare line by line.
SITES = f"""
select {", ".join(column.sql for column in COLUMNS)}, st_asbinary(s.geom)
from site s
join category c on c.code = s.category_code
join source r on r.code = s.source_code
left join organisation o on o.id = s.organisation_id
left join area a on a.id = s.area_id
cross join lateral (
    select case when geometrytype(s.geom) = 'POINT' then s.geom else st_pointonsurface(s.geom) end as point) p
cross join lateral (
    select string_agg(number || coalesce('#' || extension, ''), '; ' order by position) as phones
    from phone where site_id = s.id) f
cross join lateral (
    select string_agg(name, '; ' order by position) as services,
           min(minimum_age) as minimum_age, max(maximum_age) as maximum_age
    from service where site_id = s.id) v
where (%(drafts)s or s.published_at is not null)
  and (%(categories)s::text[] is null or s.category_code = any(%(categories)s::text[]))
  and (%(areas)s::uuid[] is null or s.area_id = any(%(areas)s::uuid[]))
order by s.id
"""

BELOW_CATEGORIES = """
with recursive below as (
    select code from category where code = any(:codes)
    union select c.code from category c join below b on c.parent_code = b.code
)
select code from below
"""


@dataclass(frozen=True)
class Selection:
    """Which sites: of these categories and all below them, in this area and all below it."""

    categories: Sequence[str] = ()
    area: str | None = None
    drafts: bool = False


async def stream_sites(
    session: AsyncSession, actor: Actor, *, selection: Selection, on: date
) -> AsyncIterator[list[Row]]:
    """Batches of rows: the values of COLUMNS, then the geometry as WKB (EPSG:4326).

    `on` is the local day whose area codes count. One server-side cursor, so memory does not grow. Raises UnknownCategory and UnknownArea before the first batch.
    """
    parameters = {
        "drafts": selection.drafts,
        "categories": await _categories(session, selection.categories),
        "areas": await _areas(session, actor, selection.area, on),
    }
    connection = await driver_connection(session)
    async with connection.cursor(name=f"export_{new_id().hex}") as cursor:
        await cursor.execute(SITES, parameters)
        while rows := await cursor.fetchmany(BATCH_ROWS):
            yield rows


async def _categories(session: AsyncSession, codes: Sequence[str]) -> list[str] | None:
    if not codes:
        return None
    found = list(await session.scalars(text(BELOW_CATEGORIES), {"codes": list(codes)}))
    if unknown := sorted(set(codes) - set(found)):
        raise UnknownCategory(
            f"没有类别 {'、'.join(unknown)}。", f"There is no category {', '.join(unknown)}.", unknown=unknown
        )
    return found


async def _areas(session: AsyncSession, actor: Actor, code: str | None, on: date) -> list[UUID] | None:
    if code is None:
        return None
    area = await get_area(session, actor, code=code, on=on)
    return list(await areas_below(session, actor, area_id=area.id))
