"""What an import found, in words a clerk can act on; kept small in memory, complete in a CSV file."""

import csv
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import TextIOBase
from pathlib import Path
from typing import Literal, Protocol

from geo.safe_cells import safe_cell

Severity = Literal["new", "changed", "rejected", "warning", "note"]

KEPT_FINDINGS = 200  # of each severity, in memory, for the table on screen; the CSV has all of them
LONGEST_VALUE = 200

REPORT_HEADER = (
    "行 row",
    "结果 outcome",
    "列 column",
    "值 value",
    "原因",
    "建议",
    "reason",
    "suggestion",
    "代码 code",
)
OUTCOMES = {
    "new": "新增 new",
    "changed": "更改 changed",
    "rejected": "拒绝 rejected",
    "warning": "提醒 warning",
    "note": "说明 note",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about a row (as numbered in the file; None: the whole file).

    `rejected`: the row cannot become a site. `warning`: it can, with something left out or doubtful.
    `note`: how the file was read. `new` and `changed`: what becomes of the row; `value` is its number then, and both
    texts its name.
    """

    severity: Severity
    code: str
    zh: str
    en: str
    row: int | None = None
    column: str | None = None
    value: str = ""
    do_zh: str = ""
    do_en: str = ""


class Sink(Protocol):
    """Takes every line of a report."""

    def put(self, finding: Finding) -> None:
        """Take a line."""
        ...


@dataclass
class Report:
    """Counts of rows, and findings. `sink` gets every finding, and a line for every row that is new or changed."""

    sink: Sink | None = None
    counts: Counter[str] = field(default_factory=Counter)
    by_code: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    _by_severity: Counter[str] = field(default_factory=Counter)

    def add(self, finding: Finding) -> None:
        """Take note of `finding`. Rejected rows are counted by `reject`, since a row may have several reasons."""
        self.by_code[finding.code] += 1
        if finding.severity == "warning":
            self.counts["warnings"] += 1
        self._by_severity[finding.severity] += 1
        # What concerns the whole file is found last, is little, and says more than the hundredth bad phone.
        if finding.row is None or self._by_severity[finding.severity] <= KEPT_FINDINGS:
            self.findings.append(finding)
        if self.sink is not None:
            self.sink.put(finding)

    def reject(self, *findings: Finding) -> None:
        """Count one rejected row, with its reasons."""
        self.counts["rejected"] += 1
        for finding in findings:
            self.add(finding)

    def row(self, outcome: Literal["new", "changed"], number: int, external_id: str, name: str) -> None:
        """A line for a row that is new or changed; only the sink lists them."""
        if self.sink is not None:
            self.sink.put(Finding(outcome, outcome, name, name, number, None, external_id))

    def worst_first(self) -> list[Finding]:
        """The findings kept: of the whole file, then refused rows, then warnings; each in the file's order."""
        order = {"rejected": 0, "warning": 1, "note": 2}
        return sorted(self.findings, key=lambda finding: (finding.row is not None, order[finding.severity]))

    @property
    def usable(self) -> int:
        """How many rows make sites."""
        return self.counts["new"] + self.counts["changed"] + self.counts["unchanged"]

    @property
    def finding_count(self) -> int:
        return sum(self.by_code.values())


def csv_cells(finding: Finding) -> list[object]:
    """A line of the report as a spreadsheet shows it, under REPORT_HEADER."""
    value = finding.value
    if len(value) > LONGEST_VALUE:
        value = value[:LONGEST_VALUE] + "…"
    cells = (
        "" if finding.row is None else finding.row,
        OUTCOMES[finding.severity],
        finding.column or "",
        value,
        finding.zh,
        finding.do_zh,
        finding.en,
        finding.do_en,
        finding.code,
    )
    return [safe_cell(cell) for cell in cells]


class _Csv:
    """Writes lines to a file, below the header."""

    def __init__(self, file: TextIOBase) -> None:
        self._writer = csv.writer(file)
        self._writer.writerow(REPORT_HEADER)

    def put(self, finding: Finding) -> None:
        self._writer.writerow(csv_cells(finding))


@contextmanager
def report_to(path: Path | None) -> Iterator[Report]:
    """A report that also writes `path`: CSV, UTF-8 with BOM, so that a spreadsheet opens it. OSError as it comes."""
    if path is None:
        yield Report()
        return
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        yield Report(sink=_Csv(file))
