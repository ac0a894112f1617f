"""``xinban booking reconcile`` and ``check-history``: proofs that the books agree. docs/booking-checks.md."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from time import perf_counter
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.cli.bookings import app
from booking.checking.checks import EXAMPLES, Check, Outcome, open_snapshot, run_check
from booking.checking.history import HISTORY
from booking.checking.reconcile import RECONCILE
from core import clock
from core.database import Database
from core.settings import Settings

out = Console()
err = Console(stderr=True)
FAILED = 1  # exit code
# Longer than any request waits: who joined a queue that long before surely waited.
SLACK = timedelta(minutes=1)
Most = Annotated[
    int, typer.Option(min=1, max=10_000, help="每项最多列出多少条 / differences listed of each check")
]


@app.command()
def reconcile(most: Most = EXAMPLES) -> None:
    """核对名额计数、台账与预约一致；只读，有差异则退出码为 1。Prove that counters, ledger and reservations agree."""
    _report(RECONCILE, most)


@app.command("check-history")
def check_history(most: Most = EXAMPLES) -> None:
    """核对办理记录：状态流转、名额、候补次序；只读。Prove that what is on record could have happened."""
    _report(HISTORY, most)


def _report(checks: Sequence[Check], most: int) -> None:
    found = asyncio.run(_run(checks, most))
    table = Table("核对 check", "应当 what holds", show_footer=True)
    table.add_column("差异 differences", justify="right")
    table.add_column("秒 s", justify="right", footer=f"{sum(seconds for _, seconds in found):.1f}")
    for one, seconds in found:
        said = Text(f"{one.check.zh}\n{one.check.en}")
        count = Text(f"✗ {one.count:,}", "red") if one.count else Text("✓", "green")
        table.add_row(one.check.code, said, count, f"{seconds:.1f}")
    out.print(table)
    for one, _ in found:
        _list(one)
    wrong = sum(one.count for one, _ in found)
    if wrong:
        err.print(Text(f"共有 {wrong} 处差异 / {wrong} differences", "red"))
        raise typer.Exit(FAILED)
    out.print(Text("一致 / all agree", "green"))


def _list(one: Outcome) -> None:
    if not one.count:
        return
    table = Table("对象 what", "应为 expected", "实为 found", title=one.check.code, title_justify="left")
    for difference in one.examples:
        table.add_row(*(Text(value, overflow="fold") for value in difference))
    if one.count > len(one.examples):
        table.caption = f"另有 {one.count - len(one.examples):,} 条 / more"
    out.print(table)


async def _run(checks: Sequence[Check], most: int) -> list[tuple[Outcome, float]]:
    """All in one snapshot, each with the seconds it took."""
    values, found = {"now": clock.now(), "slack": SLACK}, []
    async with Database(Settings()) as database, database.transaction() as session:
        await open_snapshot(session)
        for check in checks:
            err.print(Text(f"{check.code} …", "dim"))
            began = perf_counter()
            one = await run_check(session, check, values=values, examples=most)
            found.append((one, perf_counter() - began))
    return found
