"""Real PostGIS and Redis for every test that needs them; nothing of our own is replaced.

One template database is migrated for all workers. ``session`` works in a worker's clone of it inside a transaction that is
always rolled back; ``database`` is a clone of a test's own, for what must commit or be seen by other connections.
"""

import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncSession

from api.migrate import migrate
from core.database import Database
from core.keyring import KeyRing
from core.settings import Settings

# Keys of encrypted personal data, in every process a test starts.
TEST_RING = "t2:aes:" + "QUFB" * 10 + "QUE=" + " t1:gm:" + "QkJC" * 10 + "QkI="
RUN = "TESTS_RUN"  # one run, all its workers
NEEDS_SERVERS = "no database: run the tests with ./dev test, or set XINBAN_DATABASE_URL and XINBAN_REDIS_URL"


def pytest_configure(config: pytest.Config) -> None:
    """What tests see of the settings of whoever runs them: the servers, and nothing else."""
    if not hasattr(config, "workerinput"):
        os.environ[RUN] = secrets.token_hex(4)  # the workers get it with the environment
    for name in [name for name in os.environ if name.startswith("XINBAN_")]:
        if name not in ("XINBAN_DATABASE_URL", "XINBAN_REDIS_URL", "XINBAN_TEST_LONG"):
            del os.environ[name]


def pytest_unconfigure(config: pytest.Config) -> None:
    """The templates go when all workers have gone."""
    url = os.environ.get("XINBAN_DATABASE_URL")
    if url and not hasattr(config, "workerinput"):
        with contextlib.suppress(psycopg.OperationalError):
            for what in ("city", "empty"):
                drop_database(url, template_name(what))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """``-n`` alone shares out whole files."""
    if config.option.dist == "load":
        from tests.sharing import WholeFiles

        config.option.loadscopereorder = False
        return WholeFiles(config, log)
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        from tests.sharing import rank

        items.sort(key=lambda item: rank(item.nodeid))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def server_url() -> str:
    """Any database on the server; tests only create others beside it."""
    url = os.environ.get("XINBAN_DATABASE_URL")
    if not url:
        pytest.fail(NEEDS_SERVERS)
    return url


@pytest.fixture(scope="session")
def ring() -> KeyRing:
    return KeyRing.parse(TEST_RING)


@pytest.fixture(scope="session")
def redis_url() -> str:
    url = os.environ.get("XINBAN_REDIS_URL")
    if not url:
        pytest.fail(NEEDS_SERVERS)
    return url


def url_of(server_url: str, name: str) -> str:
    """The same server, another database."""
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


def create_database(server_url: str, template: str | None = None) -> str:
    """A new database with a name of its own; a copy of ``template`` if given."""
    name = f"xinban_test_{os.getpid()}_{secrets.token_hex(4)}"
    clause = sql.SQL(" template {}").format(sql.Identifier(template)) if template else sql.SQL("")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)) + clause)
    return name


def drop_database(server_url: str, name: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def template_name(what: str) -> str:
    return f"xinban_test_{os.environ[RUN]}_{what}"


def make_template(
    server_url: str, what: str, fill: Callable[[str], None], template: str | None = None
) -> str:
    """The name of a database that nobody stays connected to, filled by the first worker that asks for it."""
    name = template_name(what)
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(hashtext(%s))", (name,))
        if not connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone():
            filled = create_database(server_url, template)
            fill(url_of(server_url, filled))
            connection.execute(
                sql.SQL("alter database {} rename to {}").format(sql.Identifier(filled), sql.Identifier(name))
            )
    return name


@pytest.fixture(scope="session")
def template(server_url: str) -> str:
    """A migrated database, to be copied."""
    return make_template(server_url, "empty", migrate)


@pytest.fixture(scope="session")
def shared_database_url(server_url: str, template: str) -> Iterator[str]:
    name = create_database(server_url, template)
    yield url_of(server_url, name)
    drop_database(server_url, name)


@pytest.fixture(scope="session")
async def shared_database(anyio_backend: str, shared_database_url: str) -> AsyncIterator[Database]:
    async with Database(Settings(database_url=shared_database_url)) as database:
        yield database


@pytest.fixture
async def session(shared_database: Database) -> AsyncIterator[AsyncSession]:
    """A session whose work is undone at the end, also what the code under test commits inside savepoints."""
    async with shared_database.engine.connect() as connection:
        outer = await connection.begin()
        async with AsyncSession(
            connection, expire_on_commit=False, join_transaction_mode="create_savepoint"
        ) as session:
            yield session
        await outer.rollback()


@pytest.fixture
def database_url(server_url: str, template: str) -> Iterator[str]:
    """A migrated database of this test's own."""
    name = create_database(server_url, template)
    yield url_of(server_url, name)
    drop_database(server_url, name)


@pytest.fixture
async def database(anyio_backend: str, database_url: str) -> AsyncIterator[Database]:
    """Doors to a database of this test's own; what it commits stays until its end."""
    async with Database(Settings(database_url=database_url)) as database:
        yield database
