"""One site as staff read it: all of it, drafts too, and what became of it version by version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from geo.models import Area, Site, SiteClosure
from geo.sites.closures import closures_query
from geo.sites.held import State, hold_site, state_of
from geo.sites.revisions import CONTENT, differences, history_query, read_snapshot


@dataclass(frozen=True)
class StaffDetail:
    """``content`` is what an edit may say, in the shape an edit says it."""

    site: Site
    state: State
    content: Mapping[str, Any]
    area: str | None
    closures: Sequence[SiteClosure]


@dataclass(frozen=True)
class Past:
    """A version: who made it, and how it differs from the one before (field -> [before, after])."""

    version: int
    at: datetime
    act: str
    actor: str
    roles: str | None
    channel: str
    reason: str | None
    changes: Mapping[str, Sequence[Any]]


async def get_staff_site(session: AsyncSession, actor: Actor, *, site_id: UUID, now: datetime) -> StaffDetail:
    """A site with all that may be edited. Raises SiteNotFound, NotSignedIn, NotAllowed."""
    held = await hold_site(session, actor, site_id=site_id, action="site.read", lock=False)
    snapshot = await read_snapshot(session, site_id=site_id)
    area_id = held.site.area_id
    return StaffDetail(
        site=held.site,
        state=state_of(held.site),
        content={name: snapshot[name] for name in CONTENT},
        area=await session.scalar(select(Area.name).where(Area.id == area_id)) if area_id else None,
        closures=(await session.scalars(closures_query(site_id=site_id, over=False, now=now))).all(),
    )


async def list_history(
    session: AsyncSession, actor: Actor, *, site_id: UUID, before: int | None, limit: int
) -> list[Past]:
    """Up to ``limit`` versions older than ``before``, newest first. Raises SiteNotFound, NotSignedIn, NotAllowed.

    A version that an import wrote and nothing replaced is not kept yet: it is what the site is now.
    """
    held = await hold_site(session, actor, site_id=site_id, action="site.read", lock=False)
    zone = ZoneInfo(held.site.zone)
    found = (
        await session.scalars(history_query(site_id=site_id, before=before, limit=limit + 1))
    ).all()  # one more, to compare the last one with
    past = []
    site = held.site
    if before is None and (not found or found[0].version < site.version):
        changes = {}
        if found:
            changes = differences(found[0].snapshot, await read_snapshot(session, site_id=site_id))
        source, at = f"source:{site.source_code}", site.updated_at.astimezone(zone)
        past.append(Past(site.version, at, "imported", source, None, "system", None, changes))
    older = [*found[1:], None]
    past += [
        Past(
            version=one.version,
            at=one.at.astimezone(zone),
            act=one.act,
            actor=one.actor,
            roles=one.roles,
            channel=one.channel,
            reason=one.reason,
            changes={} if previous is None else differences(previous.snapshot, one.snapshot),
        )
        for one, previous in zip(found, older, strict=False)  # none found: nothing to compare
    ]
    return past[:limit]
