"""Maps drawn in tests, so that a reader sees which neighbour is expected.

    a . . x
    . . . .
    b . . .

North is up, cells are ``CELL_M`` metres wide and high, blanks only separate. Every letter is one place; lines and
polygons are told by the letters of their vertices.
"""

import math

import shapely
from shapely.geometry.base import BaseGeometry

from geo.nearby.geodesy import WGS84

CELL_M = 100.0
WEST, NORTH = 103.6, 36.5  # the map's first cell, in 兰州新区

Place = tuple[float, float]


def places(drawing: str) -> dict[str, Place]:
    """Longitude and latitude of each letter of ``drawing``."""
    found: dict[str, Place] = {}
    for down, line in enumerate(line for line in drawing.splitlines() if line.strip()):
        for right, letter in enumerate(line.split()):
            if letter == ".":
                continue
            assert letter not in found, f"{letter} is drawn twice"
            found[letter] = _moved(right * CELL_M, down * CELL_M)
    return found


def line(drawn: dict[str, Place], letters: str) -> BaseGeometry:
    """A line through these letters."""
    return shapely.LineString([drawn[letter] for letter in letters])


def polygon(drawn: dict[str, Place], letters: str) -> BaseGeometry:
    """A polygon with these corners."""
    return shapely.Polygon([drawn[letter] for letter in letters])


def _moved(east_m: float, south_m: float) -> Place:
    lon, lat, _ = WGS84.fwd(WEST, NORTH, 180.0, south_m)
    lon, lat, _ = WGS84.fwd(lon, lat, 90.0, east_m) if east_m else (lon, lat, 0.0)
    assert math.isfinite(lon)
    return float(lon), float(lat)
