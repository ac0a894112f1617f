"""What kind of day a date is in China's work calendar, and whether school is out.

A plain value: the table that stores it, and its provenance, live elsewhere. The one rule that matters here is
that *unknown is said*: the State Council announces a year's holidays and make-up workdays (调休上班日) about
two months before it begins, so a year counts only when it is listed as announced, never because a row exists.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

SATURDAY = 5  # date.weekday()


class DayKind(StrEnum):
    """One of four kinds. A weekend day inside an announced holiday period is a `holiday`."""

    workday = "workday"
    rest_day = "rest_day"
    holiday = "holiday"
    makeup_workday = "makeup_workday"  # 调休上班日: a Saturday or Sunday on which people work


ONLY: Mapping[DayKind, frozenset[DayKind]] = MappingProxyType({kind: frozenset({kind}) for kind in DayKind})
# What an announcement can still make of a day. A Monday to Friday is never turned into a plain rest day:
# days off in lieu belong to the holiday they extend.
UNANNOUNCED_WEEKDAY = frozenset({DayKind.workday, DayKind.holiday})
UNANNOUNCED_WEEKEND = frozenset({DayKind.rest_day, DayKind.holiday, DayKind.makeup_workday})


@dataclass(frozen=True)
class Term:
    """A school term (学期) or vacation (寒暑假); both dates are included."""

    name: str
    kind: Literal["term", "vacation"]
    starts_on: date
    ends_on: date


@dataclass(frozen=True)
class WorkCalendar:
    """Day kinds, holiday names and school terms, as known at one moment.

    `days` need hold only the special days: within an announced year a date without a row is a workday from
    Monday to Friday and a rest day otherwise. Rows of a year that is not in `announced` are ignored.
    """

    days: Mapping[date, DayKind] = field(default_factory=dict)
    announced: frozenset[int] = frozenset()
    terms: Sequence[Term] = ()
    names: Mapping[date, str] = field(default_factory=dict)

    def kind(self, on: date) -> DayKind | None:
        """The kind of `on`; None when that year has not been announced."""
        if on.year not in self.announced:
            return None
        return self.days.get(on) or kind_by_weekday(on)

    def possible_kinds(self, on: date) -> frozenset[DayKind]:
        """The kinds `on` may turn out to be: exactly one when its year is announced."""
        kind = self.kind(on)
        if kind is not None:
            return ONLY[kind]
        return UNANNOUNCED_WEEKEND if on.weekday() >= SATURDAY else UNANNOUNCED_WEEKDAY

    def vacation(self, on: date) -> bool | None:
        """Whether school is out on `on`; None when no term or vacation covers it, or when both do."""
        kinds = {term.kind for term in self.terms if term.starts_on <= on <= term.ends_on}
        return kinds == {"vacation"} if len(kinds) == 1 else None


def kind_by_weekday(on: date) -> DayKind:
    """The kind `on` has when nothing special was announced for it."""
    return DayKind.rest_day if on.weekday() >= SATURDAY else DayKind.workday
