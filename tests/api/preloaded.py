"""Processes that begin in an interpreter which has imported the application already.

Importing takes more than two seconds of a core, and the tests start a hundred processes. One that begins here has arguments,
environment, session, signals, output and exit status of its own, as any other. That the installed script begins from nothing
is shown by the tests of the processes, of the command line and of the walk-through.
"""

import atexit
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from signal import Signals

# What forks the others: it has imported these, opened nothing and started no thread.
_preloading = get_context("forkserver")
_preloading.set_forkserver_preload(
    [
        *("api.cli", "api.cli.serving", "api.worker", "uvicorn", "uvloop", "httptools"),
        *(f"api.cli.{name}" for name in ("admin", "audits", "imports", "keys", "privacy", "tokens")),
        *("seed.cli", "tests.api.trial", "tests.api.preloaded"),
    ]
)


def _begin(
    main: Callable[[], object], arguments: list[str], environment: dict[str, str], out: str, errors: str
) -> None:
    """In the new process: make it what was asked for."""
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    tempfile.tempdir = None
    for path, number in ((out, 1), (errors, 2)):
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    sys.argv = arguments
    try:
        main()
    finally:
        atexit._run_exitfuncs()  # multiprocessing leaves them out


class Preloaded:
    """What the tests use of ``subprocess.Popen``."""

    def __init__(
        self,
        main: Callable[[], object],
        arguments: list[str],
        *,
        environment: dict[str, str],
        out: Path,
        errors: Path,
    ) -> None:
        """``main`` with these words in ``sys.argv``; what it says is added to two files that exist."""
        self.args = arguments
        self._process = _preloading.Process(
            target=_begin, args=(main, arguments, environment, str(out), str(errors))
        )
        self._process.start()
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self._process.exitcode

    def send_signal(self, signal: Signals) -> None:
        if self._process.exitcode is None:
            os.kill(self.pid, signal)

    def kill(self) -> None:
        self._process.kill()
