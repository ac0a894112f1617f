"""Writing sites, many at a time: one source's rows, inserted or brought up to date.

A row is known again by ``(source_code, external_id)``. Its digest is kept, so a row that a source sends unchanged is
left alone, also when staff edited the site meanwhile; of a row that changed, what staff wrote stays. Everything goes through COPY; 5,000 rows a call is a good size.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Literal, NamedTuple
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
from geo.sites.children import copy_rows, make_children, write_children
from geo.sites.input import SAME_FIELDS, SiteIn
from geo.sites.operators import put_operators
from geo.sites.places import SMALLEST_AREA
from geo.sites.revisions import keep_versions

Verdict = Literal["new", "changed", "unchanged"]

PLAIN_COLUMNS = ("category_code", *SAME_FIELDS, "assured_at")

# What staff decide here; a source that says nothing of it does not undo it.
KEPT_COLUMNS = ("status", "alert", "assured_at")
# Fields of SiteIn by the columns they are kept in, where the names differ.
FIELD_OF = {"category_code": "category", "geom": "geometry", "organisation_id": "operator"}
COLUMNS = (*PLAIN_COLUMNS, "geom", "organisation_id")

CREATE_INCOMING = f"""
create temporary table if not exists incoming_site on commit drop as
select id, external_id, import_digest, geom, organisation_id, {", ".join(PLAIN_COLUMNS)}, '{{}}'::text[] as unsaid
from site limit 0
"""

# What staff wrote stays, whatever a source says. A confirmation is never taken back to an earlier one.
KEEP = f"""
update incoming_site i set {
    ", ".join(
        f"{name} = case when '{FIELD_OF.get(name, name)}' = any(i.unsaid || s.staff_fields) then s.{name}"
        f" else {f'greatest(s.{name}, i.{name})' if name == 'assured_at' else f'i.{name}'} end"
        for name in COLUMNS
    )
}
from site s where s.id = i.id and (i.unsaid <> '{{}}' or s.staff_fields <> '{{}}')
"""

UPSERT = f"""
insert into site as old (
    id, source_code, external_id, import_digest, geom, organisation_id, area_id,
    published_at, created_at, updated_at, {", ".join(PLAIN_COLUMNS)})
select i.id, %(source)s, i.external_id, i.import_digest, i.geom, i.organisation_id,
    ({SMALLEST_AREA.format(geom="i.geom", now="%(now)s", zone="i.zone")}),
    case when %(publish)s then %(now)s end, %(now)s, %(now)s, {", ".join("i." + name for name in PLAIN_COLUMNS)}
from incoming_site i
on conflict (source_code, external_id) do update set
    import_digest = excluded.import_digest, geom = excluded.geom, organisation_id = excluded.organisation_id,
    area_id = excluded.area_id,
    published_at = case when old.withdrawn_at is null then coalesce(old.published_at, excluded.published_at) end,
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
    await check_categories(session, {site.category for site in sites})
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
        changed = [row_id for row_id, _, site in rows if site.external_id in known]
        held: dict[UUID, _Held] = {}
        if changed:
            held = await _hold(connection, changed)
            await keep_versions(session, site_ids=changed)
        # Search terms take this process as long as the sites take the server: both at once.
        merged = [(row_id, *_merged(site, held.get(row_id))) for row_id, _, site in rows]
        children = asyncio.create_task(asyncio.to_thread(make_children, merged))
        await _write(connection, source_code, rows, now, publish)
        replaced = [(row_id, kept) for row_id, _, kept in merged if row_id in held]
        await write_children(connection, await children, replaced)
    changed_count = sum(external_id in known for external_id in work)
    return PutCounts(created=len(work) - changed_count, changed=changed_count, unchanged=unchanged)


async def settle(session: AsyncSession, actor: Actor) -> None:
    """After many calls of ``put_sites``: put their search terms where a search finds them fast."""
    await session.execute(select(func.flush_site_search()))  # migration 0005: only an index' owner may


def _verdict(old: tuple[UUID, bytes | None] | None, said: bytes) -> Verdict:
    if old is None:
        return "new"
    return "unchanged" if old[1] == said else "changed"


async def check_categories(session: AsyncSession, codes: set[str]) -> None:
    """Raises UnknownCategory, naming those there are not."""
    known = set(await session.scalars(select(Category.code)))
    if unknown := sorted(codes - known):
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
    organisations = await put_operators(
        connection, source_code, [site.operator for _, _, site in work if site.operator]
    )
    geometries = shapely.to_wkb(
        shapely.set_srid([site.geometry for _, _, site in work], 4326), hex=True, include_srid=True
    )
    await connection.execute(CREATE_INCOMING)
    await connection.execute("truncate incoming_site")
    await copy_rows(
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


class _Held(NamedTuple):
    """What staff wrote of a site, and its columns that words are found in."""

    staff_fields: Sequence[str]
    found_by: dict[str, Any]


async def _hold(connection: AsyncConnection[Any], site_ids: Sequence[UUID]) -> dict[UUID, _Held]:
    """Lock sites, so that staff who edit one of them take turns with us."""
    cursor = await connection.execute(
        "select id, staff_fields, category_code, name, aliases, address from site where id = any(%s)"
        " order by id for update",
        (list(site_ids),),
    )
    return {
        site_id: _Held(
            fields, {"category": category, "name": name, "aliases": tuple(aliases), "address": address}
        )
        for site_id, fields, category, name, aliases, address in await cursor.fetchall()
    }


def _merged(site: SiteIn, held: _Held | None) -> tuple[SiteIn, Collection[str]]:
    """What is said of a site when what staff wrote stays, and the fields whose rows stay as they are."""
    if held is None:
        return site, ()
    kept = set(held.staff_fields)
    if "exceptions" not in site.model_fields_set:
        kept.add("exceptions")  # only a source that speaks of them replaces them
    words = {name: value for name, value in held.found_by.items() if name in kept}
    return (site.model_copy(update=words) if words else site), kept


def _column(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
