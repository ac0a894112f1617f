"""Reading an inbox, and choosing how to be told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from api.inbox.delivering import BODY
from booking.people.persons import get_account
from core.actor import Actor
from core.database import Database
from core.keyring import KeyRing

Sms = Literal["all", "important", "none"]
# Uses inbox_event_account_id_number_key and event_message_pkey.
BEHIND = """
select e.id, e.number, e.event_id, e.kind, e.subject_id, e.person_id, e.body, e.created_at,
       m.state, m.account_id is not null
from inbox_event e left join event_message m on m.id = e.message_id
where e.account_id = %(account_id)s and e.number > %(after)s
order by e.number limit %(limit)s
"""
# What is unread of what is still kept: the oldest go after their time.
STANDING = """
select last_number, last_number - greatest(read_to, coalesce((
    select number from inbox_event where inbox_event.account_id = inbox.account_id order by number limit 1
), last_number + 1) - 1)
from inbox where account_id = %s
"""
READ = text("""
insert into inbox (account_id) values (:account_id)
on conflict (account_id) do update set read_to = greatest(inbox.read_to, least(:up_to, inbox.last_number))
""")
CHOICE = text("select sms from inbox where account_id = :account_id")
CHOOSE = text("""
insert into inbox (account_id, sms) values (:account_id, :sms)
on conflict (account_id) do update set sms = excluded.sms
""")


@dataclass(frozen=True, slots=True)
class Item:
    """One message. ``sms``: what became of the text message about it; ``sms_to_me``: it went to this account's phone."""

    number: int
    event_id: UUID
    kind: str
    subject_id: UUID
    person_id: UUID | None
    at: datetime
    body: Mapping[str, Any]
    sms: str | None
    sms_to_me: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Messages in the order of their numbers. ``last``: the highest number there is, 0 in an empty inbox."""

    items: list[Item]
    last: int
    unread: int


async def read_inbox(database: Database, ring: KeyRing, *, account_id: UUID, after: int, limit: int) -> Page:
    """What came behind ``after``. Holds a connection for three short statements and none afterwards.

    ``after`` beyond the last number, as from another account's inbox, means the last.
    """
    async with database.hot() as connection:
        standing = await (await connection.execute(STANDING, (account_id,))).fetchone()
        last, unread = standing or (0, 0)
        rows = await (
            await connection.execute(
                BEHIND, {"account_id": account_id, "after": min(after, last), "limit": limit}
            )
        ).fetchall()
    items = [_item(ring, row) for row in rows]
    return Page(items, max(last, items[-1].number if items else 0), unread)


def _item(ring: KeyRing, row: tuple[Any, ...]) -> Item:
    row_id, number, event_id, kind, subject_id, person_id, body, at, state, to_me = row
    return Item(
        number,
        event_id,
        kind,
        subject_id,
        person_id,
        at,
        orjson.loads(ring.decrypt(BODY, row_id, body)),
        state,
        to_me,
    )


async def mark_read(session: AsyncSession, actor: Actor, *, up_to: int) -> int:
    """Messages up to this number were read; how many are unread then. It never goes back."""
    await session.execute(READ, {"account_id": actor.account_id, "up_to": up_to})
    row = (
        await session.execute(text(STANDING.replace("%s", ":account_id")), {"account_id": actor.account_id})
    ).one()
    return int(row[1])


async def read_choices(session: AsyncSession, actor: Actor) -> tuple[Sms, str]:
    """About what the actor wants text messages, and in which language."""
    sms = await session.scalar(CHOICE, {"account_id": actor.account_id})
    return cast(Sms, sms or "important"), (await get_account(session, actor)).language


async def choose(session: AsyncSession, actor: Actor, *, sms: Sms, language: str) -> None:
    """Choose both."""
    account = await get_account(session, actor, lock=True)
    if account.language != language:
        account.language = language
        account.version += 1
    await session.flush()
    await session.execute(CHOOSE, {"account_id": actor.account_id, "sms": sms})
