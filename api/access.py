"""Who is calling, and whether they may: the two dependencies that routes declare.

Every route says its action (``core/permissions.py``): with ``allowed("site.edit")``, or, where FastAPI's dependencies
are not used, with ``openapi_extra=public("locator.read")``. A test walks all routes and fails on one that says none.
"""

from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.identity.tokens import InvalidToken
from api.runtime import runtime_of
from core import clock
from core.actor import ANYONE, Actor
from core.logs import request_id
from core.permissions import require

ACTION = "x-permission"


def public(action: str) -> dict[str, Any]:
    """``openapi_extra`` of a route that takes no dependencies; its action must be one that anyone may do."""
    return {ACTION: action}


async def caller(request: Request) -> Actor:
    """Whoever calls; ANYONE without a token. Raises InvalidToken, ExpiredToken, SessionsUnknown."""
    header = request.headers.get("authorization")
    if header is None:
        return ANYONE
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise InvalidToken("请使用 Authorization: Bearer。", "Send `Authorization: Bearer <token>`.")
    runtime, now = runtime_of(request), clock.now()
    claims = runtime.tokens.verify(token.strip(), now=now)
    runtime.ended.check(claims, now=now)
    return claims.actor(request_id.get())


def allowed(action: str) -> Any:
    """For ``actor: Annotated[Actor, allowed("…")]``: the caller, who may do ``action`` at least somewhere.

    Where exactly is asked again by the domain function, which knows the place.
    """

    async def check(actor: Annotated[Actor, Depends(caller)]) -> Actor:
        require(actor, action)
        return actor

    check.action = action  # type: ignore[attr-defined]  # read by action_of
    return Depends(check)


def action_of(route: APIRoute) -> str | None:
    """The action ``route`` declares."""
    said = (route.openapi_extra or {}).get(ACTION)
    return said if isinstance(said, str) else _action_among(route.dependant)


def _action_among(dependant: Dependant) -> str | None:
    for one in dependant.dependencies:
        action = getattr(one.call, "action", None) or _action_among(one)
        if isinstance(action, str):
            return action
    return None
