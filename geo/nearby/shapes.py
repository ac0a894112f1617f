"""Distance from a point to a line or polygon, as PostGIS' geography measures it.

PostGIS takes geodetic longitude and latitude to a sphere as they stand: edges are arcs of great circles there, and the
nearest point is found there; what it answers is the geodesic to that point on the ellipsoid. Following it step by step
keeps both together to a fraction of a millimetre, which tests/geo/test_shapes.py checks. In the plane of degrees an
edge of 50 km would run up to 35 m beside the arc.
"""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from geo.nearby.geodesy import MEAN_RADIUS_M, WGS84, Floats, degrees, ecef_of, normals

# Points along an outline stand for it in the k-d tree, this far apart; half of it bounds how much nearer the
# outline may be than the nearest of them. The ellipsoid is up to 0.7 % larger than the sphere: hence a little more.
SPACING_M = 200.0
SLACK_M = SPACING_M / 2 + 1.0

# Shorter edges (6 nm) have no direction that floats can tell; their ends stand for them.
SHORTEST_EDGE_RAD = 1e-15
# Around a polygon's box, degrees: an arc between two samples bulges by less than a millimetre.
BOX_MARGIN_DEG = 1e-5


@dataclass(frozen=True)
class Shape:
    """Edges on the unit sphere from ``a`` to ``b``, (m, 3) each; ``normal`` their unit cross product, 0 for tiny ones.

    ``along`` points from ``a`` towards ``b``, ``back`` from ``b`` towards ``a``. Of a polygon, ``ends`` are the
    longitudes (m, 2) of each edge's ends, else None.
    """

    a: Floats
    b: Floats
    normal: Floats
    along: Floats
    back: Floats
    ends: Floats | None


def make_shape(geometry: BaseGeometry) -> Shape:
    """Prepare a line or polygon (WGS84 degrees) for ``nearest`` and ``samples``."""
    outlines = _outlines(geometry)
    on_sphere = [normals(outline[:, 0], outline[:, 1]) for outline in outlines]
    a = np.concatenate([part[:-1] for part in on_sphere])
    b = np.concatenate([part[1:] for part in on_sphere])
    normal = np.cross(a, b)
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    normal = np.divide(normal, length, out=np.zeros_like(normal), where=length > SHORTEST_EDGE_RAD)
    ends = None
    if geometry.geom_type in ("Polygon", "MultiPolygon"):
        ends = np.concatenate([np.stack((part[:-1, 0], part[1:, 0]), axis=1) for part in outlines])
    return Shape(a, b, normal, np.cross(normal, a), np.cross(b, normal), ends)


def nearest(shape: Shape, lon: float, lat: float) -> tuple[float, float, float]:
    """Metres to the nearest point of ``shape``, and that point's lon and lat. Inside a polygon: 0 and the point."""
    p = normals(np.array([lon]), np.array([lat]))[0]
    above = shape.normal @ p
    if shape.ends is not None and _is_inside(shape.ends, above, lon):
        return 0.0, lon, lat
    # Foot of the perpendicular on each edge's great circle; it counts where it falls between the edge's ends.
    foot = p - above[:, None] * shape.normal
    between = ((foot * shape.along).sum(axis=1) > 0) & ((foot * shape.back).sum(axis=1) > 0)
    foot = foot[between]
    foot /= np.linalg.norm(foot, axis=1, keepdims=True)
    candidates = np.concatenate((foot, shape.a, shape.b))
    best = candidates[np.argmin(((candidates - p) ** 2).sum(axis=1))]
    near_lon, near_lat = (float(value) for value in degrees(best))
    _, _, distance = WGS84.inv(lon, lat, near_lon, near_lat)
    return float(distance), near_lon, near_lat


def _is_inside(ends: Floats, above: Floats, lon: float) -> bool:
    """Whether a way north from the point crosses the outline an odd number of times.

    ``above`` > 0: the point is to the left of the edge, so the edge passes north of it when it runs west. An edge
    touches the meridian if it has one end on or west of it and one east.
    """
    west = ends <= lon
    crosses = west[:, 0] != west[:, 1]
    runs_east = west[:, 0]
    passes_north = np.where(runs_east, above < 0, above > 0)
    return bool(np.count_nonzero(crosses & passes_north) % 2)


def samples(shape: Shape) -> Floats:
    """Normals of points along the outline, at most about ``SPACING_M`` apart, all vertices among them."""
    angle = 2.0 * np.arcsin(np.minimum(1.0, np.linalg.norm(shape.b - shape.a, axis=1) / 2.0))
    steps = np.maximum(1, np.ceil(angle * (MEAN_RADIUS_M / SPACING_M))).astype(np.int64)
    edge = np.repeat(np.arange(len(steps)), steps)
    share = (np.arange(len(edge)) - (np.cumsum(steps) - steps)[edge]) / steps[edge]
    whole = np.maximum(angle, SHORTEST_EDGE_RAD)[edge]
    before = np.sin((1.0 - share) * whole) / np.sin(whole)
    after = np.sin(share * whole) / np.sin(whole)
    along = before[:, None] * shape.a[edge] + after[:, None] * shape.b[edge]
    # Where one part ends, its last vertex starts no edge.
    ends = np.ones(len(shape.b), bool)
    ends[:-1] = (shape.b[:-1] != shape.a[1:]).any(axis=1)
    return np.concatenate((along, shape.b[ends]))


def sample_points(shape: Shape) -> Floats:
    """The same as ECEF metres, (n, 3)."""
    return ecef_of(samples(shape))


def boxes(shapes: list[Shape]) -> NDArray[np.object_]:
    """For each polygon a rectangle of degrees that holds it; arcs bulge towards the pole, out of their ends' box."""
    corners = []
    for shape in shapes:
        lon, lat = degrees(samples(shape))
        corners.append((lon.min(), lat.min(), lon.max(), lat.max()))
    west, south, east, north = np.array(corners).T
    margin = BOX_MARGIN_DEG
    return np.asarray(shapely.box(west - margin, south - margin, east + margin, north + margin))


def _outlines(geometry: BaseGeometry) -> list[Floats]:
    """Vertices (k, 2) of each line or ring."""
    outlines: list[BaseGeometry] = []
    for part in shapely.get_parts(geometry):
        outlines += [part] if part.geom_type == "LineString" else list(shapely.get_rings(part))
    return [shapely.get_coordinates(outline) for outline in outlines]
