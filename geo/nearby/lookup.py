"""Nearest sites of one segment that pass the filters.

The k-d trees give candidates by chord, a little more than asked. What lies nearer than the last candidate (less the
slack of outlines) is complete; if too few of those pass, a longer look follows, and at last one at every site in bulk,
so that a filter that almost nothing passes costs milliseconds and not a walk through the tree.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.crs import Crs
from geo.nearby.geodesy import Floats, chords_m, ecef, geodesic_m, longest_geodesic_m, shortest_chord_m
from geo.nearby.segment import Chosen, ChosenRows, Ints, Segment, Tree
from geo.nearby.shapes import nearest

INFINITE = float("inf")
# A first look asks for this many more than wanted, and each further one for so many times as many …
LOOK_BEYOND, LOOK_GROWTH = 8, 8
# … as long as it is short, or at least so much shorter than the tree that walking beats a look at everything.
SHORT_LOOK, BULK_GAIN = 300, 50
# As long as so few sites are chosen, or so small a part of all, a look at each of them beats a walk past the others.
FEW_CHOSEN, SMALL_PART = 5_000, 20
# The trees and ``chords_m`` may round the same chord differently; Earth's coordinates are good to nanometres.
ROUNDING_M = 1e-6

Key = tuple[float, int, int]
RowNumbers = NDArray[np.integer[Any]]


class Found(NamedTuple):
    """One site near the point: its segment and row, and the place on it that is nearest."""

    distance_m: float
    id_high: int
    id_low: int
    row: int
    segment: Segment
    at: tuple[float, float] | None  # WGS84, of lines and polygons; a point's own place is in the segment

    @property
    def key(self) -> Key:
        """What sites are in order by: distance, then id."""
        return self[:3]


@dataclass(frozen=True, slots=True)
class Filters:
    """What a site must be. ``categories``: numbers, none means any; ``open_at`` keeps only sites open then.

    ``ids``: one of these, a few found for this question alone; ``among``: one of a set that many questions share.
    """

    categories: tuple[int, ...] = ()
    open_at: datetime | None = None
    tags: frozenset[str] = frozenset()
    ids: tuple[UUID, ...] | None = None
    among: Chosen | None = None
    radius_m: float = INFINITE


class Question(NamedTuple):
    """Filters with what they mean for the index' tables: masks over timetable and tag set numbers."""

    lon: float
    lat: float
    xyz: Floats
    filters: Filters
    limit: int
    after: Key | None
    open_mask: NDArray[np.bool_] | None
    tag_mask: NDArray[np.bool_] | None


def make_question(
    lon: float,
    lat: float,
    filters: Filters,
    *,
    limit: int,
    after: Key | None,
    open_mask: NDArray[np.bool_] | None,
    tag_mask: NDArray[np.bool_] | None,
) -> Question:
    """``after`` is the key of the last site of the page before."""
    return Question(lon, lat, ecef(lon, lat), filters, limit, after, open_mask, tag_mask)


def search_segment(segment: Segment, question: Question) -> list[Found]:
    """Up to ``question.limit`` sites of ``segment``, nearest first, equal distances by id."""
    numbers = question.filters.categories or (None,)
    trees = [tree for number in numbers if (tree := segment.trees.get(number)) is not None]
    if not trees:
        return []
    if question.filters.ids is not None:
        rows = segment.rows_of(question.filters.ids)
        members = [category for tree in trees for category in tree.categories]
        return _measure(segment, question, rows[np.isin(segment.category[rows], members)])
    if question.filters.among is not None:
        chosen = question.filters.among.rows_in(segment)
        size = len(chosen.points) + len(chosen.outlines)
        if size <= FEW_CHOSEN or size * SMALL_PART <= len(segment):
            return _search_chosen(segment, question, trees, chosen)
    areas = [tree.area_rows[_boxes_around(tree.areas, question)] for tree in trees if tree.areas is not None]
    for look in _looks(trees, question):
        candidates, within = _nearest_rows(trees, look, question)
        if areas:
            candidates = np.unique(np.concatenate((candidates, *areas)))
        found = _measure(segment, question, candidates, within)
        if len(found) == question.limit or within == INFINITE:
            return found
    return _search_all(segment, question, trees, areas)


def _looks(trees: list[Tree], question: Question) -> Iterator[int]:
    """How many entries of each tree to look at, in turn."""
    look = question.limit + LOOK_BEYOND
    if question.after is not None:
        # The pages before this one lie within the last distance shown; look past them.
        look += sum(
            int(
                tree.entries.query_ball_point(
                    question.xyz, question.after[0] + tree.slack_m, return_length=True
                )
            )
            for tree in trees
        )
    size = max(tree.entries.n for tree in trees)
    while look <= SHORT_LOOK or look * BULK_GAIN < size:
        yield look
        look *= LOOK_GROWTH


def _nearest_rows(trees: list[Tree], look: int, question: Question) -> tuple[RowNumbers, float]:
    """Rows of the ``look`` nearest entries of each tree within the radius; below which distance they are complete."""
    radius_m = question.filters.radius_m
    parts: list[RowNumbers] = []
    within = INFINITE
    for tree in trees:
        size = tree.entries.n
        bound = radius_m + tree.slack_m + ROUNDING_M
        chords, entries = tree.entries.query(question.xyz, min(look, size), distance_upper_bound=bound)
        chords, entries = np.atleast_1d(chords), np.atleast_1d(entries)
        last = chords.item(-1)
        if last == INFINITE:  # fewer lie within the radius
            entries = entries[entries < size]
        elif look < size:
            within = min(within, last - tree.slack_m - ROUNDING_M)
        parts.append(tree.rows[entries])
    if len(parts) == 1 and not trees[0].slack_m:
        return parts[0], within
    return np.unique(np.concatenate(parts)), within


def _passing(segment: Segment, question: Question, rows: RowNumbers) -> NDArray[np.bool_]:
    passed: NDArray[np.bool_] = segment.alive[rows]
    if question.open_mask is not None:
        passed &= question.open_mask[segment.timetable[rows]]
    if question.tag_mask is not None:
        passed &= question.tag_mask[segment.tags[rows]]
    if question.filters.among is not None:
        passed &= question.filters.among.rows_in(segment).mask[rows]
    return passed


def _measure(segment: Segment, question: Question, rows: RowNumbers, within: float = INFINITE) -> list[Found]:
    """Those of ``rows`` that pass, nearer than ``within``, with exact distances; the first ``limit`` of them."""
    rows = rows[_passing(segment, question, rows)]
    chords = chords_m(segment.xyz[rows], question.xyz)
    distances = geodesic_m(question.lon, question.lat, segment.lon_lat[Crs.wgs84], rows, chords)
    at: dict[int, tuple[float, float]] = {}
    if segment.shapes:
        for i, row in enumerate(rows.tolist()):
            if (shape := segment.shapes.get(row)) is not None:
                distances[i], *place = nearest(shape, question.lon, question.lat)
                at[row] = (place[0], place[1])
    keep = distances < within
    if question.filters.radius_m != INFINITE:
        keep &= distances <= question.filters.radius_m
    if question.after is not None:
        keep &= distances >= question.after[0]
    kept = np.flatnonzero(keep)
    rows, distances = rows[kept], distances[kept]
    numbers = rows.tolist()
    places = [at.get(row) for row in numbers] if at else repeat(None, len(numbers))
    high, low = segment.id_high[rows].tolist(), segment.id_low[rows].tolist()
    found = zip(distances.tolist(), high, low, numbers, repeat(segment, len(numbers)), places, strict=True)
    after = question.after
    # Ids differ, so that no two are compared beyond them.
    ordered = sorted(found if after is None else [one for one in found if one[:3] > after])
    return [*map(Found._make, ordered[: question.limit])]


def _search_all(segment: Segment, question: Question, trees: list[Tree], areas: list[Ints]) -> list[Found]:
    """The same by a look at every entry: chords first, exact distances for those that may be on the page."""
    rows, chords = _all_chords(segment, question, trees)
    around = np.unique(np.concatenate((np.zeros(0, np.int64), *areas)))
    return _by_chord(segment, question, rows, chords, around, max(tree.slack_m for tree in trees))


def _search_chosen(
    segment: Segment, question: Question, trees: list[Tree], chosen: ChosenRows
) -> list[Found]:
    """The same of sites that were chosen beforehand; outlines among them are all measured."""
    points, outlines = chosen.points, chosen.outlines
    if question.filters.categories:
        members = [category for tree in trees for category in tree.categories]
        points = points[np.isin(segment.category[points], members)]
        outlines = outlines[np.isin(segment.category[outlines], members)]
    return _by_chord(segment, question, points, chords_m(segment.xyz[points], question.xyz), outlines, 0.0)


def _by_chord(
    segment: Segment, question: Question, rows: RowNumbers, chords: Floats, around: Ints, slack_m: float
) -> list[Found]:
    """Of ``rows``, each no nearer than its chord less ``slack_m``, those on the page; all of ``around`` are measured."""
    chosen = _passing(segment, question, rows)
    if len(around):
        chosen &= ~np.isin(rows, around)
    rows, chords = rows[chosen], chords[chosen]
    enough = question.limit
    if question.after is not None:
        # Sites of earlier pages need no exact distance, unless they are about as far as the last one shown.
        shown_m = question.after[0]
        beyond = chords >= shortest_chord_m(shown_m) - ROUNDING_M
        rows, chords = rows[beyond], chords[beyond]
        enough += int((chords <= shown_m + slack_m + ROUNDING_M).sum())
    if len(rows) > enough:
        last_m = longest_geodesic_m(float(np.partition(chords, enough - 1)[enough - 1]))
        rows = rows[chords <= last_m + slack_m + ROUNDING_M]
    return _measure(segment, question, np.concatenate((rows, around)))


def _all_chords(segment: Segment, question: Question, trees: list[Tree]) -> tuple[RowNumbers, Floats]:
    """Every row of ``trees`` once, and the chord to its nearest entry."""
    if len(trees) == 1 and not trees[0].slack_m:
        return trees[0].rows, chords_m(trees[0].entries.data, question.xyz)
    chords = np.full(len(segment), INFINITE)
    for tree in trees:
        np.minimum.at(chords, tree.rows, chords_m(tree.entries.data, question.xyz))
    rows = np.flatnonzero(chords < INFINITE)
    return rows, chords[rows]


def _boxes_around(areas: shapely.STRtree, question: Question) -> Ints:
    return np.asarray(areas.query(shapely.points(question.lon, question.lat)))
