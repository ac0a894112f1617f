"""What a site can have: the vocabulary of ``features`` and ``accessibility``, kept in ``geo/data/features.csv``."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType


@dataclass(frozen=True)
class Feature:
    """A thing a site can have; ``kind`` is ``facility`` or ``accessibility``."""

    code: str
    kind: str
    label_zh: str
    label_en: str


@cache
def features() -> Mapping[str, Feature]:
    """The vocabulary by code."""
    text = (files("geo") / "data" / "features.csv").read_text(encoding="utf-8")
    return MappingProxyType({row["code"]: Feature(**row) for row in csv.DictReader(text.splitlines())})
