"""One request, one transaction, ended before the answer leaves; and what PostgreSQL's refusals become."""

import asyncio
from contextlib import AsyncExitStack

import httpx
import pytest
from fastapi import Depends, FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from api import problems
from api.runtime import Runtime, Session, get_session
from core.database import POOL_SECONDS, Database
from core.settings import Settings
from geo.nearby.feed import IndexFeed

MAKE = (
    "create table parent (id int primary key)",
    "create table child (parent_id int references parent deferrable initially deferred)",
)


@pytest.fixture
async def app(database: Database, redis_url: str) -> FastAPI:
    """Two routes that insert a child without a parent, which PostgreSQL refuses at commit; and more."""
    app = FastAPI()
    problems.install(app)
    feed = IndexFeed("", region="CN", shifted=True, clock=lambda: pytest.fail("not started"))
    unused = {
        "redis": None,
        "ring": None,
        "tokens": None,
        "ended": None,
        "external": None,
        "free_sites": None,
    }
    app.state.runtime = Runtime(Settings(), database, feed=feed, **unused)  # type: ignore[arg-type]

    @app.post("/careful", status_code=201)
    async def careful(session: Session) -> str:
        await session.execute(text("insert into child values (1)"))
        return "stored"

    @app.post("/careless", status_code=201)
    async def careless(session: AsyncSession = Depends(get_session)) -> str:  # noqa: B008  the old way, on purpose
        await session.execute(text("insert into child values (1)"))
        return "stored"

    @app.post("/raise/{state}")
    async def fail(session: Session, state: str) -> None:
        await session.execute(text(f"do $$ begin raise exception using errcode = '{state}'; end $$"))

    @app.post("/secret/{place}")
    async def secret(session: Session, place: str) -> None:
        await session.execute(text("select :place from nowhere"), {"place": place})

    async with database.hot() as connection:
        for statement in MAKE:
            await connection.execute(statement)
    return app


async def post(app, path):
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        return await client.post(path)


async def stored(database):
    async with database.hot() as connection:
        return (await (await connection.execute("select count(*) from child")).fetchone())[0]


async def test_a_commit_that_fails_is_not_answered_as_a_success(app, database):
    answer = await post(app, "/careful")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert await stored(database) == 0


async def test_without_the_scope_of_a_function_the_answer_would_be_201_and_nothing_stored(app, database):
    """Negative control of the test above."""
    answer = await post(app, "/careless")
    assert answer.status_code == 201
    assert await stored(database) == 0


async def test_who_gets_no_connection_in_time_is_told_to_come_again(app, database):
    async with AsyncExitStack() as held, asyncio.timeout(POOL_SECONDS + 5):
        for _ in range(Settings().pool_size):
            await held.enter_async_context(database.engine.connect())
        answer = await post(app, "/careful")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize(
    "state",
    ["40001", "40P01", "57014", "57P01", "53300"],
    ids=["serialization", "deadlock", "cancelled", "shutdown", "connections"],
)
async def test_what_can_be_tried_again_is_503_with_retry_after(app, state):
    answer = await post(app, f"/raise/{state}")
    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"
    assert int(answer.headers["retry-after"]) >= 1


async def test_what_cannot_is_500_without_any_detail_of_ours(app):
    answer = await post(app, "/raise/XX000")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert "raise" not in answer.text


async def test_the_log_of_an_error_holds_no_parameters(app, caplog):
    assert (await post(app, "/secret/103.6151234")).status_code == 500
    assert "nowhere" in caplog.text
    assert "103.6151234" not in caplog.text
