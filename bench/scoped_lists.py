"""Whether narrowing a list to where somebody may act adds queries: statements of each staff list, with and without."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import SecretStr
from sqlalchemy import event

from api.access import action_of
from api.app import create_app
from api.runtime import Runtime
from bench.report import Figure
from core import clock
from core.actor import Grant, Role
from core.ids import new_id
from core.keyring import Key
from core.permissions import RULES
from core.settings import Settings


def staff_lists(app: FastAPI) -> dict[str, Role]:
    """Path of each list that only some roles see, with one of them."""
    found: dict[str, Role] = {}
    for route in app.routes:
        if isinstance(route, APIRoute) and "GET" in (route.methods or ()) and "{" not in route.path:
            action = action_of(route)
            if action is not None and (roles := sorted(RULES[action].roles)):
                found[route.path] = roles[0]
    return found


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[tuple[Runtime, httpx.AsyncClient]]:
    """``app`` in this process, with its runtime and somebody to call it."""
    async with app.router.lifespan_context(app):
        while app.state.runtime.feed.loaded is None:  # noqa: ASYNC110  # it tells nobody when it is
            await asyncio.sleep(0.05)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://bench") as client:
            yield app.state.runtime, client


def _headers(runtime: Runtime, grants: tuple[Grant, ...]) -> dict[str, str]:
    """Of a signed-in member of staff. The session needs no row: only those that ended are looked up."""
    token, _ = runtime.tokens.issue(
        account_id=new_id(),
        session_id=new_id(),
        assurance="phone",
        channel="web",
        grants=grants,
        now=clock.now(),
    )
    return {"Authorization": f"Bearer {token}"}


async def statements(
    runtime: Runtime, client: httpx.AsyncClient, path: str, *grants: Grant
) -> list[str] | None:
    """What the database is asked for one answer to whoever holds ``grants``; None when it is not 200."""
    seen: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement)

    engine = runtime.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        answer = await client.get(path, headers=_headers(runtime, grants))
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return seen if answer.status_code == 200 else None


async def added(
    runtime: Runtime, client: httpx.AsyncClient, path: str, role: Role, *, township: UUID
) -> int | None:
    """Statements more for somebody with three scopes than for the whole district; None when it cannot be asked."""
    narrow = (
        Grant(role, "site", str(new_id())),
        Grant(role, "township", str(township)),
        Grant(role, "category", "elder"),
    )
    whole = await statements(runtime, client, path, Grant(role, "district"))
    some = await statements(runtime, client, path, *narrow)
    return None if whole is None or some is None else len(some) - len(whole)


def run(url: str) -> list[Figure]:
    """The most statements that scoping adds to any list."""
    keys = SecretStr(Key.create("bench", "aes").line())
    settings = Settings(
        database_url=url, redis_url=os.environ["XINBAN_REDIS_URL"], keys=keys, log_level="ERROR"
    )

    async def ask() -> dict[str, int]:
        app = create_app(settings)
        async with running(app) as (runtime, client):
            found = {
                path: await added(runtime, client, path, role, township=new_id())
                for path, role in staff_lists(app).items()
            }
        return {path: more for path, more in found.items() if more is not None}

    logging.disable(logging.WARNING)  # of a database with one role, which goes when the bench ends
    found = asyncio.run(ask())
    return [
        Figure(
            "queries that scopes add to a list",
            max(found.values()),
            "",
            "<= 0",
            f"the most of {len(found)} lists; site, township and category scope against the district",
            decides=True,
        )
    ]
