"""A fresh `./dev up`, the same again, and `./dev test`, timed in a new clone; the packages are there already.

For the time with packages to install, run the README's two commands on a bare machine.
"""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from bench.report import Figure
from bench.servers import free_port

ROOT = Path(__file__).parent.parent


def run(*, quick: bool) -> list[Figure]:
    """Seconds of each; ``quick`` leaves the test suite out."""
    # The clone makes servers of its own, not those of this bench.
    env = {name: value for name, value in os.environ.items() if not name.startswith(("XINBAN_", "PYTEST"))}
    env["XINBAN_PORT"] = str(free_port())
    with tempfile.TemporaryDirectory(prefix="xinban-startup-") as folder:
        clone = Path(folder) / "xinban"
        subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)

        def seconds(*arguments: str) -> float:
            began = time.perf_counter()
            subprocess.run(["./dev", *arguments], cwd=clone, env=env, check=True, stdout=subprocess.DEVNULL)
            return time.perf_counter() - began

        try:
            figures = [
                Figure(
                    "fresh ./dev up",
                    seconds("up", "--detach"),
                    "s",
                    "<= 180",
                    "new clone, system packages there",
                ),
                Figure("./dev up again", seconds("up", "--detach"), "s", "<= 10", "already up"),
            ]
            seconds("down")
            figures.append(
                Figure("./dev up after down", seconds("up", "--detach"), "s", "<= 10", "data kept")
            )
            if not quick:
                figures.append(Figure("./dev test", seconds("test"), "s", "<= 360", "whole suite"))
            return figures
        finally:
            subprocess.run(
                ["./dev", "reset", "--yes"], cwd=clone, env=env, check=False, stdout=subprocess.DEVNULL
            )
