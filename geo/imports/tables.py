"""CSV, TSV and XLSX as rows of text cells."""

import csv
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from itertools import chain, islice
from pathlib import Path

import python_calamine

from geo.errors import ImportRefused
from geo.imports.encodings import NAMES, check_encoding, detect_encoding
from geo.imports.headers import SAMPLE_ROWS, read_header
from geo.imports.kinds import Kind, choose_layer
from geo.imports.mapping import TableSpec
from geo.imports.report import Finding
from geo.imports.rows import Cells, Chunks, Layer, as_text, chunked

DELIMITERS = (",", "\t", ";", "|")
SNIFFED_LINES = 20
LONGEST_CELL = 1_000_000  # characters; a longer one is a quote that was never closed

Lines = Generator[list[str], None, None]

csv.field_size_limit(LONGEST_CELL)


def open_csv(path: Path, table: TableSpec) -> Layer:
    """A delimited text file. Raises ImportRefused for its encoding, delimiter or header."""
    encoding = check_encoding(path, table.encoding) if table.encoding else detect_encoding(path)
    delimiter = table.delimiter or _sniff_delimiter(path, encoding)

    def lines() -> Lines:
        with path.open(encoding=encoding, errors="strict", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            try:
                yield from reader
            except csv.Error as error:
                raise ImportRefused(
                    f"第 {reader.line_num} 行附近的引号不配对（{error}），可能文件被截断；请在表格软件中打开后另存为 CSV。",
                    f"Quotes do not match near line {reader.line_num} ({error}); the file may be cut short: open it in"
                    " a spreadsheet program and save it as CSV again.",
                ) from None

    findings = [
        Finding(
            "note",
            "encoding",
            f"按 {NAMES.get(encoding, encoding)} 读取。",
            f"Read as {NAMES.get(encoding, encoding)}.",
        )
    ]
    return _table(Kind.table, lines, table, _count_lines(path), findings)


def open_spreadsheet(path: Path, table: TableSpec) -> Layer:
    """One sheet of an Excel or WPS workbook. Raises ImportRefused when it is damaged, locked or has several sheets."""
    try:
        book = python_calamine.load_workbook(str(path))
        name = _sheet_name(book.sheet_names, table.sheet, path)
        sheet = book.get_sheet_by_name(name)
    except python_calamine.PasswordError:
        raise ImportRefused(
            f"{path.name} 有密码，请去掉密码后另存。",
            f"{path.name} has a password: remove it and save again.",
        ) from None
    except (python_calamine.CalamineError, OSError) as error:
        raise ImportRefused(
            f"{path.name} 不完整或已损坏，请用表格软件打开后另存为 XLSX（{error}）。",
            f"{path.name} is cut short or damaged: open it and save it as XLSX again ({error}).",
        ) from None

    above = (
        sheet.start[0] if sheet.start else 0
    )  # empty rows above the first cell count in what a person sees

    def lines() -> Lines:
        yield from ([] for _ in range(above))
        for row in sheet.iter_rows():
            yield [as_text(cell) for cell in row]

    findings = [Finding("note", "sheet", f"读取工作表“{name}”。", f"Read sheet “{name}”.")]
    return _table(Kind.spreadsheet, lines, table, sheet.height, findings)


def _sheet_name(names: Sequence[str], wanted: str | None, path: Path) -> str:
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted in names:
        return str(wanted)
    if not names:
        raise ImportRefused(f"{path.name} 里没有工作表。", f"{path.name} has no sheet.")
    raise choose_layer(path, "工作表", "sheet", names, wanted)


def _table(
    kind: Kind,
    lines: Callable[[], Lines],
    table: TableSpec,
    total: int,
    findings: list[Finding],
) -> Layer:
    with closing(lines()) as reader:
        head = list(islice(reader, table.header_row + table.header_rows - 1 + SAMPLE_ROWS))
    columns = read_header(head, header_row=table.header_row, header_rows=table.header_rows)
    skipped = table.header_row - 1 + table.header_rows
    width = len(columns)
    nothing = [""] * width

    def rows() -> Iterator[tuple[int, Cells]]:
        for number, row in enumerate(islice(lines(), skipped, None), start=skipped + 1):
            if len(row) != width:
                if len(row) > width and any(row[width:]):
                    findings.append(_too_wide(number, row, width))
                    continue
                row = (row + nothing)[:width]
            if any(row):
                yield number, dict(zip(columns, row, strict=True))

    def chunks() -> Chunks:
        yield from chunked(rows())

    return Layer(kind, tuple(columns), chunks, total=max(0, total - skipped), findings=findings)


def _too_wide(number: int, row: list[str], width: int) -> Finding:
    return Finding(
        "rejected",
        "too-many-cells",
        f"这一行有 {len(row)} 个单元格，表头只有 {width} 个。",
        f"This line has {len(row)} cells; the header has {width}.",
        row=number,
        value=",".join(row),
        do_zh="可能某个单元格里有逗号却没有引号，请检查。",
        do_en="Some cell may hold a comma without quotes: check it.",
    )


def _sniff_delimiter(path: Path, encoding: str) -> str:
    """The delimiter that cuts the first lines into the most cells, as many in each."""
    with path.open(encoding=encoding, newline="") as file:
        head = [line for line in islice(file, SNIFFED_LINES) if line.strip()]
    best, best_width = ",", 0
    for delimiter in DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(head, delimiter=delimiter)]
        except csv.Error:
            continue
        width = max(set(widths), key=widths.count) if widths else 0
        if width > best_width:
            best, best_width = delimiter, width
    return best


def _count_lines(path: Path) -> int:
    """Line ends in the file: close enough for a progress bar."""
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in chain(iter(lambda: file.read(1 << 20), b"")))
