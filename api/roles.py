"""The application's own database role: it reads and writes rows, owns nothing, and only adds to records."""

from typing import Any, LiteralString

from psycopg import Connection
from psycopg.sql import SQL, Composed, Identifier, Literal
from sqlalchemy import make_url

# The rights a table gets; every other table gets all four.
ALL = ("select", "insert", "update", "delete")
RIGHTS = {
    "audit_entry": ("select", "insert"),
    "audit_seal": ("select", "insert"),
    "audit_pending": ("select", "insert", "delete"),
    "allocation": ("select", "insert"),  # the ledger of places
    "reservation_step": ("select", "insert"),  # the history of reservations
    "alembic_version": ("select",),
}
# Ours, not an extension's. 'S' are sequences.
OWNED = """
select c.relname, c.relkind = 'S' from pg_class c
where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p', 'S')
  and pg_has_role(c.relowner, 'usage')
  and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
order by 1
"""
# Any of the three: who may do one of them can change what was recorded. An owner and a superuser can.
CHANGEABLE = "select has_table_privilege('audit_entry', 'update, delete, truncate')"


class RoleError(Exception):
    """The application's role cannot be set up; says what to do."""


def grant_application(connection: Connection, application_url: str) -> None:
    """Give the role that ``application_url`` names its rights, inside the caller's transaction; make it if need be.

    Does nothing when the caller is that role itself. Raises RoleError.
    """
    url = make_url(application_url)
    if url.username is None:
        raise RoleError(
            "XINBAN_OWNER_DATABASE_URL is set, so XINBAN_DATABASE_URL must name the application's own role: postgresql://xinban_app@host/name"
        )
    role = Identifier(url.username)
    me, schema = _row(connection, "select current_user, current_schema()")
    if me == url.username:
        return
    if not _row(connection, "select exists (select from pg_roles where rolname = %s)", url.username)[0]:
        _create(connection, url.username, None if url.password is None else str(url.password))
    statements = [SQL("grant usage on schema {} to {}").format(Identifier(schema), role)]
    for name, is_sequence in connection.execute(OWNED).fetchall():
        statements += _rights(name, is_sequence=is_sequence, role=role)
    for kind, rights in (
        ("tables", "select, insert, update, delete"),
        ("sequences", "usage, select, update"),
    ):
        statements.append(
            SQL("alter default privileges in schema {} grant {} on {} to {}").format(
                Identifier(schema), SQL(rights), SQL(kind), role
            )
        )
    for statement in statements:
        connection.execute(statement)


def _rights(name: str, *, is_sequence: bool, role: Identifier) -> list[Composed]:
    object_ = Identifier(name)
    if is_sequence:
        return [SQL("grant usage, select, update on sequence {} to {}").format(object_, role)]
    rights = RIGHTS.get(name, ALL)
    given = SQL(", ").join(SQL(right) for right in rights)
    done = [SQL("grant {} on {} to {}").format(given, object_, role)]
    if rights != ALL:  # an earlier version, or the default privileges, may have given more
        done.insert(0, SQL("revoke all on {} from {}").format(object_, role))
    return done


def _create(connection: Connection, name: str, password: str | None) -> None:
    if not _row(connection, "select rolsuper or rolcreaterole from pg_roles where rolname = current_user")[0]:
        raise RoleError(
            f"the role {name} is missing and {connection.info.user} may not make roles;"
            f" have an administrator run: create role {name} login password '…'"
        )
    statement = SQL("create role {} login").format(Identifier(name))
    if password is not None:
        # Digested here: the server's log may keep the statement.
        digest = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
        statement += SQL(" password {}").format(Literal(digest.decode()))
    connection.execute(statement)


def _row(connection: Connection, query: LiteralString, *parameters: str) -> tuple[Any, ...]:
    row = connection.execute(query, parameters).fetchone()
    assert row is not None
    return row
