"""Is a site open at an instant, until when, and why: pure, for one site or a thousand at once.

Hours belong to the day they start on, also past midnight. What a day's hours are depends on its kind in the work
calendar (`geo.calendar.workdays`); a day whose kind is not announced is worked out under each kind it may turn out to
have, and only what all of them agree on is known. The rules in words are in docs/hours.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal
from zoneinfo import ZoneInfo

from geo.calendar.workdays import WorkCalendar
from geo.hours.days import DayPlan, Facts, PlannedSpan, State, overlaid, plan, timeline
from geo.hours.grammar import DAY_MINUTES, HoursError, uses_holidays, validate_exception_hours, validate_hours

__all__ = [
    "REASONS",
    "ClosedTime",
    "DayHours",
    "Hours",
    "HoursError",
    "HoursException",
    "Interval",
    "OpenState",
    "day_intervals",
    "open_state",
    "open_states",
    "validate_exception_hours",
    "validate_hours",
]

HORIZON: Final = timedelta(days=60)  # how far ahead `until` is looked for
YEARS: Final = range(1902, 9998)  # the grammar's years, less room for neighbouring days and zones
ONE_DAY: Final = timedelta(days=1)
MIDNIGHT: Final = time()

# code -> (zh, en). `inactive` and `temporarily_closed` come of closures, or of callers who know a site's status.
REASONS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "exception": ("当日另有安排", "special hours on this date"),
        "holiday": ("法定节假日", "public holiday"),
        "makeup_workday": ("调休上班日", "make-up workday"),
        "school_vacation": ("寒暑假", "school vacation"),
        "calendar_not_announced": ("该年放假安排尚未公布", "this year's holidays are not announced yet"),
        "makeup_day_unclear": ("调休上班日的时间未说明", "hours on make-up workdays are not stated"),
        "no_term_data": ("未录入学期和假期", "no school terms are known for this date"),
        "ask_site": ("请先与服务点确认", "check with the site first"),
        "no_hours": ("未提供开放时间", "no hours are given"),
        "unreadable_hours": ("开放时间无法识别", "the hours cannot be read"),
        "inactive": ("已停止服务", "closed for good"),
        "temporarily_closed": ("暂停服务", "temporarily closed"),
    }
)

CLOSURES: Final = frozenset({"inactive", "temporarily_closed"})


@dataclass(frozen=True)
class HoursException:
    """Hours for one date, replacing all that start on it: times such as `09:00-12:00`; `off` or None closes."""

    on: date
    hours: str | None
    reason: str


@dataclass(frozen=True)
class ClosedTime:
    """A closure by staff: from one aware instant to another, or without end. It wins over hours and exceptions."""

    starts_at: datetime
    ends_at: datetime | None
    for_good: bool = False

    @property
    def reason(self) -> str:
        """A key of REASONS."""
        return "inactive" if self.for_good else "temporarily_closed"


@dataclass(frozen=True)
class Hours:
    """A site's hours: OSM opening_hours texts, dated exceptions, the IANA zone both are meant in, and closures."""

    weekly: str | None
    makeup: str | None = None  # on make-up workdays (调休上班日)
    exceptions: tuple[HoursException, ...] = ()
    zone: str = "Asia/Shanghai"
    closed: tuple[ClosedTime, ...] = ()


@dataclass(frozen=True)
class OpenState:
    """`until`: the next change of `state`, aware and local; None when there is none within 60 days.

    `reason`: a key of REASONS. Always there when unknown; when open or closed only if the day is not an
    ordinary one and has other hours for it.
    """

    state: State
    until: datetime | None
    reason: str | None


@dataclass(frozen=True)
class Interval:
    """Aware local instants, end excluded."""

    starts_at: datetime
    ends_at: datetime
    state: Literal["open", "unknown"]
    reason: str | None


@dataclass(frozen=True)
class DayHours:
    """The hours that start on a date; they may end on the next. No intervals: closed."""

    on: date
    intervals: tuple[Interval, ...]
    reason: str | None


def open_state(hours: Hours, calendar: WorkCalendar, at: datetime) -> OpenState:
    """Whether a site with these hours is open at `at` (aware). Unusable hours are unknown, never an error.

    Works on the wall clock of `hours.zone`, to the minute.
    """
    zone = _find_zone(hours.zone)
    if zone is None:
        return OpenState("unknown", None, "unreadable_hours")
    if at.tzinfo is None:
        raise ValueError("at must be aware")
    if at.year not in YEARS:
        return OpenState("unknown", None, "calendar_not_announced")
    local = at.astimezone(zone)
    days = _Days(hours, calendar)
    on = local.date()
    minute = local.hour * 60 + local.minute
    today = days.timeline(on)
    index = next(index for index, span in enumerate(today) if span.end > minute)
    state, reason = today[index].state, today[index].reason
    last = local.replace(tzinfo=None) + HORIZON
    ahead = today[index + 1 :]
    while True:
        for span in ahead:
            if span.state != state:
                until = _wall(on, span.start)
                # In a repeated hour `until` lies in the same pass of the clock as `at`.
                aware = until.replace(tzinfo=zone, fold=local.fold)
                return OpenState(state, aware if until <= last else None, reason)
        on += ONE_DAY
        if on > last.date():
            return OpenState(state, None, reason)
        ahead = days.timeline(on)


def open_states(hours_list: Iterable[Hours], calendar: WorkCalendar, at: datetime) -> list[OpenState]:
    """`open_state` of each, in order; sites with equal hours are worked out once."""
    known: dict[Hours, OpenState] = {}
    states = []
    for hours in hours_list:
        state = known.get(hours)
        if state is None:
            state = known[hours] = open_state(hours, calendar, at)
        states.append(state)
    return states


def day_intervals(hours: Hours, calendar: WorkCalendar, on: date) -> DayHours:
    """The open and unknown hours that start on `on`, in order: what a week's table shows for that day."""
    zone = _find_zone(hours.zone)
    if zone is None or on.year not in YEARS:
        reason = "unreadable_hours" if zone is None else "calendar_not_announced"
        starts_at = datetime(on.year, on.month, on.day, tzinfo=zone or UTC)
        ends_at = starts_at.replace(hour=23, minute=59) if on == date.max else starts_at + ONE_DAY
        return DayHours(on, (Interval(starts_at, ends_at, "unknown", reason),), reason)
    days = _Days(hours, calendar)
    planned = days.plan(on)
    spans = days.without_closed(on, planned.spans)
    intervals = tuple(
        Interval(_wall(on, start).replace(tzinfo=zone), _wall(on, end).replace(tzinfo=zone), state, reason)
        for start, end, state, reason in spans
        if state != "closed"
    )
    closed = next(
        (reason for start, _, _, reason in spans if reason in CLOSURES and start < DAY_MINUTES), None
    )
    return DayHours(on, intervals, closed or planned.reason)


class _Days:
    """One site's days, each looked up through what the calendar and the exceptions say of it."""

    __slots__ = ("calendar", "closed", "exceptions", "makeup", "uses_sh", "weekly")

    def __init__(self, hours: Hours, calendar: WorkCalendar) -> None:
        self.weekly = hours.weekly
        self.makeup = hours.makeup
        self.exceptions = {exception.on: exception.hours or "off" for exception in hours.exceptions}
        self.calendar = calendar
        texts = (hours.weekly, hours.makeup, *self.exceptions.values())
        self.uses_sh = any(uses_holidays(text)[1] for text in texts if text is not None)
        self.closed = _on_the_wall(hours) if hours.closed else ()

    def facts(self, on: date) -> Facts:
        vacation = self.calendar.vacation(on) if self.uses_sh else False
        return Facts(self.exceptions.get(on), self.calendar.possible_kinds(on), vacation)

    def plan(self, on: date) -> DayPlan:
        return plan(self.weekly, self.makeup, on, self.facts(on))

    def timeline(self, on: date) -> tuple[PlannedSpan, ...]:
        spans = timeline(self.weekly, self.makeup, on, self.facts(on - ONE_DAY), self.facts(on))
        return self.without_closed(on, spans)

    def without_closed(self, on: date, spans: tuple[PlannedSpan, ...]) -> tuple[PlannedSpan, ...]:
        """``spans`` of a date with what closures cover of them closed."""
        for start, end, reason in self.closed:
            midnight = datetime.combine(on, MIDNIGHT)
            first, last = _minutes(start - midnight), _minutes(end - midnight)
            if first < last and last > spans[0].start and first < spans[-1].end:
                spans = overlaid(spans, PlannedSpan(first, last, "closed", reason))
        return spans


def _on_the_wall(hours: Hours) -> tuple[tuple[datetime, datetime, str], ...]:
    """Closures by the clock of the site's zone; those for good last, so that theirs is the reason."""
    zone = _find_zone(hours.zone)
    endless = datetime.max  # noqa: DTZ901  # by the clock on the wall, which has no zone
    return tuple(
        (_local(one.starts_at, zone), _local(one.ends_at, zone) if one.ends_at else endless, one.reason)
        for one in sorted(hours.closed, key=lambda one: one.for_good)
    )


def _local(at: datetime, zone: ZoneInfo | None) -> datetime:
    return at.astimezone(zone or UTC).replace(tzinfo=None, second=0, microsecond=0)


def _minutes(ahead: timedelta) -> int:
    return ahead // timedelta(minutes=1)


def _wall(on: date, minute: int) -> datetime:
    return datetime.combine(on, MIDNIGHT) + timedelta(minutes=minute)


@lru_cache(maxsize=256)
def _find_zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # a folder, a path, a name that is not there
        return None
