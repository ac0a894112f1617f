"""What is too large or too slow is refused early, by the server that runs and by the layer alone."""

import asyncio
import socket
import threading
import time

import httpx
import psycopg
from fastapi import FastAPI, Request

from api import problems
from api.middleware import Edge
from core.settings import Settings
from tests.api.running import exchange
from tests.api.test_problems import assert_problem

MEGABYTE = 1_000_000
UPLOAD = 200 * MEGABYTE


def test_an_upload_of_200_mb_is_refused_at_its_announcement(server):
    asked = (
        f"POST /v1/categories HTTP/1.1\r\nHost: x\r\nContent-Length: {UPLOAD}\r\n\r\n".encode()  # and no body yet
    )
    answer = exchange(server.url, asked)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer
    assert b"application/problem+json" in answer
    assert b"1000000" in answer


def test_an_upload_that_does_not_say_how_long_it_is_is_not_listened_to_until_its_end(server):
    address = httpx.URL(server.url)
    part = b"%x\r\n" % MEGABYTE + b"x" * MEGABYTE + b"\r\n"
    sent = 0
    with socket.create_connection((address.host, address.port), timeout=10) as connection:
        connection.sendall(b"POST /v1/categories HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while sent < UPLOAD:
                connection.sendall(part)
                sent += MEGABYTE
        except OSError:
            pass
    assert sent < UPLOAD / 4


def test_a_body_is_read_no_further_than_the_limit():
    """Until a call takes a body, one of the test's own under the same layer."""
    app = FastAPI()
    problems.install(app)

    @app.post("/things")
    async def take(request: Request) -> int:
        return len(await request.body())

    @app.post("/parsed")
    async def parse(thing: dict[str, str]) -> int:
        return len(thing)

    edge = Edge(app, Settings(max_body_bytes=MEGABYTE))

    async def upload(path, parts):
        read = 0

        async def body():
            nonlocal read
            for part in parts:
                read += len(part)
                yield part

        async with httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url="http://x") as client:
            return await client.post(path, content=body()), read

    small, _ = asyncio.run(upload("/things", [b"x" * 1000] * 1000))
    assert (small.status_code, small.json()) == (200, MEGABYTE)
    for path in ("/things", "/parsed"):
        large, read = asyncio.run(upload(path, [b"x" * 1000] * 200_000))
        body = assert_problem(large, 413, "too-large")
        assert "1000000" in body["detail"]
        assert large.headers["connection"] == "close"
        assert read <= MEGABYTE + 1000


def test_a_request_that_takes_too_long_is_answered_503_and_leaves_no_connection_behind(strict):
    one, database_url = strict
    with (
        psycopg.connect(database_url) as other,
        httpx.Client(base_url=one.url, trust_env=False, timeout=15) as api,
    ):
        other.execute("lock table site in access exclusive mode")
        began = time.monotonic()
        # More than there are connections.
        for _ in range(4):
            answer = api.get("/v1/sites")
            assert_problem(answer, 503, "unavailable")
            assert answer.headers["retry-after"] == "5"
        assert time.monotonic() - began < 10
        assert api.get("/v1/sites/nearby?lon=103.6&lat=36.4&crs=wgs84").status_code == 200
        other.rollback()
        for _ in range(4):
            assert api.get("/v1/sites").status_code == 200
        ((waiting,),) = other.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        ).fetchall()
        assert waiting == 0


def test_many_callers_at_once_wait_their_turn(server):
    """More requests at once than there are connections to the database."""
    statuses: list[int] = []

    def ask():
        statuses.append(httpx.get(f"{server.url}/v1/sites?limit=5", trust_env=False, timeout=30).status_code)

    threads = [threading.Thread(target=ask) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 40
