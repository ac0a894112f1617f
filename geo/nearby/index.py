"""The nearby index: which published sites are nearest to a point and pass the filters, in a fraction of a millisecond.

``Index`` is a value: refreshing makes another one and leaves requests that hold this one undisturbed. PostGIS is the
truth; ``geo/nearby/feed.py`` keeps the index up with it and the tests compare the two.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from geo.calendar.workdays import WorkCalendar
from geo.nearby.lookup import Filters, Found, Key, make_question, search_segment
from geo.nearby.open_table import OpenTable
from geo.nearby.rows import Rows, Timetable
from geo.nearby.segment import Segment, make_segment

INSTANTS_KEPT = 32
YOUNGEST_SITES = 1_000
KEY = itemgetter(0, 1, 2)  # of Found: distance, then id


class Tables:
    """What rows refer to by number: timetables with their states under one calendar, and tag sets.

    They only grow, so that younger indexes share them with the older ones they are made from.
    """

    def __init__(self, calendar: WorkCalendar) -> None:
        self.calendar = calendar
        self.timetables: list[Timetable] = []
        self.tag_sets: list[frozenset[str]] = []
        self._timetable_numbers: dict[Timetable, int] = {}
        self._tag_numbers: dict[frozenset[str], int] = {}
        self.now = OpenTable(self.timetables, calendar)
        self._at = lru_cache(INSTANTS_KEPT)(lambda _instant: OpenTable(self.timetables, calendar))

    def at(self, instant: datetime) -> OpenTable:
        """States for an instant that is not now; the last few are kept, for further pages."""
        return self._at(instant)

    def with_calendar(self, calendar: WorkCalendar) -> "Tables":
        """The same timetables and tag sets, their states to be worked out under another calendar."""
        other = Tables(calendar)
        for timetable in self.timetables:
            other._number(timetable, other.timetables, other._timetable_numbers)
        for tags in self.tag_sets:
            other._number(tags, other.tag_sets, other._tag_numbers)
        return other

    def number(self, rows: Rows) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Numbers of the timetable and the tag set of each row."""
        timetables = {
            key: self._number(timetable, self.timetables, self._timetable_numbers)
            for key, timetable in rows.timetables.items()
        }
        tags = {
            key: self._number(one, self.tag_sets, self._tag_numbers) for key, one in rows.tag_sets.items()
        }
        return _renumber(rows.header["timetable"], timetables), _renumber(rows.header["tags"], tags)

    @staticmethod
    def _number(value: Any, values: list[Any], numbers: dict[Any, int]) -> int:
        number = numbers.get(value)
        if number is None:
            number = numbers[value] = len(values)
            values.append(value)
        return number


def _renumber(keys: NDArray[np.int64], numbers: dict[int, int]) -> NDArray[np.int32]:
    if not len(keys):
        return np.zeros(0, np.int32)
    known = np.array(sorted(numbers), np.int64)
    as_numbers = np.array([numbers[int(key)] for key in known], np.int32)
    return as_numbers[np.searchsorted(known, keys.astype(np.int64))]


class Index:
    """The oldest and largest segment first, then younger ones with what changed since."""

    def __init__(
        self, segments: Sequence[Segment], ancestors: Mapping[int, Sequence[int]], tables: Tables
    ) -> None:
        self.segments = tuple(segments)
        self.ancestors = ancestors
        self.tables = tables
        self._tag_mask = lru_cache(256)(self._make_tag_mask)

    def __len__(self) -> int:
        return sum(int(segment.alive.sum()) for segment in self.segments)

    def nearby(
        self,
        lon: float,
        lat: float,
        filters: Filters,
        *,
        limit: int,
        after: Key | None = None,
        table: OpenTable,
    ) -> list[Found]:
        """Up to ``limit`` sites that pass, nearest first, equal distances by id; only those behind ``after``.

        ``lon``, ``lat`` in WGS84 degrees; ``after`` is the ``key`` of the last one of the page before.
        """
        open_mask = table.open_mask(filters.open_at) if filters.open_at else None
        tag_mask = self._tag_mask(filters.tags) if filters.tags else None
        if any(mask is not None and not mask.any() for mask in (open_mask, tag_mask)):
            return []  # at night, say: no need to look at every site
        question = make_question(
            lon, lat, filters, limit=limit, after=after, open_mask=open_mask, tag_mask=tag_mask
        )
        found = [one for segment in self.segments for one in search_segment(segment, question)]
        if len(self.segments) > 1:
            found.sort(key=KEY)
        return found[:limit]

    def _make_tag_mask(self, wanted: frozenset[str]) -> NDArray[np.bool_]:
        return np.array([wanted <= tags for tags in self.tables.tag_sets], bool)


def build_index(
    rows: Rows, ancestors: Mapping[int, Sequence[int]], calendar: WorkCalendar, *, shifted: bool
) -> Index:
    """An index over ``rows`` alone; ``shifted`` keeps gcj02 and bd09 places too."""
    tables = Tables(calendar)
    segment = make_segment(rows, ancestors, *tables.number(rows), shifted=shifted)
    return Index([segment], ancestors, tables)


def sites_to_read(index: Index, changed: Iterable[UUID]) -> tuple[int, set[UUID]]:
    """How many segments to keep when ``changed`` sites are read anew, and which other sites to read with them.

    One segment more costs each request a search more, and a large young one costs each refresh its whole size. So
    there are at most two young ones: a large one, and one of up to ``YOUNGEST_SITES`` that every refresh reads again.
    """
    kept = len(index.segments)
    wanted = set(changed)
    while kept > 1 and (len(wanted) > YOUNGEST_SITES or len(index.segments[kept - 1]) <= YOUNGEST_SITES):
        kept -= 1
        wanted.update(index.segments[kept].ids())
    return kept, wanted


def patch_index(
    old: Index,
    changed: Sequence[UUID],
    young: Rows,
    calendar: WorkCalendar,
    *,
    kept: int = 1,
    shifted: bool,
) -> Index:
    """``old`` with the ``changed`` sites as they are now.

    Its first ``kept`` segments stay, less what changed; ``young`` holds all published sites of the others and all
    that changed.
    """
    tables = old.tables if calendar is old.tables.calendar else old.tables.with_calendar(calendar)
    segments = [segment.without(changed) for segment in old.segments[:kept]]
    if len(young):
        segments.append(make_segment(young, old.ancestors, *tables.number(young), shifted=shifted))
    return Index(segments, old.ancestors, tables)
