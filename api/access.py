"""Who is calling, and whether they may: the two dependencies that routes declare.

Every route says its action (``core/permissions.py``): with ``allowed("site.edit")``, or, where FastAPI's dependencies
are not used, with ``openapi_extra=public("locator.read")``. A test walks all routes and fails on one that says none.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.routing import BaseRoute

from api.identity.tokens import InvalidToken
from api.runtime import runtime_of
from core import clock
from core.actor import ANYONE, Actor
from core.logs import request_id
from core.permissions import require

ACTION = "x-permission"
# FastAPI's own pages, which nobody can hand an action to.
DOCUMENTATION = {"/docs": "operation.read", "/docs/oauth2-redirect": "operation.read"}


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

    async def check(request: Request, actor: Annotated[Actor, Depends(caller)]) -> Actor:
        require(actor, action)
        if request.scope["query_string"]:
            _refuse_unknown(request)
        return actor

    check.action = action  # type: ignore[attr-defined]  # read by action_of
    return Depends(check)


def _refuse_unknown(request: Request) -> None:
    """Raises RequestValidationError that names parameters which the route does not know; ignored, they would mislead."""
    known = {*_query_names(request.scope["route"].dependant)}
    if unknown := [name for name in request.query_params if name not in known]:
        raise RequestValidationError(
            [
                {"type": "extra_forbidden", "loc": ("query", name), "msg": "", "input": None}
                for name in unknown
            ]
        )


def _query_names(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        model = field.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            yield from (one.alias or name for name, one in model.model_fields.items())
        else:
            yield field.alias
    for one in dependant.dependencies:
        yield from _query_names(one)


def action_of(route: APIRoute) -> str | None:
    """The action ``route`` declares."""
    said = (route.openapi_extra or {}).get(ACTION)
    return said if isinstance(said, str) else _action_among(route.dependant) or DOCUMENTATION.get(route.path)


def routes_of(app: FastAPI) -> Iterator[tuple[APIRoute, str | None]]:
    """Every route of the API with the action it declares, also below routers that are mounted."""
    return ((route, action_of(route)) for route in _walk(app.routes) if isinstance(route, APIRoute))


def _walk(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    for route in routes:
        yield route
        yield from _walk(getattr(route, "routes", None) or ())


def _action_among(dependant: Dependant) -> str | None:
    for one in dependant.dependencies:
        action = getattr(one.call, "action", None) or _action_among(one)
        if isinstance(action, str):
            return action
    return None
