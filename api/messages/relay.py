"""Delivers what is in the outbox. Any number of workers may run it: a message is taken by one at a time.

A worker takes messages for ``LEASE``, sends them while it holds no transaction, and writes down how it went; should it
die, another takes them up when the lease ends. So a message may be sent twice, and is never lost.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import orjson
import psycopg
from psycopg_pool import PoolTimeout

import core.clock
from api.messages.outbox import PARAMETERS, RECIPIENT
from api.messages.senders import NotSent, Outgoing, Sender, make_sender
from core.database import Database
from core.keyring import KeyRing, KeyRingError, load_key_ring
from core.settings import Settings

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
AT_ONCE = 20
LEASE = timedelta(seconds=60)
# Waits between attempts, in seconds: a gateway that restarts, one that is repaired. Then it is given up.
WAITS = (1, 2, 5, 15, 60, 300, 1_800, 7_200)

# Uses message_next_try_at_idx.
TAKE = """
with due as materialized (
    select id from message where state = 'waiting' and next_try_at <= %(now)s
    order by next_try_at limit %(most)s for update skip locked
)
update message set tries = tries + 1, next_try_at = %(until)s from due where message.id = due.id
returning message.id, channel, template, recipient, parameters, tries, expires_at
"""
# What became of it is noted for the event it tells of too, which outlives it (api/inbox).
NOTED = """with done as ({} returning message.id, message.state)
update event_message set state = done.state from done where event_message.id = done.id and done.state <> 'waiting'
"""
SENT = NOTED.format(
    "update message set state = 'sent', finished_at = %s, failure = null where id = %s and state = 'waiting'"
)
DEAD = NOTED.format(
    "update message set state = 'dead', finished_at = %s, failure = %s where id = %s and state = 'waiting'"
)
LATER = "update message set next_try_at = %s, failure = %s where id = %s and state = 'waiting'"


async def relay_messages(
    database: Database, ring: KeyRing, sender: Sender, *, clock: Callable[[], datetime]
) -> None:
    """Deliver until cancelled; a database that is away is waited for."""
    while True:
        try:
            taken = await relay_once(database, ring, sender, clock=clock)
        except (psycopg.Error, PoolTimeout, OSError) as error:
            log.warning("messages cannot be read", extra={"error": type(error).__name__})
            taken = 0
        except Exception:  # whatever is wrong with one message, others must still leave
            log.exception("unexpected error while delivering messages")
            taken = 0
        if taken < AT_ONCE:
            await asyncio.sleep(POLL_SECONDS)


async def relay_once(
    database: Database, ring: KeyRing, sender: Sender, *, clock: Callable[[], datetime]
) -> int:
    """Deliver what is due, ``AT_ONCE`` at most; how many messages were taken."""
    now = clock()
    async with database.hot() as connection:
        rows = await (
            await connection.execute(TAKE, {"now": now, "until": now + LEASE, "most": AT_ONCE})
        ).fetchall()
    await asyncio.gather(*(_deliver(database, ring, sender, row, clock=clock) for row in rows))
    return len(rows)


async def _deliver(
    database: Database, ring: KeyRing, sender: Sender, row: tuple[Any, ...], *, clock: Callable[[], datetime]
) -> None:
    row_id, channel, template, recipient, parameters, tries, expires_at = row
    now = clock()
    try:
        if expires_at is not None and expires_at <= now:
            raise NotSent("expired", final=True)
        message = Outgoing(
            row_id,
            channel,
            template,
            ring.decrypt(RECIPIENT, row_id, recipient),
            orjson.loads(ring.decrypt(PARAMETERS, row_id, parameters)),
        )
        await sender.send(message, now=now)
    except KeyRingError:
        # A worker with an older ring; one that has the key may come by.
        await _failed(database, row_id, template, tries, NotSent("key"), now=now)
    except NotSent as error:
        await _failed(database, row_id, template, tries, error, now=now)
    else:
        async with database.hot() as connection:
            await connection.execute(SENT, (clock(), row_id))


async def _failed(
    database: Database, row_id: Any, template: str, tries: int, error: NotSent, *, now: datetime
) -> None:
    if error.final or tries > len(WAITS):
        log.error(
            "message given up",
            extra={"message_id": str(row_id), "template": template, "failure": error.failure, "tries": tries},
        )
        statement, values = DEAD, (now, error.failure, row_id)
    else:
        log.warning(
            "message not sent, will try again",
            extra={"message_id": str(row_id), "template": template, "failure": error.failure, "tries": tries},
        )
        statement, values = LATER, (now + timedelta(seconds=WAITS[tries - 1]), error.failure, row_id)
    async with database.hot() as connection:
        await connection.execute(statement, values)


async def deliver_messages(settings: Settings) -> None:
    """What a worker runs until it is cancelled. Raises KeyRingError when there are no keys."""
    if settings.sender == "console" and settings.env == "production":
        log.warning("no sender: messages such as one-time codes do not leave; set XINBAN_SENDER=webhook")
    ring, sender = load_key_ring(settings), make_sender(settings)
    try:
        async with Database(settings) as database:
            await relay_messages(database, ring, sender, clock=core.clock.now)
    finally:
        await sender.close()
