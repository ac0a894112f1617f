"""``xinban privacy``: what is past its time, counted or removed. docs/privacy.md has the table."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

import api.tables  # noqa: F401  # registers every table
from api.cli.person import acting_operator
from api.privacy.purge import Purged, purge
from core import clock
from core.database import Database
from core.keyring import load_key_ring
from core.settings import Settings

app = typer.Typer(
    help="个人信息：到期清除 / personal data: remove what is past its time.", no_args_is_help=True
)


@app.callback()
def privacy() -> None:
    """Keeps ``purge`` a command of its own."""


@app.command("purge")
def purge_(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只统计，不清除 / count only")] = False,
) -> None:
    """清除到期的个人信息。Remove personal data that is past its time; the worker does it every night."""
    settings = Settings()
    ring = load_key_ring(settings)

    async def run() -> list[Purged]:
        async with Database(settings) as database:
            found = purge(database, acting_operator(), ring=ring, dry_run=dry_run, now=clock.now())
            return [one async for one in found]

    table = Table("内容", "data", "kept", "到期 past its time" if dry_run else "已清除 removed")
    for one in asyncio.run(run()):
        table.add_row(one.kind.zh, one.kind.en, one.kind.kept, str(one.rows))
    Console().print(table)
