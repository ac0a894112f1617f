"""Opaque keyset cursors.

A cursor carries the sort key of the last row shown and a digest over that key and the query it belongs to, so that
a cursor cut short, edited, or used with other filters is refused rather than silently answered wrongly. The digest is
a checksum, not a secret: a cursor grants nothing that the query itself would not.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, TypeVar

import orjson

from core.errors import InvalidCursor

Row = TypeVar("Row")
Part = TypeVar("Part")

_DIGEST_BYTES = 8
_MAX_CHARS = 600


def _digest(query: bytes, body: bytes) -> bytes:
    return blake2b(body, digest_size=_DIGEST_BYTES, key=blake2b(query, digest_size=32).digest()).digest()


def encode_cursor(query: bytes, key: list[Any]) -> str:
    """A cursor for ``key`` (JSON values; floats keep all their digits) under the filters described by ``query``."""
    body = orjson.dumps(key)
    return urlsafe_b64encode(_digest(query, body) + body).rstrip(b"=").decode()


def decode_cursor(query: bytes, cursor: str) -> list[Any]:
    """The key inside ``cursor``. Raises InvalidCursor when it was altered or belongs to other filters."""
    try:
        if len(cursor) > _MAX_CHARS:
            raise ValueError("too long")
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        digest, body = raw[:_DIGEST_BYTES], raw[_DIGEST_BYTES:]
        if digest != _digest(query, body):
            raise ValueError("digest")
        key = orjson.loads(body)
        if not isinstance(key, list):
            raise ValueError("not a key")
    except ValueError as error:
        raise InvalidCursor(
            "翻页标记与本次查询不符，请从第一页重新查询。",
            "This cursor does not belong to this query; start again without `next`.",
        ) from error
    return key


def read_cursor(query: bytes, cursor: str | None, *readers: Callable[[Any], Any]) -> tuple[Any, ...] | None:
    """The key inside ``cursor``, each part read by its reader; None without a cursor.

    Raises InvalidCursor also for a key that somebody made up and put the right digest on.
    """
    if cursor is None:
        return None
    key = decode_cursor(query, cursor)
    try:
        return tuple([read(part) for read, part in zip(readers, key, strict=True)])
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InvalidCursor(
            "翻页标记无效，请从第一页重新查询。", "This cursor is not valid; start again without `next`."
        ) from error


def read_one(query: bytes, cursor: str | None, reader: Callable[[Any], Part]) -> Part | None:
    """The same of a key with one part, which is most often an id."""
    key = read_cursor(query, cursor, reader)
    return None if key is None else key[0]


def next_cursor(
    query: bytes, found: Sequence[Row], limit: int, key: Callable[[Row], Sequence[Any]]
) -> str | None:
    """The cursor behind the first ``limit`` of ``found``, of which one more was read to know whether there is one."""
    if len(found) <= limit:
        return None
    return encode_cursor(
        query, [part if isinstance(part, int) else str(part) for part in key(found[limit - 1])]
    )
