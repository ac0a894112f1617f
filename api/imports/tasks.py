"""The worker's tasks that work on imports. Their arguments are ids only."""

from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from uuid import UUID

import psycopg
from procrastinate import App, RetryStrategy
from procrastinate.exceptions import JobAborted
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from api.imports.place import Workplace
from api.imports.queue import Work, task_name
from api.imports.work import apply, check, undo
from core import clock
from core.database import Database
from core.keyring import load_key_ring
from core.settings import Settings
from geo.import_jobs.keeping import purge_uploads

# A database that is away, a deadlock: the state stays as it is until the next attempt.
PASSING = (psycopg.OperationalError, OperationalError, PoolTimeout, PoolExhausted, OSError)
# A worker that is told to stop cancels what takes too long; another one begins it anew.
STOPPED = (CancelledError, JobAborted)
RETRY = RetryStrategy(wait=15, retry_exceptions=(*PASSING, *STOPPED))  # type: ignore[arg-type]  # isinstance is all


def add_import_tasks(jobs: App, settings: Settings) -> None:
    """Have ``jobs`` do what ``api.imports.queue`` puts into the queue."""
    doings: dict[Work, Callable[[Workplace, UUID], Awaitable[None]]] = {
        "check": check,
        "apply": apply,
        "undo": undo,
    }
    for work, do in doings.items():
        jobs.task(name=task_name(work), retry=RETRY)(_task(settings, do))

    @jobs.periodic(cron="10 19 * * *")  # 03:10 in China
    @jobs.task(name="imports.purge", queueing_lock="imports.purge")
    async def purge(timestamp: int) -> None:
        """Uploads that are past their time."""
        async with Database(settings) as database, database.transaction() as session:
            await purge_uploads(session, now=clock.now())


def _task(
    settings: Settings, do: Callable[[Workplace, UUID], Awaitable[None]]
) -> Callable[[str], Awaitable[None]]:
    async def run(job_id: str) -> None:
        async with Database(settings) as database:
            workplace = Workplace(database, load_key_ring(settings), settings)
            try:
                await do(workplace, UUID(job_id))
            except PASSING:
                raise
            except Exception:  # whatever it was, whoever uploaded the file must not wait for ever
                await workplace.fail(UUID(job_id))
                raise

    return run
