"""Figures: what was measured, under which conditions, and whether it meets its target."""

import json
import operator
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

COMPARE = {">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True)
class Figure:
    """``target`` is a comparison (``">= 0.6"``) or empty; only a ratio ``decides`` the exit status."""

    name: str
    value: float
    unit: str
    target: str = ""
    conditions: str = ""
    decides: bool = False

    @property
    def ok(self) -> bool | None:
        """Whether the target is met; None without one."""
        if not self.target:
            return None
        sign, bound = self.target.split()
        return bool(COMPARE[sign](self.value, float(bound)))


def machine() -> str:
    """What it ran on, in a few words."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def print_table(figures: list[Figure]) -> None:
    """All figures, one a line."""
    table = Table(title=machine())
    for heading, justify in (
        ("what", "left"),
        ("value", "right"),
        ("target", "right"),
        ("", "left"),
        ("conditions", "left"),
    ):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]  # "left" or "right"
    for one in figures:
        verdict = {True: "[green]ok[/]", False: "[red]missed[/]", None: ""}[one.ok]
        table.add_row(
            one.name,
            f"{one.value:,.3g} {one.unit}" if one.value < 1000 else f"{one.value:,.0f} {one.unit}",
            one.target,
            verdict,
            one.conditions,
        )
    Console(width=160).print(table)


def write_json(figures: list[Figure], path: Path) -> None:
    """``{"NAME": {"value", "unit", "target", "ok", "conditions"}}``."""
    said = {
        one.name: {
            "value": one.value,
            "unit": one.unit,
            "target": one.target,
            "ok": one.ok,
            "conditions": f"{one.conditions}; {machine()}" if one.conditions else machine(),
        }
        for one in figures
    }
    path.write_text(json.dumps(said, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
