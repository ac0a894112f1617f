"""Sites as staff list them: drafts too, narrowed to where they may look, the longest unconfirmed first if asked."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, literal_column, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from core.actor import Actor
from core.permissions import require, scopes
from geo.models import Area, Site, SiteClosure
from geo.sites.held import State, state_of
from geo.sites.places import scope_condition

ListedState = Literal["draft", "submitted", "published", "withdrawn", "closed"]
# Exactly the expression and the predicate of site_freshness_idx.
_confirmed: ColumnElement[datetime] = literal_column("coalesce(site.assured_at, to_timestamp(0))")
_LISTED: ColumnElement[bool] = literal_column("site.published_at is not null and site.status <> 'inactive'")
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class StaffRow:
    """A site in a staff list, times by its own clock; ``closed_until`` is None also when it is closed without an end."""

    id: UUID
    name: str
    category: str
    address: str | None
    area: str | None
    state: State
    status: str
    closed_now: bool
    closed_until: datetime | None
    version: int
    assured_at: datetime | None
    updated_at: datetime

    @property
    def confirmed(self) -> datetime:
        """What the freshness list is in order by."""
        return self.assured_at or NEVER


def in_force(now: datetime) -> ColumnElement[bool]:
    """Closures in force at ``now``."""
    return and_(
        SiteClosure.ended_at.is_(None),
        SiteClosure.starts_at <= now,
        or_(SiteClosure.ends_at.is_(None), SiteClosure.ends_at > now),
    )


def staff_sites_query(
    allowed: Mapping[Any, Collection[str]] | None,
    *,
    states: Sequence[ListedState] = (),
    categories: Sequence[str] = (),
    not_assured_since: datetime | None = None,
    after: tuple[datetime | None, UUID] | None = None,
    limit: int,
    now: datetime,
) -> Select[Any]:
    """A page of the sites within ``allowed`` (``core.permissions.scopes``), one statement whatever the scope.

    By id; with ``not_assured_since`` published sites not confirmed since then, the longest ago first, by
    site_freshness_idx. ``after``: confirmed and id of the last one shown.
    """
    closed = select(SiteClosure).where(SiteClosure.site_id == Site.id, in_force(now))
    endless = func.bool_or(SiteClosure.ends_at.is_(None))
    until = closed.with_only_columns(case((endless, None), else_=func.max(SiteClosure.ends_at)))
    query = (
        select(Site, Area.name, closed.exists(), until.scalar_subquery())
        .outerjoin(Area, Area.id == Site.area_id)
        .options(defer(Site.geom, raiseload=True))  # outlines may be long, and nobody asked for them
        .where(scope_condition(allowed))
        .limit(limit)
    )
    if states:
        query = query.where(or_(*(_in_state(state, now) for state in states)))
    if categories:
        query = query.where(Site.category_code.in_(categories))
    if not_assured_since is None:
        query = query.order_by(Site.id)
        return query if after is None else query.where(Site.id > after[1])
    query = query.where(
        _LISTED,
        _confirmed < not_assured_since,
    ).order_by(_confirmed, Site.id)
    return query if after is None else query.where(tuple_(_confirmed, Site.id) > tuple_(after[0], after[1]))


def _in_state(state: ListedState, now: datetime) -> ColumnElement[bool]:
    unpublished = Site.published_at.is_(None)
    if state == "closed":
        closure = exists().where(SiteClosure.site_id == Site.id, in_force(now))
        return and_(Site.published_at.is_not(None), or_(Site.status != "active", closure))
    return {
        "draft": and_(unpublished, Site.submitted_at.is_(None), Site.withdrawn_at.is_(None)),
        "submitted": and_(unpublished, Site.submitted_at.is_not(None)),
        "published": Site.published_at.is_not(None),
        "withdrawn": and_(unpublished, Site.submitted_at.is_(None), Site.withdrawn_at.is_not(None)),
    }[state]


async def list_staff_sites(
    session: AsyncSession,
    actor: Actor,
    *,
    states: Sequence[ListedState] = (),
    categories: Sequence[str] = (),
    not_assured_for_days: int | None = None,
    after: tuple[datetime | None, UUID] | None = None,
    limit: int,
    now: datetime,
) -> list[StaffRow]:
    """Sites ``actor`` may see as staff. Raises NotSignedIn, NotAllowed."""
    require(actor, "site.read")
    query = staff_sites_query(
        scopes(actor, "site.read"),
        states=states,
        categories=categories,
        not_assured_since=None
        if not_assured_for_days is None
        else now - timedelta(days=not_assured_for_days),
        after=after,
        limit=limit,
        now=now,
    )
    return [
        StaffRow(
            id=site.id,
            name=site.name,
            category=site.category_code,
            address=site.address,
            area=area,
            state=state_of(site),
            status=site.status,
            closed_now=site.status != "active" or closed,
            closed_until=_local(site, until),
            version=site.version,
            assured_at=_local(site, site.assured_at),
            updated_at=site.updated_at.astimezone(ZoneInfo(site.zone)),
        )
        for site, area, closed, until in await session.execute(query)
    ]


def _local(site: Site, at: datetime | None) -> datetime | None:
    return at and at.astimezone(ZoneInfo(site.zone))
