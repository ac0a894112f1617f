"""A seeded demo city and a real server on it, shared by the tests that only read."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import psycopg
import pytest

from core.actor import Grant
from core.database import Database
from core.settings import Settings
from seed.city import seed_city
from tests.api.people import sign_in
from tests.api.running import Running, serving
from tests.conftest import create_database, drop_database, make_template, url_of

MEAL_POINTS = "select id::text from site where published_at is not null and category_code = 'meal_point' and status = 'active'"
SEEDED_AT = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def city_template(server_url, template) -> str:
    """A database with the demo city, to be copied."""

    async def seed(url: str) -> None:
        async with Database(Settings(database_url=url)) as database:
            await seed_city(database, now=SEEDED_AT)

    return make_template(server_url, "city", lambda url: asyncio.run(seed(url)), template)


@pytest.fixture(scope="session")
def city_url(server_url, city_template) -> Iterator[str]:
    """The demo city behind the shared server. Only read it."""
    name = create_database(server_url, city_template)
    yield url_of(server_url, name)
    drop_database(server_url, name)


@pytest.fixture
def own_city_url(server_url, city_template) -> Iterator[str]:
    """A demo city of this test's own."""
    name = create_database(server_url, city_template)
    yield url_of(server_url, name)
    drop_database(server_url, name)


@pytest.fixture(scope="session")
def server(tmp_path_factory, city_url, redis_url) -> Iterator[Running]:
    log = tmp_path_factory.mktemp("server") / "log"
    with serving(log, database_url=city_url, redis_url=redis_url) as one:
        yield one
        # Whatever the tests asked of it, none of it was an error of the server's.
        assert [line for line in one.log() if line["level"] == "ERROR" or line.get("status") == 500] == []
    assert one.process.returncode == 0


@pytest.fixture(scope="session")
def edited(tmp_path_factory, server_url, city_template, redis_url) -> Iterator[tuple[Running, str]]:
    """A server on a demo city that tests may edit, and its database's address. Do not count in it."""
    name = create_database(server_url, city_template)
    log = tmp_path_factory.mktemp("edited") / "log"
    with serving(log, database_url=url_of(server_url, name), redis_url=redis_url) as one:
        yield one, url_of(server_url, name)
    drop_database(server_url, name)


@pytest.fixture(scope="session")
def client(edited) -> Iterator[httpx.Client]:
    """Calls the server of the city that may be edited."""
    with httpx.Client(base_url=edited[0].url, trust_env=False, timeout=15) as client:
        yield client


@pytest.fixture(scope="session")
def edited_sql(edited) -> Iterator[psycopg.Connection]:
    """Its truth."""
    with psycopg.connect(edited[1], autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def admin(edited) -> dict[str, str]:
    """Headers of its district's administrator."""
    return sign_in(edited[1], Grant("district_admin", "district"))


@pytest.fixture(scope="session")
def city(edited, client, edited_sql) -> tuple[httpx.Client, str, list[str]]:
    """The client, the address of the database, and two sites to complain about."""
    sites = edited_sql.execute(MEAL_POINTS + " order by id limit 2").fetchall()
    return client, edited[1], [row[0] for row in sites]


@pytest.fixture(scope="session")
def strict(tmp_path_factory, server_url, city_template, redis_url) -> Iterator[tuple[Running, str]]:
    """A server with little patience, few connections and one origin that may call; and its database's address."""
    name = create_database(server_url, city_template)
    log = tmp_path_factory.mktemp("strict") / "log"
    with serving(
        log,
        database_url=url_of(server_url, name),
        redis_url=redis_url,
        cors_origins='["https://app.example"]',
        request_timeout_seconds="0.5",
        pool_size="2",
    ) as one:
        yield one, url_of(server_url, name)
        assert [line for line in one.log() if line["level"] == "ERROR"] == []
    drop_database(server_url, name)


@pytest.fixture(scope="session")
def api(server) -> Iterator[httpx.Client]:
    # Not compressed unless a test asks for it.
    with httpx.Client(
        base_url=server.url, headers={"Accept-Encoding": "identity"}, trust_env=False, timeout=15
    ) as client:
        yield client


@pytest.fixture(scope="session")
def sql(city_url) -> Iterator[psycopg.Connection]:
    """The truth, to compare with."""
    with psycopg.connect(city_url, autocommit=True) as connection:
        yield connection
