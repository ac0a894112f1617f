"""Bring a database to this version: our tables by Alembic, the queue's by procrastinate, and the category tree."""

from functools import cache

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from procrastinate.schema import SchemaManager
from psycopg import Connection as DriverConnection
from sqlalchemy import Connection, create_engine, make_url, text

from api.roles import grant_application
from geo.categories import write_categories

# One migration at a time, whoever starts it; the number is ours.
MIGRATION_LOCK = 0x58494E42414E  # "XINBAN"


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", "api:migrations")
    config.attributes["connection"] = connection
    return config


@cache
def head_revision() -> str | None:
    """The newest migration this version knows."""
    config = Config()
    config.set_main_option("script_location", "api:migrations")
    return ScriptDirectory.from_config(config).get_current_head()


def migrate(database_url: str, *, application_url: str | None = None) -> None:
    """Create or upgrade every table in one transaction. Safe to call at every start, by several processes.

    ``application_url``: how the application connects, when it is not the owner of the tables; its role then gets its
    rights. Raises RoleError.
    """
    engine = create_engine(make_url(database_url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        command.upgrade(_config(connection), "head")
        if not connection.scalar(text("select to_regclass('procrastinate_jobs') is not null")):
            connection.exec_driver_sql(SchemaManager.get_schema().replace("%", "%%"))
        driver = connection.connection.driver_connection
        assert isinstance(driver, DriverConnection)
        write_categories(driver)
        if application_url is not None:
            grant_application(driver, application_url)
    engine.dispose()


def check_migrations(database_url: str) -> None:
    """Compare models with the migrated database. Raises alembic.util.CommandError naming each difference."""
    engine = create_engine(make_url(database_url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        command.check(_config(connection))
    engine.dispose()


def new_revision(database_url: str, message: str) -> None:
    """Write a migration from the difference between models and database, to be read and edited by its author."""
    engine = create_engine(make_url(database_url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        command.revision(_config(connection), message=message, autogenerate=True)
    engine.dispose()
