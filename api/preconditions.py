"""Edits say which version they change: ``If-Match: "v3"``, as the ETag of what was read."""

import re
from typing import Annotated

from fastapi import Depends, Header, Request

from api.problems import Refused

VERSION = re.compile(r'(?:W/)?"v([0-9]{1,9})(?:-gzip)?"\Z')


async def if_match(request: Request) -> int:
    """The version the caller edits. Raises Refused: 428 without the header, 400 when it is no such tag."""
    header = request.headers.get("if-match")
    if header is None:
        raise Refused(
            428,
            (
                '请先读取最新内容，并在 If-Match 中带上它的版本，例如 "v3"。',
                'Read it first and send its version in If-Match, for example "v3".',
            ),
        )
    match = VERSION.match(header.strip())
    if match is None:
        raise Refused(
            400, ('If-Match 应是一个版本，例如 "v3"。', 'If-Match must be one version, for example "v3".')
        )
    return int(match[1])


# Read by if_match; declared so that clients generated from the document can send it.
_SAID = Header(alias="If-Match", max_length=100, description='the version you read, as its ETag: `"v3"`')


async def _required(request: Request, _if_match: Annotated[str | None, _SAID] = None) -> int:
    return await if_match(request)


async def _optional(request: Request, _if_match: Annotated[str | None, _SAID] = None) -> int | None:
    return await if_match(request) if "if-match" in request.headers else None


IfMatch = Annotated[int, Depends(_required)]
MaybeIfMatch = Annotated[int | None, Depends(_optional)]


def version_tag(version: int) -> dict[str, str]:
    """The ETag of something with this version, for the caller to send back."""
    return {"ETag": f'"v{version}"'}
