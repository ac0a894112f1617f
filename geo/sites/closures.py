"""Closures staff plan: for a time, until further notice, or for good. Residents see them before they begin.

A closure ends by itself. Open states heed it from its first minute (``geo.hours.state``); one for good also makes the
site inactive, which takes it out of lists and search: at once, or within minutes by the worker (``apply_closures``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Select, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from core.permissions import require_at
from geo.errors import ClosedForGood, ClosureNotFound, ClosureOver, InvalidClosure
from geo.models import Site, SiteClosure
from geo.sites.held import changing, hold_site, set_columns

MOST_AHEAD = timedelta(days=3 * 365)
MOST_BACK = timedelta(days=31)  # a clerk enters what began last week
MOST_AT_ONCE = 50
MIN_YEAR, MAX_YEAR = 1900, 9000
ONE_DAY = timedelta(days=1)

Stage = Literal["planned", "in_force", "over", "called_off"]


@dataclass(frozen=True)
class Closing:
    """A closure that was written, with its site's zone and new version."""

    closure: SiteClosure
    zone: str
    version: int


@dataclass(frozen=True)
class Listed:
    """Closures of a site with its zone and version."""

    closures: Sequence[SiteClosure]
    zone: str
    version: int


def stage_of(closure: SiteClosure, now: datetime) -> Stage:
    """Where a closure is at ``now``; one that was ended early is over, one that never began was called off."""
    if closure.ended_at is not None:
        return "over" if closure.ended_at > closure.starts_at else "called_off"
    if closure.starts_at > now:
        return "planned"
    return "in_force" if closure.ends_at is None or closure.ends_at > now else "over"


async def plan_closure(
    session: AsyncSession,
    actor: Actor,
    *,
    site_id: UUID,
    first: date | datetime | None,
    last: date | datetime | None,
    reason: str,
    for_good: bool,
    now: datetime,
) -> Closing:
    """Close a site from ``first`` (None: now) to ``last`` (None: until further notice).

    Dates are whole days in the site's zone, ``last`` among them; instants are to the minute, the end not included.
    Raises SiteNotFound, NotSignedIn, NotAllowed, InvalidClosure, ClosedForGood.
    """
    held = await hold_site(session, actor, site_id=site_id, action="site.edit")
    zone = ZoneInfo(held.site.zone)
    starts_at = _instant(first, zone, ends=False) if first is not None else _minute(now)
    ends_at = _instant(last, zone, ends=True) if last is not None else None
    _check_times(starts_at, ends_at, for_good, now)
    current = (await session.scalars(closures_query(site_id=site_id, over=False, now=now))).all()
    if any(one.for_good and not (ends_at and ends_at <= one.starts_at) for one in current):
        raise ClosedForGood(
            "服务点已安排永久停办，只能安排在那之前结束的停业；如要更改，请先撤销原来的安排。",
            "The site is to close for good: plan what ends before that, or call it off first.",
        )
    if len(current) >= MOST_AT_ONCE:
        raise InvalidClosure(
            f"最多同时安排 {MOST_AT_ONCE} 次停业。", f"At most {MOST_AT_ONCE} closures can be planned."
        )
    closure = SiteClosure(
        site_id=site_id,
        starts_at=starts_at,
        ends_at=ends_at,
        reason=reason,
        for_good=for_good,
        created_at=now,
        applied_at=now if for_good and starts_at <= now else None,
    )
    async with changing(
        session,
        actor,
        held,
        action="site.edit",
        act="closure_planned",
        reason=reason,
        detail={"for_good": for_good},
        now=now,
    ) as version:
        session.add(closure)
        await session.flush()
        if closure.applied_at is not None:
            await _set_status(session, held.site, "inactive")
    return Closing(closure, held.site.zone, version)


async def end_closure(
    session: AsyncSession, actor: Actor, *, site_id: UUID, closure_id: UUID, now: datetime
) -> Closing:
    """End a closure early, or call it off; the site is open again by its hours.

    To open a site again that was closed for good takes the permission to publish. Raises SiteNotFound, NotSignedIn,
    NotAllowed, ClosureNotFound, ClosureOver.
    """
    held = await hold_site(session, actor, site_id=site_id, action="site.edit")
    closure = await session.scalar(
        select(SiteClosure).where(SiteClosure.id == closure_id, SiteClosure.site_id == site_id)
    )
    if closure is None:
        raise ClosureNotFound("没有这条停业安排。", "This site has no such closure.")
    if stage_of(closure, now) in ("over", "called_off"):
        raise ClosureOver(
            "这条停业安排已经结束，不用再撤销。", "This closure is over; there is nothing to end."
        )
    if closure.for_good and closure.starts_at <= now:  # whether or not the worker has been here
        require_at(actor, "site.publish", held.place)
    async with changing(
        session, actor, held, action="site.edit", act="closure_ended", reason=closure.reason, now=now
    ) as version:
        closure.ended_at = now
        await session.flush()
        if closure.applied_at is not None and held.site.status == "inactive":
            await _set_status(session, held.site, "active")
    return Closing(closure, held.site.zone, version)


async def list_closures(
    session: AsyncSession, actor: Actor, *, site_id: UUID, over: bool, now: datetime
) -> Listed:
    """As ``closures_query``. Raises SiteNotFound, NotSignedIn, NotAllowed."""
    held = await hold_site(session, actor, site_id=site_id, action="site.read", lock=False)
    found = (await session.scalars(closures_query(site_id=site_id, over=over, now=now))).all()
    return Listed(found, held.site.zone, held.site.version)


def closures_query(*, site_id: UUID, over: bool, now: datetime) -> Select[SiteClosure]:
    """Closures of a site in the order they begin: those planned or in force, with ``over`` all others too."""
    query = select(SiteClosure).where(SiteClosure.site_id == site_id)
    if not over:
        query = query.where(
            SiteClosure.ended_at.is_(None), or_(SiteClosure.ends_at.is_(None), SiteClosure.ends_at > now)
        )
    return query.order_by(SiteClosure.starts_at, SiteClosure.id)


async def apply_closures(
    session: AsyncSession, actor: Actor, *, now: datetime, limit: int = 100
) -> Sequence[UUID]:
    """Make sites inactive whose closing for good has come; their ids. Several workers may do it at once.

    Uses site_closure_due_idx.
    """
    due = (
        await session.scalars(
            select(SiteClosure)
            .where(
                SiteClosure.for_good,
                SiteClosure.ended_at.is_(None),
                SiteClosure.applied_at.is_(None),
                SiteClosure.starts_at <= now,
            )
            .order_by(SiteClosure.starts_at)
            .limit(limit)
        )
    ).all()
    closed = []
    for closure in sorted(due, key=lambda one: one.site_id):  # as an import locks them
        held = await hold_site(session, actor, site_id=closure.site_id, action="site.edit")
        # Another worker, or staff, may have been here while we waited for the lock.
        await session.refresh(closure)
        if closure.ended_at is not None or closure.applied_at is not None:
            continue
        async with changing(
            session, actor, held, action="site.edit", act="closed_for_good", reason=closure.reason, now=now
        ):
            closure.applied_at = now
            await session.flush()
            await _set_status(session, held.site, "inactive")
        closed.append(closure.site_id)
    return closed


async def _set_status(session: AsyncSession, site: Site, status: Literal["active", "inactive"]) -> None:
    """While it is closed for good the status is staff's: no import opens it."""
    fields = set(site.staff_fields) - {"status"} | ({"status"} if status == "inactive" else set())
    await set_columns(session, site.id, {"status": status, "staff_fields": sorted(fields)})


def _instant(at: date | datetime, zone: ZoneInfo, *, ends: bool) -> datetime:
    if not MIN_YEAR < at.year < MAX_YEAR:  # no day after the last one; and zones have none before the first
        raise InvalidClosure("请核对年份。", "Check the year.")
    if isinstance(at, datetime):
        return _minute(at)
    return datetime.combine(at + ONE_DAY if ends else at, time(), zone)


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _check_times(starts_at: datetime, ends_at: datetime | None, for_good: bool, now: datetime) -> None:
    """Raises InvalidClosure."""
    if for_good and ends_at is not None:
        raise InvalidClosure(
            "永久停办没有结束时间，请去掉 until。", "A closure for good has no end; leave out `until`."
        )
    if ends_at is not None and ends_at <= starts_at:
        raise InvalidClosure("结束时间应晚于开始时间。", "It must end after it begins.")
    if ends_at is not None and ends_at <= now:
        raise InvalidClosure("结束时间已经过去。", "It would be over already.")
    if starts_at < now - MOST_BACK:
        raise InvalidClosure("开始时间太早，请从今天算起。", "It begins too long ago; let it begin today.")
    if max(starts_at, ends_at or starts_at) > now + MOST_AHEAD:
        raise InvalidClosure("时间太远，最多提前三年安排。", "That is too far ahead: three years at most.")
