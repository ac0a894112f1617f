"""Permissions and scopes add no query to a list: it is narrowed in its own statement, never asked about afterwards."""

from typing import Annotated

import psycopg
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import text

from api.access import allowed
from api.app import create_app
from api.runtime import Session
from bench.scoped_lists import added, running, staff_lists, statements
from core.actor import Actor, Grant
from core.ids import new_id
from core.permissions import scopes
from core.settings import Settings
from tests.conftest import TEST_RING

CARELESS = "/trial/careless"


@pytest.fixture
def app(own_city_url, redis_url) -> FastAPI:
    """The application, with one list more that asks the database where the caller may act."""
    app = create_app(Settings(database_url=own_city_url, redis_url=redis_url, keys=SecretStr(TEST_RING)))

    async def careless(session: Session, actor: Annotated[Actor, allowed("site.read")]) -> list[str]:
        for kind in scopes(actor, "site.read") or ():
            await session.execute(text("select 1 where :kind = 'site'"), {"kind": kind})
        return []

    app.add_api_route(CARELESS, careless)
    return app


@pytest.fixture
def township(own_city_url):
    """One that has sites."""
    with psycopg.connect(own_city_url) as connection:
        return connection.execute(
            "select id from area where kind = 'township' and exists (select from site where st_covers(area.geom, site.geom))"
        ).fetchone()[0]


async def test_no_list_of_staff_takes_more_queries_for_somebody_with_scopes(app, township):
    lists = {path: role for path, role in staff_lists(app).items() if path != CARELESS}
    async with running(app) as (runtime, client):
        found = {
            path: await added(runtime, client, path, role, township=township) for path, role in lists.items()
        }
    assert found["/v1/staff/sites"] == 0
    assert {path: more for path, more in found.items() if more is not None and more > 0} == {}


async def test_a_list_that_asks_once_for_each_scope_is_noticed(app, township):
    """Negative control of the test above."""
    async with running(app) as (runtime, client):
        assert await added(runtime, client, CARELESS, "site_staff", township=township) == 3


async def test_a_list_takes_as_many_queries_for_many_items_as_for_one(app):
    grant = Grant("site_staff", "district")
    async with running(app) as (runtime, client):
        one = await statements(runtime, client, "/v1/staff/sites?limit=1", grant)
        many = await statements(runtime, client, "/v1/staff/sites?limit=100", grant)
    assert one
    assert many is not None
    assert len(one) == len(many)


async def test_anyone_without_the_role_costs_the_database_nothing(app):
    async with running(app) as (runtime, client):
        refused = await statements(
            runtime,
            client,
            "/v1/staff/sites",
            Grant("auditor", "district"),
            Grant("carer", "site", str(new_id())),
        )
    assert refused is None
