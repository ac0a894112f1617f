"""A check, and what it found."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.reservations.states import LIVE

# Everything is compared as of one moment, and nothing can be changed by mistake. Sorts of millions of rows stay in memory.
SNAPSHOT = (
    "set transaction isolation level repeatable read, read only",
    "set local work_mem = '256MB'",
    "set local jit = off",
)
EXAMPLES = 20
# States in which a reservation has its places, as SQL.
LIVE_SQL = "(" + ", ".join(f"'{state}'" for state in sorted(LIVE)) + ")"


@dataclass(frozen=True, slots=True)
class Check:
    """``sql`` selects ``subject``, ``expected`` and ``found``, all text, for whatever is wrong; ``zh`` and ``en`` say
    what holds when there is nothing. It is told ``:now`` and ``:slack`` (an interval)."""

    code: str
    zh: str
    en: str
    sql: str


class Difference(NamedTuple):
    """What is wrong with one thing: where, what should be, what is."""

    subject: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """``count`` of all differences, and the first of them."""

    check: Check
    count: int
    examples: Sequence[Difference]


async def open_snapshot(session: AsyncSession) -> None:
    """Make this transaction see one moment and change nothing; comes before its first query."""
    for statement in SNAPSHOT:
        await session.execute(text(statement))


async def run_check(
    session: AsyncSession, check: Check, *, values: Mapping[str, Any], examples: int = EXAMPLES
) -> Outcome:
    """What one check finds."""
    statement = text(
        "select count(*) over () as total, wrong.subject, wrong.expected, wrong.found"
        f" from (\n{check.sql}\n) as wrong order by wrong.subject limit :examples"
    )
    told = {name: values[name] for name in _asked(check.sql, values)}
    rows = (await session.execute(statement, {**told, "examples": examples})).all()
    return Outcome(
        check,
        rows[0].total if rows else 0,
        [Difference(row.subject, row.expected, row.found) for row in rows],
    )


def _asked(sql: str, values: Mapping[str, Any]) -> Iterator[str]:
    return (name for name in values if f":{name}" in sql)
