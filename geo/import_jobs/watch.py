"""Beside an import: is the report still true, and what does the import replace?

A report is true as long as the sites it compared rows with are those of then: their ids and versions, in the order of the
file, make its fingerprint.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from core.database import driver_connection
from geo.models import SavedMapping
from geo.sites.input import SiteIn
from geo.sites.store import Verdict

# By site_source_code_external_id_key. Whoever writes locks in the order of ids, as staff's own edits lock one.
KNOWN = (
    "select external_id, id, version from site where source_code = %s and external_id = any(%s) order by id"
)

# What belongs to a site by site_id, and what belongs to a service of it: all that an import replaces.
SITE_TABLES = ("phone", "hours_exception", "site_external_id", "site_search", "service")
SERVICE_TABLES = ("cost_option", "required_document")


def _of_site(table: str) -> str:
    return f"'{table}', (select coalesce(jsonb_agg(to_jsonb(c)), '[]') from {table} c where c.site_id = s.id)"


def _of_service(table: str) -> str:
    return (
        f"'{table}', (select coalesce(jsonb_agg(to_jsonb(c)), '[]') from {table} c"
        " join service v on v.id = c.service_id where v.site_id = s.id)"
    )


# to_jsonb would round a geometry to nine digits of GeoJSON; as text it keeps every bit.
KEEP = f"""
insert into imported_site (job_id, site_id, before)
select %s, s.id, jsonb_build_object(
    'site', to_jsonb(s) || jsonb_build_object('geom', s.geom::text),
    {", ".join(map(_of_site, SITE_TABLES))}, {", ".join(map(_of_service, SERVICE_TABLES))})
from site s where s.id = any(%s)
"""
# A new site has no row yet, a changed one gets the version it was left with.
LEFT = """
insert into imported_site as i (job_id, site_id, version)
select %s, s.id, s.version from site s where s.source_code = %s and s.external_id = any(%s)
on conflict (job_id, site_id) do update set version = excluded.version
"""


class Fingerprint:
    """Of a check: which versions of which sites its rows were compared with."""

    locking = ""

    def __init__(self, source_code: str) -> None:
        self.source_code = source_code
        self._digest = blake2b(digest_size=16)
        self.known: dict[str, UUID] = {}

    async def before(
        self,
        session: AsyncSession,
        sites: Sequence[SiteIn],
        verdicts: Sequence[Verdict],  # noqa: ARG002  # Snapshots needs both
        writing: bool,  # noqa: ARG002  a Watch's signature
    ) -> None:
        """Take note of the sites that rows are compared with."""
        connection = await driver_connection(session)
        found = await connection.execute(
            KNOWN + self.locking, (self.source_code, [site.external_id for site in sites])
        )
        known = {external_id: (site_id, version) for external_id, site_id, version in await found.fetchall()}
        self.known = {external_id: site_id for external_id, (site_id, _) in known.items()}
        for site in sites:
            site_id, version = known.get(site.external_id, (None, None))
            self._digest.update(f"{site.external_id}\0{site_id}\0{version}\n".encode())

    async def after(
        self, session: AsyncSession, sites: Sequence[SiteIn], verdicts: Sequence[Verdict]
    ) -> None:
        """Nothing is written by a check."""

    def value(self) -> str:
        """The fingerprint of what was seen so far."""
        return self._digest.hexdigest()


class Snapshots(Fingerprint):
    """Of an import: the same, and all that was there before it, so that it can be undone."""

    locking = " for update"

    def __init__(self, source_code: str, job_id: UUID) -> None:
        super().__init__(source_code)
        self._job_id = job_id

    async def before(
        self, session: AsyncSession, sites: Sequence[SiteIn], verdicts: Sequence[Verdict], writing: bool
    ) -> None:
        """Lock what will change, and keep it."""
        await super().before(session, sites, verdicts, writing)
        if writing and (changed := _those("changed", sites, verdicts)):
            connection = await driver_connection(session)
            await connection.execute(KEEP, (self._job_id, [self.known[one] for one in changed]))

    async def after(
        self, session: AsyncSession, sites: Sequence[SiteIn], verdicts: Sequence[Verdict]
    ) -> None:
        """Note the versions that the import leaves."""
        written = _those("new", sites, verdicts) + _those("changed", sites, verdicts)
        if written:
            connection = await driver_connection(session)
            await connection.execute(LEFT, (self._job_id, self.source_code, written))


def _those(wanted: Verdict, sites: Sequence[SiteIn], verdicts: Sequence[Verdict]) -> list[str]:
    return [site.external_id for site, verdict in zip(sites, verdicts, strict=True) if verdict == wanted]


async def keep_shared(session: AsyncSession, *, source_code: str) -> dict[str, Any]:
    """What an import may change besides sites: the source, who runs them, the saved mapping. For ``ImportJob.replaced``."""
    connection = await driver_connection(session)
    source = await (
        await connection.execute("select to_jsonb(s) from source s where s.code = %s", (source_code,))
    ).fetchone()
    found = await connection.execute(
        "select coalesce(jsonb_agg(to_jsonb(o)), '[]') from organisation o where o.source_code = %s",
        (source_code,),
    )
    organisations = await found.fetchone()
    saved = await session.get(SavedMapping, source_code)
    return {
        "mapping": saved.mapping if saved else None,
        "source": source[0] if source else None,
        "organisations": organisations[0] if organisations else [],
    }


async def lock_source(session: AsyncSession, *, source_code: str) -> None:
    """Have those who write sites of one source take turns, as ``put_sites`` does."""
    connection = await driver_connection(session)
    await connection.execute("select pg_advisory_xact_lock(hashtext('source'), hashtext(%s))", (source_code,))
