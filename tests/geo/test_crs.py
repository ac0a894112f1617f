"""Coordinate systems: known pairs, round trips to a millimetre, the edge of the box, refusals."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyproj import Geod

from geo.crs import (
    BOX_EAST,
    BOX_NORTH,
    BOX_SOUTH,
    BOX_WEST,
    FADE_DEG,
    CoordinateError,
    Crs,
    ShiftDisabled,
    check_lon_lat,
    from_wgs84,
    looks_swapped,
    to_wgs84,
)

GEOD = Geod(ellps="WGS84")
MILLIMETRE_M = 0.001
SHIFTED = [Crs.gcj02, Crs.bd09]
# wgs84, gcj02, bd09 as (lon, lat), from an independent implementation (prcoords 1.0.2), nine decimals.
# The first three gcj02 pairs are also the documented test values of eviltransform.
KNOWN = {
    "Shanghai": ((121.5272106, 31.1774276), (121.531541859, 31.175303984), (121.538015686, 31.181328607)),
    "Shenzhen": ((113.912316, 22.543847), (113.917176481, 22.540796132), (113.923684729, 22.546667438)),
    "Beijing": ((116.377817, 39.911954), (116.384047225, 39.913345455), (116.390454713, 39.919575551)),
    "Lanzhou New Area": ((103.615, 36.482), (103.617270437, 36.481720467), (103.623880463, 36.487413382)),
    "Urumqi": ((87.61, 43.82), (87.612843898, 43.82120405), (87.619257082, 43.827417674)),
}
anywhere = st.tuples(st.floats(-180.0, 180.0), st.floats(-90.0, 90.0))
in_box = st.tuples(st.floats(BOX_WEST, BOX_EAST), st.floats(BOX_SOUTH, BOX_NORTH))
_near = st.floats(-0.03, 0.03) | st.floats(-FADE_DEG, FADE_DEG)
near_edge = st.one_of(
    st.tuples(
        st.builds(lambda edge, d: edge + d, st.sampled_from([BOX_WEST, BOX_EAST]), _near), st.floats(0, 57)
    ),
    st.tuples(
        st.floats(71.0, 139.0),
        st.builds(lambda edge, d: edge + d, st.sampled_from([BOX_SOUTH, BOX_NORTH]), _near),
    ),
)


def distance_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    return float(GEOD.inv(a[0], a[1], b[0], b[1])[2])


@pytest.mark.parametrize("place", KNOWN)
@pytest.mark.parametrize("crs", SHIFTED)
def test_known_places_convert_to_the_published_values_and_back(place: str, crs: Crs) -> None:
    wgs84, gcj02, bd09 = KNOWN[place]
    expected = gcj02 if crs is Crs.gcj02 else bd09
    assert from_wgs84(crs, *wgs84) == pytest.approx(expected, abs=2e-9)
    assert distance_m(to_wgs84(crs, *expected), wgs84) < MILLIMETRE_M


def test_shift_is_hundreds_of_metres_so_a_wrong_label_shows() -> None:
    here = (103.615, 36.482)
    assert 150 < distance_m(from_wgs84(Crs.gcj02, *here), here) < 700
    assert 500 < distance_m(from_wgs84(Crs.bd09, *here), here) < 2000


@pytest.mark.parametrize("crs", SHIFTED)
@given(point=st.one_of(in_box, near_edge, anywhere))
@example(point=(105.0, 35.0))  # the formula's square root has no slope here
@example(point=(105.00000000001, 35.0))
@example(point=(BOX_WEST, BOX_SOUTH))
@example(point=(BOX_EAST, BOX_NORTH))
@example(point=(math.nextafter(BOX_WEST, 0.0), 40.0))
@settings(max_examples=300, deadline=None)
def test_round_trips_in_both_directions_stay_within_a_millimetre(
    crs: Crs, point: tuple[float, float]
) -> None:
    assert distance_m(to_wgs84(crs, *from_wgs84(crs, *point)), point) < MILLIMETRE_M
    assert distance_m(from_wgs84(crs, *to_wgs84(crs, *point)), point) < MILLIMETRE_M


@pytest.mark.parametrize("crs", SHIFTED)
def test_round_trips_hold_on_a_dense_grid_over_the_box_and_across_its_edge(crs: Crs) -> None:
    edge = np.linspace(-0.3, 0.3, 25)
    lons = np.concatenate([np.linspace(BOX_WEST, BOX_EAST, 150), BOX_WEST + edge, BOX_EAST + edge, [105.0]])
    lats = np.concatenate([np.linspace(BOX_SOUTH, BOX_NORTH, 120), BOX_SOUTH + edge, BOX_NORTH + edge])
    lon, lat = (axis.ravel() for axis in np.meshgrid(lons, lats))
    for there, back in ((from_wgs84, to_wgs84), (to_wgs84, from_wgs84)):
        again_lon, again_lat = back(crs, *there(crs, lon, lat))
        assert GEOD.inv(lon, lat, again_lon, again_lat)[2].max() < MILLIMETRE_M


@pytest.mark.parametrize("crs", SHIFTED)
@given(point=anywhere.filter(lambda p: not (BOX_WEST < p[0] < BOX_EAST and BOX_SOUTH < p[1] < BOX_NORTH)))
def test_outside_the_box_nothing_moves(crs: Crs, point: tuple[float, float]) -> None:
    assert from_wgs84(crs, *point) == point
    assert to_wgs84(crs, *point) == point


@pytest.mark.parametrize("crs", SHIFTED)
@given(point=near_edge)
def test_a_point_never_jumps_to_the_other_side_of_the_edge(crs: Crs, point: tuple[float, float]) -> None:
    def inside(lon: float, lat: float) -> bool:
        return BOX_WEST <= lon <= BOX_EAST and BOX_SOUTH <= lat <= BOX_NORTH

    assert inside(*from_wgs84(crs, *point)) == inside(*point)
    assert inside(*to_wgs84(crs, *point)) == inside(*point)


@pytest.mark.parametrize("crs", SHIFTED)
def test_neighbours_stay_neighbours_across_the_edge(crs: Crs) -> None:
    for lat in (1.0, 30.0, 55.7):
        lon = np.linspace(BOX_WEST - 0.1, BOX_WEST + 0.5, 6001)
        east, _ = from_wgs84(crs, lon, np.full_like(lon, lat))
        assert (np.diff(east) > 0).all()  # one to one: no fold, no step backwards
        assert np.diff(east).max() < 2e-4


@pytest.mark.parametrize("crs", list(Crs))
@given(points=st.lists(st.one_of(in_box, near_edge, anywhere), min_size=1, max_size=8))
@settings(max_examples=50)
def test_arrays_and_single_points_agree(crs: Crs, points: list[tuple[float, float]]) -> None:
    lon, lat = np.array(points, dtype=np.float64).T
    for convert in (from_wgs84, to_wgs84):
        many_lon, many_lat = convert(crs, lon, lat)
        for i, point in enumerate(points):
            assert (many_lon[i], many_lat[i]) == pytest.approx(convert(crs, *point), abs=1e-10)


def test_cgcs2000_is_taken_as_wgs84_and_the_input_is_not_aliased() -> None:
    lon, lat = np.array([103.6]), np.array([36.5])
    out, _ = to_wgs84(Crs.cgcs2000, lon, lat)
    out[0] = 0.0
    assert lon[0] == 103.6
    assert to_wgs84(Crs.cgcs2000, 103.6, 36.5) == (103.6, 36.5)


def test_empty_arrays_stay_empty() -> None:
    none = np.array([], dtype=np.float64)
    assert to_wgs84(Crs.bd09, none, none)[0].shape == (0,)


@pytest.mark.parametrize("convert", [to_wgs84, from_wgs84])
@pytest.mark.parametrize("crs", SHIFTED)
def test_switched_off_shift_refuses_instead_of_passing_coordinates_through(
    convert: Callable[..., Any], crs: Crs
) -> None:
    with pytest.raises(ShiftDisabled, match="wgs84"):
        convert(crs, 103.6, 36.5, enabled=False)
    with pytest.raises(ShiftDisabled):
        convert(crs, np.array([103.6]), np.array([36.5]), enabled=False)
    assert convert(Crs.wgs84, 103.6, 36.5, enabled=False) == (103.6, 36.5)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e308, 200.0, -180.0001])
def test_longitudes_that_are_none_are_refused(bad: float) -> None:
    with pytest.raises(CoordinateError):
        check_lon_lat(bad, 10.0)
    with pytest.raises(CoordinateError):
        to_wgs84(Crs.wgs84, bad, 10.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e308, 90.0001, -91.0])
def test_latitudes_that_are_none_are_refused(bad: float) -> None:
    with pytest.raises(CoordinateError):
        check_lon_lat(10.0, bad)


def test_refusal_of_swapped_axes_says_so_and_shows_the_right_order() -> None:
    with pytest.raises(CoordinateError) as refused:
        check_lon_lat(36.48, 103.6)
    assert "颠倒" in refused.value.zh
    assert "lon=103.6, lat=36.48" in refused.value.en


def test_refusal_in_an_array_names_the_first_bad_row() -> None:
    lon = np.array([103.6, 103.6, np.nan, np.inf])
    lat = np.array([36.5, 36.5, 36.5, 36.5])
    with pytest.raises(CoordinateError, match="第 3 个点") as refused:
        to_wgs84(Crs.gcj02, lon, lat)
    assert refused.value.index == 2


def test_arrays_of_different_length_are_refused() -> None:
    with pytest.raises(CoordinateError, match="数量必须相同"):
        to_wgs84(Crs.gcj02, np.array([1.0, 2.0]), np.array([1.0]))


@pytest.mark.parametrize(
    ("lon", "lat", "swapped"),
    [
        (103.6, 36.5, False),  # Lanzhou New Area
        (36.5, 103.6, True),
        (39.5, 76.0, True),  # Kashgar swapped; the Arctic Ocean as written
        (76.0, 39.5, False),
        (103.8, 1.35, False),  # Singapore
        (1.35, 103.8, True),
        (-0.13, 51.5, False),  # London
        (0.0, 0.0, False),
        (120.0, 100.0, False),  # wrong both ways
        (math.nan, 103.6, False),
    ],
)
def test_swapped_axes_are_recognised(lon: float, lat: float, swapped: bool) -> None:
    assert looks_swapped(lon, lat) is swapped


@given(point=in_box)
def test_no_point_of_the_box_looks_swapped_as_it_is(point: tuple[float, float]) -> None:
    assert not looks_swapped(*point)
