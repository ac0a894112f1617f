"""Which sessions ended lately, known in every process within seconds and without a look-up per request.

Access tokens live for 15 minutes, so only sessions that ended within the last few minutes matter: a short list, read
again every ``POLL_SECONDS``. When it cannot be read for ``BLIND_SECONDS``, nobody signed in is let through: an ended
session must stop within 5 s.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from psycopg import Error
from psycopg_pool import PoolTimeout

from api.identity.tokens import LIFETIME, Claims, InvalidToken
from core.database import Database
from core.errors import Unavailable

log = logging.getLogger(__name__)

POLL_SECONDS = 1.5
BLIND_SECONDS = 4.5
# A little longer than a token lives: clocks of several machines differ.
REMEMBERED = LIFETIME + timedelta(minutes=2)
# Uses account_session_changed_at_idx.
CHANGED = """
select id, ended_at is not null, refused_before from account_session where changed_at > %s
"""


class SessionsUnknown(Unavailable):
    """Signed-in calls are not possible for the moment."""

    code = "sessions-unknown"
    title_zh = "登录服务暂时不可用，请稍后再试"


class EndedSessions:
    """Follows the table of sessions until ``stop``."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._ended: frozenset[UUID] = frozenset()
        self._refused_before: dict[UUID, float] = {}
        self._read_at: datetime | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read once, then go on in the background; a database that is away is no reason not to start."""
        await self.poll()
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def check(self, claims: Claims, *, now: datetime) -> None:
        """Raises InvalidToken when the session ended or its tokens were called in, SessionsUnknown when we cannot know."""
        if self._read_at is None or (now - self._read_at).total_seconds() > BLIND_SECONDS:
            raise SessionsUnknown("请几秒后再试。", "Try again in a few seconds.", retry_after_seconds=2)
        if claims.session_id in self._ended:
            raise InvalidToken("您已退出登录，请重新登录。", "This session has ended; sign in again.")
        refused_before = self._refused_before.get(claims.session_id)
        if refused_before is not None and claims.issued_at < refused_before:
            raise InvalidToken(
                "您的权限有变，请用 refresh 换取新的凭证。",
                "Your rights changed; get a new token with your refresh token.",
            )

    async def poll(self) -> None:
        """Read the list now."""
        began = self._clock()
        try:
            async with self._database.hot() as connection:
                rows = await (await connection.execute(CHANGED, (began - REMEMBERED,))).fetchall()
        except (Error, PoolTimeout, OSError) as error:
            log.warning("ended sessions cannot be read", extra={"error": type(error).__name__})
            return
        self._ended = frozenset(row[0] for row in rows if row[1])
        self._refused_before = {row[0]: row[2].timestamp() for row in rows if row[2] is not None}
        self._read_at = began

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.poll()
            except Exception as error:  # were this task to end, nobody would be let in again until a restart
                log.exception("ended sessions cannot be read", extra={"error": type(error).__name__})
