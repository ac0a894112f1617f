"""``offering.rules`` read from JSON into values, with an error that names the place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NoReturn

import orjson

from booking.errors import InvalidRules
from booking.rules import eligibility, pricing
from booking.rules.eligibility import Condition, Who
from booking.rules.limits import Limit
from booking.rules.pricing import PriceRule
from core.actor import Channel

GENERAL = "general"
CHANNELS = ("web", "app", "kiosk", "counter", "phone")
PERIODS = ("day", "week", "month")
TIER_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


@dataclass(frozen=True, slots=True)
class Tier:
    """Places kept for those for whom ``who`` holds and who come through one of ``channels`` (none: any)."""

    who: tuple[Condition, ...] = ()
    channels: frozenset[Channel] = frozenset()


@dataclass(frozen=True, slots=True)
class WaitlistRule:
    """Whether people may wait, and until when before booking closes nobody passes a party that waits for more places."""

    enabled: bool = True
    strict_until_minutes: int = 60


@dataclass(frozen=True, slots=True)
class AttendanceRule:
    """``most`` marks ``within_days`` pause booking for ``blocks_days``; None: never. From ``spares_from_age`` on nobody
    is ever paused."""

    most: int | None = None
    within_days: int = 90
    blocks_days: int = 14
    spares_from_age: int = 60
    late_cancel_counts: bool = True

    def spares(self, age_years: int | None) -> bool:
        """Whether it leaves somebody of this age alone: no marks, no pause."""
        return self.most is None or (age_years is not None and age_years >= self.spares_from_age)


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules of an offering."""

    eligibility: tuple[Condition, ...] = ()
    tiers: Mapping[str, Tier] = field(default_factory=dict)
    limits: tuple[Limit, ...] = ()
    price: tuple[PriceRule, ...] = ()
    waitlist: WaitlistRule = WaitlistRule()
    attendance: AttendanceRule = AttendanceRule()

    @property
    def ask_about_person(self) -> bool:
        """Whether something here depends on age, tags or home: a booking must then read the person first."""
        told = (
            self.eligibility,
            *(tier.who for tier in self.tiers.values()),
            *(one.who for one in self.price),
        )
        return any(told) or self.attendance.most is not None

    def tiers_of(self, who: Who) -> tuple[str, ...]:
        """The tiers ``who`` may book from, their own first, everyone's last."""
        own = [
            name
            for name, tier in self.tiers.items()
            if (not tier.channels or who.channel in tier.channels)
            and eligibility.check(tier.who, who) is None
        ]
        return (*own, GENERAL)


def read_rules(given: Mapping[str, Any]) -> Rules:
    """The rules in ``given``. Raises InvalidRules; stored ones were read before and are remembered."""
    return _read(orjson.dumps(given, option=orjson.OPT_SORT_KEYS))


@lru_cache(maxsize=1024)
def _read(text: bytes) -> Rules:
    given = _Reader("rules", orjson.loads(text))
    given.only("eligibility", "tiers", "limits", "price", "waitlist", "attendance")
    tiers = given.child("tiers", {})
    limits = tuple(_limit(one) for one in given.child("limits", []).items())
    if len({(one.per, one.scope) for one in limits}) < len(limits):
        given.child("limits", []).fail("同一周期和范围只能有一条", "one limit for each period and scope")
    return Rules(
        eligibility=_conditions(given.child("eligibility", [])),
        tiers={name: _tier(name, tiers.child(name, None)) for name in tiers.mapping()},
        limits=limits,
        price=tuple(_price(one) for one in given.child("price", []).items()),
        waitlist=_waitlist(given.child("waitlist", {})),
        attendance=_attendance(given.child("attendance", {})),
    )


class _Reader:
    """A JSON value and where it stands."""

    def __init__(self, field: str, value: Any) -> None:
        self.field = field
        self.value = value

    def fail(self, zh: str, en: str) -> NoReturn:
        raise InvalidRules(zh, en, errors=[{"field": self.field, "reason": f"{zh} / {en}"}])

    def mapping(self) -> dict[str, Any]:
        if not isinstance(self.value, dict):
            self.fail("这里应为对象", "an object is expected here")
        return self.value

    def only(self, *names: str) -> None:
        for name in self.mapping():
            if name not in names:
                _Reader(f"{self.field}/{name}", None).fail(
                    f"未知规则，可用：{'、'.join(names)}", f"unknown; there are {', '.join(names)}"
                )

    def child(self, name: str, default: Any) -> "_Reader":
        return _Reader(f"{self.field}/{name}", self.mapping().get(name, default))

    def items(self) -> list["_Reader"]:
        if not isinstance(self.value, list):
            self.fail("这里应为列表", "a list is expected here")
        return [_Reader(f"{self.field}/{at}", one) for at, one in enumerate(self.value)]

    def number(self, least: int, most: int) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not least <= self.value <= most:
            self.fail(f"应为 {least} 到 {most} 的整数", f"a whole number from {least} to {most} is expected")
        return self.value

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            self.fail("应为 true 或 false", "true or false is expected")
        return self.value

    def one_of(self, names: tuple[str, ...]) -> Any:
        if self.value not in names:
            self.fail(f"可用：{'、'.join(names)}", f"one of {', '.join(names)} is expected")
        return self.value


def _conditions(given: _Reader) -> tuple[Condition, ...]:
    return tuple(_condition(one) for one in given.items())


def _condition(given: _Reader) -> Condition:
    name = given.child("rule", None).one_of(tuple(eligibility.RULES))
    if name in eligibility.NUMBERS:
        given.only("rule", "value")
        return Condition(name, given.child("value", None).number(0, 150))
    given.only("rule", "any")
    listed = given.child("any", None)
    values = [one.value for one in listed.items()]
    if not values or not all(isinstance(one, str) and one for one in values):
        listed.fail("请至少填写一项", "name at least one")
    return Condition(name, frozenset(values))


def _tier(name: str, given: _Reader) -> Tier:
    if name == GENERAL or not name or len(name) > 30 or not set(name) <= TIER_CHARS or not name[0].isalpha():
        given.fail("名称用小写字母，且不能是 general", "names are lower-case letters, and not general")
    given.only("who", "channels")
    channels = frozenset(one.one_of(CHANNELS) for one in given.child("channels", []).items())
    who = _conditions(given.child("who", []))
    if not channels and not who:
        given.fail("请说明留给谁", "say whom it is kept for")
    return Tier(who, channels)


def _limit(given: _Reader) -> Limit:
    given.only("per", "most", "scope")
    return Limit(
        per=given.child("per", None).one_of(PERIODS),
        most=given.child("most", None).number(1, 1000),
        scope=given.child("scope", "offering").one_of(("offering", "kind")),
    )


def _price(given: _Reader) -> PriceRule:
    given.only("rule", "value", "who", "whole_party")
    name = given.child("rule", None).one_of(tuple(pricing.RULES))
    return PriceRule(
        rule=name,
        value=given.child("value", None).number(0, 100 if name == "discount" else 10_000_000),
        who=_conditions(given.child("who", [])),
        whole_party=given.child("whole_party", False).flag(),
    )


def _waitlist(given: _Reader) -> WaitlistRule:
    given.only("enabled", "strict_until_minutes")
    return WaitlistRule(
        given.child("enabled", True).flag(), given.child("strict_until_minutes", 60).number(0, 100_000)
    )


def _attendance(given: _Reader) -> AttendanceRule:
    given.only("most", "within_days", "blocks_days", "spares_from_age", "late_cancel_counts")
    most = given.child("most", None)
    return AttendanceRule(
        most=None if most.value is None else most.number(1, 100),
        within_days=given.child("within_days", 90).number(1, 366),
        blocks_days=given.child("blocks_days", 14).number(1, 366),
        spares_from_age=given.child("spares_from_age", 60).number(0, 150),
        late_cancel_counts=given.child("late_cancel_counts", True).flag(),
    )
