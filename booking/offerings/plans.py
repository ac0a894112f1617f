"""What templates call for in the days ahead, worked out in memory from a handful of queries.

Heeds the work calendar, closures, the site's state and dates with other hours. Making the slots is ``making``'s, and
what becomes of slots that no longer fit is ``fitting``'s.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Offering, OfferingTemplate
from booking.offerings.patterns import ONE_DAY, Pattern, Window, counts_on, pattern_of, windows_on
from geo.calendar.store import load_calendar
from geo.calendar.workdays import WorkCalendar
from geo.hours.state import Hours, HoursException, day_intervals
from geo.models import HoursException as HoursExceptionRow
from geo.models import Site, SiteClosure

Code = Literal["calendar_not_announced", "site_closed", "needs_missing"]
Span = tuple[datetime, datetime]
SLOT_DAYS = 30
# Slots are there some days before they can be booked, for staff to look them over.
LOOK_OVER_DAYS = 7


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """What of a site says whether a slot may be: closures as (from, until or None), hours of dates that have others."""

    zone: ZoneInfo
    in_use: bool
    closures: Sequence[tuple[datetime, datetime | None]] = ()
    exceptions: Mapping[date, Sequence[Span]] = field(default_factory=dict)

    def closed_during(self, window: Window) -> bool:
        """Whether a closure overlaps it, or the site is in use no more."""
        return not self.in_use or any(
            start < window.ends_at and (end is None or end > window.starts_at) for start, end in self.closures
        )

    def outside_hours(self, window: Window) -> bool:
        """Whether its date has other hours that it does not lie within."""
        spans = self.exceptions.get(window.on)
        return spans is not None and not any(
            start <= window.starts_at and window.ends_at <= end for start, end in spans
        )


@dataclass(slots=True)
class Plan:
    """What one template calls for until ``last_on``: ``windows`` to make, ``kept_closed`` that a closure forbids now."""

    template: OfferingTemplate
    offering: Offering
    zone: ZoneInfo
    last_on: date
    windows: list[Window] = field(default_factory=list)
    kept_closed: set[datetime] = field(default_factory=set)
    warnings: dict[date, Code] = field(default_factory=dict)


def plan_template(
    pattern: Pattern, facts: SiteFacts, calendar: WorkCalendar, *, first: date, now: datetime, into: Plan
) -> None:
    """Fill ``into`` from ``first`` to its last date; what has begun by ``now`` is left out."""
    for ahead in range((into.last_on - first).days + 1):
        on = first + ahead * ONE_DAY
        answer = counts_on(pattern, calendar, on)
        if answer == "unknown":
            into.warnings[on] = "calendar_not_announced"
        if answer != "yes":
            continue
        for window in windows_on(pattern, facts.zone, on):
            if window.starts_at <= now:
                continue
            if facts.closed_during(window):
                into.kept_closed.add(window.starts_at)
                into.warnings[window.on] = "site_closed"
            elif facts.outside_hours(window):
                into.warnings[window.on] = "site_closed"
            else:
                into.windows.append(window)


async def make_plans(
    session: AsyncSession,
    templates: Sequence[tuple[OfferingTemplate, Offering]],
    *,
    region: str,
    days: int | None,
    now: datetime,
) -> list[Plan]:
    """The plan of each template, at least ``days`` ahead (None: SLOT_DAYS) and as far as its offering opens.

    Nothing is called for by a template that has ended.
    """
    calendar = await load_calendar(session, region=region)
    facts = await load_sites(session, {offering.site_id for _, offering in templates}, calendar, now=now)
    plans = []
    for template, offering in templates:
        of_site = facts[offering.site_id]
        today = now.astimezone(of_site.zone).date()
        plan = Plan(template, offering, of_site.zone, today + (days_ahead(offering, days) - 1) * ONE_DAY)
        if template.ended_at is None:
            # From yesterday: of a template that runs past midnight, some slots start today.
            plan_template(pattern_of(template), of_site, calendar, first=today - ONE_DAY, now=now, into=plan)
        plans.append(plan)
    return plans


def days_ahead(offering: Offering, days: int | None) -> int:
    """How many dates get slots, today among them."""
    return max(SLOT_DAYS if days is None else days, offering.opens_days_before + LOOK_OVER_DAYS)


async def load_sites(
    session: AsyncSession, site_ids: Iterable[UUID], calendar: WorkCalendar, *, now: datetime
) -> dict[UUID, SiteFacts]:
    """What is known of these sites, in three queries."""
    ids = sorted(set(site_ids))
    sites = (
        await session.execute(
            select(Site.id, Site.zone, Site.status, Site.published_at).where(Site.id.in_(ids))
        )
    ).all()
    closures: dict[UUID, list[tuple[datetime, datetime | None]]] = defaultdict(list)
    for row in await session.execute(
        select(SiteClosure.site_id, SiteClosure.starts_at, SiteClosure.ends_at).where(
            SiteClosure.site_id.in_(ids),
            SiteClosure.ended_at.is_(None),
            or_(SiteClosure.ends_at.is_(None), SiteClosure.ends_at > now),
        )
    ):
        closures[row.site_id].append((row.starts_at, row.ends_at))
    exceptions: dict[UUID, list[HoursException]] = defaultdict(list)
    for other in await session.execute(
        select(HoursExceptionRow.site_id, HoursExceptionRow.on_date, HoursExceptionRow.hours).where(
            HoursExceptionRow.site_id.in_(ids), HoursExceptionRow.on_date >= now.date() - timedelta(days=1)
        )
    ):
        exceptions[other.site_id].append(HoursException(other.on_date, other.hours, ""))
    return {
        site.id: SiteFacts(
            ZoneInfo(site.zone),
            site.status == "active" and site.published_at is not None,
            tuple(closures[site.id]),
            {one.on: _spans(one, site.zone, calendar) for one in exceptions[site.id]},
        )
        for site in sites
    }


def _spans(exception: HoursException, zone: str, calendar: WorkCalendar) -> Sequence[Span]:
    """The open hours of a date with other hours, those that touch as one."""
    spans: list[Span] = []
    hours = Hours(None, exceptions=(exception,), zone=zone)
    for one in day_intervals(hours, calendar, exception.on).intervals:
        if one.state != "open":
            continue
        if spans and spans[-1][1] == one.starts_at:
            spans[-1] = (spans[-1][0], one.ends_at)
        else:
            spans.append((one.starts_at, one.ends_at))
    return spans
