"""The nearby index against PostGIS: random cities and questions, all pages, and pages while sites change."""

import os
import random
from dataclasses import replace
from uuid import UUID

import psycopg
import pytest
import shapely
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from geo.categories import read_categories
from geo.nearby.index import YOUNGEST_SITES
from geo.nearby.lookup import INFINITE, Filters
from tests.geo import cities
from tests.geo.cities import CitySite, big_city, insert_sites
from tests.geo.oracle import Asked, check, id_of, index_of, page_of, pages, patched

EXAMPLES = 3_000 if os.environ.get("XINBAN_TEST_LONG") else 250
SLOW_BUT_SOUND = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.fixture
def connection(shared_database_url):
    """Undone at the end of each test; Hypothesis' examples undo their own."""
    with psycopg.connect(shared_database_url) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def tree(connection):
    return read_categories(connection)


asked_categories = st.lists(st.sampled_from(cities.CATEGORIES + cities.PARENTS), max_size=3, unique=True)


@st.composite
def questions(draw, scale, city):
    lon, lat = draw(cities.positions(scale, city))
    return Asked(
        lon,
        lat,
        categories=tuple(draw(asked_categories)),
        tags=frozenset(draw(st.lists(st.sampled_from(cities.TAGS), max_size=2))),
        open_at=draw(st.none() | st.sampled_from(cities.INSTANTS)),
        radius_m=draw(st.sampled_from([INFINITE, INFINITE, 0.0, 0.25, 1.0])) * scale * cities.DEGREE_M,
    )


@pytest.mark.timeout(900)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=SLOW_BUT_SOUND)
@given(data=st.data())
def test_every_page_is_what_postgis_answers(connection, tree, data):
    scale, city = data.draw(cities.cities())
    with connection.transaction(force_rollback=True):
        insert_sites(connection, city)
        index = index_of(connection, tree)
        younger = data.draw(st.sets(st.sampled_from([site.id for site in city]))) if city else set()
        if younger:
            index = patched(connection, index, younger)
        for _ in range(3):
            asked = data.draw(questions(scale, city))
            limit = data.draw(st.sampled_from([1, 2, 5, 50]))
            note(f"{asked}, pages of {limit}")
            check(connection, tree, city, asked, pages(index, tree, asked, limit))


@pytest.mark.parametrize("shapes", [0.0, 0.05])
def test_long_looks_and_deep_pages_are_what_postgis_answers(connection, tree, shapes):
    """Filters that one site in a hundred passes, or in ten thousand, and pages as far as there are sites."""
    city = big_city(seed=7, size=20_000 if os.environ.get("XINBAN_TEST_LONG") else 4_000, shapes=shapes)
    insert_sites(connection, city)
    index = index_of(connection, tree)
    rng = random.Random(3)
    night = cities.INSTANTS[1]
    for filters in (
        {},
        {"tags": frozenset(["wheelchair"])},
        {"open_at": night, "categories": ("elder",)},
        {"tags": frozenset(["wheelchair"]), "open_at": night},
        {"categories": ("elder", "clinic"), "radius_m": 3_000.0},
    ):
        asked = Asked(103.6 + rng.uniform(-0.2, 0.2), 36.5 + rng.uniform(-0.2, 0.2), **filters)
        everything = pages(index, tree, asked, 50)
        check(connection, tree, city, asked, everything)
        assert [one.key for one in pages(index, tree, asked, 1_000)] == [one.key for one in everything]


def test_sites_at_one_spot_come_in_the_order_of_their_ids_however_many(connection, tree):
    rng = random.Random(5)
    city = [CitySite(UUID(int=rng.getrandbits(128)), shapely.Point(103.6, 36.5)) for _ in range(400)]
    insert_sites(connection, city)
    index = index_of(connection, tree)
    in_order = sorted(site.id for site in city)
    for lon in (103.6, 103.6000001, 103.61):
        found = pages(index, tree, Asked(lon, 36.5), 20)
        assert [id_of(one) for one in found] == in_order


def test_chosen_ids_are_found_wherever_they_are(connection, tree):
    city = big_city(seed=2, size=500, shapes=0.1)
    insert_sites(connection, city)
    index = patched(connection, index_of(connection, tree), [site.id for site in city[:50]])
    chosen = {site.id: site for site in city if site.category == "clinic"}
    ids = (*chosen, UUID(int=1), *list(chosen)[:2])
    filters = Filters(categories=(tree.number("health"),), ids=ids)
    found = index.nearby(103.6, 36.5, filters, limit=500, table=index.tables.now)
    nearest = pages(index, tree, Asked(103.6, 36.5, ("health",)), 500)
    assert [one.key for one in found] == [one.key for one in nearest if id_of(one) in chosen]
    elsewhere = Filters(categories=(tree.number("sport"),), ids=ids)
    assert index.nearby(103.6, 36.5, elsewhere, limit=500, table=index.tables.now) == []


def test_ids_that_share_a_half_are_told_apart(connection, tree):
    ids = [UUID(int=high << 64 | low) for high in range(3) for low in range(3)]
    insert_sites(connection, [CitySite(site_id, shapely.Point(103.6, 36.5)) for site_id in ids])
    segment = index_of(connection, tree).segments[0]
    for site_id in ids:
        (row,) = segment.rows_of([site_id])
        assert segment.ids()[row] == site_id
    assert len(segment.rows_of([*ids, UUID(int=7 << 64 | 1), UUID(int=9)])) == 9


def test_pages_lose_and_repeat_no_site_that_stays_while_others_come_move_and_go(connection, tree):
    for seed in range(4):
        rng = random.Random(100 + seed)
        with connection.transaction(force_rollback=True):
            city = big_city(seed, 300, shapes=0.1)
            insert_sites(connection, city)
            staying = {site.id for site in city[:150]}
            passing = city[150:]
            index = index_of(connection, tree)
            asked = Asked(103.6 + rng.uniform(-0.1, 0.1), 36.5)
            seen, after = [], None
            while page := page_of(index, tree, asked, 13, after):
                seen += [id_of(one) for one in page]
                after = page[-1].key
                gone, moved = passing.pop(), passing.pop()
                new = replace(gone, id=UUID(int=rng.getrandbits(128)), geometry=shapely.Point(103.6, 36.5))
                connection.execute("delete from site where id = %s", (gone.id,))
                connection.execute(
                    "update site set geom = st_setsrid(st_makepoint(%s, 36.5), 4326) where id = %s",
                    (103.6 + rng.uniform(-0.2, 0.2), moved.id),
                )
                insert_sites(connection, [new])
                # Neighbours that stay are read again too, and once in a while everything.
                touched = rng.sample(sorted(staying), 20)
                index = patched(connection, index, [gone.id, moved.id, new.id, *touched])
                if rng.random() < 0.2:
                    index = index_of(connection, tree)
            stayed = [site_id for site_id in seen if site_id in staying]
            assert len(stayed) == len(set(stayed)) == len(staying)


def test_an_index_in_use_is_not_changed_by_its_successors(connection, tree):
    insert_sites(connection, [CitySite(UUID(int=i), shapely.Point(103.6, 36.5)) for i in range(5)])
    old = index_of(connection, tree)
    connection.execute("delete from site where id = %s", (UUID(int=3),))
    new = patched(connection, old, [UUID(int=3)])
    assert [one.id_low for one in pages(old, tree, Asked(103.6, 36.5), 50)] == [0, 1, 2, 3, 4]
    assert [one.id_low for one in pages(new, tree, Asked(103.6, 36.5), 50)] == [0, 1, 2, 4]
    assert (len(old), len(new)) == (5, 4)


def test_changes_after_many_changes_make_a_small_segment_beside_the_large_one(connection, tree):
    many = YOUNGEST_SITES + 500
    insert_sites(connection, big_city(4, 20, shapes=0.1))
    index = index_of(connection, tree)
    city = big_city(5, many, shapes=0.1)
    insert_sites(connection, city)
    index = patched(connection, index, [site.id for site in city])
    sizes = [[len(segment) for segment in index.segments]]
    for first, last in ((0, 300), (200, 600), (500, 1_500), (0, 1)):
        ids = [site.id for site in city[first:last]]
        connection.execute("delete from site where id = any(%s)", (ids[::10],))
        index = patched(connection, index, ids)
        sizes.append([len(segment) for segment in index.segments])
        fresh = index_of(connection, tree)
        assert len(index) == len(fresh)
        asked = Asked(103.6, 36.5)
        assert [one.key for one in pages(index, tree, asked, 200)] == [
            one.key for one in pages(fresh, tree, asked, 200)
        ]
    assert [len(each) for each in sizes] == [2, 3, 3, 2, 2]
    assert sizes[1] == [20, many, 270]


@pytest.mark.parametrize("lon", [-180.0, 0.0, 179.9999, 180.0])
@pytest.mark.parametrize("lat", [-90.0, 90.0])
def test_the_ends_of_the_earth_are_answered(connection, tree, lon, lat):
    shapes = [shapely.Point(180, 90), shapely.Point(-180, -90), shapely.box(-180, -90, -179.9, -89.9)]
    insert_sites(connection, [CitySite(UUID(int=i), shape) for i, shape in enumerate(shapes)])
    assert len(pages(index_of(connection, tree), tree, Asked(lon, lat), 2)) == 3
