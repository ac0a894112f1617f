"""What the worker does for holds, waiting lists and standing bookings; all of it may come late and stay right.

``move_queues`` runs beside the jobs, every second or so, since a freed place should be offered while it is fresh: it
expires holds and offers and comes back for places whose turn could not be taken. By the clock, each minute: standing
bookings whose dates opened, queues that are over, places that became free without anybody freeing them.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

import psycopg
from procrastinate import App
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncSession

import core.clock
from booking.reservations.expiry import expire_slot, next_due
from booking.standing.run import Mark, due, run_one
from booking.waitlist.sweep import close_over, free_though_waited_for, set_aside, sweep
from core.database import Database
from core.keyring import KeyRing, load_key_ring
from core.settings import Settings

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
# A slot where nothing could be offered is looked at again after that, then after twice as long, up to the longest.
AGAIN = timedelta(seconds=1)
LONGEST = timedelta(seconds=30)
# Slots a round; a flood of holds that ran out must not keep others waiting.
MOST_EXPIRED = 500
DATABASE_ERRORS = (DBAPIError, PoolExhausted, psycopg.Error, PoolTimeout, OSError)


@dataclass
class Patience:
    """Which slots to look at again, and when."""

    waits: dict[UUID, tuple[datetime, timedelta]] = field(default_factory=dict)

    def is_due(self, slot_id: UUID, now: datetime) -> bool:
        """Whether it is time."""
        return slot_id not in self.waits or self.waits[slot_id][0] <= now

    def note(self, slot_id: UUID, made: int, now: datetime) -> None:
        """Remember how it went."""
        before = self.waits.get(slot_id, (now, AGAIN / 2))[1]
        wait = AGAIN if made else min(2 * before, LONGEST)
        self.waits[slot_id] = (now + wait, wait)

    def keep(self, slot_ids: set[UUID]) -> None:
        """Forget all others."""
        self.waits = {one: wait for one, wait in self.waits.items() if one in slot_ids}


async def move_queues(settings: Settings) -> None:
    """What a worker runs until it is cancelled; a database that is away is waited for."""
    patience = Patience()
    async with Database(settings) as database:
        while True:
            try:
                await expire_all(database, now=core.clock.now())
                await sweep_aside(database, patience, now=core.clock.now())
            except DATABASE_ERRORS as error:
                log.warning("queues cannot be moved", extra={"error": type(error).__name__})
            except Exception:  # whatever is wrong with one slot, the worker goes on
                log.exception("unexpected error while moving queues")
            await asyncio.sleep(POLL_SECONDS)


async def expire_all(database: Database, *, now: datetime) -> int:
    """Expire holds and offers that ran out, one slot a transaction; how many."""
    expired, tried = 0, set[UUID]()
    while len(tried) < MOST_EXPIRED:
        async with database.transaction() as session:
            slot_id = await next_due(session, but=tried, now=now)
        if slot_id is None:
            break
        tried.add(slot_id)
        expired += await _each(
            database, "expire holds", slot_id, lambda session, one: expire_slot(session, slot_id=one, now=now)
        )
    return expired


async def sweep_aside(database: Database, patience: Patience, *, now: datetime) -> int:
    """Offer places that were set aside and not yet offered; how many offers were made."""
    async with database.transaction() as session:
        slot_ids = await set_aside(session)
    patience.keep(set(slot_ids))
    made = 0
    for slot_id in slot_ids:
        if patience.is_due(slot_id, now):
            offers = await _each(
                database, "promote", slot_id, lambda session, one: sweep(session, slot_id=one, now=now)
            )
            patience.note(slot_id, offers, now)
            made += offers
    return made


async def sweep_free(database: Database, *, now: datetime) -> int:
    """Offer places that became free without anybody freeing them: released tiers, more capacity."""
    async with database.transaction() as session:
        slot_ids = await free_though_waited_for(session)
    return sum(
        [
            await _each(
                database, "promote", slot_id, lambda session, one: sweep(session, slot_id=one, now=now)
            )
            for slot_id in slot_ids
        ]
    )


async def close_all(database: Database, *, now: datetime) -> int:
    """End the queues of slots whose booking has ended; how many slots."""
    closed = 0
    while True:
        async with database.transaction() as session:
            done = await close_over(session, now=now)
        closed += done
        if not done:
            return closed


async def book_standing(database: Database, ring: KeyRing, *, now: datetime) -> int:
    """Book the dates that have opened, for whoever asked first; how many dates were tried."""
    tried, after = 0, None
    while True:
        async with database.transaction() as session:
            marks = await due(session, after=after, now=now)
        for one in marks:
            tried += await _each(
                database,
                "book a standing booking",
                one.id,
                lambda session, standing_id: run_one(session, ring=ring, standing_id=standing_id, now=now),
            )
        if not marks:
            return tried
        after = Mark(marks[-1].created_at, marks[-1].id)


async def _each(
    database: Database, what: str, row_id: UUID, work: Callable[[AsyncSession, UUID], Awaitable[int]]
) -> int:
    """One row in a transaction of its own: whatever is wrong with it, others are served."""
    try:
        async with database.transaction() as session:
            return await work(session, row_id)
    except DATABASE_ERRORS as error:
        log.warning(
            f"cannot {what}, will try again", extra={"row": str(row_id), "error": type(error).__name__}
        )
    except Exception:  # whatever is wrong with one row, others are served
        log.exception(f"unexpected error: cannot {what}", extra={"row": str(row_id)})
    return 0


def add_queue_tasks(jobs: App, settings: Settings) -> None:
    """Every minute; any number of workers may."""
    ring = cache(lambda: load_key_ring(settings))

    @jobs.periodic(cron="* * * * *")
    @jobs.task(name="book_standing", queueing_lock="book_standing")
    async def standing(timestamp: int) -> None:
        """Book dates of standing bookings that have opened."""
        async with Database(settings) as database:
            tried = await book_standing(database, ring(), now=core.clock.now())
        if tried:
            log.info("standing bookings went on", extra={"dates": tried})

    @jobs.periodic(cron="* * * * *")
    @jobs.task(name="tend_queues", queueing_lock="tend_queues")
    async def tend(timestamp: int) -> None:
        """End queues that are over, offer what became free by itself."""
        async with Database(settings) as database:
            await close_all(database, now=core.clock.now())
            await sweep_free(database, now=core.clock.now())
