"""Ratings over HTTP: of a visit, each once; published from so many on, entered at the desk and from paper."""

from datetime import timedelta
from itertools import count

import psycopg
import pytest

from core.actor import Grant
from tests.api.conftest import MEAL_POINTS
from tests.api.people import sign_in
from tests.api.visits import visit

NOWHERE = "00000000-0000-7000-8000-000000000000"
sheets = count()


@pytest.fixture(scope="module")
def unrated(edited_sql):
    """Meal points that nobody rated yet."""
    return [row[0] for row in edited_sql.execute(MEAL_POINTS + " order by id desc limit 6").fetchall()]


@pytest.fixture
def site(unrated):
    """One that no other test rates."""
    return unrated.pop()


@pytest.fixture
def resident(city):
    return sign_in(city[1], kind="resident")


def rate(client, headers, site, level=5, **more):
    return client.post("/v1/ratings", json={"site_id": site, "level": level, **more}, headers=headers)


@pytest.fixture
def visited(city):
    """Rates a new visit of a caller."""
    client, url, _ = city

    def send(headers, site, level=5, **more):
        return rate(client, headers, site, level, reservation_id=visit(url, headers, site), **more)

    return send


def sheet(client, headers, site, reference, counts, on="2026-11-20"):
    body = {"site_id": site, "on": on, "counts": counts, "sheet_reference": reference}
    return client.post("/v1/staff/ratings/batch", json=body, headers=headers)


def test_a_result_is_published_when_enough_people_gave_one(city, site, resident, visited):
    client, url, _ = city
    few = {"count": None, "average": None, "levels": None, "reason": "too_few"}
    at = f"/v1/sites/{site}/ratings"
    assert visited(resident, site, 4, tags=["tasty"], text="味道好", service="午餐").status_code == 201
    for level in (5, 5, 3):
        visited(sign_in(url, kind="resident"), site, level)
    assert client.get(at).json() == few | {"site_id": site, "shown_from": 5, "services": []}
    staff = sign_in(url, Grant("site_staff", "site", site))
    desk = client.post("/v1/staff/ratings", json={"site_id": site, "level": 5}, headers=staff)
    assert (desk.status_code, desk.json()["count"]) == (201, 1)
    shown = client.get(at)
    assert shown.json() == {
        "site_id": site,
        "shown_from": 5,
        "count": 5,
        "average": 4.4,
        "levels": {"1": 0, "2": 0, "3": 1, "4": 1, "5": 3},
        "reason": None,
        "services": [],  # one rating of lunch is too few
    }
    assert "味道好" not in shown.text
    unchanged = client.get(at, headers={"If-None-Match": shown.headers["ETag"]})
    assert (unchanged.status_code, shown.headers["Cache-Control"]) == (304, "public, max-age=60")
    remarks = client.get("/v1/staff/ratings", params={"site_id": site}, headers=staff).json()["items"]
    assert [(one["text"], one["level"], one["service"]) for one in remarks] == [("味道好", 4, "午餐")]
    assert "account_id" not in remarks[0]


def test_a_visit_is_rated_once_and_what_was_said_can_be_changed(city, site, resident):
    client, url, _ = city
    visit_id = visit(url, resident, site)
    first = rate(client, resident, site, 1, reservation_id=visit_id).json()
    second = rate(client, resident, site, 5, reservation_id=visit_id)
    assert (second.status_code, second.json()["code"]) == (409, "already-rated")
    at = f"/v1/ratings/{second.json()['rating_id']}"
    assert at == f"/v1/ratings/{first['id']}"
    assert client.put(at, json={"level": 5}, headers=resident).json()["level"] == 5
    assert client.put(at, json={"level": 5}, headers=sign_in(url, kind="resident")).status_code == 404
    mine = client.get("/v1/ratings", params={"site_id": site}, headers=resident).json()["items"]
    assert [(one["level"], one["reservation_id"]) for one in mine] == [(5, visit_id)]
    assert rate(client, resident, site, 4, reservation_id=visit(url, resident, site)).status_code == 201
    assert rate(client, {}, site).status_code == 401


def test_who_was_not_there_is_told_what_to_do(city, site, unrated, resident):
    client, url, _ = city
    for reason, told in (
        ("no_reservation", {}),
        ("not_checked_in", {"reservation_id": visit(url, resident, site, state="confirmed")}),
        ("too_long_ago", {"reservation_id": visit(url, resident, site, ago=timedelta(days=31))}),
        ("other_site", {"reservation_id": visit(url, resident, unrated[0])}),
    ):
        answer = rate(client, resident, site, **told)
        assert (answer.status_code, answer.json()["code"]) == (409, "not-visited")
        assert (answer.json()["reason"], answer.json()["reservation_ids"]) == (reason, [])
        assert "签到" in answer.json()["detail"]
    visit_id = visit(url, resident, site, ago=timedelta(days=29))
    assert rate(client, resident, site).json()["reservation_ids"] == [visit_id]
    stranger = sign_in(url, kind="resident")
    for headers in (stranger, sign_in(url, Grant("site_staff", "site", site))):
        answer = rate(client, headers, site, reservation_id=visit_id)
        assert (answer.status_code, answer.json()["code"]) == (404, "reservation-not-found")
        assert rate(client, headers, site).json()["reservation_ids"] == []
    assert rate(client, resident, site, reservation_id=visit_id).status_code == 201
    assert rate(client, resident, site).json()["reservation_ids"] == []


def test_a_paper_sheet_is_entered_once_and_taken_back_by_its_sites_staff(city, site):
    client, url, _ = city
    staff, elsewhere = [sign_in(url, Grant("site_staff", "site", one)) for one in (site, NOWHERE)]
    entered = sheet(client, staff, site, "A3", {"5": 21, "4": 6, "3": 1})
    assert (entered.status_code, entered.json()["count"]) == (201, 28)
    again = sheet(client, staff, site, "A3", {"1": 9})
    assert (again.status_code, again.json()["sheet_id"]) == (409, entered.json()["id"])
    assert client.get(f"/v1/sites/{site}/ratings").json()["count"] == 28
    at = f"/v1/staff/ratings/batch/{entered.json()['id']}"
    assert client.delete(at, headers=elsewhere).status_code == 404
    assert client.delete(at, headers=staff).status_code == 204
    assert client.delete(at, headers=staff).status_code == 404
    assert client.get(f"/v1/sites/{site}/ratings").json()["reason"] == "too_few"
    assert sheet(client, staff, site, "A3", {"1": 9}).status_code == 201


def test_staff_rate_for_their_own_site_alone(city, site, resident):
    client, url, _ = city
    elsewhere = sign_in(url, Grant("site_staff", "site", NOWHERE))
    for headers, status in ((elsewhere, 403), (resident, 403), ({}, 401)):
        said = {"site_id": site, "level": 5}
        assert client.post("/v1/staff/ratings", json=said, headers=headers).status_code == status
        assert sheet(client, headers, site, "B1", {"5": 1}).status_code == status
        assert (
            client.get("/v1/staff/ratings", params={"site_id": site}, headers=headers).status_code == status
        )
    assert client.get(f"/v1/sites/{site}/ratings").json()["reason"] == "too_few"


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"level": 0}, "/body/level"),
        ({"level": 6}, "/body/level"),
        ({"level": "5"}, "/body/level"),
        ({"level": 4.5}, "/body/level"),
        ({"tags": ["nice"]}, "/body/tags/0"),
        ({"tags": ["quick"] * 11}, "/body/tags"),
        ({"text": "字" * 1001}, "/body/text"),
        ({"text": "\x00"}, "/body/text"),
        ({"site_id": "abc"}, "/body/site_id"),
        ({"channel": "counter"}, "/body/channel"),
    ],
)
def test_a_rating_that_cannot_be_taken_says_what_is_wrong(city, resident, said, pointer):
    body = {"site_id": NOWHERE, "level": 5} | said
    answer = city[0].post("/v1/ratings", json=body, headers=resident)
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("counts", "on", "status"),
    [
        ({}, "2026-11-20", 422),
        ({"5": 0}, "2026-11-20", 422),
        ({"6": 1}, "2026-11-20", 422),
        ({"5": -1}, "2026-11-20", 422),
        ({"5": 10_001}, "2026-11-20", 422),
        ({"5": 1}, "20 November", 422),
        ({"5": 1}, "2999-01-01", 422),
    ],
)
def test_a_sheet_that_cannot_be_right_is_refused(city, counts, on, status):
    client, url, _ = city
    staff = sign_in(url, Grant("district_admin", "district"))
    with psycopg.connect(url) as connection:
        site = connection.execute("select id::text from site where published_at is not null").fetchone()[0]
    assert sheet(client, staff, site, f"wrong-{next(sheets)}", counts, on).status_code == status


def test_no_site_and_no_service_are_said(city, resident):
    client, url, _ = city
    assert rate(client, resident, NOWHERE).json()["code"] == "site-not-found"
    assert client.get(f"/v1/sites/{NOWHERE}/ratings").json()["code"] == "site-not-found"
    with psycopg.connect(url) as connection:
        site = connection.execute(
            "select id::text from site where published_at is not null and category_code = 'meal_point'"
        ).fetchone()[0]
    wrong = rate(client, resident, site, service="理发")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "unknown-service")
    assert "午餐" in wrong.json()["services"]


def test_options_name_all_that_can_be_chosen(city):
    options = city[0].get("/v1/feedback/options").json()
    assert [one["level"] for one in options["rating_levels"]] == [1, 2, 3, 4, 5]
    assert {one["code"] for one in options["complaint_categories"]} >= {"food_safety", "other"}
    for listed in options.values():
        for one in listed if isinstance(listed, list) else []:
            assert one["label_zh"]
            assert one["label_en"]
