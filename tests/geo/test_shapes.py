"""Distances to lines and polygons against PostGIS' geography."""

import math
import os
from uuid import UUID

import numpy as np
import psycopg
import pytest
import shapely
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from geo.nearby.geodesy import MEAN_RADIUS_M, WGS84, degrees
from geo.nearby.shapes import SPACING_M, make_shape, nearest, samples
from tests.geo.cities import CitySite, lines, positions, scales, stars
from tests.geo.grid import line, places, polygon

EXAMPLES = 2_000 if os.environ.get("XINBAN_TEST_LONG") else 150
CLOSE_M = 0.001  # a hundredth of what the order of lines and polygons may differ by


def distance(shape, place):
    return nearest(make_shape(shape), *place)[0]


@pytest.fixture(scope="module")
def postgis(shared_database_url):
    with psycopg.connect(shared_database_url, autocommit=True) as connection:
        yield connection


def postgis_distance(connection, geometry, lon, lat):
    return connection.execute(
        "select st_distance(st_geomfromwkb(%s, 4326)::geography, st_setsrid(st_makepoint(%s, %s), 4326)::geography)",
        (shapely.to_wkb(geometry), lon, lat),
    ).fetchone()[0]


def test_the_nearest_place_of_a_line_may_lie_between_its_ends():
    drawn = places("""
        a . . . b
        . . . . .
        . x . . y
    """)
    assert distance(line(drawn, "ab"), drawn["x"]) == pytest.approx(200, abs=0.01)
    _, near_lon, near_lat = nearest(make_shape(line(drawn, "ab")), *drawn["y"])
    assert (near_lon, near_lat) == pytest.approx(drawn["b"], abs=1e-7)


def test_inside_a_polygon_the_distance_is_nought_and_in_its_hole_it_is_not():
    drawn = places("""
        a . . . . . b
        . . . . . . .
        . . c . d . .
        . x . h . . .
        . . f . e . .
        . . . . . . .
        g . . . . . i
    """)
    ring = shapely.Polygon([drawn[letter] for letter in "abig"], [[drawn[letter] for letter in "cdef"]])
    assert distance(ring, drawn["x"]) == 0
    assert nearest(make_shape(ring), *drawn["x"])[1:] == drawn["x"]
    assert distance(ring, drawn["h"]) == pytest.approx(100, abs=0.01)


def test_each_part_of_a_multipolygon_counts():
    drawn = places("""
        a . b . . . e . f
        . . . . . . . x .
        d . c . . . h . g
    """)
    both = shapely.MultiPolygon([polygon(drawn, "abcd"), polygon(drawn, "efgh")])
    assert distance(both, drawn["x"]) == 0


def test_a_long_border_is_the_arc_and_not_the_parallel():
    """Along 36.5° N an arc of 60 km rises 52 m above the parallel in its middle."""
    wide = shapely.box(103.0, 36.0, 103.67, 36.5)
    middle = 103.335
    assert distance(wide, (middle, 36.5 + 0.0003)) == 0  # 33 m north of the parallel
    assert distance(wide, (middle, 36.5 + 0.0006)) > 10


def test_tiny_edges_do_not_swallow_the_map():
    tiny = shapely.LineString([(103.6, 36.5), (103.6 + 2e-14, 36.5)])
    assert distance(tiny, (103.7, 36.5)) == pytest.approx(8_961, rel=0.01)


@st.composite
def cases(draw):
    scale = draw(scales)
    geometry = draw(st.one_of(stars(scale), lines(scale)))
    return geometry, draw(positions(scale, [CitySite(UUID(int=1), geometry)]))


@pytest.mark.timeout(600)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example((shapely.box(90, 20, 120, 50), (105.0, 50.5)))
@given(cases())
def test_distances_are_those_of_postgis(postgis, case):
    geometry, (lon, lat) = case
    ours, near_lon, near_lat = nearest(make_shape(geometry), lon, lat)
    assert ours == pytest.approx(postgis_distance(postgis, geometry, lon, lat), abs=CLOSE_M)
    assert postgis_distance(postgis, geometry, near_lon, near_lat) <= CLOSE_M


@given(st.one_of(*(lines(scale) for scale in (0.003, 0.5)), stars(0.05)))
def test_no_place_of_an_outline_is_further_than_half_the_spacing_from_a_sample(geometry):
    found = samples(make_shape(geometry))
    assert len(found) < 10_000
    lon, lat = degrees(found)
    outline = geometry.boundary if geometry.geom_type == "Polygon" else geometry
    for vertex_lon, vertex_lat in shapely.get_coordinates(outline):
        assert min(np.hypot(lon - vertex_lon, lat - vertex_lat)) < 1e-9
    if geometry.geom_type == "LineString":
        gaps = np.linalg.norm(found[1:] - found[:-1], axis=1) * MEAN_RADIUS_M
        assert gaps.max() <= SPACING_M * 1.001


@pytest.mark.parametrize("lat", [-90.0, 0.0, 89.9, 90.0])
@pytest.mark.parametrize("lon", [-180.0, 0.0, 179.999, 180.0])
def test_the_ends_of_the_earth_are_answered(lon, lat):
    shape = make_shape(shapely.box(-180, -90, 180, 90))
    assert math.isfinite(nearest(shape, lon, lat)[0])
    _, _, exact = WGS84.inv(lon, lat, 10.0, 10.0)
    assert distance(shapely.LineString([(10, 10), (10, 10.0001)]), (lon, lat)) == pytest.approx(exact, abs=50)
