"""Shapes in metres around a point: rectangles, rounded parks and walking paths along a street grid."""

from collections.abc import Callable
from functools import cache
from math import cos, hypot, pi, radians, sin
from random import Random

import shapely
from shapely.geometry import LineString, Point, Polygon
from shapely.ops import substring

from seed.names import outline

DECIMALS = 6  # about 0.1 m, as phones and surveys give it
M_PER_DEGREE = 111_195.0  # mean sphere; good to 0.3 %, which is enough to invent a place

Metres = tuple[float, float]  # east, north


@cache
def _border() -> Polygon:
    border = Polygon(outline())
    shapely.prepare(border)
    return border


def inside_district(geometry: shapely.Geometry) -> bool:
    """Whether the whole geometry lies in the outline of the demo city."""
    return _border().covers(geometry)


def place_by(lon: float, lat: float) -> Callable[[Metres], tuple[float, float]]:
    """From metres east and north of a point to degrees, rounded."""
    per_lon = M_PER_DEGREE * cos(radians(lat))

    def place(offset: Metres) -> tuple[float, float]:
        return round(lon + offset[0] / per_lon, DECIMALS), round(lat + offset[1] / M_PER_DEGREE, DECIMALS)

    return place


def rectangle(middle: Point, *, width_m: float, length_m: float, bearing_degrees: float) -> Polygon:
    """A court or a hall, its long side turned ``bearing_degrees`` from north."""
    turn = radians(bearing_degrees)
    corners = [(-width_m / 2, -length_m / 2), (width_m / 2, -length_m / 2)]
    corners += [(-x, -y) for x, y in corners]
    place = place_by(middle.x, middle.y)
    return Polygon(
        [place((x * cos(turn) + y * sin(turn), y * cos(turn) - x * sin(turn))) for x, y in corners]
    )


def park(middle: Point, random: Random, *, radius_m: float) -> Polygon:
    """A rounded, uneven outline. Star-shaped, hence never self-crossing."""
    corners = 18
    phase = random.uniform(0, 2 * pi)
    offsets = []
    for i in range(corners):
        angle = 2 * pi * i / corners
        radius = radius_m * (1 + 0.22 * sin(2 * angle + phase) + random.uniform(-0.08, 0.08))
        offsets.append((radius * cos(angle), radius * sin(angle)))
    place = place_by(middle.x, middle.y)
    return Polygon([place(offset) for offset in offsets])


def walking_path(start: Point, random: Random, *, length_m: float) -> LineString:
    """A path of about ``length_m`` that follows blocks of a street grid and cuts the corners, inside the district."""
    for _ in range(50):
        path = _walk(start, random, length_m)
        if inside_district(path):
            return path
    raise ValueError(f"no path of {length_m} m starts at {start.wkt}")


def _walk(start: Point, random: Random, length_m: float) -> LineString:
    turn = random.uniform(-0.2, 0.2)  # the grid's own angle to north
    heading = random.randrange(4)
    corner = (0.0, 0.0)
    corners = [corner]
    walked = 0.0
    while walked < length_m * 1.15:  # cutting corners shortens
        block_m = random.choice((160, 220, 280, 350))
        angle = heading * pi / 2 + turn
        corner = (corner[0] + block_m * sin(angle), corner[1] + block_m * cos(angle))
        corners.append(corner)
        walked += block_m
        # never back along the block just walked
        heading = (heading + random.choices((0, 1, -1), weights=(4, 3, 2))[0]) % 4
    smooth = _cut_corners(_cut_corners(corners))
    line = substring(LineString(smooth), 0, length_m)
    place = place_by(start.x, start.y)
    return LineString([place((x, y)) for x, y in line.coords])


def _cut_corners(points: list[Metres], cut_m: float = 25.0) -> list[Metres]:
    """Replace each corner by two points ``cut_m`` before and after it (or a third of a short side)."""
    smooth = [points[0]]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        smooth += [_towards(corner, before, cut_m), _towards(corner, after, cut_m)]
    return [*smooth, points[-1]]


def _towards(point: Metres, other: Metres, distance_m: float) -> Metres:
    side = hypot(other[0] - point[0], other[1] - point[1])
    share = min(distance_m / side, 1 / 3) if side else 0.0
    return point[0] + (other[0] - point[0]) * share, point[1] + (other[1] - point[1]) * share
