"""A set of sites chosen beforehand, as a filter: the same sites as when each is looked up, whatever way they are found."""

import random

import psycopg
import pytest

from geo.categories import read_categories
from geo.nearby import lookup
from geo.nearby.lookup import Filters
from geo.nearby.segment import Chosen
from tests.geo import cities
from tests.geo.cities import big_city, insert_sites
from tests.geo.oracle import id_of, index_of, patched


@pytest.fixture
def connection(shared_database_url):
    with psycopg.connect(shared_database_url) as connection:
        yield connection
        connection.rollback()


def pages(index, filters, limit):
    after, found = None, []
    while page := index.nearby(103.6, 36.5, filters, limit=limit, after=after, table=index.tables.now):
        found += page
        after = page[-1].key
    return found


@pytest.mark.parametrize("few", [0, lookup.FEW_CHOSEN])  # past the others through the tree, or each of them
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 1.0])
def test_pages_hold_the_chosen_and_nobody_else(connection, monkeypatch, share, few):
    monkeypatch.setattr(lookup, "FEW_CHOSEN", few)
    monkeypatch.setattr(lookup, "SMALL_PART", 20 if few else 1_000_000)
    city = big_city(seed=3, size=1_500, shapes=0.1)
    insert_sites(connection, city)
    tree = read_categories(connection)
    index = patched(connection, index_of(connection, tree), [site.id for site in city[:100]])
    rng = random.Random(1)
    ids = {site.id for site in city if rng.random() < share}
    chosen = Chosen(ids)
    for more in (
        {},
        {"categories": (tree.number("health"),)},
        {"tags": frozenset(["wheelchair"])},
        {"radius_m": 3_000.0},
        {"open_at": cities.INSTANTS[0]},
        {"ids": tuple(site.id for site in city[::3])},
    ):
        everything = [one.key for one in pages(index, Filters(**more), 400) if id_of(one) in ids]
        assert [one.key for one in pages(index, Filters(among=chosen, **more), 7)] == everything, more


def test_what_was_chosen_and_is_gone_is_not_found(connection):
    city = big_city(seed=3, size=50, shapes=0.1)
    insert_sites(connection, city)
    index = index_of(connection, read_categories(connection))
    chosen = Chosen([site.id for site in city])
    assert len(pages(index, Filters(among=chosen), 20)) == len(chosen) == 50
    gone = city[0].id
    connection.execute("update site set published_at = null where id = %s", (gone,))
    index = patched(connection, index, [gone])
    assert gone not in [id_of(one) for one in pages(index, Filters(among=chosen), 20)]
