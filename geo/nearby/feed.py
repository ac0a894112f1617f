"""Keeps a process' nearby index up with the database, in a thread of its own.

PostgreSQL tells of changes by NOTIFY, once a transaction; what changed is in ``site_change``. A plain "xid > last"
would lose transactions that began early and committed late, so each look remembers its snapshot, and the next reads
the changes of all transactions which that one did not see. A transaction that runs for an hour holds nothing up.

While the database is away the last index goes on serving and ``stale_since`` says since when. After coming back, and
when too much changed, the index is read anew; requests keep the old one until the new one stands.
"""

import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import Connection, IsolationLevel

from geo.calendar.store import read_calendar
from geo.categories import CategoryTree, read_categories
from geo.nearby.index import Index, build_index, patch_index, sites_to_read
from geo.nearby.rows import read_rows

log = logging.getLogger(__name__)

# More younger sites than this share of the oldest segment, or this many, are worth folding in.
FOLD_SHARE, FOLD_AT_LEAST = 0.02, 5_000
HEARTBEAT_SECONDS, LISTEN_SECONDS = 5.0, 0.5
RETRY_SECONDS = 1.0
STOP_SECONDS = 10.0
# A connection whose packets are not answered is given up after this long, not after TCP's quarter of an hour.
UNANSWERED_SECONDS = 15
# Changes that arrive together are read together.
GATHER_SECONDS = 0.05

# The first condition is implied by the second; it is the one that an index serves.
CHANGES = """select site_id from site_change
where xid >= pg_snapshot_xmin(%(since)s::pg_snapshot) and not pg_visible_in_snapshot(xid, %(since)s::pg_snapshot)"""


@dataclass(frozen=True)
class Loaded:
    """What one process knows: the index, the category tree, and the snapshot all of it was read in."""

    index: Index
    categories: CategoryTree
    since: str


class IndexFeed:
    """Start with ``start()``; read ``loaded`` and ``stale_since`` from any thread; end with ``stop()``."""

    def __init__(
        self,
        database_url: str,
        *,
        region: str,
        shifted: bool,
        clock: Callable[[], datetime],
        fold_at_least: int = FOLD_AT_LEAST,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._url = database_url
        self._fold_at_least = fold_at_least
        self._heartbeat_seconds = heartbeat_seconds
        self._region = region
        self._shifted = shifted
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nearby-index", daemon=True)
        self.loaded: Loaded | None = None
        self.stale_since: datetime | None = None
        self.refreshes = 0

    def start(self) -> None:
        """Begin to load; ``loaded`` is None until the first index stands."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; waits for a look that is under way."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._connect() as connection:
                    self._follow(connection)
            except psycopg.OperationalError as error:
                self._mark_stale()
                log.warning("nearby index cannot reach the database", extra={"error": type(error).__name__})
            except Exception:  # a thread that died in silence would serve an old index for ever
                self._mark_stale()
                log.exception("nearby index could not be refreshed")
            self._stopping.wait(RETRY_SECONDS)

    def _mark_stale(self) -> None:
        if self.stale_since is None:
            self.stale_since = self._clock()

    def _connect(self) -> Connection[Any]:
        connection = psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=5,
            application_name="xinban nearby index",
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=2,
            tcp_user_timeout=UNANSWERED_SECONDS * 1000,
        )
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        return connection

    def _follow(self, connection: Connection[Any]) -> None:
        connection.execute("listen xinban_geo")
        if self.loaded is None:
            self.loaded = self._load(connection)
        else:
            # Notifications sent while we were away are lost; their rows are not.
            self.loaded = self._refresh(connection, self.loaded, {"calendar", "reload", "site"})
        self._fresh()
        while not self._stopping.is_set():
            heard = self._hear(connection)
            if self._stopping.is_set():
                return
            if heard:
                self.loaded = self._refresh(connection, self.loaded, heard)
            else:
                connection.execute("select 1")
            self._fresh()

    def _fresh(self) -> None:
        if self.stale_since is not None:
            log.info("nearby index is up to date again")
        self.stale_since = None
        self.refreshes += 1

    def _hear(self, connection: Connection[Any]) -> set[str]:
        """Payloads heard; waits for the first, at most a heartbeat long, then briefly for more."""
        for _ in range(math.ceil(self._heartbeat_seconds / LISTEN_SECONDS)):
            heard = {notify.payload for notify in connection.notifies(timeout=LISTEN_SECONDS, stop_after=1)}
            if heard:
                return heard | {notify.payload for notify in connection.notifies(timeout=GATHER_SECONDS)}
            if self._stopping.is_set():
                break
        return set()

    def _load(self, connection: Connection[Any]) -> Loaded:
        with connection.transaction():
            since = _snapshot(connection)
            categories = read_categories(connection)
            calendar = read_calendar(connection, region=self._region)
            rows = read_rows(connection)
        index = build_index(rows, categories.ancestors(), calendar, shifted=self._shifted)
        log.info("nearby index loaded", extra={"sites": len(index)})
        return Loaded(index, categories, since)

    def _refresh(self, connection: Connection[Any], old: Loaded, heard: set[str]) -> Loaded:
        if "reload" in heard:
            return self._load(connection)
        with connection.transaction():
            since = _snapshot(connection)
            calendar = old.index.tables.calendar
            if "calendar" in heard:
                calendar = read_calendar(connection, region=self._region)
            changed = [site_id for (site_id,) in connection.execute(CHANGES, {"since": old.since})]
            kept, wanted = sites_to_read(old.index, changed)
            first, *young = old.index.segments[:kept]
            if len(wanted) + sum(map(len, young)) <= max(self._fold_at_least, FOLD_SHARE * len(first)):
                rows = read_rows(connection, list(wanted))
                index = patch_index(old.index, changed, rows, calendar, kept=kept, shifted=self._shifted)
                return Loaded(index, old.categories, since)
        return self._load(connection)


def _snapshot(connection: Connection[Any]) -> str:
    row = connection.execute("select pg_current_snapshot()::text").fetchone()
    assert row is not None
    return str(row[0])
