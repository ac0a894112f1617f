"""Work on an import put into the queue inside the caller's transaction: it is there when the change is, and not before."""

from typing import Literal
from uuid import UUID

from procrastinate import App, PsycopgConnector
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import driver_connection

Work = Literal["check", "apply", "undo"]
# One import at a time, in all workers together: two at once would only wait for each other's rows and memory.
LOCK = "imports"


def task_name(work: Work) -> str:
    """What the queue calls ``work``."""
    return f"imports.{work}"


async def put_in_queue(session: AsyncSession, *, work: Work, job_id: UUID) -> None:
    """Have a worker do ``work`` on a job."""
    connection = await driver_connection(session)
    app = App(connector=PsycopgConnector())  # never opened: the statement runs on our connection
    deferrer = app.configure_task(task_name(work), lock=LOCK, connection=connection, allow_unknown=True)
    await deferrer.defer_async(job_id=str(job_id))
