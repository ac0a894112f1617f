"""What the worker does for the desk: who did not come is noted once no device can still say otherwise."""

import logging

from procrastinate import App

from booking.desk.absences import forget_sync_items, mark_absences
from core import clock
from core.database import Database
from core.settings import Settings

log = logging.getLogger(__name__)


def add_desk_tasks(jobs: App, settings: Settings) -> None:
    """Twice an hour; any number of workers may."""

    @jobs.periodic(cron="11,41 * * * *")
    @jobs.task(name="mark_absences", queueing_lock="mark_absences")
    async def mark(timestamp: int) -> None:
        """Note reservations of a day ago that nobody came for."""
        now, marked = clock.now(), 0
        async with Database(settings) as database:
            while True:
                async with database.transaction() as session:
                    done = await mark_absences(session, now=now)
                marked += done
                if not done:
                    break
        if marked:
            log.info("absences noted", extra={"reservations": marked})

    @jobs.periodic(cron="37 3 * * *")
    @jobs.task(name="forget_sync_items", queueing_lock="forget_sync_items")
    async def forget(timestamp: int) -> None:
        """Remove what devices of the desk sent more than a month ago."""
        async with Database(settings) as database, database.transaction() as session:
            await forget_sync_items(session, now=clock.now())
