"""``xinban calendar``: announced holidays and school terms."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from api.cli.person import acting_operator
from core import clock
from core.database import Database
from core.settings import Settings
from geo.calendar.files import CalendarFile, TermsFile, read_calendar, read_terms
from geo.calendar.store import put_calendar_year, put_school_term

app = typer.Typer(help="工作日、节假日和学期 / workdays, holidays and school terms.", no_args_is_help=True)
err = Console(stderr=True)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV, JSON 或 ICS / CSV, JSON or ICS")],
    region: Annotated[str | None, typer.Option(help="适用区域 / region; default: XINBAN_REGION")] = None,
    source: Annotated[
        str | None, typer.Option(help="来源说明 / where it was learnt; default: the file")
    ] = None,
    terms: Annotated[bool, typer.Option("--terms", help="学期表 / the file lists school terms")] = False,
    check: Annotated[bool, typer.Option("--check", help="只检查 / only check")] = False,
) -> None:
    """导入放假安排或学期。Import announced holidays, or school terms, in one transaction."""
    try:
        data = file.read_bytes()
    except OSError as error:
        err.print(f"[red]无法读取文件 / cannot read the file: {file} ({error.strerror})[/]")
        raise typer.Exit(1) from None
    found = read_terms(data) if terms else read_calendar(data)
    for problem in found.problems:
        err.print(f"[yellow]{file.name}:{problem.line or '-'}[/] {problem.zh} / {problem.en}")
    for problem in found.not_announced if isinstance(found, CalendarFile) else ():
        err.print(f"[dim]{problem.zh} / {problem.en}[/]")
    nothing = not (found.years if isinstance(found, CalendarFile) else found.terms)
    if found.problems or nothing:
        err.print("[red]没有导入任何内容，请先改正上面的问题 / nothing was imported; mend the above first[/]")
        raise typer.Exit(1)
    if not check:
        asyncio.run(_write(found, region, source or file.name))
    unwritten = "（未写入 not written）" if check else ""
    if isinstance(found, CalendarFile):
        print(f"年份 years: {', '.join(str(year) for year in sorted(found.years))} {unwritten}")
    else:
        print(f"学期和假期 terms and vacations: {len(found.terms)} {unwritten}")


async def _write(found: CalendarFile | TermsFile, region: str | None, source: str) -> None:
    settings = Settings()
    actor = acting_operator()
    where = region or settings.region
    async with Database(settings) as database, database.transaction() as session:
        if isinstance(found, TermsFile):
            for term in found.terms:
                await put_school_term(session, actor, region=where, term=term, source=source)
            return
        for year in sorted(found.years):
            days = [
                (on, kind, found.names.get(on)) for on, kind in sorted(found.days.items()) if on.year == year
            ]
            await put_calendar_year(
                session, actor, region=where, year=year, days=days, source=source, now=clock.now()
            )
