"""tipg, the OGC server that nearby is compared with, in a Python environment of its own."""

import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import make_url

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements-bench.lock"


def _python() -> Path:
    """The environment's interpreter; made at first use and anew when the lock file changes."""
    folder = ROOT / ".local" / f"bench-venv-{sha256(LOCK.read_bytes()).hexdigest()[:8]}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print("installing tipg for comparison ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--require-hashes", "-r", LOCK], check=True)
        (folder / "complete").touch()
    return python


def tipg_command(database_url: str, port: int) -> tuple[list[str], dict[str, str]]:
    """Command and environment of one tipg process on the same database."""
    command = [
        str(_python()), "-m", "uvicorn", "tipg.main:app", "--port", str(port), "--no-access-log", "--log-level", "error",
    ]  # fmt: skip
    return command, {"DATABASE_URL": _with_host(database_url)}


def _with_host(database_url: str) -> str:
    """tipg wants a host before the path: a socket's folder goes there, percent-encoded."""
    url = make_url(database_url)
    if url.host or not isinstance(folder := url.query.get("host"), str):
        return database_url
    port = url.query.get("port", "5432")
    return f"postgresql://{url.username or 'postgres'}@{quote(folder, safe='')}:{port}/{url.database}"
