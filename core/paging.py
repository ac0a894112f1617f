"""Opaque keyset cursors.

A cursor carries the sort key of the last row shown and a digest over that key and the query it belongs to, so that
a cursor cut short, edited, or used with other filters is refused rather than silently answered wrongly. The digest is
a checksum, not a secret: a cursor grants nothing that the query itself would not.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Any

import orjson

from core.errors import InvalidCursor

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
