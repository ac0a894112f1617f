"""Conditions on a person (预约条件): each a name, a value, and a reason code when it does not hold."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.actor import Assurance, Channel

# code -> (zh, en), said to whoever books.
REASONS: Mapping[str, tuple[str, str]] = {
    "too_young": ("年龄未达到要求", "too young for this"),
    "too_old": ("超过年龄要求", "too old for this"),
    "age_unknown": ("请先登记证件，以便确认年龄", "register a document first, so that the age is known"),
    "tag_missing": ("需先由工作人员认定资格", "staff must first confirm that this is for you"),
    "other_area": ("仅限本辖区居民", "only for residents of the area"),
}


@dataclass(frozen=True, slots=True)
class Who:
    """What is known of a person on the day of the slot. ``area_ids``: the home area and those that hold it."""

    age_years: int | None = None
    tags: frozenset[str] = field(default=frozenset())
    area_ids: frozenset[str] = field(default=frozenset())
    assurance: Assurance = "none"
    channel: Channel = "web"


@dataclass(frozen=True, slots=True)
class Condition:
    """``rule``: a key of RULES; ``value``: a number, or the values of which one must match."""

    rule: str
    value: Any


def _min_age(value: Any, who: Who) -> str | None:
    if who.age_years is None:
        return "age_unknown"
    return "too_young" if who.age_years < value else None


def _max_age(value: Any, who: Who) -> str | None:
    if who.age_years is None:
        return "age_unknown"
    return "too_old" if who.age_years > value else None


def _tag(value: Any, who: Who) -> str | None:
    return "tag_missing" if who.tags.isdisjoint(value) else None


def _home_area(value: Any, who: Who) -> str | None:
    return "other_area" if who.area_ids.isdisjoint(value) else None


RULES: Mapping[str, Callable[[Any, Who], str | None]] = {
    "min_age": _min_age,
    "max_age": _max_age,
    "tag": _tag,
    "home_area": _home_area,
}
NUMBERS = frozenset({"min_age", "max_age"})


def check(conditions: Iterable[Condition], who: Who) -> str | None:
    """The reason code of the first condition that does not hold; None when all do."""
    for condition in conditions:
        reason = RULES[condition.rule](condition.value, who)
        if reason is not None:
            return reason
    return None
