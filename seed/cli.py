"""``xinban seed``: fill a database with the demo city, or with many sites for benchmarks."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from core.clock import now
from core.database import Database
from core.settings import Settings
from seed.city import is_empty, seed_city
from seed.scale import seed_scale

MOST_SCALE_SITES = 5_000_000


class _Rate(ProgressColumn):
    """Sites a second, as measured over the last while."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "–/s")


app = typer.Typer(invoke_without_command=True)


@app.callback()
def seed(
    if_empty: Annotated[
        bool,
        typer.Option("--if-empty", help="数据库已有服务点时不做任何事 / do nothing when there are sites"),
    ] = False,
    scale: Annotated[
        int | None,
        typer.Option(
            "--scale",
            min=1,
            max=MOST_SCALE_SITES,
            metavar="N",
            help="另造 N 个压测服务点（来源 synthetic-scale） / also make N sites for benchmarks",
        ),
    ] = None,
) -> None:
    """写入演示城市（合成数据） / Put the demo city (synthetic)."""
    asyncio.run(_seed(Settings(), if_empty=if_empty, scale=scale))


async def _seed(settings: Settings, *, if_empty: bool, scale: int | None) -> None:
    console = Console(stderr=True)
    async with Database(settings) as database:
        if if_empty and not await is_empty(database):
            console.print("数据库已有服务点，未写入演示数据。 There are sites already: nothing seeded.")
            return
        with Progress(
            SpinnerColumn(), TextColumn("{task.description}"), console=console, transient=True
        ) as steps:
            task = steps.add_task("演示城市 demo city")
            city = await seed_city(
                database,
                now=now(),
                region=settings.region,
                report=lambda step: steps.update(task, description=f"演示城市 demo city: {step}"),
            )
        console.print(
            f"演示城市：服务点 {city.sites.created} 新、{city.sites.changed} 改、{city.sites.unchanged} 不变，"
            f"区域 {city.areas}，招生片区 {city.districts}，学校组团 {city.groups}，"
            f"可预约项目 {city.bookable.offerings} 新、时段 {city.bookable.slots} 新。"
        )
        if scale is not None:
            await _seed_scale(database, console, scale)


async def _seed_scale(database: Database, console: Console, count: int) -> None:
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=console,
    ) as progress:
        task = progress.add_task("压测服务点 benchmark sites", total=count)
        counts = await seed_scale(
            database, count=count, now=now(), report=lambda done: progress.update(task, completed=done)
        )
    console.print(f"压测服务点：{counts.created} 新、{counts.changed} 改、{counts.unchanged} 不变。")
