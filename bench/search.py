"""Search over HTTP, one request at a time."""

import statistics
import sys
import time

import httpx

from bench.report import Figure
from bench.servers import free_port, server

QUERIES = (
    "诊", "助餐", "健身步道", "zhucandian", "zcd", "中川镇", "兰州新区", "纬一路128号", "日间照料", "卫生室", "zc",
    "zhucandain", "老年助餐点", "书屋", "幼儿园", "彩虹城社区", "jianshen", "128", "文曲", "零工驿站",
)  # fmt: skip


def run(database_url: str, *, sites: int, queries: int) -> list[Figure]:
    """Percentiles over ``queries`` requests, half of them with a position."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "bench.app:make_app",
        "--factory",
        "--port",
        str(port),
        "--log-level",
        "error",
    ]
    took: list[float] = []
    with (
        server(command, port=port, ready="/readyz", env={"XINBAN_DATABASE_URL": database_url}) as ours,
        httpx.Client() as client,
    ):
        for i in range(-len(QUERIES), queries):
            parameters: dict[str, str | float] = {"q": QUERIES[i % len(QUERIES)]}
            if (i // len(QUERIES)) % 2:
                parameters |= {"lon": 103.5 + i % 17 / 100, "lat": 36.4 + i % 13 / 100, "crs": "gcj02"}
            began = time.perf_counter()
            client.get(ours.url("/v1/search"), params=parameters).raise_for_status()
            if i >= 0:  # the first round warms caches up
                took.append((time.perf_counter() - began) * 1000)
    percentiles = statistics.quantiles(took, n=100)
    conditions = (
        f"{sites:,} sites, {len(QUERIES)} words in turn, half with a position, one at a time over HTTP"
    )
    return [
        Figure("search p95", percentiles[94], "ms", "<= 30", conditions),
        Figure("search p50", percentiles[49], "ms", "", conditions),
    ]
