"""The category tree: ``geo/data/categories.csv`` is where it is written, the database where it is referred to."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from psycopg import Connection

from geo.errors import UnknownCategory


@dataclass(frozen=True)
class CategoryNode:
    """A category as it stands in the tree; ``position`` is its place in the file and its number in the index."""

    code: str
    parent_code: str | None
    label_zh: str
    label_en: str
    icon: str
    geometry_kind: str
    measure: str | None
    position: int


@cache
def category_words() -> Mapping[str, tuple[str, ...]]:
    """What people say when they look for a category (看病, 讨薪, 日结): sites are found by it as by an alias."""
    return {row["code"]: tuple(row["words"].split()) for row in _read_file()}


@dataclass(frozen=True)
class CategoryTree:
    """All categories, parents before children."""

    nodes: Mapping[str, CategoryNode]

    def ancestors(self) -> dict[int, tuple[int, ...]]:
        """Number of each category -> its own and those above it."""
        return {
            node.position: tuple(above.position for above in self._up(node)) for node in self.nodes.values()
        }

    def number(self, code: str) -> int:
        """The number of a category. Raises UnknownCategory."""
        node = self.nodes.get(code)
        if node is None:
            raise UnknownCategory(
                f"没有类别 {code}；可用的类别见 GET /v1/categories。",
                f"There is no category {code}; GET /v1/categories lists those there are.",
                parameter="category",
            )
        return node.position

    def below(self, codes: Sequence[str]) -> list[str]:
        """``codes`` and all categories below them. Raises UnknownCategory."""
        numbers = {self.number(code) for code in codes}
        return [
            node.code
            for node in self.nodes.values()
            if any(above.position in numbers for above in self._up(node))
        ]

    def _up(self, node: CategoryNode) -> Iterator[CategoryNode]:
        current: CategoryNode | None = node
        while current is not None:
            yield current
            current = self.nodes[current.parent_code] if current.parent_code else None


def category_file() -> list[CategoryNode]:
    """The tree as written in the file."""
    return [
        CategoryNode(
            row["code"],
            row["parent_code"] or None,
            row["label_zh"],
            row["label_en"],
            row["icon"],
            row["geometry_kind"],
            row["measure"] or None,
            position,
        )
        for position, row in enumerate(_read_file())
    ]


def _read_file() -> list[dict[str, str]]:
    text = (files("geo") / "data" / "categories.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def read_categories(connection: Connection[Any]) -> CategoryTree:
    """The tree as the database has it."""
    rows = connection.execute(
        "select code, parent_code, label_zh, label_en, icon, geometry_kind, measure, position"
        " from category order by position"
    )
    return CategoryTree({row[0]: CategoryNode(*row) for row in rows})


def write_categories(connection: Connection[Any]) -> None:
    """Bring the database up to the file; categories no longer in the file stay, since sites may refer to them."""
    for node in category_file():
        connection.execute(
            "insert into category as old"
            " (code, parent_code, label_zh, label_en, icon, geometry_kind, measure, position)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s)"
            " on conflict (code) do update set parent_code = excluded.parent_code, label_zh = excluded.label_zh,"
            " label_en = excluded.label_en, icon = excluded.icon, geometry_kind = excluded.geometry_kind,"
            " measure = excluded.measure, position = excluded.position"
            " where (old.parent_code, old.label_zh, old.label_en, old.icon, old.geometry_kind, old.measure, old.position)"
            " is distinct from (excluded.parent_code, excluded.label_zh, excluded.label_en, excluded.icon,"
            " excluded.geometry_kind, excluded.measure, excluded.position)",
            (
                node.code,
                node.parent_code,
                node.label_zh,
                node.label_en,
                node.icon,
                node.geometry_kind,
                node.measure,
                node.position,
            ),
        )
