"""What a booking costs: the offering's price, then each rule in order. All amounts are integer fen."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from booking.rules.eligibility import Condition, Who, check


@dataclass(frozen=True, slots=True)
class PriceRule:
    """``rule``: a key of RULES; it counts for whom ``who`` holds, and for the person alone or the whole party."""

    rule: str
    value: int
    who: tuple[Condition, ...] = ()
    whole_party: bool = False


@dataclass(frozen=True, slots=True)
class Price:
    """``fen`` for the whole party, None: ask; ``lines``: how it came about, as codes and amounts."""

    fen: int | None
    lines: tuple[Mapping[str, Any], ...] = ()


def _discount(percent: int, fen: int) -> int:
    return fen - fen * percent // 100  # what is off is whole fen


def _fixed(price: int, fen: int) -> int:
    return min(price, fen)


def _subsidy(amount: int, fen: int) -> int:
    return max(0, fen - amount)


RULES: Mapping[str, Callable[[int, int], int]] = {
    "discount": _discount,  # percent off
    "fixed": _fixed,  # this price instead
    "subsidy": _subsidy,  # fen off
}


def price_of(each_fen: int | None, rules: Iterable[PriceRule], who: Who, party_size: int) -> Price:
    """The price of a booking for ``party_size`` people, of whom ``who`` is one."""
    if each_fen is None:
        return Price(None)
    own = other = each_fen
    lines: list[Mapping[str, Any]] = [{"rule": "price", "each_fen": each_fen, "party_size": party_size}]
    for one in rules:
        if check(one.who, who) is None:
            before = own + other * (party_size - 1)
            own = RULES[one.rule](one.value, own)
            if one.whole_party:
                other = RULES[one.rule](one.value, other)
            off = before - own - other * (party_size - 1)
            lines.append({"rule": one.rule, "value": one.value, "off_fen": off})
    return Price(own + other * (party_size - 1), tuple(lines))
