"""On which days a weekly template counts and at which times, as the work calendar says: pure.

A date of a year that is not announced counts only if every kind of day it may turn out to be is one of the template's.
If only some are, nobody knows yet: no slot, and staff are told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from booking.models import OfferingTemplate
from booking.offerings.input import length_minutes
from geo.calendar.workdays import DayKind, WorkCalendar

Answer = Literal["yes", "no", "unknown"]
ONE_DAY = timedelta(days=1)


class Window(NamedTuple):
    """A slot to be: the local date it starts on, and instants in UTC, end excluded."""

    on: date
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Pattern:
    """What of a template says when."""

    weekdays: frozenset[int]
    day_kinds: frozenset[DayKind]
    starts_at: time
    ends_at: time
    slot_minutes: int | None
    valid_from: date
    valid_until: date | None


def pattern_of(template: OfferingTemplate) -> Pattern:
    """The pattern of a stored template."""
    return Pattern(
        weekdays=frozenset(template.weekdays),
        day_kinds=frozenset(DayKind(kind) for kind in template.day_kinds),
        starts_at=template.starts_at,
        ends_at=template.ends_at,
        slot_minutes=template.slot_minutes,
        valid_from=template.valid_from,
        valid_until=template.valid_until,
    )


def counts_on(pattern: Pattern, calendar: WorkCalendar, on: date) -> Answer:
    """Whether the pattern has slots on ``on``."""
    if on < pattern.valid_from or (pattern.valid_until is not None and on > pattern.valid_until):
        return "no"
    answers = {_counts_as(pattern, kind, on) for kind in calendar.possible_kinds(on)}
    if len(answers) > 1:
        return "unknown"
    return "yes" if answers.pop() else "no"


def _counts_as(pattern: Pattern, kind: DayKind, on: date) -> bool:
    """A make-up workday follows another weekday's timetable, so its own weekday says nothing."""
    return kind in pattern.day_kinds and (
        kind is DayKind.makeup_workday or on.isoweekday() in pattern.weekdays
    )


def windows_on(pattern: Pattern, zone: ZoneInfo, on: date) -> Sequence[Window]:
    """The slots that start on the local date ``on``, in order."""
    start = _instant(on, pattern.starts_at, zone)
    if pattern.slot_minutes is None:
        ends_on = on if pattern.ends_at > pattern.starts_at else on + ONE_DAY
        end = _instant(ends_on, pattern.ends_at, zone)
        return (Window(on, start, end),) if start < end else ()
    step = timedelta(minutes=pattern.slot_minutes)
    count = length_minutes(pattern.starts_at, pattern.ends_at) // pattern.slot_minutes
    # What would start after midnight belongs to the date it starts on.
    return tuple(
        Window((start + at * step).astimezone(zone).date(), start + at * step, start + (at + 1) * step)
        for at in range(count)
    )


@lru_cache(maxsize=8192)
def _instant(on: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(on, at, zone).astimezone(UTC)
