"""Polygons of the demo city: communities that tile the district without gap or overlap, and unions of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache

import shapely
from shapely.geometry import MultiPoint, MultiPolygon, Point, Polygon

from seed.names import Community, communities, outline

GRID_DEGREES = (
    1e-6  # about 0.1 m; rounded once, before polygons exist, so that neighbours share their vertices
)


@dataclass(frozen=True)
class Tiling:
    """Community polygons by code, and which communities share a border of some length."""

    cells: Mapping[str, Polygon]
    neighbours: Mapping[str, frozenset[str]]

    def union(self, codes: Collection[str]) -> Polygon | MultiPolygon:
        """The communities as one surface. Exact: a coverage union moves no vertex."""
        united = shapely.coverage_union_all([self.cells[code] for code in sorted(codes)])
        assert isinstance(united, Polygon | MultiPolygon)
        return united

    def grow(self, starts: Mapping[str, str], within: Collection[str]) -> dict[str, str]:
        """Share out the communities ``within`` among districts that start at one community each (code -> district).

        Each step gives the community whose middle is nearest to that of a start to which it is connected, so every
        district is one piece. Returns code -> district.
        """
        owner = dict(starts)
        middles = {code: self.cells[code].centroid for code in within}
        home = {district: middles[code] for code, district in starts.items()}
        while True:
            steps = [
                (home[owner[taken]].distance(middles[free]), free, owner[taken])
                for taken in owner
                for free in self.neighbours[taken]
                if free in middles and free not in owner
            ]
            if not steps:
                return owner
            _, code, district = min(steps)
            owner[code] = district


@cache
def tiling() -> Tiling:
    """Voronoi cells of the communities' middles, clipped to the outline."""
    places = communities()
    border = Polygon(outline())
    cells = _cells(places, border)
    codes = list(cells)
    tree = shapely.STRtree([cells[code] for code in codes])
    neighbours: dict[str, set[str]] = {code: set() for code in codes}
    for i, j in tree.query(tree.geometries, predicate="touches").T.tolist():
        if cells[codes[i]].intersection(cells[codes[j]]).length > GRID_DEGREES:
            neighbours[codes[i]].add(codes[j])
    return Tiling(cells=cells, neighbours={code: frozenset(near) for code, near in neighbours.items()})


def _cells(places: tuple[Community, ...], border: Polygon) -> dict[str, Polygon]:
    middles = MultiPoint([(place.lon, place.lat) for place in places])
    edges = shapely.voronoi_polygons(middles, extend_to=border.envelope.buffer(0.2), only_edges=True)
    lines = shapely.union_all([edges, border.exterior], grid_size=GRID_DEGREES)
    faces = [
        face
        for face in shapely.polygonize([lines]).geoms
        if isinstance(face, Polygon) and border.contains(face.representative_point())
    ]
    tree = shapely.STRtree(faces)
    cells = {}
    for place in places:
        (face,) = tree.query(Point(place.lon, place.lat), predicate="within")
        cells[place.code] = faces[face]
    assert len(cells) == len(faces), "the outline cuts a cell in two: move a corner"
    return cells
