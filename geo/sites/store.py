"""Writing sites, many at a time: one source's rows, inserted or brought up to date.

A row is known again by ``(source_code, external_id)``. Its digest is kept, so a row that a source sends unchanged is
left alone, also when staff edited the site meanwhile. Everything goes through COPY; 5,000 rows a call is a good size.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Literal
from uuid import UUID

import shapely
from psycopg import AsyncConnection
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from core.database import driver_connection
from core.ids import new_id
from geo.errors import UnknownCategory
from geo.models import Category, Source
from geo.search.corrections import add_words
from geo.sites.children import CHILDREN, Children, make_children
from geo.sites.input import OperatorIn, SiteIn

Verdict = Literal["new", "changed", "unchanged"]

PLAIN_COLUMNS = (
    "category_code",
    "name",
    "name_en",
    "aliases",
    "address",
    "description",
    "url",
    "status",
    "alert",
    "hours",
    "makeup_hours",
    "zone",
    "features",
    "accessibility",
    "languages",
    "batch",
    "plaque_number",
    "funding",
    "assured_at",
)

# What staff decide here; a source that says nothing of it does not undo it.
KEPT_COLUMNS = ("status", "alert", "assured_at")

CREATE_INCOMING = f"""
create temporary table if not exists incoming_site on commit drop as
select id, external_id, import_digest, geom, organisation_id, {", ".join(PLAIN_COLUMNS)}, '{{}}'::text[] as unsaid
from site limit 0
"""

KEEP = f"""
update incoming_site i set {
    ", ".join(
        f"{name} = case when '{name}' = any(i.unsaid) then s.{name} else i.{name} end"
        for name in KEPT_COLUMNS
    )
}
from site s where s.id = i.id and i.unsaid <> '{{}}'
"""

# The smallest area that holds the site names it; where two share a border the lower id does.
UPSERT = f"""
insert into site as old (
    id, source_code, external_id, import_digest, geom, organisation_id, area_id,
    published_at, created_at, updated_at, {", ".join(PLAIN_COLUMNS)})
select i.id, %(source)s, i.external_id, i.import_digest, i.geom, i.organisation_id, (
        select a.id from area a
        where a.geom && i.geom and st_intersects(a.geom, st_pointonsurface(i.geom))
          and daterange(a.valid_from, a.valid_to) @> (%(now)s at time zone i.zone)::date
        order by array_position(array['community', 'centre_community', 'township', 'district'], a.kind::text), a.id
        limit 1),
    case when %(publish)s then %(now)s end, %(now)s, %(now)s, {", ".join("i." + name for name in PLAIN_COLUMNS)}
from incoming_site i
on conflict (source_code, external_id) do update set
    import_digest = excluded.import_digest, geom = excluded.geom, organisation_id = excluded.organisation_id,
    area_id = excluded.area_id, published_at = coalesce(old.published_at, excluded.published_at),
    updated_at = excluded.updated_at, version = old.version + 1,
    {", ".join(f"{name} = excluded.{name}" for name in PLAIN_COLUMNS)}
"""


@dataclass(frozen=True)
class PutCounts:
    """How many rows of a call were new, changed, or as before."""

    created: int
    changed: int
    unchanged: int

    def __add__(self, other: "PutCounts") -> "PutCounts":
        return PutCounts(
            self.created + other.created, self.changed + other.changed, self.unchanged + other.unchanged
        )


def digests(sites: Sequence[SiteIn]) -> list[bytes]:
    """For each site, 16 bytes that change when anything said of it changes."""
    to_json = SiteIn.__pydantic_serializer__.to_json
    geometries = shapely.to_wkb([site.geometry for site in sites])
    return [
        blake2b(to_json(site, exclude={"geometry"}) + wkb, digest_size=16).digest()
        for site, wkb in zip(sites, geometries, strict=True)
    ]


async def put_source(
    session: AsyncSession,
    actor: Actor,
    *,
    code: str,
    name: str,
    licence: str | None = None,
    attribution: str | None = None,
    url: str | None = None,
) -> None:
    """Create a source or bring what is said of it up to date."""
    said = {"name": name, "licence": licence, "attribution": attribution, "url": url}
    await session.execute(
        insert(Source).values(code=code, **said).on_conflict_do_update(index_elements=["code"], set_=said)
    )


async def compare_sites(
    session: AsyncSession, actor: Actor, *, source_code: str, sites: Sequence[SiteIn]
) -> list[Verdict]:
    """What ``put_sites`` would do with each, in order; writes nothing."""
    connection = await driver_connection(session)
    known = await _known(connection, source_code, sites)
    return [
        _verdict(known.get(site.external_id), said) for site, said in zip(sites, digests(sites), strict=True)
    ]


async def put_sites(
    session: AsyncSession,
    actor: Actor,
    *,
    source_code: str,
    sites: Sequence[SiteIn],
    now: datetime,
    publish: bool = True,
) -> PutCounts:
    """Insert or update ``sites`` of one source within the caller's transaction.

    Two callers of one source take turns. A new site is published at ``now`` unless ``publish`` is false; one that was
    published stays so. Raises UnknownCategory; an unknown source is a foreign key error of the database.
    """
    await _check_categories(session, sites)
    connection = await driver_connection(session)
    await connection.execute("select pg_advisory_xact_lock(hashtext('source'), hashtext(%s))", (source_code,))
    # Statistics are of before this transaction: in a table that was empty then, foreign key checks and look-ups would
    # be planned as full scans, and a hundred thousand rows would take minutes instead of seconds.
    await connection.execute("set local enable_seqscan = off")
    # A forbidden full scan looks dear, and dear statements are compiled, at half a second each.
    await connection.execute("set local jit = off")
    await connection.execute("set local gin_pending_list_limit = '64MB'")
    known = await _known(connection, source_code, sites)
    work: dict[str, tuple[UUID, bytes, SiteIn]] = {}
    unchanged = 0
    for site, said in zip(sites, digests(sites), strict=True):
        old = known.get(site.external_id)
        if _verdict(old, said) == "unchanged":
            unchanged += 1
        else:
            work[site.external_id] = (old[0] if old else new_id(), said, site)
    if work:
        rows = list(work.values())
        # Search terms take this process as long as the sites take the server: both at once.
        children = asyncio.create_task(asyncio.to_thread(make_children, [(row[0], row[2]) for row in rows]))
        await _write(connection, source_code, rows, now, publish)
        changed = [(row_id, site) for row_id, _, site in rows if site.external_id in known]
        await _write_children(connection, await children, changed)
    changed_count = sum(external_id in known for external_id in work)
    return PutCounts(created=len(work) - changed_count, changed=changed_count, unchanged=unchanged)


async def settle(session: AsyncSession, actor: Actor) -> None:
    """After many calls of ``put_sites``: put their search terms where a search finds them fast."""
    await session.execute(select(func.gin_clean_pending_list("site_search_terms_idx")))


def _verdict(old: tuple[UUID, bytes | None] | None, said: bytes) -> Verdict:
    if old is None:
        return "new"
    return "unchanged" if old[1] == said else "changed"


async def _check_categories(session: AsyncSession, sites: Sequence[SiteIn]) -> None:
    known = set(await session.scalars(select(Category.code)))
    if unknown := sorted({site.category for site in sites} - known):
        raise UnknownCategory(
            f"没有类别 {'、'.join(unknown)}；可用的类别见 GET /v1/categories。",
            f"No category {', '.join(unknown)}; GET /v1/categories lists those there are.",
            unknown=unknown,
        )


async def _known(
    connection: AsyncConnection[Any], source_code: str, sites: Sequence[SiteIn]
) -> dict[str, tuple[UUID, bytes | None]]:
    cursor = await connection.execute(
        "select s.external_id, s.id, s.import_digest from unnest(%s::text[]) as said (external_id)"
        " join site s on s.source_code = %s and s.external_id = said.external_id",
        ([site.external_id for site in sites], source_code),
    )
    return {external_id: (row_id, said) for external_id, row_id, said in await cursor.fetchall()}


async def _write(
    connection: AsyncConnection[Any],
    source_code: str,
    work: list[tuple[UUID, bytes, SiteIn]],
    now: datetime,
    publish: bool,
) -> None:
    organisations = await _put_organisations(
        connection, source_code, [site.operator for _, _, site in work if site.operator]
    )
    geometries = shapely.to_wkb(
        shapely.set_srid([site.geometry for _, _, site in work], 4326), hex=True, include_srid=True
    )
    await connection.execute(CREATE_INCOMING)
    await connection.execute("truncate incoming_site")
    await _copy(
        connection,
        "incoming_site",
        ("id", "external_id", "import_digest", "geom", "organisation_id", *PLAIN_COLUMNS, "unsaid"),
        (
            (
                row_id,
                site.external_id,
                said,
                geom,
                organisations[site.operator.name] if site.operator else None,
                site.category,
                *(_column(getattr(site, name)) for name in PLAIN_COLUMNS[1:]),
                [name for name in KEPT_COLUMNS if name not in site.model_fields_set],
            )
            for (row_id, said, site), geom in zip(work, geometries, strict=True)
        ),
    )
    await connection.execute(KEEP)
    await connection.execute(UPSERT, {"source": source_code, "now": now, "publish": publish})


def _column(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


async def _put_organisations(
    connection: AsyncConnection[Any], source_code: str, operators: Iterable[OperatorIn]
) -> dict[str, UUID]:
    by_name = {operator.name: operator for operator in operators}
    if not by_name:
        return {}
    cursor = await connection.execute(
        "insert into organisation (id, source_code, name, name_en, operating_model)"
        " select * from unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[])"
        " on conflict (source_code, name) do update"
        " set name_en = excluded.name_en, operating_model = excluded.operating_model returning name, id",
        (
            [new_id() for _ in by_name],
            [source_code for _ in by_name],
            list(by_name),
            [operator.name_en for operator in by_name.values()],
            [operator.operating_model for operator in by_name.values()],
        ),
    )
    return dict(await cursor.fetchall())


async def _write_children(
    connection: AsyncConnection[Any], children: Children, changed: Sequence[tuple[UUID, SiteIn]]
) -> None:
    """Those of ``changed`` sites are replaced; exceptions only by a source that speaks of them."""
    if changed:
        ids = [site_id for site_id, _ in changed]
        for table in CHILDREN:
            await connection.execute(f"delete from {table} where site_id = any(%s)", (ids,))
        said = [site_id for site_id, site in changed if "exceptions" in site.model_fields_set]
        await connection.execute("delete from hours_exception where site_id = any(%s)", (said,))
    for table, columns, rows in children.tables:
        await _copy(connection, table, columns, rows)
    await add_words(connection, children.words)


async def _copy(
    connection: AsyncConnection[Any], table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        return
    async with connection.cursor().copy(f"copy {table} ({', '.join(columns)}) from stdin") as copy:
        await copy.write_row(first)
        for row in rows:
            await copy.write_row(row)
