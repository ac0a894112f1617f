"""Text messages that were given up: somebody visits, unless what they said was read in the inbox meanwhile."""

from datetime import datetime

from sqlalchemy import exists, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from api.inbox.bodies import body_of
from api.inbox.channels import add_visit, visit
from api.inbox.facts import read_about
from api.inbox.models import EventMessage, Inbox, InboxEvent
from booking.models import Event
from core.database import Database
from core.keyring import KeyRing

AT_ONCE = 50
# As event_message_unsettled_idx says it.
IS_UNSETTLED = text("event_message.state = 'dead' and not event_message.settled")


async def settle_undelivered(database: Database, ring: KeyRing, *, now: datetime) -> int:
    """Make tasks of them; how many were looked at."""
    async with database.transaction() as session:
        dead = (
            await session.scalars(
                select(EventMessage)
                .where(IS_UNSETTLED)
                .order_by(EventMessage.id)
                .limit(AT_ONCE)
                .with_for_update(skip_locked=True)
            )
        ).all()
        for one in dead:
            one.settled = True
            if one.important and one.person_id is not None and not await _was_read(session, one):
                await _visit(session, ring, one, now)
    return len(dead)


async def _was_read(session: AsyncSession, one: EventMessage) -> bool:
    """Uses inbox_event_event_id_account_id_key."""
    return bool(
        await session.scalar(
            select(
                exists().where(
                    InboxEvent.event_id == one.event_id,
                    InboxEvent.account_id == one.account_id,
                    Inbox.account_id == one.account_id,
                    Inbox.read_to >= InboxEvent.number,
                )
            )
        )
    )


async def _visit(session: AsyncSession, ring: KeyRing, one: EventMessage, now: datetime) -> None:
    event = await session.get(Event, one.event_id)
    if event is None:
        return
    (about,) = await read_about(session, ring, [event])
    task = visit(ring, about, reason="undelivered", body=body_of(about, to_person=False), now=now)
    await add_visit(session, task)
