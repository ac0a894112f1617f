"""``xinban booking``: slots made ahead of time, people reminded."""

import asyncio
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from api.cli.person import acting_operator
from api.tasks.booking import generate_all
from api.tasks.telling import tell_all
from core import clock
from core.database import Database
from core.settings import Settings

app = typer.Typer(help="预约时段与名额 / bookable slots and their places.", no_args_is_help=True)
err = Console(stderr=True)


@app.callback()
def bookings() -> None:
    """预约时段与名额。Bookable slots and their places."""


@app.command()
def generate(
    days: Annotated[
        int | None,
        typer.Option(min=1, max=400, help="至少生成多少天 / days ahead at least; default: 30"),
    ] = None,
) -> None:
    """按排班模板生成时段，可重复运行。Make slots from weekly templates; safe to repeat."""
    made = asyncio.run(_generate(days))
    print(f"新时段 new slots: {made}")


async def _generate(days: int | None) -> int:
    settings = Settings()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
    ) as progress:
        bar = progress.add_task("排班模板 templates", total=None)
        async with Database(settings) as database:
            return await generate_all(
                database,
                acting_operator(),
                region=settings.region,
                days=days,
                now=clock.now(),
                found=lambda total: progress.update(bar, total=total),
                tell=lambda done: progress.advance(bar, done),
            )


@app.command()
def remind(
    at: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%S%z"],
            help="仅限开发环境：当作此刻，如 2026-11-25T18:00:00+08:00 / in development only: as if it were then",
        ),
    ] = None,
) -> None:
    """提醒即将到时间的预约；后台每分钟自动做一次。Remind whom it is time to remind, as the worker does each minute."""
    settings = Settings()
    if at is not None and settings.env != "development":
        err.print("--at 仅限开发环境。 Only in development: people would be told too early.")
        raise typer.Exit(2)
    reminded, _ = asyncio.run(_remind(settings, at or clock.now()))
    print(f"已提醒 reminded: {reminded}")


async def _remind(settings: Settings, now: datetime) -> tuple[int, int]:
    async with Database(settings) as database:
        return await tell_all(database, now=now)
