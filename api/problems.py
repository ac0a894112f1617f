"""Errors as RFC 9457 problems: the one table of kinds and statuses, in Chinese or English as the caller prefers."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg import errors as pg
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Route

from api.runtime import NotLoaded
from api.validation_texts import explain
from core.errors import (
    Conflict,
    DomainError,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Outdated,
    TooMany,
    Unauthenticated,
    Unavailable,
)

log = logging.getLogger(__name__)

STATUS: Mapping[type[DomainError], int] = {
    Invalid: 422,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    Gone: 410,
    Outdated: 412,
    TooMany: 429,
    Unavailable: 503,
}
MEDIA_TYPE = "application/problem+json"
# Serialisation failures and deadlocks are OperationalErrors too.
AWAY = (pg.OperationalError, pg.InterfaceError, PoolTimeout)
PLAIN_TITLES = {
    400: ("bad-request", "请求无法识别", "The request cannot be understood"),
    404: ("not-found", "没有这个地址", "There is nothing at this address"),
    405: ("method-not-allowed", "这个地址不支持该操作", "This address does not take this method"),
    413: ("too-large", "内容太大", "The content is too large"),
    428: ("if-match-required", "请说明要修改哪个版本", "Say which version you change"),
    500: ("internal", "服务器出错了，请稍后再试", "Something went wrong on our side; please try again later"),
    503: (
        "unavailable",
        "服务暂时不可用，请稍后再试",
        "The service is not available for the moment; please try again",
    ),
}
# Titles say what is wrong; these say what to do where the title does not.
PLAIN_DETAILS = {
    400: (
        "地址中含有不是 UTF-8 的内容，请按 UTF-8 百分号编码后再试。",
        "The address holds what is not UTF-8; percent-encode it as UTF-8.",
    ),
    404: ("请检查地址，所有接口见 /docs。", "Check the address; all calls are listed at /docs."),
}


LOADING = ("loading", "服务正在启动，请几秒后再试", "The service is starting; try again in a few seconds")


class FieldError(BaseModel):
    """One thing wrong with the request."""

    pointer: str = Field(description="JSON pointer to it: /query/lat, /body/name", examples=["/query/lat"])
    reason: str = Field(examples=["请填写 / Field required"])


class Problem(BaseModel):
    """RFC 9457 problem details. ``code`` is stable; ``title`` and ``detail`` follow Accept-Language."""

    model_config = ConfigDict(extra="allow")
    type: str = Field(examples=["urn:xinban:problem:site-not-found"])
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldError] | None = None


class Refused(HTTPException):
    """A refusal that says in zh and en what to do; FastAPI lets it pass where it reads bodies."""

    def __init__(
        self, status: int, said: tuple[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, headers=headers)
        self.said = said


class Answered(Exception):
    """Raised by a dependency that has the whole answer already, so that the route does not run."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


def prefers_english(request: Request) -> bool:
    """Whether Accept-Language ranks English above Chinese; Chinese otherwise."""
    ranked: dict[str, float] = {}
    for part in request.headers.get("accept-language", "").split(","):
        tag, _, weight = part.strip().partition(";q=")
        try:
            ranked.setdefault(tag[:2].lower(), float(weight or 1))
        except ValueError:
            continue
    return ranked.get("en", 0.0) > ranked.get("zh", 0.0)


def problem(
    request: Request,
    status: int,
    code: str,
    title: tuple[str, str],
    detail: tuple[str, str] = ("", ""),
    headers: Mapping[str, str] | None = None,
    **fields: Any,
) -> Response:
    """A problem response; ``title`` and ``detail`` are (zh, en)."""
    english = prefers_english(request)
    body = {
        "type": f"urn:xinban:problem:{code}",
        "title": title[english],
        "status": status,
        "detail": detail[english] or title[english],
        "code": code,
        **fields,
    }
    return Response(
        orjson.dumps(body, default=str),
        status,
        {
            "Content-Language": "en" if english else "zh-CN",
            "Vary": "Accept-Language",
            "Cache-Control": "no-store",
            **(headers or {}),
        },
        MEDIA_TYPE,
    )


def plain_problem(
    request: Request,
    status: int,
    headers: Mapping[str, str] | None = None,
    detail: tuple[str, str] | None = None,
) -> Response:
    """A problem that says no more than its status and, with ``detail`` as (zh, en), what to do."""
    code, zh, en = PLAIN_TITLES.get(
        status, (f"http-{status}", "请求未能完成", "The request was not completed")
    )
    detail = detail or PLAIN_DETAILS.get(status, ("", ""))
    return problem(request, status, code, (zh, en), detail, headers=headers)


def responses(*errors: type[DomainError]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries for the errors a route may answer, validation always among them."""
    codes: dict[int, dict[str, str]] = {
        **{status: {PLAIN_TITLES[status][0]: PLAIN_TITLES[status][2]} for status in (400, 405, 413, 500)},
        422: {"invalid-request": "The request breaks a rule named in `errors`"},
    }
    for error in errors:
        codes.setdefault(_status(error), {})[error.code] = error.title_en()
    if 412 in codes:  # whoever compares versions asks for one
        codes[428] = {PLAIN_TITLES[428][0]: PLAIN_TITLES[428][2]}
    codes.setdefault(503, {}).update({PLAIN_TITLES[503][0]: PLAIN_TITLES[503][2], LOADING[0]: LOADING[2]})
    return {
        status: {
            "description": "; ".join(f"`{code}`: {title}" for code, title in listed.items()),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {
                        code: {
                            "value": {
                                "type": f"urn:xinban:problem:{code}",
                                "title": title,
                                "status": status,
                                "detail": title,
                                "code": code,
                            }
                        }
                        for code, title in listed.items()
                    },
                }
            },
        }
        for status, listed in codes.items()
    }


def _status(error: type[DomainError]) -> int:
    return next(status for kind, status in STATUS.items() if issubclass(error, kind))


def refusal(request: Request, error: DomainError) -> Response:
    """The answer to ``error``, for a route that returns it since raising would undo what is to be kept."""
    headers = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if "retry_after_seconds" in error.fields:
        headers["Retry-After"] = str(error.fields["retry_after_seconds"])
    return problem(
        request,
        _status(type(error)),
        error.code,
        (error.title_zh, error.title_en()),
        (error.detail_zh, error.detail_en),
        headers=headers,
        **_pointing(error.fields),
    )


def _pointing(fields: Mapping[str, Any]) -> dict[str, Any]:
    """``errors`` of the domain name a ``field`` of what was sent; here it is a pointer into the body."""
    said = dict(fields)
    if "errors" in said:
        said["errors"] = [
            {"pointer": f"/body/{one['field']}", "reason": one["reason"]} if "field" in one else one
            for one in said["errors"]
        ]
    return said


async def _domain(request: Request, error: Exception) -> Response:
    assert isinstance(error, DomainError)
    return refusal(request, error)


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    english = prefers_english(request)
    # A body that a dependency reads too is validated twice.
    found = dict.fromkeys((_pointer(one["loc"], error.body), explain(one)[english]) for one in error.errors())
    errors = [{"pointer": pointer, "reason": reason} for pointer, reason in found]
    named = "; ".join(f"{one['pointer']}: {one['reason']}" for one in errors[:5])
    return problem(
        request,
        422,
        "invalid-request",
        ("请求有误，请按提示修改", "The request breaks a rule"),
        (named, named),
        errors=errors,
    )


def _pointer(loc: Sequence[str | int], body: Any) -> str:
    """A JSON pointer (RFC 6901). Behind a parameter's name pydantic lists the branches of its type; items stay."""
    if loc[0] == "body":
        parts = ["body", *_present(loc[1:], body)]
    else:
        parts = [part for at, part in enumerate(loc) if at < 2 or isinstance(part, int)]
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _present(loc: Sequence[str | int], body: Any) -> list[str | int]:
    """``loc`` without what the body does not have: branches of unions, places in text that is no JSON.

    What is missing is last and stays.
    """
    kept: list[str | int] = []
    for at, part in enumerate(loc):
        if isinstance(body, dict):
            if part not in body and at < len(loc) - 1:
                continue
            body = body.get(part)
        elif isinstance(body, list) and isinstance(part, int):
            body = body[part] if part < len(body) else None
        else:
            break
        kept.append(part)
    return kept


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = error.said if isinstance(error, Refused) else None
    headers = dict(error.headers or {})
    if "Allow" in headers:
        allowed = headers["Allow"] = _allowed(request)
        detail = f"可用的方法：{allowed}。", f"Use one of: {allowed}."
    return plain_problem(request, error.status_code, headers, detail)


def _allowed(request: Request) -> str:
    """Every method of this address; the router names those of one route only. HEAD is answered where GET is."""
    scope = {**request.scope, "method": "NONE"}
    matched = [
        route
        for route in request.app.router.routes
        if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE
    ]
    # The first says which address was meant: /persons/search is no /persons/{id}.
    found = {method for route in matched if route.path == matched[0].path for method in route.methods or ()}
    return ", ".join(sorted(found | ({"HEAD"} if "GET" in found else set())))


async def _answered(request: Request, error: Exception) -> Response:
    assert isinstance(error, Answered)
    return error.response


async def _loading(request: Request, error: Exception) -> Response:
    return problem(request, 503, LOADING[0], LOADING[1:], headers={"Retry-After": "2"})


async def _database(request: Request, error: Exception) -> Response:
    """Serialisation failures, deadlocks and a database that is away can be tried again; anything else is ours."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(error, PoolExhausted) or isinstance(cause, AWAY):
        log.warning("database unavailable", extra={"error": type(cause).__name__})
        return plain_problem(request, 503, {"Retry-After": "1"})
    return await _unexpected(request, error)


async def _unexpected(request: Request, error: Exception) -> Response:
    if isinstance(error, StatementError):
        error.hide_parameters = True  # a statement's parameters say where somebody stands
    log.error("unexpected error", exc_info=error, extra={"error": type(error).__name__})
    return plain_problem(request, 500)


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` as a problem."""
    app.add_exception_handler(DomainError, _domain)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Answered, _answered)
    app.add_exception_handler(NotLoaded, _loading)
    for database_error in (DBAPIError, PoolExhausted, PoolTimeout, pg.Error):
        app.add_exception_handler(database_error, _database)
    app.add_exception_handler(Exception, _unexpected)
