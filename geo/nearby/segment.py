"""Published sites in memory, laid out so that the nearest of a category are found without looking at the others.

A segment never changes, but for ``alive``: a site that changed or went is marked dead here and, if it still exists,
lives on in a younger segment.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID
from weakref import WeakKeyDictionary

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import KDTree

from geo.crs import Crs, from_wgs84
from geo.nearby.geodesy import Floats, ecef_of, normals
from geo.nearby.rows import Rows
from geo.nearby.shapes import SLACK_M, Shape, boxes, make_shape, sample_points

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Tree:
    """The sites of one category and those below it, whose numbers are ``categories``.

    ``entries`` (ECEF metres) are points and samples of outlines, ``rows`` the row each stands for; an outline may be
    up to ``slack_m`` nearer than its samples, 0 where all are points. A polygon's outline may be far from a point
    inside it: ``areas`` finds those whose box is around a point, ``area_rows`` are their rows.
    """

    categories: Sequence[int]
    entries: KDTree
    rows: NDArray[np.int32]
    slack_m: float
    areas: shapely.STRtree | None
    area_rows: Ints


@dataclass(eq=False)
class Segment:
    """``n`` sites as columns; numbers of timetables and tag sets are the index' own.

    ``lon_lat[crs]``: (n, 2) degrees, of lines and polygons a point on them. ``trees[None]`` holds every category.
    """

    id_high: NDArray[np.uint64]
    id_low: NDArray[np.uint64]
    by_id: Ints
    category: NDArray[np.int32]
    timetable: NDArray[np.int32]
    tags: NDArray[np.int32]
    xyz: Floats
    lon_lat: dict[Crs, Floats]
    cards: bytes
    starts: NDArray[np.int64]
    shapes: dict[int, Shape]
    trees: dict[int | None, Tree]
    alive: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.category)

    def card(self, row: int) -> bytes:
        """JSON of ``row``, open at its end."""
        return self.cards[self.starts.item(row) : self.starts.item(row + 1)]

    def ids(self) -> list[UUID]:
        """The ids of all rows."""
        return [
            UUID(int=(high << 64) | low)
            for high, low in zip(self.id_high.tolist(), self.id_low.tolist(), strict=True)
        ]

    def rows_of(self, ids: Sequence[UUID]) -> Ints:
        """Rows of those ``ids`` that are here."""
        return self._rows_of(*split_ids(ids))

    def _rows_of(self, high: NDArray[np.uint64], low: NDArray[np.uint64]) -> Ints:
        at = np.searchsorted(self.id_low, low, sorter=self.by_id)
        found = [np.zeros(0, np.int64)]
        # Low halves are random; that two ids share one is possible all the same, so go on while they do.
        while len(at):
            inside = at < len(self)
            at, high, low = at[inside], high[inside], low[inside]
            rows = self.by_id[at]
            alike = self.id_low[rows] == low
            found.append(rows[alike & (self.id_high[rows] == high)])
            at, high, low = at[alike] + 1, high[alike], low[alike]
        return np.unique(np.concatenate(found))

    def without(self, ids: Sequence[UUID]) -> "Segment":
        """The same, sharing everything but which rows are alive."""
        alive = self.alive.copy()
        alive[self.rows_of(ids)] = False
        return replace(self, alive=alive)


class Chosen:
    """A set of sites to keep, whose rows are looked for once in each segment and not in each request."""

    def __init__(self, ids: Collection[UUID]) -> None:
        self._halves = split_ids(ids)
        self._rows: WeakKeyDictionary[Segment, ChosenRows] = WeakKeyDictionary()

    def __len__(self) -> int:
        return len(self._halves[0])

    def rows_in(self, segment: Segment) -> "ChosenRows":
        """Those that are in ``segment``, dead or alive."""
        found = self._rows.get(segment)
        if found is None:
            rows = segment._rows_of(*self._halves)
            shaped = np.isin(rows, list(segment.shapes)) if segment.shapes else np.zeros(len(rows), bool)
            mask = np.zeros(len(segment), bool)
            mask[rows] = True
            found = self._rows[segment] = ChosenRows(rows[~shaped], rows[shaped], mask)
        return found


@dataclass(frozen=True, slots=True)
class ChosenRows:
    """The same sites as rows, points apart from outlines, and as a mask over all rows."""

    points: Ints
    outlines: Ints
    mask: NDArray[np.bool_]


def split_ids(ids: Collection[UUID]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """High and low halves; compared in this order they sort as PostgreSQL sorts uuids."""
    halves = np.frombuffer(b"".join([site_id.bytes for site_id in ids]), ">u8").reshape(-1, 2)
    return halves[:, 0].astype(np.uint64), halves[:, 1].astype(np.uint64)


def make_segment(
    rows: Rows,
    ancestors: Mapping[int, Sequence[int]],
    timetables: NDArray[np.int32],
    tags: NDArray[np.int32],
    *,
    shifted: bool,
) -> Segment:
    """Lay out ``rows``.

    ``ancestors`` maps a category's number to itself and those above it; ``timetables`` and ``tags`` are the numbers of
    each row; ``shifted`` keeps gcj02 and bd09 places too.
    """
    header = rows.header
    id_high, id_low = header["id_high"].astype(np.uint64), header["id_low"].astype(np.uint64)
    lon, lat = header["lon"].astype(np.float64), header["lat"].astype(np.float64)
    category = header["category"].astype(np.int32)
    shapes: dict[int, Shape] = {}
    for row in np.flatnonzero(header["shape"]).tolist():
        site_id = UUID(int=(int(id_high[row]) << 64) | int(id_low[row]))
        if site_id in rows.shapes:
            shapes[row] = make_shape(rows.shapes[site_id])
    xyz = ecef_of(normals(lon, lat))
    systems = [Crs.wgs84, *([Crs.gcj02, Crs.bd09] if shifted else [])]
    lon_lat = {crs: np.stack(from_wgs84(crs, lon, lat), axis=-1) for crs in systems}
    lon_lat[Crs.cgcs2000] = lon_lat[Crs.wgs84]
    return Segment(
        id_high=id_high,
        id_low=id_low,
        by_id=np.argsort(id_low),
        category=category,
        timetable=timetables,
        tags=tags,
        xyz=xyz,
        lon_lat=lon_lat,
        cards=rows.cards,
        starts=rows.starts,
        shapes=shapes,
        trees=_make_trees(xyz, category, shapes, ancestors),
        alive=np.ones(len(rows), bool),
    )


def _make_trees(
    xyz: Floats,
    category: NDArray[np.int32],
    shapes: Mapping[int, Shape],
    ancestors: Mapping[int, Sequence[int]],
) -> dict[int | None, Tree]:
    """A tree for each category that has sites at or below it, and one for all."""
    if not len(category):
        return {}
    is_point = np.ones(len(category), bool)
    is_point[list(shapes)] = False
    rows = [np.flatnonzero(is_point).astype(np.int32)]
    entries = [xyz[rows[0]]]
    for row, shape in shapes.items():
        points = sample_points(shape)
        rows.append(np.full(len(points), row, np.int32))
        entries.append(points)
    all_rows, all_entries = np.concatenate(rows), np.concatenate(entries)
    entry_category = category[all_rows]
    members: dict[int | None, list[int]] = {None: np.unique(category).tolist()}
    for present in members[None]:
        for ancestor in ancestors.get(present, (present,)):
            members.setdefault(ancestor, []).append(present)
    trees: dict[int | None, Tree] = {}
    for number, below in members.items():
        chosen = np.isin(entry_category, below)
        trees[number] = _make_tree(below, all_entries[chosen], all_rows[chosen], shapes)
    return trees


def _make_tree(
    categories: Sequence[int], entries: Floats, rows: NDArray[np.int32], shapes: Mapping[int, Shape]
) -> Tree:
    outlined = [row for row in np.unique(rows).tolist() if row in shapes] if shapes else []
    polygons = [row for row in outlined if shapes[row].ends is not None]
    return Tree(
        categories=categories,
        # Sliding midpoints build in two thirds of the time of exact medians and answer as fast (1M points).
        entries=KDTree(entries, balanced_tree=False, compact_nodes=False),
        rows=rows,
        slack_m=SLACK_M if outlined else 0.0,
        areas=shapely.STRtree(boxes([shapes[row] for row in polygons])) if polygons else None,
        area_rows=np.array(polygons, np.int64),
    )
