"""The nightly purge."""

from procrastinate import App

from api.privacy.purge import purge
from core import clock
from core.actor import SYSTEM
from core.database import Database
from core.keyring import load_key_ring
from core.settings import Settings


def add_privacy_tasks(jobs: App, settings: Settings) -> None:
    """Register the purge, at 03:40 UTC+8 each night."""

    @jobs.periodic(cron="40 19 * * *")
    @jobs.task(name="purge_personal_data", queueing_lock="purge_personal_data")
    async def purge_personal_data(timestamp: int) -> None:
        """What is past its time goes; what a night leaves undone the next one does."""
        async with Database(settings) as database:
            async for _ in purge(database, SYSTEM, ring=load_key_ring(settings), now=clock.now()):
                pass
