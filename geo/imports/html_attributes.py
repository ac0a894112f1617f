"""Attributes hidden in an HTML table inside a description, as KML made from a GIS often has them."""

from html.parser import HTMLParser

MAX_ATTRIBUTES = 200


class _Table(HTMLParser):
    """Collects the text of each cell, row by row. The standard parser copes with unclosed and unknown tags."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[list[str]] = []
        self._cell: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  # the base class's signature
        if tag == "tr":
            self._end_cell()
            self.rows.append([])
        elif tag in ("td", "th"):
            self._end_cell()
            self._cell = []
        elif tag == "br" and self._cell is not None:
            self._cell.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "tr", "table"):
            self._end_cell()

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)

    def _end_cell(self) -> None:
        if self._cell is not None:
            if not self.rows:
                self.rows.append([])
            self.rows[-1].append(" ".join("".join(self._cell).split()))
            self._cell = None

    def close(self) -> None:
        super().close()
        self._end_cell()


def html_attributes(html: str) -> dict[str, str]:
    """`{label: value}` of the two-cell rows of the tables in `html`; other rows are captions. The first label wins."""
    parser = _Table()
    parser.feed(html)
    parser.close()
    found: dict[str, str] = {}
    for row in parser.rows[:MAX_ATTRIBUTES]:
        if len(row) == 2 and row[0]:
            found.setdefault(row[0], row[1])
    return found
