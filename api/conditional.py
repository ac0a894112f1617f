"""Answers to public GETs: an ETag, an honest Cache-Control, 304 when nothing changed, gzip when it pays; and private ones."""

import gzip
import re
from collections.abc import Mapping
from hashlib import sha256

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

# Below this a compressed answer is hardly smaller and costs both sides time.
GZIP_FROM_BYTES = 1_000
GZIP_LEVEL = 5
NO_STORE = {"Cache-Control": "no-store"}
REFUSED = re.compile(r"gzip\s*;\s*q=0(\.0*)?\s*(,|$)")


def answer(
    request: Request,
    body: bytes,
    *,
    media_type: str = "application/json",
    cache_control: str,
    headers: dict[str, str] | None = None,
) -> Response:
    """``body`` or 304. The tag of a compressed answer differs, since it is another sequence of bytes."""
    tag = sha256(body).hexdigest()[:24]
    zipped = len(body) >= GZIP_FROM_BYTES and _takes_gzip(request.headers.get("accept-encoding", ""))
    etag = f'"{tag}-gzip"' if zipped else f'"{tag}"'
    said = {"ETag": etag, "Cache-Control": cache_control, "Vary": "Accept-Encoding", **(headers or {})}
    known = request.headers.get("if-none-match")
    if known is not None and (known.strip() == "*" or tag in _tags(known)):
        return Response(status_code=304, headers=said)
    if zipped:
        said["Content-Encoding"] = "gzip"
        body = gzip.compress(body, GZIP_LEVEL, mtime=0)
    return Response(body, headers=said, media_type=media_type)


def private(out: BaseModel | bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """``out`` as JSON, or nothing where it is empty, for its caller alone: nobody on the way keeps it."""
    body = out if isinstance(out, bytes) else out.model_dump_json().encode()
    return Response(body, status, {**NO_STORE, **(headers or {})}, "application/json" if body else None)


def _takes_gzip(header: str) -> bool:
    return "gzip" in header and not REFUSED.search(header)


def _tags(header: str) -> set[str]:
    """The tags of If-None-Match, which compares weakly: with or without W/, compressed or not."""
    return {part.strip().removeprefix("W/").strip('"').removesuffix("-gzip") for part in header.split(",")}
