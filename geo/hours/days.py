"""One day's hours from its texts and what is known of the day, cached by exactly those.

A cache entry names everything it depends on (texts, date, possible kinds, vacation, exception), so a new calendar
needs no invalidation: it asks for other entries.
"""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from geo.calendar.workdays import DayKind
from geo.hours.grammar import DAY_MINUTES, ORDINARY, Assumed, HoursError, Span, UnclearDay, spans

State = Literal["open", "closed", "unknown"]

MONDAY_TO_FRIDAY: Final = range(5)
ONE_DAY: Final = timedelta(days=1)
AXIS_MINUTES: Final = 2 * DAY_MINUTES  # the grammar's latest end is 48:00


class PlannedSpan(NamedTuple):
    """Minutes after the day's midnight, end excluded."""

    start: int
    end: int
    state: State
    reason: str | None


class Facts(NamedTuple):
    """What is known of a date: its exception's hours if any, its possible kinds, and whether school is out."""

    exception: str | None
    kinds: frozenset[DayKind]
    vacation: bool | None


class DayPlan(NamedTuple):
    """The hours that start on a day; the spans cover AXIS_MINUTES without gaps. `reason` is the day's own."""

    spans: tuple[PlannedSpan, ...]
    reason: str | None


@lru_cache(maxsize=65_536)
def plan(weekly: str | None, makeup: str | None, on: date, facts: Facts) -> DayPlan:
    """The day under each kind and vacation it may have; where they differ it is unknown."""
    try:
        if facts.exception is not None:
            return _planned(spans(facts.exception, on), "exception")
        vacations = (True, False) if facts.vacation is None else (facts.vacation,)
        under_each = []
        for vacation in vacations:
            of_kinds = [_of_kind(weekly, makeup, on, kind, vacation) for kind in sorted(facts.kinds)]
            under_each.append(_agreed(of_kinds, "calendar_not_announced"))
        return _agreed(under_each, "no_term_data")
    except HoursError:
        return _unknown("unreadable_hours")


@lru_cache(maxsize=65_536)
def timeline(
    weekly: str | None, makeup: str | None, on: date, before: Facts, facts: Facts
) -> tuple[PlannedSpan, ...]:
    """A date from 00:00 to 24:00 without gaps: its own hours and what the day before spills into it.

    Open wins over unknown, unknown over closed.
    """
    own = plan(weekly, makeup, on, facts).spans
    spilt = _shifted(plan(weekly, makeup, on - ONE_DAY, before).spans)
    edges = sorted({span.start for span in (*own, *spilt)} | {0, DAY_MINUTES})
    pieces = []
    for start, end in pairwise(edges):
        if 0 <= start < DAY_MINUTES:
            ours, theirs = _at(own, start), _at(spilt, start)
            winner = theirs if _RANK[theirs.state] > _RANK[ours.state] else ours
            pieces.append(PlannedSpan(start, end, winner.state, winner.reason))
    return _merged(pieces)


def overlaid(pieces: Sequence[PlannedSpan], over: PlannedSpan) -> tuple[PlannedSpan, ...]:
    """``pieces`` with ``over`` in the place of what it covers of them."""
    first, last = pieces[0].start, pieces[-1].end
    over = over._replace(start=max(over.start, first), end=min(over.end, last))
    cut = [
        *(one._replace(end=min(one.end, over.start)) for one in pieces if one.start < over.start),
        over,
        *(one._replace(start=max(one.start, over.end)) for one in pieces if one.end > over.end),
    ]
    return _merged(cut)


_RANK: Final = {"open": 2, "unknown": 1, "closed": 0}


def _shifted(planned: Sequence[PlannedSpan]) -> list[PlannedSpan]:
    return [span._replace(start=span.start - DAY_MINUTES, end=span.end - DAY_MINUTES) for span in planned]


def _of_kind(weekly: str | None, makeup: str | None, on: date, kind: DayKind, vacation: bool) -> DayPlan:
    """The day's hours if it is of this kind. `reason` names the kind when that changes them."""
    usual = Assumed(school_holiday=vacation)
    if kind is DayKind.makeup_workday:
        if makeup is not None:
            found = spans(makeup, on, usual)
        elif weekly is None:
            return _unknown("no_hours")
        else:
            alike = _monday_to_friday(weekly, on, usual)
            if isinstance(alike, int):
                return _unknown("makeup_day_unclear", alike)
            found = alike
        ordinary = None if weekly is None else spans(weekly, on, usual)
        return _planned(found, None if found == ordinary else "makeup_workday")
    if weekly is None:
        return _unknown("no_hours")
    ordinary = spans(weekly, on, usual)
    if kind is DayKind.holiday:
        found = spans(weekly, on, usual._replace(public_holiday=True))
        if found != ordinary:
            return _planned(found, "holiday")
    return _planned(
        ordinary, "school_vacation" if vacation and ordinary != spans(weekly, on, ORDINARY) else None
    )


def _monday_to_friday(weekly: str, on: date, usual: Assumed) -> tuple[Span, ...] | int:
    """The hours `on` would have as any of Monday to Friday; if those differ, the minute the last of them ends."""
    try:
        days = [spans(weekly, on, usual._replace(weekday=weekday)) for weekday in MONDAY_TO_FRIDAY]
    except UnclearDay:
        return DAY_MINUTES
    if all(day == days[0] for day in days):
        return days[0]
    return max(day[-1].end for day in days if day)


def _planned(found: Sequence[Span], reason: str | None) -> DayPlan:
    pieces: list[PlannedSpan] = []
    at = 0
    for start, end, state in found:
        pieces.append(PlannedSpan(at, start, "closed", reason))
        pieces.append(PlannedSpan(start, end, state, "ask_site" if state == "unknown" else reason))
        at = end
    pieces.append(PlannedSpan(at, AXIS_MINUTES, "closed", reason))
    return DayPlan(tuple(piece for piece in pieces if piece.start < piece.end), reason)


def _unknown(reason: str, until_minute: int = DAY_MINUTES) -> DayPlan:
    """Unknown all day, and for as long after midnight as the hours in question could run."""
    end = max(DAY_MINUTES, until_minute)
    return DayPlan(
        (PlannedSpan(0, end, "unknown", reason), PlannedSpan(end, AXIS_MINUTES, "closed", reason)), reason
    )


def _agreed(plans: Sequence[DayPlan], otherwise: str) -> DayPlan:
    """What all plans say, piece by piece; unknown because of `otherwise` where they differ."""
    if len(plans) == 1:
        return plans[0]
    edges = sorted({span.start for planned in plans for span in planned.spans} | {AXIS_MINUTES})
    pieces: list[PlannedSpan] = []
    for start, end in pairwise(edges):
        answers = {_at(planned.spans, start)[2:] for planned in plans}
        state, reason = _common(answers) or ("unknown", otherwise)
        pieces.append(PlannedSpan(start, end, state, reason))
    merged = _merged(pieces)
    reasons = {otherwise} if any(span.reason == otherwise for span in merged) else {p.reason for p in plans}
    return DayPlan(merged, reasons.pop() if len(reasons) == 1 else None)


def _common(answers: Collection[tuple[State, str | None]]) -> tuple[State, str | None] | None:
    """The one answer; None for several. Open (or closed) for different reasons is known, without a reason."""
    states = {state for state, _ in answers}
    if len(answers) == 1 or states == {"open"} or states == {"closed"}:
        state, reason = next(iter(answers))
        return state, reason if len(answers) == 1 else None
    return None


def _at(planned: Sequence[PlannedSpan], minute: int) -> PlannedSpan:
    return next(span for span in planned if span.start <= minute < span.end)


def _merged(pieces: Sequence[PlannedSpan]) -> tuple[PlannedSpan, ...]:
    merged: list[PlannedSpan] = []
    for piece in pieces:
        if merged and merged[-1][2:] == piece[2:]:
            merged[-1] = merged[-1]._replace(end=piece.end)
        else:
            merged.append(piece)
    return tuple(merged)
