"""Tasks of community workers: people whom no message reaches (上门或电话告知). Each look is on record."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from api.inbox.errors import OutreachDone, OutreachNotFound
from api.inbox.models import OutreachTask
from booking.people.directory import lives_inside
from booking.people.models import Person
from core import audit
from core.actor import Actor
from core.keyring import KeyRing
from core.permissions import require, scopes
from geo.models import Site
from geo.sites.places import scope_condition

ACTION = "outreach.handle"
NOTE = "outreach_task.note"
State = Literal["open", "done"]
Row = tuple[OutreachTask, Person, Site | None]


def _within(actor: Actor) -> ColumnElement[bool]:
    """Of a site in the actor's scope, or about somebody who lives in it."""
    return or_(scope_condition(scopes(actor, ACTION)), lives_inside(actor, ACTION))


def _tasks(actor: Actor) -> Select[OutreachTask, Person, Site | None]:
    return (
        select(OutreachTask, Person, Site)
        .join(Person, Person.id == OutreachTask.person_id)
        .outerjoin(Site, Site.id == OutreachTask.site_id)
        .where(_within(actor))
    )


async def list_tasks(
    session: AsyncSession,
    actor: Actor,
    *,
    state: State,
    site_id: UUID | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
    now: datetime,
) -> Sequence[Row]:
    """The most urgent first, one more than ``limit`` when there are more. Uses outreach_task_state_due_at_idx."""
    require(actor, ACTION)
    query = (
        _tasks(actor)
        .where(OutreachTask.state == state)
        .order_by(OutreachTask.due_at, OutreachTask.id)
        .limit(limit + 1)
    )
    if site_id is not None:
        query = query.where(OutreachTask.site_id == site_id)
    if after is not None:
        query = query.where(
            tuple_(OutreachTask.due_at, OutreachTask.id) > tuple_(literal(after[0]), literal(after[1]))
        )
    found = [row._tuple() for row in await session.execute(query)]
    await audit.record(
        session,
        actor,
        action=ACTION,
        object_kind="outreach_task",
        person_ids=sorted({task.person_id for task, _, _ in found[:limit]}),
        detail={"read": ["name", "body"], "found": len(found[:limit])},
        now=now,
    )
    return found


async def finish_task(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, task_id: UUID, note: str, now: datetime
) -> Row:
    """Note that they were told, and how. Raises OutreachNotFound, also outside the scope, OutreachDone."""
    require(actor, ACTION)
    query = _tasks(actor).where(OutreachTask.id == task_id).with_for_update(of=OutreachTask)
    row = (await session.execute(query)).one_or_none()
    if row is None:
        raise OutreachNotFound("请核对编号。", "Check the id.")
    task = row.OutreachTask
    if task.state == "done":
        raise OutreachDone("不需要再次告知。", "They need not be told again.", done_at=task.done_at)
    task.state, task.done_by, task.done_at = "done", actor.account_id, now
    task.note = ring.encrypt(NOTE, task.id, note)
    await session.flush()
    await audit.record(
        session,
        actor,
        action=ACTION,
        object_kind="outreach_task",
        object_id=task.id,
        person_ids=[task.person_id],
        detail={"state": "done", "kind": task.kind},
        now=now,
    )
    return row._tuple()
