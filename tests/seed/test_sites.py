"""The demo city's sites: in all categories, well-formed, inside the city, the same at every run."""

import csv
from collections import Counter
from datetime import date, timedelta
from hashlib import sha256
from importlib.resources import files
from itertools import pairwise
from math import cos, hypot, radians
from pathlib import Path
from subprocess import run
from sys import executable

import pytest
from shapely.geometry import LineString

from geo.calendar.workdays import DayKind
from geo.sites.input import SiteIn
from geo.sites.store import digests
from seed.names import communities, read_rows
from seed.places import MARK
from seed.schools import GROUPS
from seed.shapes import M_PER_DEGREE, inside_district
from seed.sites import SPECIAL, demo_sites
from seed.sites.education import schools
from seed.tiling import tiling

CALENDAR = Path(__file__).parents[3] / "shared" / "data" / "holidays" / "cn_workdays_2023_2026.csv"


def categories():
    return {row["code"]: row for row in read_rows("geo", "categories.csv")}


def leaves():
    tree = categories()
    return set(tree) - {row["parent_code"] for row in tree.values()}


def length_m(line: LineString) -> float:
    lat = line.centroid.y
    return sum(
        hypot((b[0] - a[0]) * cos(radians(lat)), b[1] - a[1]) * M_PER_DEGREE for a, b in pairwise(line.coords)
    )


def test_every_leaf_category_has_at_least_two_sites_and_no_other_has_any():
    counts = Counter(site.category for site in demo_sites())
    assert set(counts) == leaves()
    assert min(counts.values()) >= 2
    assert 380 <= counts.total() <= 420
    assert counts["meal_point"] == 40


def test_the_shape_of_each_site_is_that_of_its_category():
    kinds = {"point": "Point", "line": "LineString", "polygon": "Polygon"}
    tree = categories()
    for site in demo_sites():
        assert site.geometry.geom_type == kinds[tree[site.category]["geometry_kind"]], site.name
        assert site.geometry.is_valid
        assert inside_district(site.geometry), site.name


def test_each_site_is_in_the_community_its_external_id_and_address_name():
    places = {place.code: place for place in communities()}
    for site in demo_sites():
        code = site.external_id.split("-")[1]
        assert tiling().cells[code].intersects(site.geometry), site.name
        assert places[code].name in site.address


def test_external_ids_are_unique_and_every_site_is_marked_as_invented():
    sites = demo_sites()
    assert len({site.external_id for site in sites}) == len(sites)
    assert all(site.description.endswith(MARK) for site in sites)
    assert all(phone.number.startswith("0931-555-") for site in sites for phone in site.phones)


def test_every_site_passes_the_form_that_other_sources_must_pass():
    for site in demo_sites():  # the special ones were changed after they were checked
        SiteIn.model_validate({name: getattr(site, name) for name in SiteIn.model_fields if name != "zone"})


def test_features_and_accessibility_come_from_the_vocabulary_and_use_all_of_it():
    kinds = {row["code"]: row["kind"] for row in read_rows("geo", "features.csv")}
    used = Counter()
    for site in demo_sites():
        for code in site.features:
            assert kinds[code] == "facility", (site.name, code)
        for code in site.accessibility:
            assert kinds[code] == "accessibility", (site.name, code)
        used.update((*site.features, *site.accessibility))
    assert set(used) == set(kinds)


def test_meal_points_carry_batch_plaque_model_and_funding_and_reach_every_town():
    points = [site for site in demo_sites() if site.category == "meal_point"]
    assert {site.batch for site in points} == {"第一批", "第二批"}
    assert len({site.plaque_number for site in points}) == len(points)
    assert {site.operator.operating_model for site in points} == {"market_canteen", "property_canteen"}
    assert all(len(site.funding) >= 2 for site in points)
    assert all(site.services[0].minimum_age == 60 and site.services[0].documents for site in points)
    towns = {site.external_id.split("-")[1][:9] for site in points}
    assert len(towns) == 4


def test_fitness_paths_are_between_800_m_and_6_km_long_and_not_straight():
    paths = [site.geometry for site in demo_sites() if site.category == "fitness_path"]
    lengths = [length_m(path) for path in paths]
    assert min(lengths) == pytest.approx(800, rel=0.01)
    assert max(lengths) == pytest.approx(6000, rel=0.01)
    assert all(len(path.coords) > 5 for path in paths)


def test_the_city_holds_what_a_client_must_cope_with():
    sites = demo_sites()
    assert Counter(site.status for site in sites) == {
        "active": len(sites) - 3,
        "temporarily_closed": 1,
        "inactive": 2,
    }
    assert all(site.alert for site in sites if site.status != "active")
    assert sum(bool(site.exceptions) for site in sites) == 5
    assert any(site.makeup_hours for site in sites)
    assert any(site.hours is None for site in sites)
    assert any(site.hours == "24/7" for site in sites)
    counts = Counter(site.category for site in sites)
    assert all(number < counts[category] for category, number in SPECIAL)


def test_groups_name_schools_that_exist_and_have_the_promised_numbers():
    names = {school.name.removeprefix("兰州新区") for school in schools()}
    assert {name for group in GROUPS for name in group.schools} <= names
    kinds = Counter(group.kind for group in GROUPS)
    assert (kinds["group"], kinds["urban_rural"]) == (3, 2)
    for promised in ("第十一小学", "瑞岭雍和郡幼儿园", "第四初级中学", "第一高级中学"):
        assert promised in names


def test_the_city_is_the_same_in_every_process():
    script = (
        "from hashlib import sha256; from geo.sites.store import digests; from seed.sites import demo_sites;"
        "print(sha256(b''.join(digests(list(demo_sites())))).hexdigest())"
    )
    root = Path(__file__).parents[2]
    other = run(
        [executable, "-c", script],
        cwd=root,
        env={"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == sha256(b"".join(digests(list(demo_sites())))).hexdigest()


def test_announced_days_are_four_years_and_2027_is_not_among_them():
    rows = list(read_rows("geo", "cn_special_days.csv"))
    assert sorted({row["on_date"][:4] for row in rows}) == ["2023", "2024", "2025", "2026"]
    assert [row["on_date"] for row in rows] == sorted({row["on_date"] for row in rows})
    assert {row["kind"] for row in rows} == {DayKind.holiday, DayKind.makeup_workday}


def test_announced_days_agree_with_the_calendar_of_every_day():
    if not CALENDAR.is_file():
        pytest.skip("../shared/data/holidays is not here")
    special = {row["on_date"]: row["kind"] for row in read_rows("geo", "cn_special_days.csv")}
    with CALENDAR.open(encoding="utf-8-sig") as file:
        days = list(csv.DictReader(file))
    assert len(days) == 1461
    for day in days:
        on = day["date"]
        weekend = date.fromisoformat(on).weekday() >= 5
        rests = special.get(on) == "holiday" or (weekend and special.get(on) != "makeup_workday")
        assert rests == (day["day_type"] == "restday"), on
        assert (special.get(on) == "makeup_workday") == (day["is_makeup_workday"] == "1"), on


def test_school_terms_follow_each_other_without_a_gap():
    terms = [
        (date.fromisoformat(row["starts_on"]), date.fromisoformat(row["ends_on"]))
        for row in read_rows("seed", "terms.csv")
    ]
    for (_, ends_on), (starts_on, _) in pairwise(terms):
        assert starts_on - ends_on == timedelta(days=1)


def test_data_files_are_utf8_without_a_byte_order_mark():
    for package in ("seed", "geo"):
        for entry in (files(package) / "data").iterdir():
            if entry.name.endswith(".csv"):
                assert not entry.read_bytes().startswith(b"\xef\xbb\xbf")
                entry.read_bytes().decode("utf-8")
