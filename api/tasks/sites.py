"""What the worker does for sites: those closed for good leave the lists when their day has come."""

import logging

from procrastinate import App

from core import clock
from core.actor import SYSTEM
from core.database import Database
from core.settings import Settings
from geo.sites.closures import apply_closures

log = logging.getLogger(__name__)


def add_site_tasks(jobs: App, settings: Settings) -> None:
    """Every five minutes; open states heed a closure from its first minute all the same."""

    @jobs.periodic(cron="*/5 * * * *")
    @jobs.task(name="apply_closures", queueing_lock="apply_closures")
    async def apply(timestamp: int) -> None:
        """Make sites inactive that close for good by now."""
        async with Database(settings) as database, database.transaction() as session:
            closed = await apply_closures(session, SYSTEM, now=clock.now())
        if closed:
            log.info("sites closed for good", extra={"sites": len(closed)})
