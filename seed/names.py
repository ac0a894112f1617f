"""The real names and codes the demo city is keyed to, and the invented positions it gives them.

``seed/data``: names and codes of townships and communities are facts of the 2023 statistical code list (``code``) and
of the civil-affairs list (``code_mca``), a village committee (村委会) shortened to its village (村). Positions, the outline
and the centre communities other than 文曲中心社区 are invented: no open map of the area gives them.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

DISTRICT_NAME = "兰州新区"
DISTRICT_NAME_EN = "Lanzhou New Area"
DISTRICT_CODE = "620171"  # system nbs


@dataclass(frozen=True, slots=True)
class Township:
    """A town (镇) with its code in both systems."""

    code: str
    code_mca: str
    name: str
    name_en: str


@dataclass(frozen=True, slots=True)
class Community:
    """An urban community (社区) or a village (村). ``township`` is the town's nbs code; lon, lat its invented middle."""

    code: str
    name: str
    township: str
    centre_community: str | None
    lon: float
    lat: float

    @property
    def urban(self) -> bool:
        return self.name.endswith("社区")

    @property
    def short_name(self) -> str:
        """彩虹城 of 彩虹城社区, 炮台 of 炮台村."""
        return self.name.removesuffix("社区").removesuffix("村")


@cache
def townships() -> tuple[Township, ...]:
    """The four towns, by code."""
    return tuple(Township(**row) for row in read_rows("seed", "townships.csv"))


@cache
def communities() -> tuple[Community, ...]:
    """The 88 communities and villages, by code."""
    return tuple(
        Community(
            code=row["code"],
            name=row["name"],
            township=row["township"],
            centre_community=row["centre_community"] or None,
            lon=float(row["lon"]),
            lat=float(row["lat"]),
        )
        for row in read_rows("seed", "communities.csv")
    )


@cache
def outline() -> tuple[tuple[float, float], ...]:
    """Corners (lon, lat) of the invented outline of the district."""
    return tuple((float(row["lon"]), float(row["lat"])) for row in read_rows("seed", "outline.csv"))


def read_rows(package: str, name: str) -> Iterator[dict[str, str]]:
    """Rows of a CSV file in a package's ``data`` folder, by column name."""
    text = (files(package) / "data" / name).read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())
