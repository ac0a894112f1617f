"""The file an operator keeps keys in: made once, written aside and moved, readable by its owner alone.

One key a line, the current one first; ``#`` begins a comment. Nothing here prints or logs a secret.
"""

import os
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from core.keyring import Key, KeyRing, KeyRingError, Suite

PRIVATE = 0o600
HEAD = "# Keys of Xinban's encrypted personal data, the current one first. Keep a copy: without them it is lost.\n"


def new_key(suite: Suite, *, taken: Sequence[str] = (), now: datetime) -> Key:
    """A random key whose id is the day it was made, so that a ring says how old its keys are; never one of ``taken``."""
    day = now.strftime("%Y%m%d")
    free = (day + tail for tail in ("", *"abcdefghijklmnopqrstuvwxyz") if day + tail not in taken)
    try:
        return Key.create(next(free), suite)
    except StopIteration:
        raise KeyRingError("no more keys today: a ring gets a new one once a year, not so often") from None


def create_key_file(path: Path, key: Key) -> None:
    """Write a file with one key. Raises FileExistsError, and other OSErrors, and then leaves what was there."""
    aside = _write_aside(path, HEAD + key.line() + "\n")
    try:
        os.link(aside, path)  # unlike a move it refuses to replace what is there
    finally:
        aside.unlink()


def read_key_file(path: Path) -> tuple[str, KeyRing]:
    """The file's text and its ring. Raises OSError, KeyRingError."""
    text = path.read_text()
    return text, KeyRing.parse(text)


def add_key(path: Path, suite: Suite | None, *, behind: bool, now: datetime) -> Key:
    """Put a new key in front, so that it encrypts from the next start on, or behind, where it only decrypts.

    ``suite`` None: that of the current key. Raises OSError, KeyRingError.
    """
    text, ring = read_key_file(path)
    key = new_key(suite or ring.current.suite, taken=[*ring.keys], now=now)
    lines = text.splitlines()
    lines.insert(len(lines) if behind else _first_key(lines), key.line())
    _replace(path, lines)
    return key


def put_key_first(path: Path, key_id: str) -> Key:
    """Make the key of that id the current one. Raises OSError, KeyRingError when the file has no such key."""
    text, ring = read_key_file(path)
    if key_id not in ring.keys:
        raise KeyRingError(f"{path} has no key {key_id}; it has {', '.join(ring.keys)}")
    key = ring.keys[key_id]
    # A line may hold several keys and a comment: only the word moves.
    lines = [re.sub(rf"(?<![^\s,]){key_id}:[^\s,]+", "", line) for line in text.splitlines()]
    lines = [line for line in lines if line.strip(", \t")]
    lines.insert(_first_key(lines), key.line())
    _replace(path, lines)
    return key


def _first_key(lines: list[str]) -> int:
    """Where the first line stands that is more than a comment."""
    for number, line in enumerate(lines):
        if line.partition("#")[0].strip():
            return number
    return len(lines)


def _replace(path: Path, lines: list[str]) -> None:
    text = "\n".join(lines) + "\n"
    KeyRing.parse(text)
    aside, was = _write_aside(path, text), path.stat()
    try:
        if (was.st_uid, was.st_gid) != (os.getuid(), os.getgid()):
            os.chown(aside, was.st_uid, was.st_gid)  # written by root, read by the service
        aside.chmod(was.st_mode & 0o7777)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _write_aside(path: Path, text: str) -> Path:
    """A complete file beside ``path``, on disk before anything refers to it."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return aside
