"""Which neighbour the nearby index finds first, on maps small enough to see it."""

from uuid import UUID

import psycopg
import pytest
import shapely

from geo.categories import read_categories
from geo.nearby.lookup import INFINITE
from tests.geo import cities
from tests.geo.cities import DRAFT, CitySite, insert_sites
from tests.geo.grid import line, places, polygon
from tests.geo.oracle import Asked, id_of, index_of, page_of, pages, patched

NOON = cities.INSTANTS[0]


@pytest.fixture
def connection(shared_database_url):
    """Undone at the end of each test; Hypothesis' examples undo their own."""
    with psycopg.connect(shared_database_url) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def tree(connection):
    return read_categories(connection)


def test_a_parent_category_includes_its_children_and_several_are_joined(connection, tree):
    drawn = places("""
        m . x d
        . . . .
        v . . p
    """)
    kinds = {"m": "meal_point", "d": "day_care", "v": "village_clinic", "p": "city_park"}
    insert_sites(
        connection,
        [CitySite(UUID(int=ord(k)), shapely.Point(drawn[k]), category=kind) for k, kind in kinds.items()],
    )
    index = index_of(connection, tree)

    def letters(*categories):
        found = pages(index, tree, Asked(*drawn["x"], categories=categories), 50)
        return "".join(chr(one.id_low) for one in found)

    assert letters() == "dmpv"
    assert letters("elder") == "dm"
    assert letters("health") == "v"
    assert letters("elder", "meal_point", "health") == "dmv"
    assert letters("theatre") == ""


def test_a_big_polygon_around_the_asker_comes_first(connection, tree):
    """Its outline is far away, further than many points."""
    drawn = places("""
        a . . . . . . . . . . . . . . . . . . . . b
        . . . . . . . . . . . . . . . . . . . . . .
        . . . . . . . . . . . . . . . . . . . . . .
        . . . . . . . . . . . . . . . . . . . . . .
        . . . . . . . . . . . . . . . . . . . . . .
        . . . . . . . . . . x . . . . . p . . . . .
        . . . . . . . . . . . . . . . . . . . . . .
        . . . . . . . . . . . . . . . . . . . . . .
        . . . . . . . . . . . . . . . . . . . . . .
        d . . . . . . . . . . . . . . . . . . . . c
    """)
    park = CitySite(UUID(int=9), polygon(drawn, "abcd"), category="city_park")
    crowd = crowd_between(drawn["x"], drawn["p"], 300)
    insert_sites(connection, [park, *crowd])
    found = page_of(index_of(connection, tree), tree, Asked(*drawn["x"]), limit=1)
    assert (id_of(found[0]), found[0].distance_m, found[0].at) == (park.id, 0.0, drawn["x"])


def test_a_line_may_be_much_nearer_than_its_vertices_and_samples(connection, tree):
    drawn = places("""
        a x b . c
        . . . . .
        . p . . .
    """)
    asker = (drawn["x"][0], drawn["x"][1] - 1e-5)
    path = CitySite(UUID(int=9), line(drawn, "ac"), category="fitness_path", features=["wheelchair"])
    rare = CitySite(UUID(int=10), shapely.Point(drawn["p"]), features=["wheelchair"])
    crowd = crowd_between(drawn["x"], drawn["p"], 400)
    insert_sites(connection, [path, rare, *crowd[4:]])
    index = index_of(connection, tree)
    # Found by a short look among all, and by a look at everything among the few that have a feature.
    for tags in (frozenset(), frozenset(["wheelchair"])):
        for radius_m in (INFINITE, 30.0):
            found = page_of(index, tree, Asked(*asker, tags=tags, radius_m=radius_m), limit=1)
            assert [(id_of(one), one.distance_m) for one in found] == [(path.id, pytest.approx(1.1, abs=0.1))]


def crowd_between(near, far, size):
    """Points from one place to another, neither included."""
    shares = [(i + 1) / (size + 1) for i in range(size)]
    return [
        CitySite(
            UUID(int=1_000 + i),
            shapely.Point(*(n + (f - n) * share for n, f in zip(near, far, strict=True))),
        )
        for i, share in enumerate(shares)
    ]


def test_a_line_is_as_near_as_its_nearest_place(connection, tree):
    drawn = places("""
        a . . . . . . . b
        . . . . . . . . .
        . . . . x . . 1 .
    """)
    insert_sites(
        connection,
        [CitySite(UUID(int=1), shapely.Point(drawn["1"])), CitySite(UUID(int=2), line(drawn, "ab"))],
    )
    found = page_of(index_of(connection, tree), tree, Asked(*drawn["x"]), limit=2)
    assert [id_of(one).int for one in found] == [2, 1]
    assert found[0].distance_m == pytest.approx(200, abs=0.1)


def test_only_published_sites_in_service_are_found(connection, tree):
    statuses = ["active", "temporarily_closed", "inactive", DRAFT]
    insert_sites(
        connection,
        [
            CitySite(UUID(int=i), shapely.Point(103.6, 36.5), status=status)
            for i, status in enumerate(statuses)
        ],
    )
    index = index_of(connection, tree)
    assert len(index) == 2
    assert [one.id_low for one in pages(index, tree, Asked(103.6, 36.5), 50)] == [0, 1]
    assert [one.id_low for one in pages(index, tree, Asked(103.6, 36.5, open_at=NOON), 50)] == [0]


def test_an_empty_city_has_nothing_near_and_can_grow(connection, tree):
    index = index_of(connection, tree)
    assert pages(index, tree, Asked(103.6, 36.5), 50) == []
    insert_sites(connection, [CitySite(UUID(int=1), shapely.Point(103.6, 36.5))])
    index = patched(connection, index, [UUID(int=1)])
    assert len(index) == 1
    assert [one.id_low for one in pages(index, tree, Asked(103.6, 36.5), 50)] == [1]
    assert len(patched(connection, index, [])) == 1
