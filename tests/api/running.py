"""Starts the real processes and stops them by their own ids."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from api.cli import main
from tests.api.preloaded import Preloaded
from tests.conftest import TEST_RING

ROOT = Path(__file__).parents[2]
XINBAN = (str(Path(sys.executable).with_name("xinban")),)  # the installed script, as users start it
PATIENCE_SECONDS = 30.0


@dataclass
class Running:
    """A process that was started, with what it says on standard error."""

    process: subprocess.Popen[bytes] | Preloaded
    log_path: Path
    url: str = ""

    def log(self) -> list[dict[str, Any]]:
        """What was logged so far; fails unless each line is JSON."""
        return [json.loads(line) for line in self.log_path.read_text().splitlines()]

    def said(self, message: str) -> bool:
        return any(message in line.get("message", "") for line in self.log())

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to stop; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(PATIENCE_SECONDS)


def environment(**settings: str) -> dict[str, str]:
    """This process' environment with XINBAN_… set from ``settings``: production with the tests' own keys unless given."""
    # All tests call from one address; those of limits turn them on.
    said = {"env": "production", "keys": TEST_RING, "limits": "off", **settings}
    return {**os.environ, **{f"XINBAN_{name.upper()}": value for name, value in said.items()}}


def wait_until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """The first true value of ``condition``; fails when it takes longer than ``seconds``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s in vain: {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(log_path: Path, *arguments: str, fresh: bool = False, **settings: str) -> Iterator[Running]:
    """``xinban ARGUMENTS`` under ``settings``; killed at the end if it still runs. ``fresh``: by the installed script."""
    process: subprocess.Popen[bytes] | Preloaded
    with log_path.open("wb") as log:
        if fresh:
            process = subprocess.Popen(
                [*XINBAN, *arguments],
                cwd=ROOT,
                env=environment(**settings),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        else:
            process = Preloaded(
                main,
                [*XINBAN, *arguments],
                environment=environment(**settings),
                out=log_path,
                errors=log_path,
            )
    one = Running(process, log_path)
    try:
        yield one
    finally:
        try:
            one.stop()
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def xinban(
    *arguments: str, fresh: bool = False, seconds: float = 100.0, **settings: str
) -> subprocess.CompletedProcess[str]:
    """``xinban ARGUMENTS`` under ``settings``, done, with what it said. ``fresh``: by the installed script."""
    if fresh:
        return subprocess.run(
            [*XINBAN, *arguments],
            cwd=ROOT,
            env=environment(**settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
    with tempfile.TemporaryDirectory() as folder:
        out, errors = Path(folder, "out"), Path(folder, "errors")
        out.touch()
        errors.touch()
        process = Preloaded(
            main, [*XINBAN, *arguments], environment=environment(**settings), out=out, errors=errors
        )
        try:
            status = process.wait(seconds)
        finally:
            process.kill()
        return subprocess.CompletedProcess(process.args, status, out.read_text(), errors.read_text())


@contextmanager
def serving(
    log_path: Path, *arguments: str, ready: bool = True, fresh: bool = False, **settings: str
) -> Iterator[Running]:
    """``xinban serve`` on a free port, waited for until it is ready, or only alive."""
    port = free_port()
    with running(log_path, "serve", "--port", str(port), *arguments, fresh=fresh, **settings) as one:
        one.url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(one, "/readyz" if ready else "/healthz"), log_path.read_text())
        yield one


def ask(method: str, url: str, **more: Any) -> httpx.Response:
    """One request on a connection of its own, as ``httpx.request`` sends it."""
    # All servers of the tests speak plain HTTP; to read the system's certificates takes 17 ms each time.
    return httpx.request(method, url, trust_env=False, verify=False, **more)  # noqa: S501


def answers(one: Running, path: str) -> bool:
    """Whether it answers 2xx; fails when the process has ended."""
    assert one.process.poll() is None, one.log_path.read_text()
    try:
        return ask("GET", one.url + path).is_success
    except httpx.TransportError:
        return False


def exchange(url: str, data: bytes) -> bytes:
    """What a server answers to these very bytes before it closes the connection."""
    address = httpx.URL(url)
    received = b""
    with socket.create_connection((address.host, address.port or 80), timeout=10) as connection:
        connection.sendall(data)
        while part := connection.recv(65536):
            received += part
    return received
