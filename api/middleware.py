"""Around every request: an id, limits, metrics, one log line, headers. Plain ASGI, so that it costs little."""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from os import urandom
from typing import Any
from urllib.parse import unquote_to_bytes

from prometheus_client import Counter, Histogram
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.limits import HEADERS
from api.problems import Refused, plain_problem
from api.uploads import file_too_large
from core.logs import request_id
from core.settings import Settings

log = logging.getLogger("xinban.access")

REQUEST_ID = re.compile(rb"^[A-Za-z0-9_-]{8,64}\Z")
SECONDS = Histogram(
    "xinban_request_seconds",
    "Time from a request's arrival to the end of its answer",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
REQUESTS = Counter("xinban_requests_total", "Answered requests", ["route", "status"])

SAFE: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"permissions-policy", b"geolocation=(self)"),
)
ENCRYPTED = ((b"strict-transport-security", b"max-age=31536000"),)
NOTHING_ELSE = b"default-src 'none'; frame-ancestors 'none'"
# Pages bring their own style; the API browser at /docs also starts itself from a script in the page.
PAGE = (
    b"default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)
DOCS = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; worker-src blob:; frame-ancestors 'none'; base-uri 'none'"
)
DOCS_PATHS = ("/docs", "/redoc", "/static-offline-docs")
# Files come here, far larger and slower than any other request; a form adds some bytes around the file.
UPLOADS = frozenset({("POST", "/v1/staff/imports")})
SLOW = re.compile(r"/v1/staff/imports(/[^/]+/report)?\Z")
# Calls that wait on purpose, holding nothing: seconds more than others have. They end by themselves before.
WAITING = {"/v1/inbox": 30.0, "/v1/inbox/stream": 660.0}


class Body:
    """A request's body, read no further than ``most`` bytes; ``refusal`` is what is said beyond."""

    __slots__ = ("_announced", "_most", "_receive", "_refusal", "_size", "_unread")

    def __init__(
        self, receive: Receive, headers: Mapping[bytes, bytes], most: int, refusal: Callable[[], Refused]
    ) -> None:
        self._receive = receive
        self._most = most
        self._refusal = refusal
        self._size = 0
        self._announced = int(headers.get(b"content-length", 0))
        self._unread = self._announced > 0 or b"transfer-encoding" in headers

    def check_announced(self) -> None:
        """Raises Refused before anything is read."""
        if self._announced > self._most:
            raise self._refusal()

    async def receive(self) -> Message:
        """ASGI's receive. Raises Refused."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            self._unread = message.get("more_body", False)
            if self._size > self._most:
                self._unread = True
                raise self._refusal()
        return message

    def farewell(self) -> Iterable[tuple[bytes, bytes]]:
        """A caller who is still sending what nobody will read is cut off, not listened to until the end."""
        return [(b"connection", b"close")] if self._unread else []


@cache
def _series(route: str, status: int) -> tuple[Histogram, Counter]:
    """Both metrics of a route and status; prometheus' own look-up is slow enough to matter."""
    return SECONDS.labels(route), REQUESTS.labels(route, str(status))


def _check_address(scope: Scope) -> None:
    """Raises Refused when it holds bytes that are not UTF-8; further in they would be replaced in silence."""
    raw: bytes = scope.get("raw_path") or b""
    for part in (raw, scope["query_string"]):
        if b"%" in part or not part.isascii():
            try:
                unquote_to_bytes(part).decode()
            except UnicodeDecodeError as error:
                raise Refused(400) from error


def _too_large(most: int) -> Refused:
    return Refused(
        413,
        (
            f"请求内容最多 {most} 字节，请减少内容或分几次发送。",
            f"A request may hold {most} bytes at most; send less, or in parts.",
        ),
    )


class Edge:
    """The outermost layer of the app."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._max_body = settings.max_body_bytes
        self._max_upload = settings.max_upload_bytes
        self._timeout = settings.request_timeout_seconds
        self._upload_timeout = settings.upload_timeout_seconds
        self._log_requests = settings.log_requests
        self._always = [*SAFE, *(ENCRYPTED if settings.env == "production" else ())]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = dict(scope["headers"])
        asked = headers.get(b"x-request-id", b"")
        this_id = asked.decode() if REQUEST_ID.match(asked) else urandom(16).hex()
        token = request_id.set(this_id)
        body = self._body(scope, receive, headers)
        is_head = scope["method"] == "HEAD"
        inner: Scope = {**scope, "method": "GET"} if is_head else scope
        status, complete = 0, False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, complete
            if message["type"] == "http.response.start":
                status = message["status"]
                added = self._headers(scope["path"], message["headers"], this_id)
                noted = inner.get(HEADERS, ())
                message["headers"] = [*message["headers"], *added, *noted, *body.farewell()]
            elif message["type"] == "http.response.body":
                complete = not message.get("more_body", False)
                if is_head:
                    message = {**message, "body": b""}
            await send(message)

        async def refuse(refused: Refused) -> None:
            answer = plain_problem(Request(scope), refused.status_code, refused.headers, refused.said)
            await answer(inner, receive, send_with_headers)

        try:
            _check_address(scope)
            body.check_announced()
            async with asyncio.timeout(self._seconds(scope["path"])):
                await self.app(inner, body.receive, send_with_headers)
        except Exception as error:  # of the whole app, and only to choose an answer: what is not ours goes on
            if status:
                # An answer cut short must end the connection. Behind a whole one the error has been logged.
                if not complete:
                    raise
            elif isinstance(error, Refused):
                await refuse(error)
            elif isinstance(error, TimeoutError):
                await refuse(Refused(503, headers={"Retry-After": "5"}))
            else:
                raise
        finally:
            # The router notes the route it found in the scope that it was given.
            self._record(inner, scope["method"], status, time.perf_counter() - began)
            request_id.reset(token)

    def _seconds(self, path: str) -> float:
        """How long a request may take."""
        if SLOW.match(path):
            return self._upload_timeout
        return self._timeout + WAITING.get(path, 0.0)

    def _body(self, scope: Scope, receive: Receive, headers: Mapping[bytes, bytes]) -> Body:
        if (scope["method"], scope["path"]) not in UPLOADS:
            return Body(receive, headers, self._max_body, lambda: _too_large(self._max_body))
        most = self._max_upload
        if headers.get(b"content-type", b"").lower().startswith(b"multipart/"):
            most += self._max_body
        return Body(receive, headers, most, lambda: file_too_large(self._max_upload))

    def _headers(
        self, path: str, present: list[tuple[bytes, bytes]], this_id: str
    ) -> list[tuple[bytes, bytes]]:
        names = dict(present)
        is_page = names.get(b"content-type", b"").startswith(b"text/html")
        policy = DOCS if path.startswith(DOCS_PATHS) else PAGE if is_page else NOTHING_ELSE
        added = [*self._always, (b"x-request-id", this_id.encode()), (b"content-security-policy", policy)]
        if b"cache-control" not in names:
            added.append((b"cache-control", b"no-cache"))
        return added

    def _record(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        # The route's template, never the path or the query: they hold ids and places.
        route: Any = scope.get("route")
        name = getattr(route, "path", None) or "other"
        of_route, of_status = _series(name, status)
        of_route.observe(seconds)
        of_status.inc()
        if self._log_requests:
            log.info(
                "request",
                extra={"method": method, "route": name, "status": status, "ms": round(seconds * 1000, 2)},
            )
