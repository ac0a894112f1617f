"""What every reader yields: rows in chunks, so that memory stays flat whatever the size of the file."""

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from geo.imports.kinds import Kind
from geo.imports.report import Finding

CHUNK_ROWS = 2_500  # about 12 MB with everything made of them

Cells = dict[str, str]
Geometries = NDArray[np.object_]  # shapely geometries or None
Chunks = Generator["Chunk", None, None]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Up to CHUNK_ROWS rows. `numbers` are the file's own (a spreadsheet's row, a layer's nth feature, from 1).

    `geometries` is None for tables, whose coordinates are cells.
    """

    numbers: list[int]
    cells: list[Cells]
    geometries: Geometries | None = None


@dataclass(frozen=True)
class Layer:
    """An opened file. `chunks` starts reading from the beginning each time it is called.

    `columns` is None when any key may come (OSM tags). `crs` is what the format or file itself declares, None when it
    says nothing. `total` is the number of rows for the progress bar, None when it is not known beforehand.
    `findings` collects notes on how the file is read and rows the reader had to reject; drained by the caller.
    """

    kind: Kind
    columns: tuple[str, ...] | None
    chunks: Callable[[], Chunks]
    crs: str | None = None
    total: int | None = None
    findings: list[Finding] = field(default_factory=list)


def chunked(rows: Iterable[tuple[int, Cells]]) -> Iterator[Chunk]:
    """Numbered rows of a table in chunks."""
    iterator = iter(rows)
    while batch := list(islice(iterator, CHUNK_ROWS)):
        numbers, cells = zip(*batch, strict=True)
        yield Chunk(list(numbers), list(cells))


def as_text(value: Any) -> str:
    """A cell as a person would type it: no `.0` on whole numbers, ISO dates, empty for None."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if value != value:  # NaN is GDAL's and calamine's empty number
            return ""
        # repr keeps every digit of a coordinate; phones typed as numbers come back without exponent.
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return str(value)
