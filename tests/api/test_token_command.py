"""``xinban token``: one line to try the API with, in development and nowhere else."""

import httpx
import psycopg
import pytest

from tests.api.running import serving, xinban
from tests.conftest import create_database, drop_database, url_of


@pytest.fixture(scope="module")
def one(tmp_path_factory, server_url, city_template, redis_url):
    """A server in development, and its database's address."""
    name = create_database(server_url, city_template)
    database_url = url_of(server_url, name)
    with serving(
        tmp_path_factory.mktemp("api") / "log",
        database_url=database_url,
        redis_url=redis_url,
        env="development",
    ) as running:
        yield running, database_url
    drop_database(server_url, name)


def token(database_url, *arguments, env="development"):
    return xinban("token", *arguments, database_url=database_url, env=env)


def get(one, path, printed):
    headers = {"Authorization": f"Bearer {printed.stdout.strip()}"}
    return httpx.get(one[0].url + path, headers=headers, trust_env=False)


def test_a_resident_s_token_is_all_that_is_printed_and_works(one):
    first, second = (token(one[1], "--phone", "13800000001") for _ in range(2))
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.count("\n") == 1
    assert get(one, "/v1/me/sessions", first).status_code == 200
    sessions = get(one, "/v1/me/sessions", second).json()["items"]
    assert len(sessions) == 2  # of one account


def test_a_role_is_held_where_it_was_asked_for(one):
    with psycopg.connect(one[1]) as connection:
        ((site_id,),) = connection.execute("select id from site limit 1").fetchall()
    for _ in range(2):
        done = token(one[1], "--role", "site_staff", "--scope", f"site:{site_id}")
        assert done.returncode == 0, done.stderr
    with psycopg.connect(one[1]) as connection:
        grants = connection.execute("select role, scope, scope_id from role_grant").fetchall()
    assert grants == [("site_staff", "site", str(site_id))]
    assert token(one[1], "--role", "site_staff", "--scope", "township:620171").returncode == 0
    assert token(one[1], "--role", "inspector", "--scope", "category:meal_point").returncode == 0
    assert token(one[1], "--role", "auditor").returncode == 0
    assert token(one[1], "--role", "seeker", "--phone", "13800000002").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ((), "--role"),
        (("--phone", "12"), "13800000001"),
        (("--role", "king"), "district_admin"),
        (("--role", "site_staff"), "site:ID"),
        (("--role", "site_staff", "--scope", "site:1"), "scope_id"),
        (("--role", "auditor", "--scope", "township:620171"), "district"),
        (("--role", "seeker"), "--phone"),
        (("--role", "auditor", "--phone", "13800000001"), "--phone"),
    ],
)
def test_what_is_asked_wrongly_is_answered_with_what_to_do(one, arguments, hint):
    done = token(one[1], *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert hint in done.stderr


def test_in_production_it_refuses_and_writes_nothing(one):
    with psycopg.connect(one[1]) as connection:
        before = connection.execute("select count(*) from account").fetchall()
        done = token(one[1], "--phone", "13800000009", env="production")
        assert (done.returncode, done.stdout) == (1, "")
        assert "XINBAN_ENV=development" in done.stderr
        assert connection.execute("select count(*) from account").fetchall() == before
