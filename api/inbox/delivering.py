"""Passes events on to inboxes. Any number of workers may run it, and one at a time does.

An event is taken, numbered into each inbox and marked as passed on in one transaction: what a worker that dies leaves is
done again from the start, and nothing twice. One at a time keeps the order in which things happened; the others look in
every half second, and the lock of one that died is free at once. Redis only wakes who waits, after the commit.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout
from redis.asyncio import Redis
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncSession

import core.clock
from api.inbox.bodies import body_of
from api.inbox.channels import Texting, add_visit, visit
from api.inbox.facts import About, read_about
from api.inbox.models import EventMessage, Inbox, InboxEvent
from api.inbox.undelivered import settle_undelivered
from api.inbox.wakes import make_waker, wake
from booking.models import Event
from booking.people.dates import local_date
from booking.people.models import Account
from core.database import Database
from core.ids import new_id
from core.keyring import KeyRing, KeyRingError, load_key_ring
from core.settings import Settings

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
AT_ONCE = 200
BODY = "inbox_event.body"
# Advisory, for the transaction: whoever holds it passes events on. A worker that hangs must not keep it.
TURN = text("select pg_try_advisory_xact_lock(hashtextextended('xinban.inbox', 0))")
PATIENCE = text("set local idle_in_transaction_session_timeout = '30s'")
# As event_waiting_idx says it.
IS_WAITING = text("event.relayed_at is null")
# The database is away, or another transaction was in the way: the same will work later.
AWAY = (OperationalError, InterfaceError, PoolExhausted, psycopg.OperationalError, PoolTimeout, OSError)
# In the order of accounts, first the rows that are missing: two transactions never wait for each other in a circle.
ENSURE = text("""
insert into inbox (account_id) select unnest(cast(:ids as uuid[])) order by 1 on conflict do nothing
""")
# Uses delegation_grantee_id_idx.
ACTING = text("""
select grantee_id, person_id from delegation
where grantee_id = any(:ids) and state = 'active' and until_on >= :today
""")


@dataclass(frozen=True, slots=True)
class Recipient:
    """An account to be told; ``to_person``: it is the person's own."""

    account: Account
    to_person: bool


@dataclass(slots=True)
class Batch:
    """What one transaction passes on."""

    events: Sequence[Event] = ()
    recipients: dict[UUID, list[Recipient]] = field(default_factory=dict)  # by event
    accounts: set[UUID] = field(default_factory=set)


async def deliver_events(settings: Settings) -> None:
    """What a worker runs until it is cancelled. Raises KeyRingError when there are no keys."""
    ring = load_key_ring(settings)
    async with Database(settings) as database, make_waker(settings) as redis:
        while True:
            taken = 0
            try:
                taken = await deliver_once(database, ring, redis, now=core.clock.now())
                await settle_undelivered(database, ring, now=core.clock.now())
            except (*AWAY, KeyRingError) as error:
                log.warning("events cannot be passed on", extra={"error": type(error).__name__})
            except Exception:  # whatever is wrong, others must still be told
                log.exception("unexpected error while passing events on")
            if taken < AT_ONCE:
                await asyncio.sleep(POLL_SECONDS)


async def deliver_once(
    database: Database, ring: KeyRing, redis: Redis | None, *, most: int = AT_ONCE, now: datetime
) -> int:
    """Pass on what waits, ``most`` at most; how many events were. None while another worker is at it.

    One that cannot be told keeps no other waiting: then each goes by itself. Raises AWAY.
    """
    taken: list[UUID] = []
    try:
        batch = await _deliver(database, ring, most, now, taken=taken)
    except AWAY:
        raise
    except Exception:  # whatever is wrong with one of them, the others are told
        log.warning("events go one by one", exc_info=True)
        return sum([await _deliver_alone(database, ring, redis, event_id, now) for event_id in taken])
    if redis is not None:
        await wake(redis, batch.accounts)
    return len(batch.events)


async def _deliver_alone(
    database: Database, ring: KeyRing, redis: Redis | None, event_id: UUID, now: datetime
) -> int:
    """How many events were passed on or given up: 1, or 0 of one that waits for a worker with another key ring."""
    try:
        batch = await _deliver(database, ring, 1, now, only=event_id)
    except AWAY:
        raise
    except KeyRingError:
        log.error("an event waits for a worker with its key", extra={"event_id": str(event_id)})
        return 0
    except Exception:  # it would fail again for ever, and stand in the way of those behind
        log.exception("an event cannot be told and is given up", extra={"event_id": str(event_id)})
        async with database.transaction() as session:
            await session.execute(update(Event).where(Event.id == event_id).values(relayed_at=now))
        return 1
    if redis is not None:
        await wake(redis, batch.accounts)
    return len(batch.events)


async def _deliver(
    database: Database,
    ring: KeyRing,
    most: int,
    now: datetime,
    *,
    only: UUID | None = None,
    taken: list[UUID] | None = None,
) -> Batch:
    """``taken`` hears which events it is about, also when it fails."""
    async with database.transaction() as session:
        if not await session.scalar(TURN):
            return Batch()
        events = await _take(session, most, only)
        if not events:
            return Batch()
        if taken is not None:
            taken += [one.id for one in events]
        await session.execute(PATIENCE)
        abouts = await read_about(session, ring, events)
        batch = await _address(session, abouts, now)
        batch.events = events
        await _put(session, ring, abouts, batch, now)
        await session.execute(
            update(Event).where(Event.id.in_([one.id for one in events])).values(relayed_at=now)
        )
    return batch


async def _take(session: AsyncSession, most: int, only: UUID | None) -> Sequence[Event]:
    """The oldest that wait. Uses event_waiting_idx."""
    query = select(Event).where(IS_WAITING).order_by(Event.id).limit(most).with_for_update(skip_locked=True)
    if only is not None:
        query = query.where(Event.id == only)
    return (await session.scalars(query)).all()


async def _address(session: AsyncSession, abouts: Sequence[About], now: datetime) -> Batch:
    """Who is told: the person's own account, and whoever did it for them while they still may act for them."""
    batch = Batch()
    others = {one.event.account_id for one in abouts if one.event.account_id is not None}
    own = {
        one.person.account_id
        for one in abouts
        if one.person is not None and one.person.account_id is not None
    }
    if not (others | own):
        return batch
    found = await session.scalars(
        select(Account).where(Account.id.in_(sorted(others | own)), Account.state != "erased")
    )
    accounts: Mapping[UUID | None, Account] = {one.id: one for one in found}
    rows = await session.execute(ACTING, {"ids": sorted(others), "today": local_date(now)})
    acting = {(row.grantee_id, row.person_id) for row in rows}
    for one in abouts:
        told: list[Recipient] = []
        person = one.person if one.person is not None and one.person.erased_at is None else None
        mine = accounts.get(person.account_id) if person is not None else None
        if mine is not None:
            told.append(Recipient(mine, to_person=True))
        other = accounts.get(one.event.account_id)
        if other is not None and other is not mine:
            if one.event.person_id is None:
                told.append(Recipient(other, to_person=True))
            elif (other.id, one.event.person_id) in acting:
                told.append(Recipient(other, to_person=False))
        batch.recipients[one.event.id] = told
        batch.accounts |= {each.account.id for each in told}
    return batch


async def _put(
    session: AsyncSession, ring: KeyRing, abouts: Sequence[About], batch: Batch, now: datetime
) -> None:
    """Number each event into its inboxes, and send what goes by other ways."""
    inboxes = await _lock(session, sorted(batch.accounts))
    numbers = {account_id: one.last_number for account_id, one in inboxes.items()}
    # Somebody may have had an event passed on again by hand.
    reached = await _reached(session, [one.event for one in abouts])
    known = {
        (row.event_id, row.account_id)
        for row in await session.execute(
            select(InboxEvent.event_id, InboxEvent.account_id).where(
                InboxEvent.event_id.in_([one.event.id for one in abouts])
            )
        )
    }
    texting = Texting(session, ring, now)
    rows = []
    for about in abouts:
        recipients = batch.recipients.get(about.event.id, [])
        to_person = None
        by_inbox = any(one.to_person for one in recipients)
        if about.event.person_id is not None and not by_inbox and about.event.id not in reached:
            to_person = await _reach(session, texting, about, told=bool(recipients))
        for one in recipients:
            account_id = one.account.id
            if (about.event.id, account_id) in known:
                continue
            sms = inboxes[account_id].sms
            sent = await texting.to_account(about, one.account, sms, to_person=one.to_person)
            numbers[account_id] += 1
            message_id = sent.id if sent is not None else to_person
            rows.append(_row(ring, about, one, numbers[account_id], message_id, now))
    if rows:
        await session.execute(insert(InboxEvent), rows)
    for account_id, number in numbers.items():
        inboxes[account_id].last_number = number
    await session.flush()


async def _reached(session: AsyncSession, events: Sequence[Event]) -> set[UUID]:
    """Those about which the person got a text message. Uses event_message_person_id_idx."""
    query = select(EventMessage.event_id).where(
        EventMessage.person_id.in_({one.person_id for one in events} - {None}),
        EventMessage.event_id.in_([one.id for one in events]),
        EventMessage.account_id.is_(None),
    )
    return {*await session.scalars(query)}


async def _reach(session: AsyncSession, texting: Texting, about: About, *, told: bool) -> UUID | None:
    """Tell a person without an inbox: by text message, else by a visit unless somebody who acts for them was told."""
    if about.person is None or about.person.erased_at is not None:
        return None
    sent = await texting.to_person(about)
    if sent is not None:
        return sent.id
    if not told:
        body = body_of(about, to_person=False)
        task = visit(texting.ring, about, reason="no_way", body=body, now=texting.now)
        await add_visit(session, task)
    return None


async def _lock(session: AsyncSession, account_ids: Sequence[UUID]) -> dict[UUID, Inbox]:
    if not account_ids:
        return {}
    await session.execute(ENSURE, {"ids": list(account_ids)})
    query = select(Inbox).where(Inbox.account_id.in_(account_ids)).order_by(Inbox.account_id)
    found = await session.scalars(query.with_for_update())
    return {one.account_id: one for one in found}


def _row(
    ring: KeyRing, about: About, one: Recipient, number: int, message_id: UUID | None, now: datetime
) -> dict[str, object]:
    row_id = new_id()
    body = body_of(about, to_person=one.to_person).decode()
    return {
        "id": row_id,
        "account_id": one.account.id,
        "number": number,
        "event_id": about.event.id,
        "kind": about.event.kind,
        "subject_id": about.event.subject_id,
        "person_id": about.event.person_id,
        "body": ring.encrypt(BODY, row_id, body),
        "message_id": message_id,
        "created_at": now,
    }
