"""GET /v1/sites/nearby as a phone asks it; PostGIS says what is right."""

from datetime import datetime

import pytest

from api.schemas.locator import NearbyPage
from geo.crs import Crs, from_wgs84
from tests.api.conform import conforms

NEARBY = "/v1/sites/nearby"
CENTRE = {"lon": 103.615, "lat": 36.482, "crs": "wgs84"}
METRES = "st_distance(geom::geography, st_setsrid(st_makepoint(103.615, 36.482), 4326)::geography)"
TUESDAY_LUNCH = "2026-11-24T11:30:00+08:00"


def ask(api, **parameters):
    answer = api.get(NEARBY, params={**CENTRE, **parameters})
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(page):
    return [item["name"] for item in page["items"]]


def all_pages(api, **parameters):
    items, following = [], None
    while True:
        page = ask(api, **parameters, **({"next": following} if following else {}))
        items += page["items"]
        following = page["next"]
        if following is None:
            return items


def test_the_answer_is_exactly_what_the_schema_says(api):
    page = conforms(NearbyPage, ask(api, limit=200))
    assert len(page.items) == 200
    assert page.crs == "wgs84"
    assert all(item.open.until is None or item.open.until.utcoffset() for item in page.items)


def test_the_nearest_places_of_the_city_centre_come_first(api, sql):
    wanted = sql.execute(
        f"select name, round({METRES}::numeric, 1)::float from site where status <> 'inactive' order by {METRES}, id limit 50"
    ).fetchall()
    assert wanted[0] == ("西槽健身步道", 268.9)
    found = ask(api, limit=50)["items"]
    assert [item["name"] for item in found] == [name for name, _ in wanted]
    assert [item["distance_m"] for item in found] == pytest.approx([m for _, m in wanted], abs=0.11)


def test_a_path_counts_from_its_nearest_point_not_from_its_middle(api):
    path = ask(api, limit=1, category="fitness_path")["items"][0]
    assert path["distance_m"] == pytest.approx(268.9, abs=0.1)
    assert path["location"] == {"lon": pytest.approx(103.6179977), "lat": pytest.approx(36.4821137)}


@pytest.mark.parametrize("crs", list(Crs))
def test_each_coordinate_system_gives_the_same_places_in_its_own_coordinates(api, crs):
    lon, lat = from_wgs84(crs, CENTRE["lon"], CENTRE["lat"])
    page = ask(api, lon=lon, lat=lat, crs=crs.value, limit=30)
    assert page["crs"] == crs
    reference = ask(api, limit=30)
    assert [item["id"] for item in page["items"]] == [item["id"] for item in reference["items"]]
    for there, here in zip(page["items"], reference["items"], strict=True):
        assert there["distance_m"] == pytest.approx(here["distance_m"], abs=0.11)
        moved = from_wgs84(crs, here["location"]["lon"], here["location"]["lat"])
        assert (there["location"]["lon"], there["location"]["lat"]) == pytest.approx(moved, abs=3e-7)


def test_a_gcj02_place_taken_for_wgs84_would_be_half_a_kilometre_off(api):
    """Why crs is required."""
    lon, lat = from_wgs84(Crs.gcj02, 103.631641, 36.489711)
    right = ask(api, lon=lon, lat=lat, crs="gcj02", category="meal_point", limit=1)["items"][0]
    wrong = ask(api, lon=lon, lat=lat, crs="wgs84", category="meal_point", limit=1)["items"][0]
    assert (right["name"], right["distance_m"]) == ("彩虹城社区老年助餐点", 0.0)
    assert wrong["distance_m"] > 150


def test_pages_hold_every_site_in_use_once_and_in_order(api, sql):
    ((total,),) = sql.execute("select count(*) from site where status <> 'inactive'").fetchall()
    items = all_pages(api, limit=37)
    assert len(items) == len({item["id"] for item in items}) == total == 398
    metres = [item["distance_m"] for item in items]
    assert metres == sorted(metres)


def test_a_parent_category_includes_those_below_it_and_categories_add_up(api):
    assert len(all_pages(api, category="meal_point", limit=200)) == 40
    elder = {item["category"] for item in all_pages(api, category="elder", limit=200)}
    assert elder == {"meal_point", "day_care", "elder_home", "home_care_station"}
    both = {item["category"] for item in all_pages(api, category=["meal_point", "theatre"], limit=200)}
    assert both == {"meal_point", "theatre"}


def test_the_radius_cuts(api, sql):
    ((wanted,),) = sql.execute(
        f"select count(*) from site where status <> 'inactive' and {METRES} <= 1500"
    ).fetchall()
    found = all_pages(api, radius_m=1500, limit=100)
    assert len(found) == wanted > 20
    assert max(item["distance_m"] for item in found) <= 1500


def test_every_feature_asked_for_must_be_there(api):
    found = all_pages(api, category="meal_point", has=["meal_delivery", "wheelchair"], limit=200)
    assert 0 < len(found) < 40
    assert all({"meal_delivery", "wheelchair"} <= set(item["features"]) for item in found)


def test_open_at_an_instant_keeps_what_is_open_then_and_says_until_when(api):
    lunch = all_pages(api, category="meal_point", open_at=TUESDAY_LUNCH, limit=200)
    # All forty serve lunch on a Tuesday; one is closed for its kitchen's sake.
    assert len(lunch) == 39
    assert {(item["open"]["state"], item["open"]["until"]) for item in lunch} == {
        ("open", "2026-11-24T13:00:00+08:00")
    }
    assert all_pages(api, category="meal_point", open_at="2026-11-24T03:00:00+08:00") == []
    # A plus sign that was not percent-encoded arrives as a space; it can only have been a plus.
    raw = "&".join(f"{name}={value}" for name, value in {**CENTRE, "category": "meal_point"}.items())
    assert api.get(f"{NEARBY}?{raw}&open_at={TUESDAY_LUNCH}&limit=200").json()["items"] == lunch


def test_without_open_at_closed_places_are_listed_with_their_state(api):
    states = {item["open"]["state"] for item in all_pages(api, limit=200)}
    assert states == {"open", "closed", "unknown"}
    open_now = all_pages(api, limit=200, open_at="now")
    assert {item["open"]["state"] for item in open_now} == {"open"}
    assert all(
        item["open"]["until"] is None or datetime.fromisoformat(item["open"]["until"]) for item in open_now
    )


def test_words_narrow_the_list_and_the_order_stays_by_distance(api):
    page = ask(api, q="健身步道", limit=5)
    assert names(page)[0] == "西槽健身步道"
    assert all("健身步道" in name for name in names(page))
    metres = [item["distance_m"] for item in page["items"]]
    assert metres == sorted(metres)


def test_a_cursor_belongs_to_its_question(api):
    cursor = ask(api, limit=5)["next"]
    with_words = ask(api, limit=5, q="助餐")["next"]
    for parameters in (
        {"next": cursor[:-4] + "AAAA"},
        {"next": cursor, "category": "meal_point"},
        {"next": cursor, "lat": 36.483},
        {"next": cursor, "q": "助餐"},
        {"next": with_words, "q": "健身步道"},
        {"next": ""},
        {"next": "没有"},
    ):
        answer = api.get(NEARBY, params={**CENTRE, "limit": 5, **parameters})
        assert answer.status_code == 404, parameters
        assert answer.json()["code"] == "invalid-cursor"
        assert "第一页" in answer.json()["detail"]
    # The size of the page may change on the way.
    assert api.get(NEARBY, params={**CENTRE, "limit": 7, "next": cursor}).status_code == 200


def test_words_and_a_category_together_lose_no_site(api, sql):
    """The words are in nearly every address: all of the category must come, not those among the nearest of any kind."""
    wanted = sql.execute(
        "select count(*) from site where category_code = 'village_clinic' and status <> 'inactive' and address like '%新区%'"
    ).fetchone()[0]
    assert wanted > 5
    assert len(all_pages(api, q="兰州新区", category="village_clinic", limit=3)) == wanted
    everywhere = sql.execute(
        "select count(*) from site where status <> 'inactive' and address like '%新区%'"
    ).fetchone()[0]
    assert len(all_pages(api, q="兰州新区", limit=200)) >= everywhere
