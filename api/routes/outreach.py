"""People whom no message reaches: tasks of community workers."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.access import allowed
from api.conditional import private
from api.idempotency import ONCE_ERRORS, Once
from api.inbox.errors import OutreachDone, OutreachNotFound
from api.inbox.outreach import NOTE, Row, finish_task, list_tasks
from api.limits import LIMIT_ERRORS, limited
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.inbox import OutreachParameters, TaskDoneIn, TaskOut, TaskPage
from booking.people.persons import name_of
from core import clock
from core.actor import Actor
from core.errors import InvalidCursor
from core.keyring import KeyRing
from core.masking import mask_name
from core.paging import next_cursor, read_cursor
from core.permissions import NotAllowed, NotSignedIn

router = APIRouter(tags=["staff"])
May = Annotated[Actor, allowed("outreach.handle")]
DENIED = (NotSignedIn, NotAllowed)


@router.get("/v1/staff/outreach", response_model=TaskPage, responses=responses(*DENIED, InvalidCursor))
async def show_tasks(
    request: Request, actor: May, session: Session, asked: Annotated[OutreachParameters, Query()]
) -> Response:
    """Whom to tell, the most urgent first: of my sites, and who lives where I serve. Masked; each look is on record."""
    query = orjson.dumps(["outreach", asked.state, asked.site_id])
    rows = await list_tasks(
        session,
        actor,
        state=asked.state,
        site_id=asked.site_id,
        after=read_cursor(query, asked.next, datetime.fromisoformat, UUID),
        limit=asked.limit,
        now=clock.now(),
    )
    ring = runtime_of(request).ring
    return private(
        TaskPage(
            items=[_task_out(ring, row) for row in rows[: asked.limit]],
            next=next_cursor(query, rows, asked.limit, lambda row: (row[0].due_at.isoformat(), row[0].id)),
        )
    )


@router.post(
    "/v1/staff/outreach/{task_id}/done",
    dependencies=[limited("writes")],
    response_model=TaskOut,
    responses=responses(*LIMIT_ERRORS, *ONCE_ERRORS, *DENIED, OutreachNotFound, OutreachDone),
)
async def task_done(
    request: Request, actor: May, session: Session, once: Once, task_id: UUID, body: TaskDoneIn
) -> Response:
    """They were told."""
    ring = runtime_of(request).ring
    row = await finish_task(session, actor, ring=ring, task_id=task_id, note=body.note, now=clock.now())
    return await once.answer(_task_out(ring, row))


def _task_out(ring: KeyRing, row: Row) -> TaskOut:
    task, person, site = row
    said = orjson.loads(ring.decrypt("outreach_task.body", task.id, task.body))
    return TaskOut.model_validate(
        {
            "id": task.id,
            "kind": task.kind,
            "reason": task.reason,
            "state": task.state,
            "person_id": person.id,
            "person": mask_name(name_of(ring, person)) if person.name is not None else "*",
            "home_area_id": person.home_area_id,
            "site": None if site is None else {"id": site.id, "name": site.name},
            "due_at": task.due_at,
            "created_at": task.created_at,
            "done_at": task.done_at,
            "note": None if task.note is None else ring.decrypt(NOTE, task.id, task.note),
            **{name: said[name] for name in ("title_zh", "title_en", "text_zh", "text_en")},
        }
    )
