"""An import taken back: every column and child row as it was, new sites gone; all of it in the caller's transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from core.database import driver_connection
from geo.import_jobs.watch import SERVICE_TABLES, SITE_TABLES
from geo.models import ImportJob, ImportRun, Site
from geo.sites.revisions import keep_versions, record_revisions
from geo.sites.store import settle

MOST_LISTED = 50

CHANGED_SINCE = """
select i.site_id, coalesce(s.name, i.before -> 'site' ->> 'name'), s.id is null
from imported_site i left join site s on s.id = i.site_id
where i.job_id = %s and s.version is distinct from i.version
order by i.site_id limit %s
"""

# Tables that refer to sites or services, whoever made them: what staff and residents attached to a new site would go
# with it. History goes with its site on purpose.
REFERRING = """
select c.confrelid::regclass::text, c.conrelid::regclass::text, a.attname
from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
where c.contype = 'f' and c.confrelid in ('site'::regclass, 'service'::regclass) and array_length(c.conkey, 1) = 1
order by 2, 3
"""
OWN_TABLES = frozenset((*SITE_TABLES, *SERVICE_TABLES, "site_revision"))

# A column that the snapshot does not know, since it came later, keeps its value: that is what "old" is for.
COLUMNS = [
    column.name for column in Site.__table__.columns if column.name not in ("id", "version", "updated_at")
]
RESTORE_SITES = f"""
update site s set {", ".join(f"{name} = r.{name}" for name in COLUMNS)}, version = s.version + 1, updated_at = %s
from imported_site i
join site old on old.id = i.site_id
cross join lateral jsonb_populate_record(old, i.before -> 'site') r
where i.job_id = %s and i.before is not null and s.id = i.site_id
"""
RESTORE_ROWS = """
insert into {table} select r.* from imported_site i
cross join lateral jsonb_populate_recordset(null::{table}, i.before -> '{table}') r
where i.job_id = %s and i.before is not null
"""
# The import before this one finds its sites as it left them, under a new version: it may be undone too. By
# imported_site_site_id_idx.
HAND_BACK = """
update imported_site o set version = s.version
from imported_site i join site s on s.id = i.site_id
where i.job_id = %s and i.before is not null and o.site_id = i.site_id and o.job_id <> i.job_id
    and o.version = (i.before -> 'site' ->> 'version')::int
"""


@dataclass(frozen=True, slots=True)
class Dependent:
    """What keeps an import from being undone: a site that was ``edited``, ``removed`` or ``used`` (by which table) since."""

    site_id: UUID
    name: str
    reason: str
    by: str | None = None


async def find_dependents(session: AsyncSession, *, job_id: UUID) -> list[Dependent]:
    """What came to depend on an import, the first MOST_LISTED of it."""
    connection = await driver_connection(session)
    rows = await (await connection.execute(CHANGED_SINCE, (job_id, MOST_LISTED))).fetchall()
    found = [Dependent(row[0], row[1] or "", "removed" if row[2] else "edited") for row in rows]
    for target, table, column in await (await connection.execute(REFERRING)).fetchall():
        if table not in OWN_TABLES and len(found) < MOST_LISTED:
            found += await _users(connection, job_id, target, table, column)
    return found[:MOST_LISTED]


async def _users(
    connection: AsyncConnection[Any], job_id: UUID, target: str, table: str, column: str
) -> list[Dependent]:
    """New sites, or services of any site of the import, that ``table`` refers to."""
    if target == "site":
        used = f"i.before is null and exists (select from {table} t where t.{column} = s.id)"
    else:
        used = f"exists (select from service v join {table} t on t.{column} = v.id where v.site_id = s.id)"
    rows = await connection.execute(
        f"select s.id, s.name from imported_site i join site s on s.id = i.site_id where i.job_id = %s and {used}"
        " order by s.id limit %s",
        (job_id, MOST_LISTED),
    )
    return [Dependent(row[0], row[1], "used", table) for row in await rows.fetchall()]


async def undo_import(
    session: AsyncSession, actor: Actor, *, job: ImportJob, now: datetime
) -> Sequence[Dependent]:
    """Take back what ``job`` wrote; or nothing, when the answer is not empty. The caller has locked the source."""
    connection = await driver_connection(session)
    sites = "select id from site where id in (select site_id from imported_site where job_id = %s)"
    await connection.execute(f"{sites} order by id for update", (job.id,))
    if dependents := await find_dependents(session, job_id=job.id):
        return dependents
    found = await connection.execute(
        "select site_id from imported_site where job_id = %s and before is not null order by site_id",
        (job.id,),
    )
    changed = [row[0] for row in await found.fetchall()]
    if changed:
        await keep_versions(session, site_ids=changed)
    await connection.execute(
        "delete from site using imported_site i where i.job_id = %s and i.before is null and site.id = i.site_id",
        (job.id,),
    )
    if changed:
        for table in SITE_TABLES:
            await connection.execute(f"delete from {table} where site_id = any(%s)", (changed,))
        await connection.execute(RESTORE_SITES, (now, job.id))
        for table in (*SITE_TABLES, *SERVICE_TABLES):
            await connection.execute(RESTORE_ROWS.format(table=table), (job.id,))
        await connection.execute(HAND_BACK, (job.id,))
        await record_revisions(
            session, actor, site_ids=changed, act="import_undone", reason=job.undo_reason, now=now
        )
    assert job.source_code is not None
    if await _is_latest(connection, job):
        await _restore_shared(connection, job.source_code, job.replaced or {})
    if job.run_id is not None and (run := await session.get(ImportRun, job.run_id)) is not None:
        run.undone_at, run.undone_by = now, actor.name
    await session.flush()
    await settle(session, actor)
    return []


async def _is_latest(connection: AsyncConnection[Any], job: ImportJob) -> bool:
    """Whether no later import of the source stands: what its sites share is then still as this one left it."""
    later = await connection.execute(
        "select exists (select from import_run where source_code = %s and applied_at > %s and undone_at is null)",
        (job.source_code, job.applied_at),
    )
    row = await later.fetchone()
    return row is not None and not row[0]


async def _restore_shared(
    connection: AsyncConnection[Any], source_code: str, replaced: Mapping[str, Any]
) -> None:
    """The source's own words, the mapping saved for it, who runs its sites. A new source stays: the record of the import names it."""
    if replaced.get("source"):
        await connection.execute(
            "update source s set name = r.name, licence = r.licence, attribution = r.attribution, url = r.url"
            " from jsonb_populate_record(null::source, %s) r where s.code = r.code",
            (Jsonb(replaced["source"]),),
        )
    if replaced.get("mapping") is None:
        await connection.execute("delete from saved_mapping where source_code = %s", (source_code,))
    else:
        await connection.execute(
            "update saved_mapping set mapping = %s where source_code = %s", (replaced["mapping"], source_code)
        )
    organisations = replaced.get("organisations", [])
    await connection.execute(
        "update organisation o set name_en = r.name_en, operating_model = r.operating_model"
        " from jsonb_populate_recordset(null::organisation, %s) r where o.id = r.id",
        (Jsonb(organisations),),
    )
    await connection.execute(
        "delete from organisation o where o.source_code = %s and o.id <> all(%s)"
        " and not exists (select from site s where s.organisation_id = o.id)",
        (source_code, [UUID(one["id"]) for one in organisations]),
    )
