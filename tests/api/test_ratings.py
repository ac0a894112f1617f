"""Ratings over HTTP: once a day, published from so many on, entered at the desk and from paper."""

from itertools import count

import httpx
import psycopg
import pytest

from core.actor import Grant
from tests.api.people import sign_in

NOWHERE = "00000000-0000-7000-8000-000000000000"
sheets = count()


@pytest.fixture(scope="module")
def city(edited):
    """A client, the database, and meal points that nobody rated yet."""
    server, url = edited
    with psycopg.connect(url) as connection:
        sites = connection.execute(
            "select id::text from site where published_at is not null and category_code = 'meal_point'"
            " and status = 'active' order by id desc limit 6"
        ).fetchall()
    with httpx.Client(base_url=server.url, trust_env=False, timeout=15) as client:
        yield client, url, [row[0] for row in sites]


@pytest.fixture
def site(city):
    """One that no other test rates."""
    return city[2].pop()


@pytest.fixture
def resident(city):
    return sign_in(city[1], kind="resident")


def rate(client, headers, site, level=5, **more):
    return client.post("/v1/ratings", json={"site_id": site, "level": level, **more}, headers=headers)


def sheet(client, headers, site, reference, counts, on="2026-11-20"):
    body = {"site_id": site, "on": on, "counts": counts, "sheet_reference": reference}
    return client.post("/v1/staff/ratings/batch", json=body, headers=headers)


def test_a_result_is_published_when_enough_people_gave_one(city, site, resident):
    client, url, _ = city
    few = {"count": None, "average": None, "levels": None, "reason": "too_few"}
    at = f"/v1/sites/{site}/ratings"
    assert rate(client, resident, site, 4, tags=["tasty"], text="味道好", service="午餐").status_code == 201
    for level in (5, 5, 3):
        rate(client, sign_in(url, kind="resident"), site, level)
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


def test_a_second_rating_of_the_day_is_refused_and_the_first_can_be_changed(city, site, resident):
    client, url, _ = city
    first = rate(client, resident, site, 1).json()
    second = rate(client, resident, site, 5)
    assert (second.status_code, second.json()["code"]) == (409, "already-rated")
    at = f"/v1/ratings/{second.json()['rating_id']}"
    assert at == f"/v1/ratings/{first['id']}"
    assert client.put(at, json={"level": 5}, headers=resident).json()["level"] == 5
    assert client.put(at, json={"level": 5}, headers=sign_in(url, kind="resident")).status_code == 404
    mine = client.get("/v1/ratings", params={"site_id": site}, headers=resident).json()["items"]
    assert [one["level"] for one in mine] == [5]
    assert rate(client, {}, site).status_code == 401


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
