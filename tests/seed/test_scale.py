"""Benchmark sites: well-formed though not checked one by one, spread like a city's, the same at every call."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from geo.sites.input import SiteIn
from geo.sites.store import digests
from seed.scale import CHUNK, KINDS, scale_sites, seed_scale
from seed.shapes import inside_district
from tests.seed.test_sites import leaves

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def chunk():
    return list(scale_sites(0, CHUNK))


def test_every_site_passes_the_form_that_other_sources_must_pass(chunk):
    for site in chunk[:600]:
        SiteIn.model_validate({name: getattr(site, name) for name in SiteIn.model_fields if name != "zone"})
    assert all(site.geometry.is_valid for site in chunk)


def test_all_leaf_categories_occur_and_nineteen_of_twenty_sites_are_points(chunk):
    assert {kind.category for kind in KINDS} == leaves()
    assert {site.category for site in chunk} == leaves()
    points = sum(site.geometry.geom_type == "Point" for site in chunk)
    assert 0.94 < points / len(chunk) < 0.96
    assert {site.geometry.geom_type for site in chunk} == {"Point", "LineString", "Polygon"}


def test_names_are_distinct_enough_to_search_among(chunk):
    assert len({site.name for site in chunk}) > 0.99 * len(chunk)


def test_sites_cluster_in_towns_and_stay_inside_the_city(chunk):
    homes = Counter(site.name.split("社区")[0] for site in chunk if "社区" in site.name)
    assert homes.total() > 0.5 * len(chunk)  # 18 of 88 communities
    assert all(
        inside_district(site.geometry.representative_point())
        for site in chunk
        if site.geometry.geom_type == "Point"
    )


def test_the_list_is_the_same_at_every_call_and_for_every_length(chunk):
    again = list(scale_sites(0, CHUNK))
    assert digests(again) == digests(chunk)
    assert digests(list(scale_sites(0, 10))) == digests(chunk[:10])
    following = list(scale_sites(CHUNK, CHUNK + 10))
    assert [site.external_id for site in following] == [str(CHUNK + i) for i in range(10)]
    assert {site.name for site in following}.isdisjoint(site.name for site in chunk[:10])


async def test_seeding_more_reports_progress_and_a_second_time_changes_nothing(database):
    done: list[int] = []
    counts = await seed_scale(database, count=CHUNK + 300, now=NOW, report=done.append)
    assert (counts.created, counts.changed, counts.unchanged) == (CHUNK + 300, 0, 0)
    assert done == [CHUNK, CHUNK + 300]
    async with database.hot() as connection:
        rows = await (
            await connection.execute(
                "select count(*), count(*) filter (where published_at is not null), count(distinct category_code)"
                " from site where source_code = 'synthetic-scale'"
            )
        ).fetchone()
    assert rows == (CHUNK + 300, CHUNK + 300, len(KINDS))
    again = await seed_scale(database, count=CHUNK + 300, now=NOW)
    assert (again.created, again.changed, again.unchanged) == (0, 0, CHUNK + 300)
