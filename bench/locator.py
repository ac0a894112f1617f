"""Nearby against fixed and empty endpoints and tipg; search; import; at full size also a million sites.

``fixed`` takes nearby's parameters as FastAPI reads a parameter model, which is how an endpoint is usually written;
nearby itself reads them by pydantic alone (``api/query.py``), and the ratio to an endpoint that does so too is shown.
One API process on one core, wrk with 16 connections on the other. The three endpoints of ours are loaded in turn, several
rounds, and each round gives its ratios; the median round is reported. Requests ask at random places of the demo city, in
gcj02, for the nearest 20 of a category, a third of them open at an instant.
"""

import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

from bench import imports, search
from bench.report import Figure
from bench.servers import Load, Server, free_port, migrated_database, server, wrk
from bench.tipg import tipg_command
from core import clock
from core.database import Database
from core.settings import Settings
from seed.scale import seed_scale

SERVER_CORE, LOAD_CORE = 0, 1
OURS = ("nearby", "fixed", "fixed_fast", "empty")

# A cheap generator of places, the same in each run.
PLACES = """
local n = 0
local categories = {"meal_point", "clinic", "elder", "gig_station", "reading_room"}
function place()
  n = n + 1
  return 103.50 + (n * 7919 % 2500) / 10000, 36.40 + (n * 104729 % 2500) / 10000
end
"""
NEARBY = (
    PLACES
    + """
function request()
  local lon, lat = place()
  local open = n % 3 == 0 and "&open_at=2026-11-24T11:30:00%2B08:00" or ""
  return wrk.format("GET", string.format(
    "{path}?lon=%.4f&lat=%.4f&crs=gcj02&category=%s&limit=20%s", lon, lat, categories[n % 5 + 1], open))
end
"""
)
EMPTY = """
function request() return wrk.format("GET", "/bench/empty") end
"""
TIPG = (
    PLACES
    + """
function request()
  local lon, lat = place()
  return wrk.format("GET", string.format(
    "/collections/public.site/items?bbox=%.4f,%.4f,%.4f,%.4f&limit=20&f=geojson", lon, lat, lon + 0.02, lat + 0.02))
end
"""
)


def run(*, quick: bool) -> list[Figure]:
    """All figures of the locator."""
    sites = 20_000 if quick else 100_000
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        scripts = _write_scripts(Path(folder))
        with migrated_database() as url:
            seconds = _seed(url, sites)
            figures.append(
                Figure("seeding", sites / seconds, "sites/s", "", f"{sites:,} sites, bulk function")
            )
            figures += _against_fixed_and_tipg(url, scripts, sites, quick=quick)
            figures += search.run(url, sites=sites, queries=200 if quick else 600)
        figures += imports.run(rows=10_000 if quick else 100_000, folder=Path(folder))
        if not quick:
            figures += _at_scale(scripts)
    return figures


def _write_scripts(folder: Path) -> dict[str, str]:
    texts = {
        "nearby": NEARBY.replace("{path}", "/v1/sites/nearby"),
        "fixed": NEARBY.replace("{path}", "/bench/fixed"),
        "fixed_fast": NEARBY.replace("{path}", "/bench/fixed-fast"),
        "empty": EMPTY,
        "tipg": TIPG,
    }
    for name, text in texts.items():
        (folder / f"{name}.lua").write_text(text)
    return {name: str(folder / f"{name}.lua") for name in texts}


def _seed(url: str, count: int) -> float:
    async def fill() -> float:
        async with Database(Settings(database_url=url)) as database:
            began = clock.now()
            await seed_scale(database, count=count, now=began)
            elapsed = (clock.now() - began).total_seconds()
            async with database.hot() as connection:
                await connection.execute("vacuum analyze")
            return elapsed

    return asyncio.run(fill())


def _ours(url: str, port: int) -> tuple[list[str], dict[str, str]]:
    command = [
        sys.executable, "-m", "uvicorn", "bench.app:make_app", "--factory", "--port", str(port),
        "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error", "--no-server-header",
    ]  # fmt: skip
    return command, {"XINBAN_DATABASE_URL": url, "XINBAN_LOG_LEVEL": "INFO"}


def _against_fixed_and_tipg(url: str, scripts: dict[str, str], sites: int, *, quick: bool) -> list[Figure]:
    seconds, rounds = (2, 3) if quick else (5, 5)
    conditions = f"{sites:,} sites, 1 process on 1 core, 16 connections, {rounds} x {seconds} s, median round"
    port = free_port()
    command, env = _ours(url, port)
    with server(command, port=port, ready="/readyz", env=env, core=SERVER_CORE) as ours:
        for name in OURS:
            wrk(ours.url("/"), scripts[name], seconds=1, core=LOAD_CORE)
        seen = [
            {name: wrk(ours.url("/"), scripts[name], seconds=seconds, core=LOAD_CORE) for name in OURS}
            for _ in range(rounds)
        ]
    port = free_port()
    command, env = tipg_command(url, port)
    with server(command, port=port, ready="/healthz", env=env, core=SERVER_CORE) as theirs:
        tipg = wrk(theirs.url("/"), scripts["tipg"], seconds=seconds, core=LOAD_CORE)

    def median_ratio(under: str) -> float:
        return statistics.median(one["nearby"].per_second / one[under].per_second for one in seen)

    nearby = statistics.median(one["nearby"].per_second for one in seen)
    return [
        Figure("nearby / fixed", median_ratio("fixed"), "x", ">= 0.6", conditions, decides=True),
        Figure("nearby / fixed, read as nearby reads", median_ratio("fixed_fast"), "x", "", conditions),
        Figure("nearby / empty", median_ratio("empty"), "x", ">= 0.25", conditions, decides=True),
        Figure("nearby / tipg items", nearby / tipg.per_second, "x", ">= 8", conditions, decides=True),
        Figure("nearby", nearby, "req/s", "", conditions),
        Figure("nearby p99", statistics.median(one["nearby"].p99_ms for one in seen), "ms", "", conditions),
        Figure("fixed", statistics.median(one["fixed"].per_second for one in seen), "req/s", "", conditions),
        Figure(
            "fixed, read as nearby reads",
            statistics.median(one["fixed_fast"].per_second for one in seen),
            "req/s",
            "",
            conditions,
        ),
        Figure("empty", statistics.median(one["empty"].per_second for one in seen), "req/s", "", conditions),
        Figure(
            "tipg items",
            tipg.per_second,
            "req/s",
            "",
            "same table, bbox, limit 20, 1 process on the same core",
        ),
    ]


def _at_scale(scripts: dict[str, str]) -> list[Figure]:
    """A million sites against ten thousand: latency at one connection's rate, memory, and time to load."""
    found: dict[int, tuple[Load, Server, int]] = {}
    for count in (10_000, 1_000_000):
        with migrated_database() as url:
            _seed(url, count)
            port = free_port()
            command, env = _ours(url, port)
            with server(command, port=port, ready="/readyz", env=env, core=SERVER_CORE) as ours:
                wrk(ours.url("/"), scripts["nearby"], seconds=3, core=LOAD_CORE)
                loads = [wrk(ours.url("/"), scripts["nearby"], seconds=5, core=LOAD_CORE) for _ in range(3)]
                memory = ours.rss_bytes()
            # Loading is two processes' work, ours and PostgreSQL's: an operator's server gives them both its cores.
            with server(command, port=port, ready="/readyz", env=env) as unpinned:
                pass
            found[count] = (sorted(loads, key=lambda one: one.p99_ms)[1], unpinned, memory)
    small, large = found[10_000], found[1_000_000]
    more = 1_000_000 - 10_000
    return [
        Figure(
            "nearby p99, 1M / 10k sites",
            large[0].p99_ms / small[0].p99_ms,
            "x",
            "<= 2",
            "16 connections, median of 3 runs",
            decides=True,
        ),
        Figure(
            "memory a site",
            (large[2] - small[2]) / more / 1000,
            "KB",
            "<= 1.5",
            "resident, 1M less 10k sites",
        ),
        Figure(
            "load of 1M sites",
            large[1].ready_seconds - small[1].ready_seconds,
            "s",
            "<= 15",
            "start to ready, less the same with 10k; API process and PostgreSQL on 2 cores",
        ),
    ]
