"""Signed-in callers for tests: accounts, sessions and roles put into a database, and the token they would get."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg

from api.identity.tokens import AccessTokens
from core import clock
from core.actor import Assurance, Channel, Grant
from core.ids import new_id
from core.keyring import KeyRing
from tests.api.running import Running, serving
from tests.conftest import TEST_RING, create_database, drop_database, url_of

ACCOUNT = "insert into account (id, kind, assurance, created_at) values (%s, %s, %s, %s)"
SESSION = (
    "insert into account_session (id, account_id, channel, refresh_digest, created_at, seen_at, expires_at)"
    " values (%s, %s, %s, %s, %s, %s, %s)"
)
GRANT = (
    "insert into role_grant (id, account_id, role, scope, scope_id, granted_by, granted_at)"
    " values (%s, %s, %s, %s, %s, 'system', %s)"
)
STAFF = "insert into staff_account (id, username, created_by, created_at) values (%s, %s, 'system', %s)"


def sign_in(
    database_url: str,
    *grants: Grant,
    kind: str = "staff",
    assurance: Assurance = "phone",
    channel: Channel = "app",
    environment: str = "production",
    account_id: UUID | None = None,
) -> dict[str, str]:
    """Headers of a new account that holds ``grants``, or of the account ``account_id`` and what it is given here.

    Residents hold ("resident", "own") besides. ``who`` tells the account's id.
    """
    now = clock.now()
    session_id = new_id()
    with psycopg.connect(database_url) as connection:
        if account_id is None:
            account_id = new_id()
            connection.execute(ACCOUNT, (account_id, kind, assurance, now))
            if kind == "staff":
                connection.execute(STAFF, (account_id, f"t-{account_id.hex[-12:]}", now))
        connection.execute(
            SESSION, (session_id, account_id, channel, session_id.bytes, now, now, now + timedelta(days=30))
        )
        for grant in grants:
            connection.execute(GRANT, (new_id(), account_id, grant.role, grant.scope, grant.scope_id, now))
    if kind == "resident":
        grants = (Grant("resident", "own"), *grants)
    token, _ = AccessTokens(KeyRing.parse(TEST_RING), environment=environment).issue(
        account_id=account_id,
        session_id=session_id,
        assurance=assurance,
        channel=channel,
        grants=grants,
        now=now,
    )
    return {"Authorization": f"Bearer {token}"}


def who(headers: dict[str, str]) -> UUID:
    """The account behind ``headers``."""
    tokens = AccessTokens(KeyRing.parse(TEST_RING), environment="production")
    return tokens.verify(headers["Authorization"].removeprefix("Bearer "), now=clock.now()).account_id


@contextmanager
def unlimited_city(
    tmp_path_factory: Any, server_url: str, city_template: str, redis_url: str
) -> Iterator[tuple[Running, str]]:
    """A server that counts no calls, on a demo city of its own, and its database's address. Errors in its log fail."""
    name = create_database(server_url, city_template)
    url = url_of(server_url, name)
    log = tmp_path_factory.mktemp("unlimited") / "log"
    with serving(log, database_url=url, redis_url=redis_url, limits="off") as one:
        yield one, url
        assert [line for line in one.log() if line["level"] == "ERROR" or line.get("status") == 500] == []
    drop_database(server_url, name)
