"""One site in the hands of one member of staff: found, allowed, locked, and its change on record."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from core.audit import record
from core.permissions import Place, covers, require, require_at
from geo.errors import SiteChanged, SiteNotFound
from geo.models import Site, SiteRevision
from geo.sites.places import find_place
from geo.sites.revisions import differences, keep_versions, read_snapshot, record_revisions

State = Literal["draft", "submitted", "published", "withdrawn"]


@dataclass(frozen=True)
class Held:
    """A site as it was read, and where it is; locked until the transaction ends if it was asked for."""

    site: Site
    place: Place


def state_of(site: Site) -> State:
    """Where the site is on its way to residents."""
    if site.published_at is not None:
        return "published"
    if site.submitted_at is not None:
        return "submitted"
    return "withdrawn" if site.withdrawn_at is not None else "draft"


async def hold_site(
    session: AsyncSession,
    actor: Actor,
    *,
    site_id: UUID,
    action: str,
    version: int | None = None,
    lock: bool = True,
) -> Held:
    """The site, which ``actor`` may do ``action`` with and which still has ``version``, if one is given.

    Raises SiteNotFound, also for a draft the actor may not know of; NotSignedIn, NotAllowed, SiteChanged.
    """
    require(actor, action)
    query = select(Site).where(Site.id == site_id).execution_options(populate_existing=True)
    # The lock comes before the place is worked out: an edit may move the site out of somebody's scope.
    site = await session.scalar(query.with_for_update() if lock else query)
    place = await find_place(session, site_id=site_id)
    if site is None or place is None or (site.published_at is None and not covers(actor, "site.read", place)):
        raise SiteNotFound("没有这个服务点。", "There is no such site.")
    require_at(actor, action, place)
    if version is not None and version != site.version:
        raise await _changed(session, site, version)
    return Held(site, place)


async def _changed(session: AsyncSession, site: Site, version: int) -> SiteChanged:
    """What others did since ``version``, for the caller to compare with what they meant to write."""
    later = (
        await session.scalars(
            select(SiteRevision)
            .where(SiteRevision.site_id == site.id, SiteRevision.version > version)
            .order_by(SiteRevision.version)
        )
    ).all()
    zone = ZoneInfo(site.zone)
    known = await session.get(SiteRevision, (site.id, version))
    fields = (
        None if known is None else differences(known.snapshot, await read_snapshot(session, site_id=site.id))
    )
    changed_by = [
        {
            "version": one.version,
            "at": one.at.astimezone(zone),
            "act": one.act,
            "roles": one.roles,
            "reason": one.reason,
        }
        for one in later
    ]
    if not later or later[-1].version < site.version:  # an import was last, which is kept once it is replaced
        at = site.updated_at.astimezone(zone)
        changed_by.append(
            {"version": site.version, "at": at, "act": "imported", "roles": None, "reason": None}
        )
    return SiteChanged(
        f"您看到的是第 {version} 版，现在是第 {site.version} 版。请对照 changes 中别人的修改，重新读取后再改。",
        f"You have version {version}; it is now {site.version}. Compare `changes`, read it again and edit that.",
        version=site.version,
        changed_by=changed_by,
        changes=fields,
    )


@asynccontextmanager
async def changing(
    session: AsyncSession,
    actor: Actor,
    held: Held,
    *,
    action: str,
    act: str,
    reason: str | None,
    fields: Sequence[str] = (),
    detail: dict[str, Any] | None = None,
    updates: bool = True,
    now: datetime,
) -> AsyncIterator[int]:
    """Around what changes a locked site: keeps the old version, gives the new number, puts both on record.

    ``act`` names it in the history, ``action`` in the audit record; ``updates``: what residents read changed.
    """
    site = held.site
    version = site.version + 1
    await keep_versions(session, site_ids=[site.id])
    yield version
    raised: dict[str, Any] = {"version": version, **({"updated_at": now} if updates else {})}
    await set_columns(session, site.id, raised)
    await record_revisions(session, actor, site_ids=[site.id], act=act, reason=reason, now=now)
    said = {"act": act, "version": version, **({"fields": list(fields)} if fields else {}), **(detail or {})}
    await record(
        session,
        actor,
        action=action,
        object_kind="site",
        object_id=site.id,
        reason=reason,
        detail=said,
        now=now,
    )


async def set_columns(session: AsyncSession, site_id: UUID, values: dict[str, Any]) -> None:
    """Write columns of a site; rows read before keep what they said."""
    statement = update(Site).where(Site.id == site_id).values(values)
    await session.execute(statement.execution_options(synchronize_session=False))
