"""Databases and server processes that a bench measures, each ended when its block ends."""

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from api.migrate import migrate

READY_SECONDS = 180


def base_url() -> str:
    """The server that ``./dev bench`` started, or the one given."""
    url = os.environ.get("XINBAN_DATABASE_URL")
    if not url:
        sys.exit("run this through ./dev bench, or set XINBAN_DATABASE_URL and XINBAN_REDIS_URL")
    return url


@contextmanager
def migrated_database() -> Iterator[str]:
    """URL of an empty, migrated database, dropped at the end."""
    name = f"xinban_bench_{secrets.token_hex(4)}"
    with psycopg.connect(base_url(), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    url = make_url(base_url()).set(database=name).render_as_string(hide_password=False)
    try:
        migrate(url)
        yield url
    finally:
        with psycopg.connect(base_url(), autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Server:
    """A process that answers HTTP."""

    pid: int
    port: int
    ready_seconds: float

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def rss_bytes(self) -> int:
        """Resident memory now."""
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def server(
    command: list[str], *, port: int, ready: str, env: dict[str, str] | None = None, core: int | None = None
) -> Iterator[Server]:
    """Start ``command``, wait until GET ``ready`` is 200, stop it by its pid at the end. ``core`` pins it."""
    began = time.perf_counter()
    pin = ["taskset", "-c", str(core)] if core is not None else []
    log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
    process = subprocess.Popen([*pin, *command], env={**os.environ, **(env or {})}, stdout=log, stderr=log)
    try:
        while True:
            try:
                with urllib.request.urlopen(
                    f"http://127.0.0.1:{port}{ready}", timeout=5
                ):  # a fixed http address
                    break
            except OSError:
                if process.poll() is not None or time.perf_counter() - began > READY_SECONDS:
                    log.seek(0)
                    said = log.read().decode(errors="replace")[-2000:]
                    raise RuntimeError(f"{' '.join(command)} did not become ready: {said}") from None
                time.sleep(0.05)
        yield Server(process.pid, port, time.perf_counter() - began)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


@dataclass(frozen=True)
class Load:
    """What wrk saw."""

    per_second: float
    p50_ms: float
    p99_ms: float


UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def wrk(
    url: str,
    script: str,
    *,
    seconds: int,
    connections: int = 16,
    core: int | None = None,
    refused: bool = False,
) -> Load:
    """Load ``url`` with wrk and a Lua ``script`` file; fails when an answer was not 2xx, or was with ``refused``."""
    pin = ["taskset", "-c", str(core)] if core is not None else []
    run = subprocess.run(
        [*pin, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script, url],
        capture_output=True,
        text=True,
        check=True,
    )
    not_2xx = re.search(r"Non-2xx or 3xx responses: (\d+)", run.stdout)
    answers = re.search(r"(\d+) requests in", run.stdout)
    expected = int(answers[1]) if refused and answers else 0
    if int(not_2xx[1] if not_2xx else 0) != expected or "Socket errors" in run.stdout:
        raise RuntimeError(f"errors under load: {run.stdout}")
    latency = {
        share: float(value) * UNITS[unit]
        for share, value, unit in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s)\b", run.stdout)
    }
    found = re.search(r"Requests/sec:\s+([\d.]+)", run.stdout)
    assert found is not None
    return Load(float(found.group(1)), latency["50"], latency["99"])
