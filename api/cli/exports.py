"""`xinban export`: sites into a file that other programs open."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from core import clock
from core.actor import SYSTEM
from core.database import Database
from core.errors import DomainError
from core.settings import Settings
from geo.exports.query import Selection
from geo.exports.run import Format, export_sites

err = Console(stderr=True)
REFUSED, WRONG_USE = 1, 2  # exit codes


def export(
    output: Annotated[Path, typer.Option("--output", "-o", help="写入的文件 / file to write")],
    format_: Annotated[
        Format | None, typer.Option("--format", help="默认看文件名 / by the file's name if not given")
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option(help="类别代码，含下级，可重复 / with what is below; repeats")
    ] = None,
    area: Annotated[str | None, typer.Option(help="区域编码，含下级 / area code, with what is below")] = None,
    drafts: Annotated[bool, typer.Option("--drafts", help="也导出未发布的 / unpublished ones too")] = False,
) -> None:
    """把服务点导出为 GeoJSON、CSV、XLSX、GeoPackage 或 FlatGeobuf。Export sites."""
    suffix = output.suffix.lower().lstrip(".").replace("json", "geojson").replace("geogeojson", "geojson")
    if format_ is None and suffix not in Format.__members__:
        err.print(
            Text(
                f"看不出 {output.name} 的格式，请加 --format：{'、'.join(Format)}。\n"
                f"The format of {output.name} is not known: add --format {', '.join(Format)}.",
                "red",
            )
        )
        raise typer.Exit(WRONG_USE)
    selection = Selection(categories=tuple(category or ()), area=area, drafts=drafts)
    try:
        count = asyncio.run(_export(output, format_ or Format(suffix), selection))
    except DomainError as error:
        err.print(Text(f"{error.detail_zh or error.title_zh}\n{error.detail_en or error.title_en()}", "red"))
        raise typer.Exit(REFUSED) from None
    except OSError as error:
        err.print(Text(f"无法写入 {output}：{error.strerror or error} / cannot write {output}", "red"))
        raise typer.Exit(WRONG_USE) from None
    err.print(f"已导出 {count:,} 个服务点到 {output} / exported {count:,} sites", highlight=False)


async def _export(output: Path, format_: Format, selection: Selection) -> int:
    settings = Settings()
    bar = Progress(
        SpinnerColumn(),
        TextColumn(output.name),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
    with bar:
        task = bar.add_task("export", total=None)
        async with Database(settings) as database, database.transaction() as session:
            return await export_sites(
                session,
                SYSTEM,
                path=output,
                format_=format_,
                selection=selection,
                now=clock.now(),
                zone=settings.zone,
                progress=lambda done: bar.update(task, completed=done),
            )
