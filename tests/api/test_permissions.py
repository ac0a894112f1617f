"""Each role against each route: what core/permissions.py says is what a running server does, on 100 % of routes."""

from collections import Counter
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from api.access import routes_of
from api.app import create_app
from api.cli.permissions import describe_permissions
from core.actor import Grant
from core.permissions import RULES, SCOPES, STAFF_ROLES
from core.settings import Settings
from tests.api.people import sign_in, unlimited_city
from tests.conftest import TEST_RING

DOC = Path(__file__).parents[2] / "docs/permissions.md"
NOBODY = "nobody"
SOME_ID = "01900000-0000-7000-8000-000000000000"
# Refusals that say more than "you may not": this caller may, but not with this account.
OTHER_REFUSALS = {"residents-only", "own-account"}


@pytest.fixture(scope="module")
def app():
    return create_app(Settings(keys=TEST_RING))


@pytest.fixture(scope="module")
def matrix(tmp_path_factory, server_url, city_template, redis_url):
    with unlimited_city(tmp_path_factory, server_url, city_template, redis_url) as both:
        yield both


def undeclared(app):
    return [route.path for route, action in routes_of(app) if action not in RULES]


def test_every_route_declares_an_action_that_the_table_knows(app):
    assert undeclared(app) == []
    assert len(list(routes_of(app))) > 25


def test_a_route_without_an_action_or_with_an_unknown_one_is_found(app):
    """Negative control, also below a mounted app."""
    bare = FastAPI(docs_url=None, redoc_url=None)
    inner = FastAPI(docs_url=None, redoc_url=None)

    @bare.get("/forgotten")
    async def forgotten() -> None: ...

    @inner.get("/below")
    async def below() -> None: ...

    @bare.get("/misspelt", openapi_extra={"x-permission": "site.reed"})
    async def misspelt() -> None: ...

    @bare.get("/declared", openapi_extra={"x-permission": "locator.read"})
    async def declared() -> None: ...

    bare.mount("/inner", inner)
    assert undeclared(bare) == ["/forgotten", "/misspelt", "/below"]


def test_what_answers_without_an_action_is_known_by_name(app):
    """Starlette's own routes and mounts are no APIRoutes: none may be added in silence."""
    declared = {id(route) for route, _ in routes_of(app)}
    others = {getattr(route, "path", "") for route in app.routes if id(route) not in declared}
    assert others <= {"/openapi.json", "/static-offline-docs"}


def test_the_document_shows_the_table_as_it_is(app):
    assert DOC.read_text() == "\n".join(describe_permissions(app)) + "\n", (
        "run: xinban permissions > docs/permissions.md"
    )


def calls(app):
    """Method, path with well-formed ids that nothing has, action, and the path as documented, of every route."""
    for route, action in routes_of(app):
        path = route.path_format
        for name in route.param_convertors:
            path = path.replace("{" + name + "}", SOME_ID)
        for method in sorted(route.methods - {"HEAD"}):
            yield method, path, action, route.path_format


def ask(client, method, path, **more):
    """The answer; of a stream, which lasts, all but its body."""
    with client.stream(method, path, **more) as answer:
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            return httpx.Response(answer.status_code, headers=answer.headers)
        answer.read()
        return answer


def caller(url, role):
    """Headers of somebody who holds ``role`` and nothing else."""
    if role == NOBODY:
        return {}
    scope = SCOPES[role][-1]  # the widest: some things are for the whole district only
    ids = {"site": SOME_ID, "township": SOME_ID, "category": "meal_point"}
    grant = Grant(role, scope, ids.get(scope))
    if role == "resident":
        return sign_in(url, kind="resident")
    return sign_in(url, grant, kind="staff" if role in STAFF_ROLES else "resident")


def expected(role, action):
    rule = RULES[action]
    if rule.who == "anyone":
        return "allowed"
    if role == NOBODY:
        return "401"
    if rule.who == "signed_in" or role in rule.roles:
        return "allowed"
    return "403"


def outcome(answer):
    is_problem = answer.headers.get("content-type") == "application/problem+json"
    code = answer.json()["code"] if is_problem else None
    if answer.status_code == 401:
        return f"401 {code}"
    if answer.status_code == 403 and code not in OTHER_REFUSALS:
        return f"403 {code}"
    if answer.status_code >= 500 and answer.status_code != 503:
        return str(answer.status_code)
    return "allowed"


@pytest.mark.parametrize("role", [NOBODY, *SCOPES])
def test_a_role_may_do_what_the_table_says_on_every_route_and_nothing_else(app, matrix, role):
    server, url = matrix
    headers = caller(url, role)
    documented = app.openapi()["paths"]
    wrong, seen = {}, Counter()
    with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as client:
        for method, path, action, shown in calls(app):
            # What ends a session or an account is asked by a caller of its own.
            who = caller(url, role) if method == "DELETE" else headers
            answer = ask(
                client,
                method,
                path,
                headers={**who, "Idempotency-Key": f"{role}-{method}-{path}"[:200]},
                json={} if method in ("POST", "PUT") else None,
            )
            want = expected(role, action)
            want = {"401": "401 not-signed-in", "403": "403 not-allowed"}.get(want, want)
            seen[want] += 1
            if outcome(answer) != want:
                wrong[f"{method} {path} ({action})"] = f"{outcome(answer)}, not {want}: {answer.text[:200]}"
            elif (
                shown in documented
                and str(answer.status_code) not in documented[shown][method.lower()]["responses"]
            ):
                wrong[f"{method} {path} ({action})"] = f"{answer.status_code} is not documented"
    assert wrong == {}
    assert seen.total() == len(list(calls(app)))


def test_the_matrix_would_notice_a_role_that_may_too_much(app, matrix):
    """Negative control: an account that holds another role besides is told apart from one that does not."""
    server, url = matrix
    both = sign_in(url, Grant("auditor", "district"), Grant("district_admin", "district"))
    noticed = 0
    with httpx.Client(base_url=server.url, headers=both, trust_env=False, timeout=30) as client:
        for method, path, action, _ in calls(app):
            if method == "GET" and expected("auditor", action) == "403":
                noticed += outcome(ask(client, "GET", path)) == "allowed"
    assert noticed >= 3
