"""The header of a table: where it is, whether it is one, what its columns are called."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from geo.errors import ImportRefused

_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_ ]*")
NUMERIC_SHARE = 0.8
SAMPLE_ROWS = 50


class HeaderElsewhere(ImportRefused):
    """This file cannot be imported as it is.

    Its header is not where it was looked for. ``table`` is what to write in the mapping: header_row, header_rows.
    """

    def __init__(self, detail_zh: str, detail_en: str, table: dict[str, int]) -> None:
        super().__init__(detail_zh, detail_en)
        self.table = table


def read_header(rows: Sequence[Sequence[str]], *, header_row: int, header_rows: int) -> list[str]:
    """Column names from the first lines of a table. `rows` start at line 1; `header_row` counts from 1.

    Raises ImportRefused for a file without header; HeaderElsewhere, which says how to read it, for one with a title above
    it, with two header lines or the same one twice.
    """
    if len(rows) < header_row:
        raise ImportRefused(
            f"文件只有 {len(rows)} 行，找不到第 {header_row} 行的表头。",
            f"The file has {len(rows)} lines; there is no header on line {header_row}.",
        )
    header = _merged(rows[header_row - 1 : header_row - 1 + header_rows])
    data = [row for row in rows[header_row - 1 + header_rows :][:SAMPLE_ROWS] if any(row)]
    filled = [cell for cell in header if cell]
    _check_is_header(header, filled, header_row)
    widest = max((sum(map(bool, row)) for row in data), default=0)
    if len(filled) == 1 and widest >= 3:
        raise HeaderElsewhere(
            f"第 {header_row} 行只有“{filled[0]}”，像是标题；请在映射文件写 table: {{header_row: {header_row + 1}}}，"
            "或删去标题行。",
            f"Line {header_row} holds only “{filled[0]}”, like a title: write table: {{header_row: {header_row + 1}}}"
            " in the mapping, or delete the title.",
            {"header_row": header_row + 1},
        )
    if header_rows == 1 and (again := _repeated(rows, header, header_row)) is not None:
        raise HeaderElsewhere(
            f"第 {again} 行重复了第 {header_row} 行的表头；请在映射文件写 table: {{header_row: {again}}}，或删去其中一行。",
            f"Line {again} repeats the header of line {header_row}: write table: {{header_row: {again}}} in the"
            " mapping, or delete one of them.",
            {"header_row": again},
        )
    if header_rows == 1 and len(data) >= 2 and _second_is_header(header, data):
        raise HeaderElsewhere(
            f"第 {header_row} 行和第 {header_row + 1} 行都像表头；请在映射文件写 table: {{header_rows: 2}}"
            "（两行名称用“-”连接），或删去其中一行。",
            f"Lines {header_row} and {header_row + 1} both look like headers: write table: {{header_rows: 2}} in the"
            " mapping (their names are joined by “-”), or delete one.",
            {"header_row": header_row, "header_rows": 2},
        )
    return _unique(header)


def _check_is_header(header: list[str], filled: list[str], header_row: int) -> None:
    if not filled:
        raise ImportRefused(
            f"第 {header_row} 行是空的，应为表头。",
            f"Line {header_row} is empty; the header should be there.",
        )
    numbers = [cell for cell in filled if _NUMBER.fullmatch(cell)]
    if numbers:
        raise ImportRefused(
            f"第 {header_row} 行不像表头（有数值 {numbers[0]}）；请在最上面加一行列名，例如：名称,地址,经度,纬度。",
            f"Line {header_row} is no header (it holds {numbers[0]}): add a first line of column names, such as"
            " name,address,lon,lat.",
        )


def _merged(lines: Sequence[Sequence[str]]) -> list[str]:
    """One name a column from one or more lines; a merged cell above covers the empty ones to its right."""
    if len(lines) == 1:
        return [_clean(cell) for cell in lines[0]]
    width = max(map(len, lines))
    parts: list[list[str]] = [[] for _ in range(width)]
    for depth, line in enumerate(lines):
        above = ""
        for i in range(width):
            cell = _clean(line[i]) if i < len(line) else ""
            if cell:
                above = cell
            elif depth < len(lines) - 1:
                cell = above
            if cell and cell not in parts[i]:
                parts[i].append(cell)
    return ["-".join(names) for names in parts]


def _clean(cell: str) -> str:
    return " ".join(cell.split())


def _repeated(rows: Sequence[Sequence[str]], header: list[str], header_row: int) -> int | None:
    """The number of the first line with text below the header, when it says the same as the header."""
    for number, row in enumerate(rows[header_row:], start=header_row + 1):
        if any(row):
            return number if _trimmed(map(_clean, row)) == _trimmed(header) else None
    return None


def _trimmed(cells: Iterable[str]) -> list[str]:
    """Without the empty cells at the end, of which one line may have more than the other."""
    said = list(cells)
    while said and not said[-1]:
        said.pop()
    return said


def _is_number(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell.strip()))


def _second_is_header(header: list[str], data: Sequence[Sequence[str]]) -> bool:
    """Whether the first line below the header is text where all others hold numbers, or English beside Chinese."""
    first, rest = data[0], data[1:]
    numeric = []
    for i in range(min(len(first), len(header))):
        column = [row[i] for row in rest if i < len(row) and row[i].strip()]
        if len(column) >= 2 and sum(map(_is_number, column)) >= NUMERIC_SHARE * len(column):
            numeric.append(i)
    said = [first[i].strip() for i in numeric if first[i].strip()]
    # A data row may have TBC for both coordinates; names of columns differ from each other.
    if len(said) >= 2 and len(set(said)) == len(said) and not any(map(_is_number, said)):
        return True
    cells = [cell.strip() for cell in first if cell.strip()]
    below = "".join(cell for row in rest for cell in row)
    return (
        len(cells) >= 2
        and len(cells) >= 0.8 * len([name for name in header if name])
        and all(_IDENTIFIER.fullmatch(cell) for cell in cells)
        and any("\u4e00" <= character <= "\u9fff" for character in below)
    )


def _unique(header: list[str]) -> list[str]:
    """Names made distinct: a second 电话 becomes 电话 (2); an empty one is called after its place."""
    seen: Counter[str] = Counter()
    names = []
    for i, cell in enumerate(header, start=1):
        name = cell or f"column {i}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names
