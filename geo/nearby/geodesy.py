"""Distances on the WGS84 ellipsoid, fast for near points and exact for all.

Points are kept as earth-centred coordinates (ECEF, metres): a k-d tree orders them by chord, and the chord is never
longer than the geodesic. Up to ``NEAR_M`` the geodesic follows from the chord to better than 0.1 mm: on a circle of
radius R it is c + c³/(24 R²) + …, and the ellipsoid's radii differ from ``MEAN_RADIUS_M`` by at most 0.7 %, which is
0.1 mm in the 8 mm that the term amounts to at 20 km. Further away the geodesic is computed (GeographicLib in PROJ),
as PostGIS does.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Geod

Floats = NDArray[np.float64]

WGS84 = Geod(ellps="WGS84")
SEMI_MAJOR_M = WGS84.a
ECCENTRICITY_SQUARED = WGS84.es
MEAN_RADIUS_M = 6_371_008.8  # IUGG mean radius R1
NEAR_M = 20_000.0
# Geodesics and chords are those of a sphere within these shares of the mean radius (the radii of curvature are
# 6,335 to 6,400 km).
FLATTEST, ROUNDEST = 1.01, 0.99


def normals(lon: Floats, lat: Floats) -> Floats:
    """Unit vectors that point up at places given in degrees: shape (n, 3)."""
    longitude, latitude = np.radians(lon), np.radians(lat)
    across = np.cos(latitude)
    return np.stack((across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)), axis=-1)


def degrees(up: Floats) -> tuple[Floats, Floats]:
    """Longitudes and latitudes of such vectors, of any length."""
    across = np.hypot(up[..., 0], up[..., 1])
    return np.degrees(np.arctan2(up[..., 1], up[..., 0])), np.degrees(np.arctan2(up[..., 2], across))


def ecef_of(up: Floats) -> Floats:
    """Earth-centred coordinates in metres of the points of the ellipsoid with these normals, shape (n, 3)."""
    radius = SEMI_MAJOR_M / np.sqrt(1.0 - ECCENTRICITY_SQUARED * up[:, 2] * up[:, 2])
    xyz = up * radius[:, None]
    xyz[:, 2] *= 1.0 - ECCENTRICITY_SQUARED
    return xyz


def ecef(lon: float, lat: float) -> Floats:
    """The same for one point in degrees, shape (3,)."""
    longitude, latitude = math.radians(lon), math.radians(lat)
    sine = math.sin(latitude)
    radius = SEMI_MAJOR_M / math.sqrt(1.0 - ECCENTRICITY_SQUARED * sine * sine)
    across = radius * math.cos(latitude)
    return np.array(
        (
            across * math.cos(longitude),
            across * math.sin(longitude),
            radius * (1.0 - ECCENTRICITY_SQUARED) * sine,
        )
    )


def chords_m(xyz: Floats, p: Floats) -> Floats:
    """Straight-line metres from ``p`` to each of ``xyz``, added up in one order so that equal pairs give equal bits."""
    apart = xyz - p
    apart *= apart
    return np.sqrt(apart[:, 0] + apart[:, 1] + apart[:, 2])


def geodesic_m(
    lon: float, lat: float, places: Floats, rows: NDArray[np.integer[Any]], chords: Floats
) -> Floats:
    """Geodesic metres from one point to ``places[rows]`` (lon and lat), given the chords; depends on each pair alone."""
    distances = chords + chords * chords * chords * (1.0 / (24.0 * MEAN_RADIUS_M * MEAN_RADIUS_M))
    far = np.flatnonzero(chords > NEAR_M)
    if len(far):
        lons, lats = places[rows[far]].T
        _, _, distances[far] = WGS84.inv(np.full(len(far), lon), np.full(len(far), lat), lons, lats)
    return distances


def longest_geodesic_m(chord_m: float) -> float:
    """A bound on the geodesic between two points this far apart by chord."""
    half = min(1.0, chord_m / (2.0 * MEAN_RADIUS_M * ROUNDEST))
    return 2.0 * MEAN_RADIUS_M * FLATTEST * math.asin(half)


def shortest_chord_m(geodesic: float) -> float:
    """A bound on the chord of two points this far apart: points nearer than it by chord are nearer on the ground."""
    half_angle = min(math.pi / 2.0, geodesic / (2.0 * MEAN_RADIUS_M * FLATTEST))
    return 2.0 * MEAN_RADIUS_M * ROUNDEST * math.sin(half_angle)
