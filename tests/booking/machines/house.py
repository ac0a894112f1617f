"""Runs the domain's own functions for a state machine, a transaction each, in a database of its own."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Literal, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.checking.checks import open_snapshot, run_check
from booking.checking.history import HISTORY
from booking.checking.reconcile import RECONCILE
from core.database import Database
from core.errors import DomainError
from core.keyring import KeyRing
from core.settings import Settings
from tests.booking.bookable import NOW, Bookable
from tests.conftest import TEST_RING

LONG = bool(os.environ.get("XINBAN_TEST_LONG"))
T = TypeVar("T")


class House:
    """One database, one loop; ``tell`` answers what a function returned or the code it was refused with."""

    def __init__(self, database_url: str) -> None:
        self.ring = KeyRing.parse(TEST_RING)
        self.runner = asyncio.Runner()
        self.doors = self.runner.run(Database(Settings(database_url=database_url)).__aenter__())
        self.site_id = self.run(self._open)

    def close(self) -> None:
        self.runner.run(self.doors.__aexit__())
        self.runner.close()

    async def _open(self, session: AsyncSession) -> Any:
        return (await Bookable(session, self.ring).open()).site_id

    def run(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        async def one() -> T:
            async with self.doors.transaction() as session:
                return await work(session)

        return self.runner.run(one())

    def make(self, work: Callable[[Bookable], Awaitable[T]]) -> T:
        async def one(session: AsyncSession) -> T:
            rows = Bookable(session, self.ring)
            rows.site_id = self.site_id
            return await work(rows)

        return self.run(one)

    def tell(
        self, work: Callable[[AsyncSession], Awaitable[T]]
    ) -> tuple[Literal["ok"], T] | tuple[str, None]:
        try:
            return "ok", self.run(work)
        except DomainError as error:
            return error.code, None

    def rows(self, statement: str, **values: Any) -> list[Any]:
        async def one(session: AsyncSession) -> list[Any]:
            return list(await session.execute(text(statement), values))

        return self.run(one)

    def findings(self) -> dict[str, int]:
        """Code -> differences, of all checks on the books; what all machines left behind together."""

        async def one(session: AsyncSession) -> dict[str, int]:
            await open_snapshot(session)
            told = {"now": NOW, "slack": timedelta(minutes=1)}
            found = [await run_check(session, check, values=told) for check in (*RECONCILE, *HISTORY)]
            return {each.check.code: each.count for each in found if each.count}

        return self.run(one)


def check(machine: type[RuleBasedStateMachine], *, examples: int, steps: int) -> None:
    """Run a machine; longer with --long."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples * (20 if LONG else 1),
            stateful_step_count=steps,
            deadline=None,
            derandomize=not LONG,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
