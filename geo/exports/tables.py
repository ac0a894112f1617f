"""CSV and XLSX, written as rows come. Points are `lon`, `lat`; other shapes are in `wkt` too."""

import csv
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import shapely
import xlsxwriter

from geo.exports.query import NAMES, Row
from geo.safe_cells import safe_cell

HEADER = (*NAMES, "wkt")
# Limits of the XLSX format.
SHEET_ROWS = 1_048_576
CELL_CHARACTERS = 32_767


async def write_csv(batches: AsyncIterator[list[Row]], path: Path) -> int:
    """UTF-8 with BOM, so that Excel reads Chinese; text that Excel would run is marked with an apostrophe."""
    count = 0
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        async for rows in batches:
            wkts = _wkts(rows)
            writer.writerows(
                [safe_cell(_plain(value)) for value in row[:-1]] + [wkt]
                for row, wkt in zip(rows, wkts, strict=True)
            )
            count += len(rows)
    return count


async def write_xlsx(batches: AsyncIterator[list[Row]], path: Path) -> int:
    """One sheet for each million rows. Cells are written as text or number, so that nothing is run as a formula."""
    count = 0
    # constant_memory flushes each row to a temporary file; nothing but the current row is held.
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(str(path), options) as book:
        bold = book.add_format({"bold": True})
        sheet: Any = None
        at = SHEET_ROWS
        async for rows in batches:
            for row, wkt in zip(rows, _wkts(rows), strict=True):
                if at >= SHEET_ROWS:
                    sheet, at = _new_sheet(book, bold), 1
                for column, value in enumerate((*row[:-1], wkt)):
                    _write_cell(sheet, at, column, _plain(value))
                at += 1
            count += len(rows)
        if sheet is None:
            _new_sheet(book, bold)
    return count


def _new_sheet(book: Any, bold: Any) -> Any:
    number = len(book.worksheets()) + 1
    sheet = book.add_worksheet("sites" if number == 1 else f"sites {number}")
    sheet.freeze_panes(1, 2)
    for column, name in enumerate(HEADER):
        sheet.write_string(0, column, name, bold)
    return sheet


def _write_cell(sheet: Any, row: int, column: int, value: object) -> None:
    if value is None or value == "":
        return
    if isinstance(value, int | float):
        sheet.write_number(row, column, value)
    else:
        text = str(value)
        if len(text) > CELL_CHARACTERS:
            # Half a shape is no shape; half a text still tells something.
            text = "" if column == len(HEADER) - 1 else text[: CELL_CHARACTERS - 1] + "…"
        sheet.write_string(row, column, text)


def _plain(value: object) -> object:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value


def _wkts(rows: Sequence[Row]) -> list[str]:
    """WKT of what is no point; empty for points."""
    shapes = shapely.from_wkb([bytes(row[-1]) for row in rows])
    texts = shapely.to_wkt(shapes, rounding_precision=7, trim=True)
    return [
        "" if shape.geom_type == "Point" else str(text) for shape, text in zip(shapes, texts, strict=True)
    ]
