"""Bad input and other refusals: each a problem (RFC 9457) that says what to do, in Chinese or in English."""

import re
from uuid import UUID

import httpx
import pytest

from core.actor import Grant
from core.permissions import RULES
from tests.api.people import sign_in
from tests.api.running import exchange

NEARBY = "/v1/sites/nearby?lon=103.615&lat=36.482&crs=wgs84"
PLACE = {"lon": "103.615", "lat": "36.482", "crs": "wgs84"}
ENGLISH = {"Accept-Language": "en-GB,en;q=0.9,zh;q=0.5"}


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["type"] == f"urn:xinban:problem:{code}"
    assert body["title"]
    assert body["detail"]
    return body


@pytest.mark.parametrize(
    ("query", "pointer", "hint"),
    [
        ("lon=103.6&lat=NaN&crs=wgs84", "/query/lat", "有限"),
        ("lon=inf&lat=36&crs=wgs84", "/query/lon", "有限"),
        ("lon=103.6&lat=abc&crs=wgs84", "/query/lat", "数字"),
        ("lon=103.6&crs=wgs84", "/query/lat", "必须填写"),
        ("lon=103.6&lat=36.4", "/query/crs", "必须填写"),
        ("lon=103.6&lat=36.4&crs=utm", "/query/crs", "gcj02"),
        ("lon=103.6&lat=36.4&crs=wgs84&radius_m=-1", "/query/radius_m", "大于"),
        ("lon=103.6&lat=36.4&crs=wgs84&radius_m=NaN", "/query/radius_m", "有限"),
        ("lon=103.6&lat=36.4&crs=wgs84&limit=0", "/query/limit", "不能小于 1"),
        ("lon=103.6&lat=36.4&crs=wgs84&limit=201", "/query/limit", "不能大于 200"),
        ("lon=103.6&lat=36.4&crs=wgs84&limit=1.5", "/query/limit", "整数"),
        ("lon=103.6&lat=36.4&crs=wgs84&category=pub", "/query/category/0", "meal_point"),
        ("lon=103.6&lat=36.4&crs=wgs84&has=sauna", "/query/has/0", "wheelchair"),
        ("lon=103.6&lat=36.4&crs=wgs84&q=%00", "/query/q", "无法保存"),
        ("lon=103.6&lat=36.4&crs=wgs84&q=", "/query/q", "至少 1"),
        ("lon=103.6&lat=36.4&crs=wgs84&open_at=tomorrow", "/query/open_at", "2026-11-24T11:30:00+08:00"),
        ("lon=103.6&lat=36.4&crs=wgs84&open_at=1764000000", "/query/open_at", "2026-11-24T11:30:00+08:00"),
        ("lon=103.6&lat=36.4&crs=wgs84&open_at=2026-11-24T11:30:00", "/query/open_at", "时区"),
        ("lon=103.6&lat=36.4&crs=wgs84&offset=20", "/query/offset", "没有这个参数"),
        ("lon=103.6&lat=36.4&crs=wgs84&a/b~c=1", "/query/a~1b~0c", "没有这个参数"),
        ("lon=103.6&lat=36.4&crs=wgs84&%00=1", "/query/\0", "没有这个参数"),
    ],
)
def test_each_bad_parameter_is_named_with_what_it_should_be(api, query, pointer, hint):
    body = assert_problem(api.get(f"/v1/sites/nearby?{query}"), 422, "invalid-request")
    assert pointer in [error["pointer"] for error in body["errors"]]
    assert any(hint in error["reason"] for error in body["errors"])
    assert hint in body["detail"]
    english = api.get(f"/v1/sites/nearby?{query}", headers=ENGLISH)
    assert assert_problem(english, 422, "invalid-request")["detail"].isascii()


def test_swapped_axes_are_recognised_and_the_answer_says_what_to_send(api):
    answer = api.get("/v1/sites/nearby", params={"lon": 36.482, "lat": 103, "crs": "wgs84"})
    body = assert_problem(answer, 422, "coordinates-swapped")
    assert "lon=103" in body["detail"]
    assert "lat=36.482" in body["detail"]
    assert body["errors"][0]["pointer"] == "/query/lat"


@pytest.mark.parametrize(("lon", "lat", "pointer"), [("1e308", "36", "lon"), ("103", "-91", "lat")])
@pytest.mark.parametrize("path", ["/v1/sites/nearby", "/v1/search", "/v1/areas/at", "/v1/districts/at"])
def test_a_place_that_is_none_is_refused_everywhere(api, path, lon, lat, pointer):
    more = {"/v1/search": {"q": "助餐"}, "/v1/districts/at": {"stage": "primary"}}.get(path, {})
    answer = api.get(path, params={"lon": lon, "lat": lat, "crs": "gcj02", **more})
    body = assert_problem(answer, 422, "invalid-coordinates")
    assert body["errors"][0]["pointer"] == f"/query/{pointer}"


@pytest.mark.parametrize(
    "path",
    ["/v1/search?q=%ED%A0%80", "/v1/search?q=%ff", f"{NEARBY}&%ED%A0%80=1", "/v1/sites/%ED%A0%80", "/%C0%80"],
)
def test_a_lone_surrogate_or_other_bytes_that_are_no_utf8_are_refused_not_replaced(api, path):
    body = assert_problem(api.get(path), 400, "bad-request")
    assert "UTF-8" in body["detail"]


def test_nul_in_a_path_is_no_id(api):
    assert_problem(api.get("/v1/sites/%00"), 422, "invalid-request")


@pytest.mark.parametrize("call", ["/v1/sites", "/v1/sites/nearby"])
@pytest.mark.parametrize("cursor", ["", "x", "A" * 43, "%F0%9F%98%80", "AAAA===="])
def test_a_made_up_cursor_is_refused(api, call, cursor):
    query = "" if call == "/v1/sites" else "&lon=103.6&lat=36.4&crs=wgs84"
    assert_problem(api.get(f"{call}?next={cursor}{query}"), 404, "invalid-cursor")


def test_a_cursor_of_one_call_is_not_taken_by_another(api):
    cursor = api.get("/v1/sites", params={"limit": 5}).json()["next"]
    assert_problem(api.get(f"{NEARBY}&next={cursor}"), 404, "invalid-cursor")
    assert_problem(api.get("/v1/sites", params={"next": cursor, "status": "active"}), 404, "invalid-cursor")


def public_gets(api):
    """Addresses of the locator and of operation: those that anyone may GET and nobody may change."""
    document = api.get("/openapi.json").json()
    site_id = api.get("/v1/sites", params={"limit": 1}).json()["items"][0]["id"]
    return [
        path.replace("{site_id}", site_id)
        for path, calls in document["paths"].items()
        if set(calls) == {"get"} and calls["get"]["x-permission"] in ("locator.read", "operation.read")
    ]


def test_every_public_get_names_a_parameter_it_does_not_know(api):
    paths = public_gets(api)
    assert len(paths) >= 13
    for path in paths:
        body = assert_problem(api.get(path, params={"lonn": "1"}), 422, "invalid-request")
        assert "/query/lonn" in [error["pointer"] for error in body["errors"]], path


def test_every_call_of_a_signed_in_caller_names_a_parameter_it_does_not_know(api, city_url):
    admin, resident = (
        sign_in(city_url, Grant("district_admin", "district")),
        sign_in(city_url, kind="resident"),
    )
    document = api.get("/openapi.json").json()
    asked = 0
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            if call["x-permission"] not in RULES or RULES[call["x-permission"]].who == "anyone":
                continue
            who = resident if RULES[call["x-permission"]].who == "signed_in" else admin
            answer = api.request(
                method, re.sub(r"{\w+}", str(UUID(int=1)), path), params={"lonn": "1"}, headers=who
            )
            if answer.status_code == 403:
                continue  # another role's
            body = assert_problem(answer, 422, "invalid-request")
            assert "/query/lonn" in [error["pointer"] for error in body["errors"]], path
            asked += 1
    assert asked > 50


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_another_method_is_refused_with_those_there_are(api, method):
    for path in public_gets(api):
        answer = api.request(method, path)
        assert answer.headers["allow"] == "GET, HEAD", path
        assert "GET, HEAD" in assert_problem(answer, 405, "method-not-allowed")["detail"]


def test_the_methods_of_an_address_are_all_named(api):
    assert api.patch("/v1/me").headers["allow"] == "DELETE, GET, HEAD, PUT"
    assert api.get("/v1/auth/tokens").headers["allow"] == "DELETE, POST"


@pytest.mark.parametrize(
    "path", ["/nothing", "/v1", "/v1/categories/", "/v1//sites", "/static-offline-docs/..%2fcore.py"]
)
def test_an_address_with_nothing_behind_it_is_a_404(api, path):
    assert "/docs" in assert_problem(api.get(path), 404, "not-found")["detail"]


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        (None, "zh-CN"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("en-US,en;q=0.9", "en"),
        ("en;q=0.3,zh;q=0.7", "zh-CN"),
        ("zh;q=0.3,en;q=0.7", "en"),
        ("fr", "zh-CN"),
        ("en;q=rubbish", "zh-CN"),
        (";;;,,q=", "zh-CN"),
    ],
)
def test_chinese_comes_first_and_english_when_preferred(api, accepted, language):
    answer = api.get("/nothing", headers={"Accept-Language": accepted} if accepted else {})
    assert answer.headers["content-language"] == language
    assert "Accept-Language" in answer.headers["vary"]
    body = assert_problem(answer, 404, "not-found")
    assert body["title"].isascii() == body["detail"].isascii() == (language == "en")


@pytest.mark.parametrize("host", ["[", "a b", "::1", "a:b:c", "x" * 300])
def test_an_odd_host_header_breaks_nothing(api, server, host):
    site_id = api.get("/v1/sites", params={"limit": 1}).json()["items"][0]["id"]
    asked = f"GET /v1/sites/{site_id}/qr.svg HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    assert exchange(server.url, asked.encode()).startswith(b"HTTP/1.1 200")
