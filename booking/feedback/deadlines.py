"""Until when a complaint is to be answered."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from geo.calendar.workdays import DayKind, WorkCalendar

WORKED = frozenset({DayKind.workday, DayKind.makeup_workday})


@dataclass(frozen=True)
class Deadline:
    """The last day that is in time, and how it was counted."""

    on: date
    basis: Literal["workdays", "calendar_days"]


def deadline(calendar: WorkCalendar, *, since_on: date, workdays: int) -> Deadline:
    """``workdays`` (at least 1) after ``since_on``, which does not count; make-up workdays (调休) do.

    When a day on the way is in a year whose holidays were not announced, nobody can count workdays: the same number of
    calendar days counts instead, which is never later.
    """
    on, left = since_on, workdays
    while left:
        on += timedelta(days=1)
        kind = calendar.kind(on)
        if kind is None:
            return Deadline(since_on + timedelta(days=workdays), "calendar_days")
        left -= kind in WORKED
    return Deadline(on, "workdays")
