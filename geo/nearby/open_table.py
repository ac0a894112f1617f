"""Open states of many timetables, worked out when first asked and kept until they change.

A district has few distinct timetables and many sites; a request needs twenty states and a filter needs all of them.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from geo.calendar.workdays import WorkCalendar
from geo.hours.state import OpenState, open_state
from geo.nearby.rows import Timetable

CLOSED_FOR_NOW = OpenState("closed", None, "temporarily_closed")
# A state that changes at no known time is looked at again after this long.
RECHECK_SECONDS = 900.0
INFINITE = float("inf")


class Known(NamedTuple):
    """A state and the timestamps between which it holds."""

    since: float
    until: float
    is_open: bool
    json: bytes


NOT_KNOWN = Known(INFINITE, -INFINITE, False, b"")


def state_of(timetable: Timetable, calendar: WorkCalendar, at: datetime) -> OpenState:
    """The open state of one timetable at an aware instant."""
    if timetable.closed_for_now:
        return CLOSED_FOR_NOW
    return open_state(timetable.hours, calendar, at)


class OpenTable:
    """States of ``timetables`` (which may grow) under one calendar, for instants that mostly move forward."""

    def __init__(self, timetables: Sequence[Timetable], calendar: WorkCalendar) -> None:
        self._timetables = timetables
        self._calendar = calendar
        self._known: list[Known] = []
        self._open = np.zeros(0, bool)
        self._open_from, self._open_until = INFINITE, -INFINITE

    def json(self, timetable: int, at: datetime, stamp: float) -> bytes:
        """``{"state": …, "until": …, "reason": …}``; ``stamp`` is the timestamp of ``at``, worked out once a page."""
        if timetable >= len(self._known):
            self._grow()
        known = self._known[timetable]
        if not known.since <= stamp < known.until:
            known = self._known[timetable] = self._work_out(timetable, at, stamp)
        return known.json

    def open_mask(self, at: datetime) -> NDArray[np.bool_]:
        """Which timetables are open at ``at``, by number. Not to be written to."""
        stamp = at.timestamp()
        if len(self._open) < len(self._timetables) or not self._open_from <= stamp < self._open_until:
            self._grow()
            for number, known in enumerate(self._known):
                if not known.since <= stamp < known.until:
                    self._known[number] = self._work_out(number, at, stamp)
            # A new array: requests under way keep the one they have.
            self._open = np.array([known.is_open for known in self._known], bool)
            self._open_from = max((known.since for known in self._known), default=stamp)
            self._open_until = min((known.until for known in self._known), default=stamp)
        return self._open

    def _grow(self) -> None:
        missing = len(self._timetables) - len(self._known)
        self._known += [NOT_KNOWN] * missing

    def _work_out(self, number: int, at: datetime, stamp: float) -> Known:
        state = state_of(self._timetables[number], self._calendar, at)
        until = stamp + RECHECK_SECONDS
        if state.until is not None:
            # The state holds until then; its reason may change with the day (a holiday, then a mere weekend).
            local = at.astimezone(state.until.tzinfo)
            midnight = local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            until = min(state.until, midnight).timestamp()
        for closed in self._timetables[number].hours.closed:
            # So may it at either end of a closure.
            edges = (closed.starts_at, closed.ends_at or closed.starts_at)
            until = min([until, *(edge.timestamp() for edge in edges if edge > at)])
        return Known(stamp, until, state.state == "open", orjson.dumps(state))
