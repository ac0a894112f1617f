"""Maps drawn as letters, so that a reader of a test sees who is whose neighbour."""

import shapely
from shapely.geometry import MultiPolygon, Polygon

WEST, SOUTH = 103.60, 36.50
SIDE = 0.01  # degrees: about 890 m east-west, 1,110 m north-south


def corner(column: int, row: int) -> tuple[float, float]:
    """South-west corner of a square; rows count from the south. Rounded, so that neighbours share vertices."""
    return round(WEST + column * SIDE, 6), round(SOUTH + row * SIDE, 6)


def middle(column: float, row: float) -> dict[str, float]:
    """``lon`` and ``lat`` of the middle of a square; fractions shift it (0.5 is the eastern or northern edge)."""
    return {"lon": WEST + (column + 0.5) * SIDE, "lat": SOUTH + (row + 0.5) * SIDE}


def drawn(picture: str) -> dict[str, Polygon | MultiPolygon]:
    """The surface of each letter of ``picture``, north up. A dot is nobody's."""
    rows = [line.split() for line in picture.strip().splitlines()][::-1]
    squares: dict[str, list[Polygon]] = {}
    for row, letters in enumerate(rows):
        for column, letter in enumerate(letters):
            if letter != ".":
                squares.setdefault(letter, []).append(
                    shapely.box(*corner(column, row), *corner(column + 1, row + 1))
                )
    return {letter: shapely.coverage_union_all(parts) for letter, parts in squares.items()}
