"""Wakes who waits for their inbox: one subscription to Redis a process, however many phones wait.

The worker publishes, after its commit, which inboxes have something new. Redis may lose that: every ``LOOK_SECONDS`` one
query asks for the numbers of all inboxes that are waited for, so an answer comes a little later and never not at all.
"""

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
from psycopg_pool import PoolTimeout
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.database import Database
from core.errors import TooMany, Unavailable
from core.settings import Settings

log = logging.getLogger(__name__)

CHANNEL = b"xinban:inbox"
ID_BYTES = 16
# A wake must not hold the relay up.
REDIS_SECONDS = 0.5
RETRY_SECONDS = 1.0
LOOK_SECONDS = 3.0
LOOK_AT = 5_000  # inboxes a query
# A process with more waiting phones than this lets the next ones wait elsewhere; each takes some 20 kB.
MOST_WAITING = 20_000
MOST_OF_ONE = 20
# Uses inbox_pkey.
NUMBERS = "select account_id, last_number from inbox where account_id = any(%s)"


class InboxCrowded(Unavailable):
    """Too many wait here for the moment."""

    code = "inbox-crowded"
    title_zh = "等候消息的人太多，请稍后再试"


class TooManyWaiting(TooMany):
    """This account waits in too many places already."""

    code = "too-many-waiting"
    title_zh = "同一账户等候消息的设备太多"


def make_waker(settings: Settings) -> Redis:
    """The worker's connection."""
    return Redis.from_url(
        settings.redis_url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
    )


async def wake(redis: Redis, account_ids: Collection[UUID]) -> None:
    """Tell all processes that these inboxes have something new; whoever is not told looks for themselves."""
    if not account_ids:
        return
    try:
        async with asyncio.timeout(REDIS_SECONDS):
            await redis.publish(CHANNEL, b"".join(one.bytes for one in account_ids))
    except (RedisError, OSError, TimeoutError) as error:
        log.warning("phones cannot be woken, they will look", extra={"error": type(error).__name__})


@dataclass(eq=False, slots=True)
class Waiting:
    """A phone that waits for what comes behind ``after``."""

    after: int
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    async def sleep(self, seconds: float) -> bool:
        """Until woken, ``seconds`` at most; whether it was. The next sleep waits for the next wake."""
        try:
            async with asyncio.timeout(seconds):
                await self.woken.wait()
        except TimeoutError:
            return False
        self.woken.clear()
        return True


class Wakes:
    """Listens until ``stop``."""

    def __init__(self, redis: Redis, database: Database) -> None:
        self._redis, self._database = redis, database
        self._waiting: dict[UUID, set[Waiting]] = {}
        self._count = 0
        self._tasks: list[asyncio.Task[None]] = []
        self.leaving = False
        """The process was told to end: nobody should be kept waiting."""

    def start(self) -> None:
        """Begin; the process' end is heard of too, since answers under way would hold it up."""
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._look())]
        if threading.current_thread() is threading.main_thread():
            _hear_signals(self.leave)

    async def stop(self) -> None:
        """Stop listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def leave(self) -> None:
        """Answer everyone now."""
        self.leaving = True
        for waiting in self._waiting.values():
            for one in waiting:
                one.woken.set()

    @contextmanager
    def waiting(self, account_id: UUID, *, after: int) -> Iterator[Waiting]:
        """Count among those who wait; begin before reading, so that nothing comes in between unseen.

        Raises InboxCrowded, TooManyWaiting.
        """
        if self._count >= MOST_WAITING:
            raise InboxCrowded("请几秒后再试。", "Try again in a few seconds.", retry_after_seconds=5)
        mine = self._waiting.setdefault(account_id, set())
        if len(mine) >= MOST_OF_ONE:
            raise TooManyWaiting("请关闭其他页面。", "Close other pages first.", retry_after_seconds=25)
        one = Waiting(after)
        mine.add(one)
        self._count += 1
        try:
            yield one
        finally:
            mine.discard(one)
            self._count -= 1
            if not mine:
                self._waiting.pop(account_id, None)

    def _wake(self, account_id: UUID) -> None:
        for one in self._waiting.get(account_id, ()):
            one.woken.set()

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as channel:
                    await channel.subscribe(CHANNEL)
                    async for message in channel.listen():
                        self._hear(message)
            except (RedisError, OSError) as error:
                log.warning("wakes cannot be heard, looking instead", extra={"error": type(error).__name__})
            except Exception as error:  # were this task to end, phones would be told late until a restart
                log.exception("wakes cannot be heard", extra={"error": type(error).__name__})
            await asyncio.sleep(RETRY_SECONDS)

    def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] != "message":
            return
        data: bytes = message["data"]
        for at in range(0, len(data) - len(data) % ID_BYTES, ID_BYTES):
            self._wake(UUID(bytes=data[at : at + ID_BYTES]))

    async def _look(self) -> None:
        """What Redis may have lost."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._look_once()
            except (psycopg.Error, PoolTimeout, OSError) as error:
                log.warning("inboxes cannot be looked at", extra={"error": type(error).__name__})
            except (
                Exception
            ) as error:  # were this task to end, a phone whose wake was lost would wait in vain
                log.exception("inboxes cannot be looked at", extra={"error": type(error).__name__})

    async def _look_once(self) -> None:
        account_ids = list(self._waiting)
        for at in range(0, len(account_ids), LOOK_AT):
            async with self._database.hot() as connection:
                rows = await (await connection.execute(NUMBERS, (account_ids[at : at + LOOK_AT],))).fetchall()
            for account_id, number in rows:
                for one in self._waiting.get(account_id, ()):
                    if number > one.after:
                        one.woken.set()


def _hear_signals(leave: Any) -> None:
    """Call ``leave`` in the loop when the process is told to end, before whoever else listens for it."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        before = signal.getsignal(number)
        if not callable(before):
            continue

        def hear(*said: Any, before: Any = before) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(leave)
            before(*said)

        signal.signal(number, hear)
