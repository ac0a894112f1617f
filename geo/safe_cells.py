"""Cells of CSV files that people open in spreadsheets."""

from typing import TypeVar

T = TypeVar("T")

# A spreadsheet runs a cell that starts with one of these as a formula (OWASP, "CSV injection").
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(cell: T) -> T | str:
    """`cell`, with an apostrophe before text that a spreadsheet would run. Numbers stay numbers."""
    if isinstance(cell, str) and cell.startswith(FORMULA_STARTS):
        return "'" + cell
    return cell
