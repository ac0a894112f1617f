"""The application runs as a database role that owns nothing: everything works, and the record cannot be changed."""

import os
import re

import httpx
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from tests.api.running import running, serving, wait_until, xinban
from tests.conftest import create_database, drop_database, url_of


def as_role(url, role):
    return make_url(url).set(username=role, password="a'b\\c").render_as_string(hide_password=False)  # noqa: S106


@pytest.fixture
def empty_url(server_url):
    """An empty database of this test's own, and the name of a role that does not exist yet; both go at the end."""
    name, role = create_database(server_url), f"Xinban-app_{os.getpid()}"
    yield url_of(server_url, name), role
    drop_database(server_url, name)
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(role)))


def test_a_new_installation_with_two_roles_seeds_imports_serves_and_works(empty_url, redis_url, tmp_path):
    owner, role = empty_url
    settings = {"database_url": as_role(owner, role), "redis_url": redis_url}
    for _ in range(2):  # the second time the role and its rights are there
        migrated = xinban("migrate", owner_database_url=owner, **settings)
        assert migrated.returncode == 0, migrated.stderr
    for arguments in (("seed", "--if-empty"), ("seed", "--scale", "20"), ("audit", "seal"), ("keys", "list")):
        done = xinban(*arguments, **settings)
        assert done.returncode == 0, done.stderr
    with (
        running(tmp_path / "worker", "worker", **settings) as worker,
        serving(tmp_path / "server", **settings) as server,
    ):
        near = {"lon": 103.615, "lat": 36.482, "crs": "wgs84", "limit": 1}
        answer = httpx.get(f"{server.url}/v1/sites/nearby", params=near, trust_env=False)
        assert len(answer.json()["items"]) == 1
        wait_until(lambda: worker.said("worker started"), "a worker")
        assert not server.said("may change the audit record")
    # What happened to places and reservations is added to, and never changed.
    with psycopg.connect(as_role(owner, role), autocommit=True) as connection:
        for table in ("allocation", "reservation_step"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"delete from {table}")
    # What the owner alone may do is refused in words that help.
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(
            "insert into audit_entry (id, at, actor, channel, action, object_kind)"
            " values (gen_random_uuid(), now() - interval '500 days', 'x', 'web', 'y', 'z')"
        )
    assert xinban("audit", "seal", **settings).returncode == 0
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("alter table audit_seal disable trigger user")
        connection.execute("update audit_seal set sealed_at = now() - interval '450 days'")
        connection.execute("alter table audit_seal enable trigger user")
    refused = xinban("audit", "purge", **settings)
    assert (refused.returncode, "XINBAN_OWNER_DATABASE_URL" in refused.stderr) == (2, True)
    purged = xinban("audit", "purge", owner_database_url=owner, **settings)
    assert (purged.returncode, "purged:" in purged.stdout) == (0, True), purged.stderr


def test_a_role_that_may_not_make_the_application_is_told_what_to_have_done(empty_url, server_url):
    owner, role = empty_url
    maker = f"xinban_test_maker_{os.getpid()}"
    name = sql.Identifier(maker)
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("drop role if exists {}").format(name))
        connection.execute(sql.SQL("create role {} login password 'a''b\\c'").format(name))
    try:
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute(
                "create extension postgis; create extension btree_gist; create extension pg_trgm"
            )
            connection.execute(sql.SQL("grant all on schema public to {}").format(name))
        refused = xinban(
            "migrate", owner_database_url=as_role(owner, maker), database_url=as_role(owner, role)
        )
        assert refused.returncode == 2
        assert f"create role {role}" in refused.stderr
        assert refused.stderr.count("\n") == 1
    finally:
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute(sql.SQL("drop owned by {}").format(name))
            connection.execute(sql.SQL("drop role {}").format(name))


def test_an_address_that_names_no_role_is_told(empty_url):
    owner, _ = empty_url
    nameless = re.sub("//[^@/]*@", "//", owner)
    refused = xinban("migrate", owner_database_url=owner, database_url=nameless)
    assert refused.returncode == 2
    assert "must name the application's own role" in refused.stderr
