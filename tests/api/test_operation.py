"""Alive, ready, measured, logged; and what happens while the database or Redis is away."""

import json
import re
import shutil
import subprocess
from datetime import datetime

import httpx
import psycopg
import pytest
from psycopg import sql as composed
from sqlalchemy import make_url

from tests.api.running import serving, wait_until
from tests.api.test_problems import assert_problem
from tests.conftest import create_database, drop_database, url_of

NEARBY = {"lon": "103.6151234", "lat": "36.4829876", "crs": "wgs84"}


def ready(url):
    return httpx.get(f"{url}/readyz", trust_env=False, timeout=15)


def close(server_url, database_url):
    """Nobody may connect, and whoever is connected is thrown out, as when a server goes away."""
    name = make_url(database_url).database
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(
            composed.SQL("alter database {} allow_connections false").format(composed.Identifier(name))
        )
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,)
        )


def reopen(server_url, database_url):
    name = make_url(database_url).database
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(
            composed.SQL("alter database {} allow_connections true").format(composed.Identifier(name))
        )


def test_alive_and_ready_with_each_dependency_by_name(api):
    assert api.get("/healthz").json() == {"status": "ok"}
    assert api.get("/readyz").json() == {
        "status": "ok",
        "database": "ok",
        "redis": "ok",
        "migrations": "ok",
        "index": "ok",
    }


def test_metrics_count_requests_by_route_and_know_the_index(api):
    def count():
        text = api.get("/metrics").text
        found = re.search(r'xinban_requests_total\{route="/v1/categories",status="200"\} (\S+)', text)
        return float(found.group(1)) if found else 0.0

    before = count()
    api.get("/v1/categories")
    assert count() == before + 1
    text = api.get("/metrics").text
    assert "xinban_index_sites 398.0" in text
    assert "xinban_index_stale 0.0" in text
    assert 'xinban_request_seconds_bucket{le="0.05",route="/v1/categories"}' in text


def test_security_headers_are_on_every_answer(api):
    for path in ("/", "/v1/categories", "/nothing", "/v1/sites/nearby", "/docs", "/healthz"):
        headers = api.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "server" not in headers
    assert api.get("/v1/categories").headers["content-security-policy"].startswith("default-src 'none'")


def test_a_request_id_is_echoed_or_made_and_stands_in_the_log(api, server):
    assert (
        api.get("/healthz", headers={"X-Request-Id": "desk-7_0042"}).headers["x-request-id"] == "desk-7_0042"
    )
    assert wait_until(
        lambda: any(line["request_id"] == "desk-7_0042" for line in server.log()), "the id in the log"
    )
    for odd in ("short", "x" * 65, "no spaces please", "<script>", '{"a":1}'):
        made = api.get("/healthz", headers={"X-Request-Id": odd}).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{32}", made)


def test_the_log_is_json_and_holds_no_query_no_place_and_no_id_of_a_site(api, server):
    site_id = api.get("/v1/sites", params={"limit": 1}).json()["items"][0]["id"]
    api.get("/v1/sites/nearby", params={**NEARBY, "q": "秘密词语"}, headers={"X-Request-Id": "log-test-0001"})
    api.get("/v1/sites/nearby", params={**NEARBY, "oops": "秘密词语"})
    api.get("/v1/areas/at", params=NEARBY)
    api.get(f"/v1/sites/{site_id}", headers={"X-Request-Id": "log-test-0002"})
    api.get("/" + "秘密词语")

    def lines():
        return {line["request_id"]: line for line in server.log() if line["message"] == "request"}

    wait_until(lambda: "log-test-0002" in lines(), "the line of the last request")
    line = lines()["log-test-0001"]
    assert (line["method"], line["route"], line["status"]) == ("GET", "/v1/sites/nearby", 200)
    assert line["ms"] > 0
    assert lines()["log-test-0002"]["route"] == "/v1/sites/{site_id}"
    # Times are numbers like any place: a second 36.48 is none.
    said = [{name: value for name, value in one.items() if name not in ("at", "ms")} for one in server.log()]
    everything = json.dumps(said, ensure_ascii=False)
    for secret in ("103.61", "36.48", "秘密", "%E7%A7%98", "lon=", site_id):
        assert secret not in everything, secret


def test_browsers_of_named_origins_may_call_and_others_may_not(strict, api):
    origin = {"Origin": "https://app.example"}
    assert "access-control-allow-origin" not in api.get("/v1/categories", headers=origin).headers
    with httpx.Client(base_url=strict[0].url, trust_env=False) as client:
        allowed = client.get("/v1/categories", headers=origin).headers
        assert allowed["access-control-allow-origin"] == "https://app.example"
        assert "Origin" in allowed["vary"]
        assert "ETag" in allowed["access-control-expose-headers"]
        preflight = client.options(
            "/v1/categories", headers={**origin, "Access-Control-Request-Method": "PUT"}
        )
        assert preflight.status_code == 200
        assert "PUT" in preflight.headers["access-control-allow-methods"]
        other = client.get("/v1/categories", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


def test_nearby_serves_on_while_the_database_is_away_and_the_rest_says_try_again(
    server_url, own_city_url, redis_url, tmp_path
):
    with (
        serving(tmp_path / "log", database_url=own_city_url, redis_url=redis_url) as one,
        httpx.Client(base_url=one.url, trust_env=False, timeout=15) as api,
    ):
        fresh = api.get("/v1/sites/nearby", params=NEARBY)
        assert "x-xinban-stale-since" not in fresh.headers
        close(server_url, own_city_url)
        try:
            stale = wait_until(
                lambda: (
                    answer
                    if "x-xinban-stale-since"
                    in (answer := api.get("/v1/sites/nearby", params=NEARBY)).headers
                    else None
                ),
                "the header that says stale",
            )
            assert stale.status_code == 200
            assert [item["id"] for item in stale.json()["items"]] == [
                item["id"] for item in fresh.json()["items"]
            ]
            assert datetime.fromisoformat(stale.headers["x-xinban-stale-since"]).utcoffset() is not None
            assert api.get("/v1/categories").status_code == 200
            for path, parameters in (
                ("/v1/sites", {}),
                ("/v1/areas/at", NEARBY),
                ("/v1/search", {"q": "助餐"}),
            ):
                answer = api.get(path, params=parameters)
                assert_problem(answer, 503, "unavailable")
                assert int(answer.headers["retry-after"]) >= 1
            state = ready(one.url)
            assert state.status_code == 503
            assert state.json()["database"].startswith("no answer")
            assert state.json()["index"].startswith("stale since")
            assert state.json()["redis"] == "ok"
            assert "xinban_index_stale 1.0" in api.get("/metrics").text
            assert api.get("/healthz").status_code == 200
        finally:
            reopen(server_url, own_city_url)
        wait_until(lambda: ready(one.url).status_code == 200, "ready again")
        assert api.get("/v1/sites").status_code == 200
        assert "x-xinban-stale-since" not in api.get("/v1/sites/nearby", params=NEARBY).headers
        assert [line for line in one.log() if line["level"] == "ERROR"] == []


def test_until_the_index_stands_calls_are_told_to_try_again(server_url, own_city_url, redis_url, tmp_path):
    close(server_url, own_city_url)
    with serving(tmp_path / "log", ready=False, database_url=own_city_url, redis_url=redis_url) as one:
        assert ready(one.url).json()["index"] == "loading"
        for path in ("/v1/sites/nearby", "/v1/categories"):
            answer = httpx.get(one.url + path, params=NEARBY if "near" in path else {}, trust_env=False)
            assert_problem(answer, 503, "loading")
            assert int(answer.headers["retry-after"]) >= 1
        reopen(server_url, own_city_url)
        wait_until(lambda: ready(one.url).status_code == 200, "ready once the database is there")


def test_a_database_without_tables_is_named_as_such(server_url, redis_url, tmp_path):
    name = create_database(server_url)
    try:
        with serving(
            tmp_path / "log", ready=False, database_url=url_of(server_url, name), redis_url=redis_url
        ) as one:
            state = ready(one.url)
        assert state.status_code == 503
        assert state.json()["database"] == "ok"
        assert "xinban migrate" in state.json()["migrations"]
    finally:
        drop_database(server_url, name)


def test_ready_says_when_redis_stops_and_when_it_is_back(city_url, tmp_path_factory):
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None:
        pytest.skip("no redis-server on this machine to stop and start")
    folder = tmp_path_factory.mktemp("r")
    socket = folder / "s"

    def start():
        return subprocess.Popen(
            [binary, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL,
        )

    redis = start()
    try:
        with serving(folder / "log", database_url=city_url, redis_url=f"unix://{socket}") as one:
            redis.terminate()
            redis.wait()
            state = ready(one.url)
            assert state.status_code == 503
            assert state.json()["redis"].startswith("no answer")
            assert state.json()["database"] == "ok"
            # Nothing of the locator needs Redis.
            nearby = httpx.get(f"{one.url}/v1/sites/nearby", params=NEARBY, trust_env=False)
            assert nearby.status_code == 200
            redis = start()
            wait_until(lambda: ready(one.url).status_code == 200, "ready with Redis back")
    finally:
        redis.terminate()
        redis.wait()
