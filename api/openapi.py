"""Finishing touches on the OpenAPI document, which clients are generated from."""

from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.access import ACTION, routes_of
from api.conditional import answer
from api.identity.tokens import ExpiredToken, InvalidToken
from api.problems import Problem, responses
from api.routes.sites import FeatureCollection
from api.schemas.reservations import ReservationIn
from core.permissions import RULES

TAGS = [
    {"name": "locator", "description": "附近、列表、搜索、区域、学区。What is where, and when it is open."},
    {"name": "identity", "description": "登录与会话。Sign in, tokens, sessions."},
    {"name": "people", "description": "本人与所代办的人。Oneself, and persons one acts for."},
    {
        "name": "booking",
        "description": "预约、候补、长期预约。Reservations, waiting lists, standing bookings.",
    },
    {"name": "inbox", "description": "消息、提醒、日历。Messages, reminders, calendars."},
    {"name": "feedback", "description": "纠错、投诉、评价。Corrections, complaints, ratings."},
    {"name": "staff", "description": "工作人员。For staff."},
    {"name": "operation", "description": "运行状态。For whoever runs this."},
]

EXAMPLES = Path(__file__).parent / "examples.json"  # by path; answers of the demo city

# Parameters that are left out or given together. OpenAPI says so of the properties of an object only: with
# style=form and explode its properties are the query parameters, one by one, so that no caller sees a difference.
TOGETHER = (
    ("/v1/search", "place", {"lon": ["lat", "crs"], "lat": ["lon", "crs"]}),
    ("/v1/offerings", "place", {"lon": ["lat", "crs"], "lat": ["lon", "crs"]}),
    ("/v1/sites", "box", {"bbox": ["crs"]}),
)
# Their items are sites that can be shown one by one.
LISTS = ("/v1/sites/nearby", "/v1/sites", "/v1/search")


def _links(schema: dict[str, Any]) -> dict[str, Any]:
    """What can be asked next about the first site of a list."""
    return {
        path.rpartition("/")[2].strip("{}"): {
            "operationId": operations["get"]["operationId"],
            "parameters": {"path.site_id": "$response.body#/items/0/id"},
        }
        for path, operations in schema["paths"].items()
        if path.startswith("/v1/sites/{site_id}") and "get" in operations
    }


def _group(operation: dict[str, Any], name: str, needs: dict[str, list[str]]) -> None:
    names = dict.fromkeys([*needs, *(other for others in needs.values() for other in others)])
    parts = [one for one in operation["parameters"] if one["name"] in names]
    properties = {one["name"]: _without_null(one["schema"]) for one in parts}
    schema = {
        "type": "object",
        "properties": properties,
        "dependentRequired": needs,
        "additionalProperties": False,
    }
    others = [one for one in operation["parameters"] if one["name"] not in names]
    whole = {"name": name, "in": "query", "style": "form", "explode": True, "schema": schema}
    operation["parameters"] = [whole, *others]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """An optional parameter is left out, never null."""
    kept = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "title")}
    return {**rest, **kept[0]} if len(kept) == 1 else schema


def _say_permissions(app: FastAPI, schema: dict[str, Any]) -> None:
    """Each call's action, and the token it needs; ``core/permissions.py`` says who may."""
    schema["components"]["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "POST /v1/auth/tokens 取得的 access_token。The access_token of POST /v1/auth/tokens.",
        }
    }
    refused = responses(InvalidToken, ExpiredToken)[401]
    for route, action in routes_of(app):
        if action is None or not route.include_in_schema:
            continue
        for method in route.methods or ():
            call = schema["paths"][route.path_format][method.lower()]
            call[ACTION] = action
            if ACTION not in (route.openapi_extra or {}):  # it looks at the caller's token, if there is one
                call["responses"].setdefault("401", refused)
            if RULES[action].who != "anyone":
                call["security"] = [{"token": []}]


def describe(app: FastAPI) -> None:
    """Give ``app`` an OpenAPI 3.1 document with the schemas that routes refer to by name."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title, version=app.version, summary=app.summary, routes=app.routes, tags=TAGS
            )
            schemas = schema["components"]["schemas"]
            for model in (Problem, FeatureCollection, ReservationIn):
                made = model.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas.update(made.pop("$defs", {}))
                schemas[model.__name__] = made
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            for path, name, needs in TOGETHER:
                _group(schema["paths"][path]["get"], name, needs)
            for path in LISTS:
                schema["paths"][path]["get"]["responses"]["200"]["links"] = _links(schema)
            for path, example in orjson.loads(EXAMPLES.read_bytes()).items():
                content = schema["paths"][path]["get"]["responses"]["200"]["content"]
                content["application/json"]["example"] = example
            _say_permissions(app, schema)
            app.openapi_schema = schema
        return app.openapi_schema

    async def document(request: Request) -> Response:
        body = orjson.dumps(app.openapi())
        return answer(request, body, cache_control="public, max-age=300")

    # In the place of FastAPI's own, which cannot be asked whether anything changed.
    at = next(i for i, route in enumerate(app.router.routes) if getattr(route, "path", "") == app.openapi_url)
    app.router.routes[at] = Route("/openapi.json", document)
    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
