"""Whether answers are kept under Idempotency-Keys, asked for many callers at once.

When a slot is sold out, hundreds are refused in a second, and each could be somebody whose booking went through and whose
answer was lost: the key must be looked for first. One query asks for all keys that wait meanwhile.
"""

import asyncio

from core.database import Database

# Uses kept_answer_key_blind_key.
KNOWN = "select key_blind from kept_answer where key_blind = any(%s)"
MOST = 200


class KeptKeys:
    """Of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[list[bytes], asyncio.Future[bool]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def known(self, blinds: list[bytes]) -> bool:
        """Whether an answer is kept under one of ``blinds``. Raises what the database raises."""
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((blinds, told))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
        return await told

    async def _ask(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                try:
                    async with self._database.hot() as connection:
                        cursor = await connection.execute(
                            KNOWN, ([one for blinds, _ in batch for one in blinds],)
                        )
                        found = {bytes(row[0]) for row in await cursor.fetchall()}
                except Exception as error:  # noqa: BLE001  each caller hears of it
                    for _, told in batch:
                        if not told.done():
                            told.set_exception(error)
                    continue
                for blinds, told in batch:
                    if not told.done():
                        told.set_result(not found.isdisjoint(blinds))
        finally:
            self._asking = None
