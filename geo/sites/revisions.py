"""Every version a site had: kept whole, compared when somebody looks.

Whoever changes sites calls ``keep_versions`` before and ``record_revisions`` after, both for any number of sites in
one statement. What an import writes is not copied until something replaces it: a million new rows cost nothing. So
a site may have a version that is not kept yet, its present one, and that is an import's.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from geo.errors import VersionNotFound
from geo.models import SiteRevision
from geo.sites.input import SAME_FIELDS

# What an edit may say; the rest of a snapshot tells what else became of the site.
CONTENT = (
    "category",
    "geometry",
    *SAME_FIELDS,
    "operator",
    "phones",
    "services",
    "exceptions",
    "external_ids",
)


def _instant(column: str) -> str:
    """In UTC whatever the session's zone, so that equal instants are equal text."""
    return f"""to_char({column} at time zone 'utc', 'YYYY-MM-DD"T"HH24\\:MI\\:SS.US"Z"')"""


def _list(table: str, fields: str, order: str, where: str) -> str:
    return f"(select coalesce(jsonb_agg(jsonb_build_object({fields}) order by {order}), '[]') from {table} where {where})"


_COSTS = _list(
    "cost_option c",
    "'label', c.label, 'amount_fen', c.amount_fen, 'unit', c.unit",
    "c.position",
    "c.service_id = v.id",
)
_PAPERS = _list("required_document d", "'name', d.name, 'note', d.note", "d.position", "d.service_id = v.id")
_SERVICE = f"""'name', v.name, 'name_en', v.name_en, 'description', v.description, 'minimum_age', v.minimum_age,
    'maximum_age', v.maximum_age, 'eligibility', v.eligibility, 'costs', {_COSTS}, 'documents', {_PAPERS}"""
_CLOSURE = f"""'id', k.id, 'starts_at', {_instant("k.starts_at")}, 'ends_at', {_instant("k.ends_at")}, 'reason', k.reason,
    'for_good', k.for_good"""

STATE = """case when s.published_at is not null then 'published' when s.submitted_at is not null then 'submitted'
    when s.withdrawn_at is not null then 'withdrawn' else 'draft' end"""

# The shape of SiteIn, with the geometry as GeoJSON in WGS84, and of what else staff do. All by primary or site's keys.
SNAPSHOT = f"""jsonb_build_object('category', s.category_code, {", ".join(f"'{name}', s.{name}" for name in SAME_FIELDS)},
    'geometry', st_asgeojson(s.geom, 15)::jsonb,
    'operator', (select jsonb_build_object('name', o.name, 'name_en', o.name_en, 'operating_model', o.operating_model)
        from organisation o where o.id = s.organisation_id),
    'phones', {_list("phone p", "'number', p.number, 'extension', p.extension, 'label', p.label", "p.position", "p.site_id = s.id")},
    'services', {_list("service v", _SERVICE, "v.position", "v.site_id = s.id")},
    'exceptions', {_list("hours_exception e", "'on_date', e.on_date, 'hours', e.hours, 'reason', e.reason", "e.on_date", "e.site_id = s.id")},
    'external_ids', (select coalesce(jsonb_object_agg(x.scheme, x.value), '{{}}') from site_external_id x where x.site_id = s.id),
    'state', {STATE}, 'staff_fields', to_jsonb(s.staff_fields), 'assured_at', {_instant("s.assured_at")},
    'closures', {_list("site_closure k", _CLOSURE, "k.starts_at, k.id", "k.site_id = s.id and k.ended_at is null")})"""

_INTO = "insert into site_revision (site_id, version, at, act, actor, roles, channel, reason, snapshot)"
KEEP = text(
    f"""{_INTO}
select s.id, s.version, s.updated_at, 'imported', 'source:' || s.source_code, null, 'system', null, {SNAPSHOT}
from site s
where s.id = any(:ids)
    and not exists (select from site_revision r where r.site_id = s.id and r.version = s.version)"""
)
RECORD = text(
    f"""{_INTO}
select s.id, s.version, :at, :act, :actor, :roles, :channel, :reason, {SNAPSHOT} from site s where s.id = any(:ids)"""
)
NOW = text(f"select {SNAPSHOT} from site s where s.id = :site_id")


async def keep_versions(session: AsyncSession, *, site_ids: Sequence[UUID]) -> None:
    """Before sites change: keep the version each has, unless it is kept already."""
    await session.execute(KEEP, {"ids": list(site_ids)})


async def record_revisions(
    session: AsyncSession,
    actor: Actor,
    *,
    site_ids: Sequence[UUID],
    act: str,
    reason: str | None,
    now: datetime,
) -> None:
    """After sites changed and their versions were raised: keep what each is now, and who did it."""
    said = {
        "ids": list(site_ids),
        "at": now,
        "act": act,
        "actor": actor.name,
        "roles": " ".join(sorted(actor.roles)) or None,
        "channel": actor.channel,
        "reason": reason,
    }
    await session.execute(RECORD, said)


async def read_snapshot(session: AsyncSession, *, site_id: UUID) -> dict[str, Any]:
    """What the site is now, in the shape of a snapshot; the site must be there."""
    found: dict[str, Any] = (await session.execute(NOW, {"site_id": site_id})).scalar_one()
    return found


async def get_revision(session: AsyncSession, *, site_id: UUID, version: int) -> SiteRevision:
    """A version that is kept. Raises VersionNotFound."""
    revision = await session.get(SiteRevision, (site_id, version))
    if revision is None:
        raise VersionNotFound(
            f"没有第 {version} 版；所有版本见“历史”。",
            f"There is no version {version}; the history lists those there are.",
        )
    return revision


def history_query(*, site_id: UUID, before: int | None, limit: int) -> Select[SiteRevision]:
    """Versions of a site, newest first, older than ``before``; read by the primary key backwards."""
    query = select(SiteRevision).where(SiteRevision.site_id == site_id)
    if before is not None:
        query = query.where(SiteRevision.version < before)
    return query.order_by(SiteRevision.version.desc()).limit(limit)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Fields that differ between two snapshots -> [before, after]; whose they are is no difference to a reader."""
    names = [name for name in dict.fromkeys([*CONTENT, *after, *before]) if name != "staff_fields"]
    return {
        name: [before.get(name), after.get(name)] for name in names if before.get(name) != after.get(name)
    }
