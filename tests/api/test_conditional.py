"""What every public GET carries, so that phones and proxies fetch nothing twice and keep nothing too long."""

import gzip

import pytest

PLACE = "lon=103.615&lat=36.482&crs=wgs84"


@pytest.fixture(scope="module")
def site_id(api):
    return api.get("/v1/sites", params={"limit": 1}).json()["items"][0]["id"]


CALLS = [
    "/",
    "/v1/categories",
    f"/v1/sites/nearby?{PLACE}&limit=30&open_at=2026-11-24T11:30:00Z",
    "/v1/sites?limit=30",
    "/v1/sites/SITE",
    "/v1/sites/SITE/guide",
    "/v1/sites/SITE/qr.svg",
    "/v1/search?q=%E5%8A%A9%E9%A4%90",
    f"/v1/areas/at?{PLACE}",
    f"/v1/districts/at?{PLACE}&stage=primary",
    "/openapi.json",
]
# Where somebody stands is nobody else's.
PRIVATE = ("nearby", "search", "areas", "districts")


@pytest.mark.parametrize("call", CALLS)
def test_a_tag_a_cache_control_and_304_when_nothing_changed(api, site_id, call):
    call = call.replace("SITE", site_id)
    first = api.get(call)
    assert first.status_code == 200
    tag = first.headers["etag"]
    assert tag.startswith('"')
    scope = "private" if any(word in call for word in PRIVATE) else "public"
    assert first.headers["cache-control"].startswith(f"{scope}, max-age=")
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = api.get(call, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b""), known
        assert again.headers["etag"] == tag
        assert again.headers["cache-control"] == first.headers["cache-control"]
    assert api.get(call, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("call", CALLS)
def test_a_compressed_answer_has_a_tag_of_its_own_and_says_what_it_varies_by(api, site_id, call):
    call = call.replace("SITE", site_id)
    plain = api.get(call)
    with api.stream("GET", call, headers={"Accept-Encoding": "gzip, br"}) as answer:
        raw = b"".join(answer.iter_raw())
        headers = answer.headers
    assert "Accept-Encoding" in headers["vary"]
    assert "Accept-Encoding" in plain.headers["vary"]
    if len(plain.content) < 1000:
        assert "content-encoding" not in headers
        return
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content)
    assert headers["etag"] != plain.headers["etag"]
    assert headers["etag"] == plain.headers["etag"][:-1] + '-gzip"'
    # A phone that kept the one knows the other: If-None-Match compares weakly.
    assert api.get(call, headers={"If-None-Match": headers["etag"]}).status_code == 304


def test_who_refuses_gzip_gets_none(api):
    answer = api.get("/v1/categories", headers={"Accept-Encoding": "gzip;q=0, identity"})
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("call", [*CALLS, "/healthz", "/readyz", "/metrics", "/docs"])
def test_head_answers_as_get_does_but_for_the_body(api, site_id, call):
    call = call.replace("SITE", site_id)
    head, get = api.head(call), api.get(call)
    assert head.status_code == get.status_code == 200
    assert head.content == b""
    changing = {"date", "x-request-id"} | ({"content-length"} if call == "/metrics" else set())
    assert {k: v for k, v in head.headers.items() if k not in changing} == {
        k: v for k, v in get.headers.items() if k not in changing
    }


@pytest.mark.parametrize("call", ["/healthz", "/readyz", "/metrics", "/nothing", "/v1/sites/nearby"])
def test_what_must_be_asked_anew_says_so(api, call):
    assert api.get(call).headers["cache-control"] == "no-store"


def test_lists_vary_by_the_kind_of_answer_asked_for(api):
    plain = api.get("/v1/sites?limit=1")
    geojson = api.get("/v1/sites?limit=1", headers={"Accept": "application/geo+json"})
    assert "Accept," in plain.headers["vary"] + ","
    assert plain.headers["vary"] == geojson.headers["vary"]
    assert plain.headers["etag"] != geojson.headers["etag"]
