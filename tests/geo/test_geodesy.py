"""Distances of the index against GeographicLib."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.nearby.geodesy import (
    NEAR_M,
    WGS84,
    chords_m,
    degrees,
    ecef,
    ecef_of,
    geodesic_m,
    longest_geodesic_m,
    normals,
    shortest_chord_m,
)

lons = st.floats(-180, 180)
lats = st.floats(-90, 90)


def distance_of(lon, lat, lon2, lat2):
    places = np.array([[lon2, lat2]])
    chord = chords_m(ecef_of(normals(places[:, 0], places[:, 1])), ecef(lon, lat))
    return float(geodesic_m(lon, lat, places, np.arange(1), chord)[0]), float(chord[0])


@given(lons, lats, st.floats(0, 360), st.floats(0, NEAR_M * 1.01))
def test_near_distances_are_exact_to_a_tenth_of_a_millimetre(lon, lat, azimuth, far_m):
    lon2, lat2, _ = WGS84.fwd(lon, lat, azimuth, far_m)
    _, _, exact = WGS84.inv(lon, lat, lon2, lat2)
    assert distance_of(lon, lat, lon2, lat2)[0] == pytest.approx(exact, abs=1e-4)


@given(lons, lats, lons, lats)
def test_far_distances_are_those_of_geographiclib(lon, lat, lon2, lat2):
    _, _, exact = WGS84.inv(lon, lat, lon2, lat2)
    assert distance_of(lon, lat, lon2, lat2)[0] == pytest.approx(exact, abs=1e-4)


@given(lons, lats, st.floats(0, 360), st.floats(0, 20_000_000))
def test_chord_and_geodesic_bound_each_other(lon, lat, azimuth, far_m):
    lon2, lat2, _ = WGS84.fwd(lon, lat, azimuth, far_m)
    distance, chord = distance_of(lon, lat, lon2, lat2)
    assert chord <= distance + 1e-8
    assert distance <= longest_geodesic_m(chord) + 1e-8
    assert shortest_chord_m(distance) <= chord + 1e-8


@given(st.floats(0, 20_000_000), st.floats(0, 20_000_000))
def test_what_is_nearer_than_the_shortest_chord_is_nearer_on_the_ground(chord, distance):
    if chord < shortest_chord_m(distance):
        assert longest_geodesic_m(chord) <= distance * (1 + 1e-12)


@given(lons, lats)
def test_a_place_survives_its_normal(lon, lat):
    back_lon, back_lat = degrees(normals(np.array([lon]), np.array([lat])))
    _, _, apart_m = WGS84.inv(lon, lat, back_lon[0], back_lat[0])
    assert apart_m < 1e-6


def test_a_place_has_the_same_bits_in_any_company():
    """Pages compare distances across rebuilt segments, so vector instructions may not change the last bit."""
    random = np.random.default_rng(1)
    lon, lat = 103 + random.random(997), 36 + random.random(997)
    p = ecef(103.5, 36.5)
    together = chords_m(ecef_of(normals(lon, lat)), p)
    for start in range(0, 900, 37):
        for size in (1, 2, 3, 5, 8, 17, 64):
            part = slice(start, start + size)
            alone = chords_m(ecef_of(normals(lon[part].copy(), lat[part].copy())), p)
            assert (alone == together[part]).all()
