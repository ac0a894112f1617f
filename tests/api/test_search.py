"""GET /v1/search: Chinese, pinyin, initials, aliases, addresses, a slip of the finger."""

import pytest

from api.schemas.locator import SearchPage
from geo.crs import Crs, from_wgs84
from tests.api.conform import conforms


def ask(api, q, **parameters):
    answer = api.get("/v1/search", params={"q": q, **parameters})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def test_the_answer_is_exactly_what_the_schema_says(api):
    body = api.get("/v1/search", params={"q": "助餐", "lon": 103.615, "lat": 36.482, "crs": "wgs84"}).json()
    page = conforms(SearchPage, body)
    assert len(page.items) == 20


@pytest.mark.parametrize(
    ("q", "matched", "in_name"),
    [
        ("助餐", "name", "助餐"),
        ("书", "name", "书"),
        ("健身步道", "name", "健身步道"),
        ("zhucandian", "name", "助餐点"),
        ("zcd", "name", "助餐点"),
        ("长者食堂", "alias", "老年助餐点"),
        ("纬四路368号", "address", "西槽健身步道"),
        ("zhucandain", "fuzzy", "助餐点"),
    ],
)
def test_words_find_sites_and_say_where_they_matched(api, q, matched, in_name):
    found = ask(api, q, limit=5)
    assert found
    assert found[0]["matched"] == matched
    assert in_name in found[0]["name"]


def test_names_come_before_aliases(api):
    places = [item["matched"] for item in ask(api, "食堂", limit=200)]
    assert places == sorted(places, key=["name", "alias", "address", "fuzzy"].index)
    assert {"name", "alias"} <= set(places)


@pytest.mark.parametrize("crs", list(Crs))
def test_with_a_place_the_nearer_of_equals_comes_first_in_every_coordinate_system(api, crs):
    lon, lat = from_wgs84(crs, 103.631641, 36.489711)
    found = ask(api, "老年助餐点", lon=lon, lat=lat, crs=crs.value, limit=40)
    assert found[0]["name"] == "彩虹城社区老年助餐点"
    assert found[0]["distance_m"] <= 0.1
    moved = from_wgs84(crs, 103.631641, 36.489711)
    assert (found[0]["location"]["lon"], found[0]["location"]["lat"]) == pytest.approx(moved, abs=3e-7)
    assert all(item["distance_m"] is not None for item in found)


def test_without_a_place_there_are_no_distances(api):
    assert {item["distance_m"] for item in ask(api, "助餐")} == {None}


def test_a_category_narrows_the_search_with_those_below_it(api):
    assert {item["category"] for item in ask(api, "彩虹城", category="health", limit=50)} <= {
        "community_health_centre",
        "community_health_station",
        "clinic",
        "hospital_secondary",
        "hospital_tertiary",
    }
    assert [item["name"] for item in ask(api, "彩虹城", category="meal_point")] == ["彩虹城社区老年助餐点"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"lon": 103.6},
        {"lat": 36.4, "crs": "wgs84"},
        {"lon": 103.6, "crs": "wgs84"},
        {"lon": 103.6, "lat": 36.4},
    ],
)
def test_half_a_place_is_refused(api, parameters):
    answer = api.get("/v1/search", params={"q": "助餐", **parameters})
    assert (answer.status_code, answer.json()["code"]) == (422, "crs-missing")
    assert "lon" in answer.json()["detail"]


def test_what_nothing_matches_is_an_empty_list(api):
    assert ask(api, "zzqqxx") == []
    assert ask(api, "😀") == []
