"""For whoever runs this: is it alive, can it serve, how is it doing?"""

import asyncio
from typing import Annotated, Literal

import psycopg
from fastapi import APIRouter, Query, Request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Gauge,
    generate_latest,
    multiprocess,
)
from psycopg.errors import UndefinedTable
from pydantic import BaseModel
from redis.exceptions import RedisError
from starlette.responses import Response

from api.access import public
from api.conditional import NO_STORE, private
from api.migrate import head_revision
from api.params import NoParameters
from api.problems import responses
from api.runtime import Runtime, runtime_of

router = APIRouter(tags=["operation"])

CHECK_SECONDS = 3.0

# Of the process that answers: its own values are the most recent ones.
SITES = Gauge("xinban_index_sites", "Sites in the nearby index", multiprocess_mode="mostrecent")
STALE = Gauge(
    "xinban_index_stale",
    "1 while the nearby index cannot follow the database",
    multiprocess_mode="mostrecent",
)


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"]


class Ready(BaseModel):
    """Each dependency by name: ``ok``, or what is wrong. ``stale`` still serves nearby."""

    status: Literal["ok", "unavailable"]
    database: str
    redis: str
    migrations: str
    index: str


@router.get(
    "/healthz",
    responses={200: {"model": Alive}, **responses()},
    response_class=Response,
    openapi_extra=public("operation.read"),
)
async def healthz(_: Annotated[NoParameters, Query()]) -> Response:
    """Alive."""
    return private(Alive(status="ok"))


@router.get(
    "/readyz",
    responses={200: {"model": Ready}, **responses(), 503: {"model": Ready, "description": "not ready"}},
    response_class=Response,
    openapi_extra=public("operation.read"),
)
async def readyz(request: Request, _: Annotated[NoParameters, Query()]) -> Response:
    """Ready to serve: database, Redis, migrations, index."""
    runtime = runtime_of(request)
    (database, migrations), redis = await asyncio.gather(_database(runtime), _redis(runtime))
    index = _index(runtime)
    well = (database, redis, migrations, index) == ("ok", "ok", "ok", "ok")
    out = Ready(
        status="ok" if well else "unavailable",
        database=database,
        redis=redis,
        migrations=migrations,
        index=index,
    )
    return private(out, 200 if well else 503)


@router.get(
    "/metrics",
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **responses()},
    response_class=Response,
    openapi_extra=public("operation.read"),
)
async def metrics(request: Request, _: Annotated[NoParameters, Query()]) -> Response:
    """Prometheus metrics; of all processes when several serve."""
    runtime = runtime_of(request)
    loaded = runtime.feed.loaded
    SITES.set(len(loaded.index) if loaded is not None else 0)
    STALE.set(runtime.feed.stale_since is not None)
    registry = REGISTRY
    if runtime.settings.processes > 1:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library has no types here
    return Response(generate_latest(registry), headers={**NO_STORE, "Content-Type": CONTENT_TYPE_LATEST})


async def _database(runtime: Runtime) -> tuple[str, str]:
    try:
        async with asyncio.timeout(CHECK_SECONDS), runtime.database.hot() as connection:
            cursor = await connection.execute("select version_num from alembic_version")
            row = await cursor.fetchone()
    except UndefinedTable:
        return "ok", "none: run xinban migrate"
    except (psycopg.Error, OSError, TimeoutError) as error:
        return f"no answer: {type(error).__name__}", "unknown"
    found, wanted = row[0] if row else None, head_revision()
    return "ok", "ok" if found == wanted else f"at {found}, this version needs {wanted}: run xinban migrate"


async def _redis(runtime: Runtime) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await runtime.redis.ping()
    except (RedisError, OSError, TimeoutError) as error:
        return f"no answer: {type(error).__name__}"
    return "ok"


def _index(runtime: Runtime) -> str:
    if runtime.feed.loaded is None:
        return "loading"
    stale = runtime.feed.stale_since
    return "ok" if stale is None else f"stale since {stale.isoformat()}"
