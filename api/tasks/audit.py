"""What running processes do for the audit record: the worker seals it, and each says when its role could change it."""

import logging
from datetime import datetime
from functools import cache

from procrastinate import App
from psycopg import Error
from psycopg_pool import PoolTimeout

from api.roles import CHANGEABLE
from core import clock
from core.audit.sealing import seal_all
from core.database import Database
from core.keyring import KeyRing, load_key_ring
from core.settings import Settings

log = logging.getLogger(__name__)


def add_audit_tasks(jobs: App, settings: Settings) -> None:
    """Seal every minute. The head goes to the log: where logs are collected elsewhere it is noted by itself."""
    ring = cache(lambda: load_key_ring(settings))

    @jobs.periodic(cron="* * * * *")
    @jobs.task(name="seal_audit", queueing_lock="seal_audit")
    async def seal_audit(timestamp: int) -> None:
        """Seal what was recorded since the last time."""
        async with Database(settings) as database:
            await seal(database, ring(), now=clock.now())


async def seal(database: Database, ring: KeyRing, *, now: datetime) -> None:
    """Seal everything that is committed, and say the new head."""
    made = await seal_all(database, ring, now=now)
    if made is not None:
        log.info("audit record sealed", extra={"head": f"{made.number}:{made.digest.hex()}"})


async def warn_if_changeable(database: Database) -> None:
    """Log a warning when this process' role may change what was recorded. A database that is away is no reason to."""
    try:
        async with database.hot() as connection:
            row = await (await connection.execute(CHANGEABLE)).fetchone()
    except (Error, PoolTimeout, OSError):
        return
    if row is not None and row[0]:
        log.warning(
            "the application's database role may change the audit record; give it a role of its own: docs/security.md"
        )
