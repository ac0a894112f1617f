"""Connections, and the one place where a transaction is committed.

``Database`` opens two doors to the same server: an ORM session where clarity matters, and ``hot()``, a psycopg pool
for single statements where load lands. Nothing here is created at import.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Self
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import MetaData, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from core.settings import Settings

# How long a caller waits for a connection before it is told to try again, and for how long one attempt is repeated.
POOL_SECONDS = 2.0
# A pooled connection that worked this short a while ago is used again without asking first, which costs a round trip.
TRUSTED_SECONDS = 0.05
# A server that vanished without a word is noticed within 10 s (libpq; ignored on unix sockets): a connection that hangs
# would hold what polls through it, and with it everyone signed in.
NOTICE_A_LOST_SERVER = {
    "tcp_user_timeout": 10_000,  # ms
    "keepalives_idle": 10,  # s
    "keepalives_interval": 5,  # s
    "keepalives_count": 2,
}
# Names of constraints are part of the contract between models and migrations.
NAMING = {
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}


class Base(DeclarativeBase):
    """Base of every model; tables have singular names."""

    metadata = MetaData(naming_convention=NAMING)


class Database:
    """An engine and a pool on one server. Use ``async with Database(settings) as database``."""

    def __init__(self, settings: Settings) -> None:
        self.url = settings.database_url
        self.engine: AsyncEngine = create_async_engine(
            make_url(self.url).set(drivername="postgresql+psycopg"),
            pool_size=settings.pool_size,
            max_overflow=0,
            pool_timeout=POOL_SECONDS,
            pool_pre_ping=True,
            hide_parameters=True,  # they hold places and names
            connect_args=NOTICE_A_LOST_SERVER,
        )
        self._used: WeakKeyDictionary[AsyncConnection[Any], float] = WeakKeyDictionary()
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self._pool: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
            self.url,
            min_size=1,
            max_size=settings.pool_size,
            open=False,
            check=self._check,
            kwargs={"autocommit": True, **NOTICE_A_LOST_SERVER},
            timeout=POOL_SECONDS,
            # psycopg waits longer and longer between attempts; measured, it was back 22 s after an outage of 40 s.
            reconnect_timeout=POOL_SECONDS,
        )

    async def __aenter__(self) -> Self:
        await self._pool.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._pool.close()
        await self.engine.dispose()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One unit of work: commits when the block ends, rolls back when it raises."""
        async with self._sessions() as session, session.begin():
            yield session

    @asynccontextmanager
    async def hot(self) -> AsyncIterator[AsyncConnection[Any]]:
        """A pooled connection on which each statement is its own transaction."""
        async with self._pool.connection() as connection:
            yield connection
        self._used[connection] = monotonic()

    async def _check(self, connection: AsyncConnection[Any]) -> None:
        """Ask whether ``connection`` still works, unless it did a moment ago: under load each is used again at once."""
        if monotonic() - self._used.get(connection, 0.0) > TRUSTED_SECONDS:
            await AsyncConnectionPool.check_connection(connection)


async def driver_connection(session: AsyncSession) -> AsyncConnection[Any]:
    """The psycopg connection inside ``session``'s own transaction, for COPY."""
    raw = await (await session.connection()).get_raw_connection()
    connection = raw.driver_connection
    assert isinstance(connection, AsyncConnection)
    return connection
