"""`xinban import`: other people's files into sites. The clerk's guide is docs/importing.md."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from api.cli.person import acting_operator
from core import clock
from core.database import Database
from core.errors import DomainError
from core.settings import Settings
from geo.errors import ImportRefused
from geo.imports.guess import guess_mapping
from geo.imports.mapping import load_mapping
from geo.imports.opening import ImportRequest
from geo.imports.report import Finding, Report, report_to
from geo.imports.run import import_file

SHOWN_FINDINGS = 50
REFUSED, WRONG_USE = 1, 2  # exit codes
STYLES = {
    "rejected": ("red", "拒绝 rejected"),
    "warning": ("yellow", "提醒 warning"),
    "note": ("dim", "说明 note"),
}

out = Console(soft_wrap=False)
err = Console(stderr=True)


def import_(
    file: Annotated[
        Path, typer.Argument(help="CSV, TSV, XLSX, GeoJSON, KML, GeoPackage, Shapefile, FlatGeobuf, OSM")
    ],
    map_: Annotated[Path | None, typer.Option("--map", help="映射文件 / mapping file (YAML)")] = None,
    guess: Annotated[bool, typer.Option("--guess", help="写出映射文件初稿 / write a first mapping")] = False,
    crs: Annotated[
        str | None, typer.Option(help="坐标系 / wgs84, cgcs2000, gcj02, bd09 or EPSG:nnnn")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="文字编码 / utf-8, gb18030, big5")] = None,
    layer: Annotated[str | None, typer.Option(help="图层或工作表 / layer or sheet")] = None,
    within: Annotated[
        str | None, typer.Option(help="应在的区域编码 / code of the area the points should be in")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="完整报告写入 CSV / write the full report as CSV")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="写入；否则只检查 / write; else a dry run")] = False,
    skip_rejected: Annotated[
        bool, typer.Option("--skip-rejected", help="略过被拒绝的行 / import the other rows")
    ] = False,
) -> None:
    """检查一个文件，加 --apply 才写入。Check a file; with --apply, import it in one transaction."""
    try:
        if guess:
            _guess(file, map_, encoding, layer)
            return
        if map_ is None:
            raise ImportRefused(
                f"请用 --map 指定映射文件；还没有的话先运行：xinban import {file} --guess --map {file.stem}.yaml",
                f"Name a mapping with --map; to get a first one: xinban import {file} --guess --map {file.stem}.yaml",
            )
        asyncio.run(_import(file, map_, crs, encoding, layer, within, report, apply, skip_rejected))
    except DomainError as error:
        _say(error)
        raise typer.Exit(REFUSED) from None
    except OSError as error:
        err.print(Text(f"{error.filename or file}: {error.strerror or error}", "red"))
        raise typer.Exit(WRONG_USE) from None


def _guess(file: Path, map_: Path | None, encoding: str | None, layer: str | None) -> None:
    text = guess_mapping(file, encoding=encoding, layer=layer)
    if map_ is None:
        print(text, end="")
        return
    if map_.exists():
        raise ImportRefused(
            f"{map_} 已存在，没有覆盖；请换个名字。",
            f"{map_} exists and was not overwritten: give another name.",
        )
    map_.write_text(text, encoding="utf-8")
    err.print(f"已写 {map_}，请打开逐项核对。/ Wrote {map_}: open it and check every line.")


async def _import(
    file: Path,
    map_: Path,
    crs: str | None,
    encoding: str | None,
    layer: str | None,
    within: str | None,
    report_path: Path | None,
    apply: bool,
    skip_rejected: bool,
) -> None:
    settings = Settings()
    request = ImportRequest(
        path=file,
        mapping=load_mapping(map_),
        crs=crs,
        encoding=encoding,
        layer=layer,
        within=within,
        skip_rejected=skip_rejected,
        zone=settings.zone,
        gcj02_enabled=settings.gcj02_enabled,
        expected_area=settings.expected_area,
    )
    with report_to(report_path) as report:
        try:
            with _progress() as progress:
                task = progress.add_task(file.name, total=None)
                async with Database(settings) as database, database.transaction() as session:
                    await import_file(
                        session,
                        acting_operator(),
                        request=request,
                        report=report,
                        now=clock.now(),
                        apply=apply,
                        progress=lambda done, total: progress.update(
                            task, completed=done, total=None if total is None else max(done, total)
                        ),
                    )
        except ImportRefused:
            if report.counts["read"]:
                _print(report, report_path)
            raise
    _print(report, report_path)
    out.print("[green]已写入。/ Imported.[/green]" if apply else _advice(report))


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(show_speed=True),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )


def _print(report: Report, path: Path | None) -> None:
    if report.findings:
        out.print(_table(report.worst_first()[:SHOWN_FINDINGS]))
        if (more := report.finding_count - SHOWN_FINDINGS) > 0:
            where = (
                f"完整报告在 {path}" if path else "用 --report FILE 得到完整报告 / get all with --report FILE"
            )
            out.print(f"还有 {more} 条 / {more} more；{where}")
    counts = report.counts
    out.print(
        f"读取 read {counts['read']:,} · 新增 new {counts['new']:,} · 更改 changed {counts['changed']:,} · "
        f"不变 unchanged {counts['unchanged']:,} · 拒绝 rejected {counts['rejected']:,} · "
        f"略过 left out {counts['dropped']:,} · 提醒 warnings {counts['warnings']:,}",
        highlight=False,
    )


def _advice(report: Report) -> str:
    """What to do after a dry run."""
    rejected = report.counts["rejected"]
    if not rejected:
        return "这是检查，没有写入；确认后加 --apply。/ Dry run, nothing written: add --apply to import."
    if not report.usable:
        return "这是检查；没有一行可以导入，请先改正上面的问题。/ Dry run: no row can be imported; mend the above first."
    return (
        f"这是检查，没有写入；有 {rejected:,} 行被拒绝：请改正，或加 --apply --skip-rejected 只导入其余的行。\n"
        f"Dry run, nothing written; {rejected:,} rows are rejected: correct them, or add --apply --skip-rejected to"
        " import the others."
    )


def _table(findings: list[Finding]) -> Table:
    table = Table(show_lines=False, expand=False)
    for heading in ("行 row", "结果", "列 column", "值 value", "原因和建议 / reason and suggestion"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        style, outcome = STYLES[finding.severity]
        # Text objects: what a file says is never taken for markup.
        reason = Text(finding.zh + finding.do_zh)
        reason.append(f"\n{finding.en} {finding.do_en}".rstrip(), style="dim")
        table.add_row(
            "" if finding.row is None else str(finding.row),
            Text(outcome, style=style),
            Text(finding.column or ""),
            Text(finding.value[:60]),
            reason,
        )
    return table


def _say(error: DomainError) -> None:
    err.print(Text(error.detail_zh or error.title_zh, style="bold red"))
    err.print(Text(error.detail_en or error.title_en(), style="red"))
