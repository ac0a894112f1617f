"""A request sent again is done once: ``Idempotency-Key``.

A route takes ``once: Once`` (the key is optional) or ``once: OnceRequired`` and ends with
``return await once.answer(out, status=201)``. Under a key the 2xx answer is kept for a day, in the transaction of the
work itself, and whoever sends the same again gets it: the route does not run. A refusal or an error keeps nothing.

A key belongs to the account. One of a caller who has not signed in belongs to their network address, and also to whoever
sends the very same request: a phone that lost an answer in a lift asks again from another network. A request is the
method, the address with its query, and the body; a body that is not JSON counts by its length, since a route that streams
it must not find it read.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

from fastapi import Depends, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from api.access import action_of, caller
from api.addresses import network_of
from api.conditional import private
from api.kept_answers import KeptAnswer, find_kept, is_same_request, keep, lock_key, read_kept
from api.problems import Answered, Refused
from api.runtime import Session, runtime_of
from core import clock
from core.actor import Actor
from core.errors import Conflict, Invalid
from core.keyring import KeyRing
from core.permissions import require

KEY_HEADER = Header(
    alias="Idempotency-Key",
    min_length=8,
    max_length=200,
    pattern="^[!-~]+$",
    description="a new random value, such as a UUID, for each thing you want done; the same when you send it again",
)
REPLAYED = {"Idempotent-Replayed": "true"}
RETRY_SECONDS = 1


class RequestInProgress(Conflict):
    """The same request is being worked on."""

    code = "request-in-progress"
    title_zh = "同一请求正在处理"


class KeyReused(Invalid):
    """This Idempotency-Key was used for another request."""

    code = "idempotency-key-reused"
    title_zh = "该 Idempotency-Key 已用于另一请求"


ONCE_ERRORS = (RequestInProgress, KeyReused)
"""For ``responses(*ONCE_ERRORS, …)`` of a route that takes ``Once``."""


@dataclass(frozen=True)
class Key:
    """A key with those it belongs to, and a digest of what is asked under it."""

    owners: tuple[str, ...]
    key: str
    request: str
    route: str


@dataclass(frozen=True)
class Execution:
    """The one time that the route runs."""

    _session: AsyncSession
    _ring: KeyRing
    _key: Key | None

    async def answer(
        self, out: BaseModel | None, *, status: int = 200, headers: dict[str, str] | None = None
    ) -> Response:
        """The response with ``out`` as JSON, kept when a key was sent; the last thing a route does.

        ``headers`` are repeated with it later, as ETag and Location should be.
        """
        body = b"" if out is None else out.model_dump_json().encode()
        if self._key is not None and 200 <= status < 300:
            for owner in self._key.owners:
                await keep(
                    self._session,
                    self._ring,
                    owner=owner,
                    key=self._key.key,
                    request=self._key.request,
                    route=self._key.route,
                    status=status,
                    body=body,
                    headers=headers or {},
                    now=clock.now(),
                )
        return private(body, status, headers)


async def key_of(request: Request, actor: Actor, idempotency_key: str) -> Key:
    """What ``idempotency_key`` stands for in this request."""
    asked = await _digest(request)
    if actor.account_id is not None:
        owners: tuple[str, ...] = (actor.name,)
    else:
        owners = (f"address:{network_of(request)}", f"request:{asked}")
    return Key(owners, idempotency_key, asked, f"{request.method} {request.scope['route'].path}")


def read_required_key(request: Request) -> str:
    """The header of a route that takes no dependencies. Raises Refused without it, RequestValidationError when malformed."""
    key = request.headers.get("idempotency-key")
    if key is None:
        raise _no_key()
    if not 8 <= len(key) <= 200 or not key.isascii() or not all("!" <= char <= "~" for char in key):
        raise RequestValidationError(
            [
                {
                    "type": "string_pattern_mismatch",
                    "loc": ("header", "Idempotency-Key"),
                    "msg": "",
                    "input": None,
                    "ctx": {"pattern": "^[!-~]{8,200}$"},
                }
            ]
        )
    return key


async def execution(
    request: Request, session: AsyncSession, actor: Actor, idempotency_key: str | None
) -> Execution:
    """What ``Once`` hands a route, for one whose body decides whether a key counts.

    Under a key a connection is held from here on: what takes long comes before, in a dependency declared before this
    one. Raises Answered with the kept answer, RequestInProgress, KeyReused; NotSignedIn and NotAllowed as the route does.
    """
    runtime, route = runtime_of(request), request.scope["route"]
    assert isinstance(route, APIRoute)
    if idempotency_key is None:
        return Execution(session, runtime.ring, None)
    # An answer of earlier is not for somebody who may no longer ask.
    if (action := action_of(route)) is not None:
        require(actor, action)
    key = await key_of(request, actor, idempotency_key)
    owners = key.owners
    if not all([await lock_key(session, owner=owner, key=key.key) for owner in owners]):
        raise RequestInProgress(
            "请稍等片刻，再用同一个 Idempotency-Key 重试。",
            "Wait a moment, then try again with the same Idempotency-Key.",
            retry_after_seconds=RETRY_SECONDS,
        )
    for owner in owners:
        kept = await find_kept(session, runtime.ring, owner=owner, key=key.key, now=clock.now())
        if kept is not None:
            raise _replay(runtime.ring, kept, key)
    return Execution(session, runtime.ring, key)


async def _once(
    request: Request,
    session: Session,
    actor: Annotated[Actor, Depends(caller)],
    idempotency_key: Annotated[str | None, KEY_HEADER] = None,
) -> Execution:
    return await execution(request, session, actor, idempotency_key)


def _replay(ring: KeyRing, kept: KeptAnswer, key: Key) -> Exception:
    """What to raise: Answered with the kept answer, or KeyReused."""
    if not is_same_request(ring, kept, key.request):
        return KeyReused(
            "请为新的请求换一个 Idempotency-Key。", "Send a new Idempotency-Key with a new request."
        )
    body, headers = read_kept(ring, kept)
    return Answered(private(body, kept.status, headers | REPLAYED))


async def _key_sent(request: Request) -> None:
    """Raises Refused without a key, before validation would say so less clearly."""
    if "idempotency-key" not in request.headers:
        raise _no_key()


def _no_key() -> Refused:
    return Refused(
        400,
        (
            "请带上 Idempotency-Key（如一个新的 UUID），重发时不变，以免重复办理。",
            "Send an Idempotency-Key, such as a new UUID, the same when you send it again, so that it is done once.",
        ),
    )


async def _once_required(
    _: Annotated[None, Depends(_key_sent)],
    once: Annotated[Execution, Depends(_once)],
    idempotency_key: Annotated[str, KEY_HEADER],  # so that the API's documentation says that it is required
) -> Execution:
    return once


Once = Annotated[Execution, Depends(_once)]
OnceRequired = Annotated[Execution, Depends(_once_required)]


async def _digest(request: Request) -> str:
    """Of all that is asked. What is stored is made from it with a key: a phone number alone could be guessed."""
    said = sha256(f"{request.method} {request.scope['path']}?".encode())
    said.update(request.scope["query_string"] + b"\0")
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        said.update(await request.body())
    else:
        said.update(f"{kind} {request.headers.get('content-length', '')}".encode())
    return said.hexdigest()
