"""What the worker does for complaints: those nobody answered in time go to those above."""

import logging
from functools import cache
from zoneinfo import ZoneInfo

from procrastinate import App

from booking.feedback.answering import escalate_overdue
from core import clock
from core.database import Database
from core.keyring import load_key_ring
from core.settings import Settings

log = logging.getLogger(__name__)


def add_feedback_tasks(jobs: App, settings: Settings) -> None:
    """Every ten minutes, since a deadline is a day and not an hour; any number of workers may."""
    ring = cache(lambda: load_key_ring(settings))

    @jobs.periodic(cron="*/10 * * * *")
    @jobs.task(name="escalate_complaints", queueing_lock="escalate_complaints")
    async def escalate_complaints(timestamp: int) -> None:
        """Escalate complaints whose last day has passed."""
        now = clock.now()
        today = now.astimezone(ZoneInfo(settings.zone)).date()
        escalated = 0
        async with Database(settings) as database:
            while True:
                async with database.transaction() as session:
                    done = await escalate_overdue(session, ring=ring(), today=today, now=now)
                escalated += done
                if not done:
                    break
        if escalated:
            log.info("complaints escalated", extra={"complaints": escalated})
