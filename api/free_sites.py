"""Which sites have a place that can be booked, as one process knows it: asked every few seconds, never by a request."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from time import monotonic
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout

from booking.availability.free_sites import free_sites
from core.database import Database
from core.errors import Unavailable
from geo.nearby.segment import Chosen

log = logging.getLogger(__name__)

EVERY_SECONDS = 3.0
# Older than this is not what was promised, whatever keeps it from being read anew.
FRESH_SECONDS = 5.0
PATIENCE_SECONDS = 30.0


class FreeSitesUnknown(Unavailable):
    """Which sites have a free place is not known for the moment."""

    code = "free-sites-unknown"
    title_zh = "暂时无法查询余位"


class FreeSites:
    """Start with ``start()``, end with ``stop()``. While the database is away the last answer stands."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._ids: frozenset[UUID] | None = None
        self._chosen: Chosen | None = None
        self._read_at: datetime | None = None
        self._task: asyncio.Task[None] | None = None

    def chosen(self) -> Chosen:
        """As a filter for ``nearby``. Raises FreeSitesUnknown until it was found out once."""
        if self._chosen is None:
            raise FreeSitesUnknown(
                "请稍后再试，或去掉 bookable。", "Try again, or leave `bookable` out.", retry_after_seconds=3
            )
        return self._chosen

    @property
    def stale_since(self) -> datetime | None:
        """When it was read, if that is longer ago than it should be."""
        old = self._read_at is not None and (self._clock() - self._read_at).total_seconds() > FRESH_SECONDS
        return self._read_at if old else None

    def start(self) -> None:
        """Begin to ask, in the running loop."""
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """End it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            started = monotonic()
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._refresh()
            except (psycopg.Error, PoolTimeout, OSError) as error:
                log.warning("free places cannot be read", extra={"error": type(error).__name__})
            except Exception:  # a task that died in silence would answer with an old set for ever
                log.exception("free places could not be found out")
            # A look that takes long itself is followed by the next the sooner, but never by one after another.
            await asyncio.sleep(max(EVERY_SECONDS / 3, EVERY_SECONDS - (monotonic() - started)))

    async def _refresh(self) -> None:
        now = self._clock()
        async with self._database.hot() as connection:
            ids = await free_sites(connection, now=now)
        if ids != self._ids:
            # With 100,000 ids it takes tens of milliseconds, for which nobody should wait.
            self._chosen = await asyncio.to_thread(Chosen, ids)
            self._ids = ids
        self._read_at = now
