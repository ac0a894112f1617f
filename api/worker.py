"""The worker: jobs from PostgreSQL. Any number may run."""

import asyncio
import logging
import signal

import psycopg
from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.exceptions import ConnectorException

from api.imports.tasks import add_import_tasks
from api.inbox.delivering import deliver_events
from api.messages.relay import deliver_messages
from api.privacy.tasks import add_privacy_tasks
from api.tasks.audit import add_audit_tasks
from api.tasks.booking import add_booking_tasks
from api.tasks.desk import add_desk_tasks
from api.tasks.feedback import add_feedback_tasks
from api.tasks.queues import add_queue_tasks, move_queues
from api.tasks.sites import add_site_tasks
from api.tasks.telling import add_telling_tasks
from core.settings import Settings

log = logging.getLogger(__name__)

KEEP_FINISHED_HOURS = 72
# A job whose worker has not been heard of for this long is given to another.
STALLED_SECONDS = 300
RETRY_SECONDS = 2.0
# For a connection, before the database counts as lost.
WAIT_SECONDS = 5.0
FINISH_SECONDS = 20.0
# An import of minutes, of which there is one at a time, keeps no other job waiting.
CONCURRENCY = 4


def make_jobs(settings: Settings) -> App:
    """The queue with all its tasks; not yet opened."""
    jobs = App(
        connector=PsycopgConnector(
            conninfo=settings.database_url,
            min_size=1,
            max_size=4,
            timeout=WAIT_SECONDS,
            reconnect_timeout=WAIT_SECONDS,
        )
    )

    @jobs.periodic(cron="*/5 * * * *")
    @jobs.task(name="retry_stalled", queueing_lock="retry_stalled", pass_context=True)
    async def retry_stalled(context: JobContext, timestamp: int) -> None:
        """Jobs of workers that died are done by others."""
        for job in await jobs.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
            log.warning("retrying a stalled job", extra={"job": job.id, "task": job.task_name})
            await jobs.job_manager.retry_job(job)

    @jobs.periodic(cron="17 4 * * *")
    @jobs.task(name="remove_finished", queueing_lock="remove_finished", pass_context=True)
    async def remove_finished(context: JobContext, timestamp: int) -> None:
        """Finished jobs are kept for some days and then removed."""
        await jobs.job_manager.delete_old_jobs(nb_hours=KEEP_FINISHED_HOURS)

    add_audit_tasks(jobs, settings)
    add_booking_tasks(jobs, settings)
    add_desk_tasks(jobs, settings)
    add_feedback_tasks(jobs, settings)
    add_import_tasks(jobs, settings)
    add_privacy_tasks(jobs, settings)
    add_queue_tasks(jobs, settings)
    add_site_tasks(jobs, settings)
    add_telling_tasks(jobs, settings)
    return jobs


async def work(settings: Settings) -> None:
    """Work until told to stop (SIGINT, SIGTERM); a job under way is finished first.

    procrastinate's worker ends when it loses the database, now with an error, now without: it is started again.
    """
    stopping = asyncio.Event()
    beside = [asyncio.create_task(one(settings)) for one in (deliver_events, deliver_messages, move_queues)]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    told = asyncio.create_task(stopping.wait())
    while not stopping.is_set():
        run = asyncio.create_task(_work_once(settings))
        await asyncio.wait({run, told}, return_when=asyncio.FIRST_COMPLETED)
        if stopping.is_set():
            run.cancel()  # procrastinate finishes what is under way
        try:
            await run
        except asyncio.CancelledError:
            break
        except (ConnectorException, psycopg.OperationalError) as error:
            reason = error.__cause__ or error
            log.warning("worker lost the database, will try again", extra={"error": type(reason).__name__})
        if not stopping.is_set():
            await asyncio.wait({told}, timeout=RETRY_SECONDS)
    for one in beside:
        one.cancel()
    await asyncio.gather(*beside, return_exceptions=True)
    log.info("worker stopped")


async def _work_once(settings: Settings) -> None:
    # Found out here, since the queue's pool would try for half a minute before it says so.
    await (await psycopg.AsyncConnection.connect(settings.database_url, connect_timeout=5)).close()
    jobs = make_jobs(settings)
    async with jobs.open_async():
        log.info("worker started")
        await jobs.run_worker_async(
            concurrency=CONCURRENCY,
            install_signal_handlers=False,
            delete_jobs="never",
            shutdown_graceful_timeout=FINISH_SECONDS,
        )
