"""OSM opening_hours text to the hours that *start* on one day.

`opening_hours` (opening-hours-py) does the grammar and the dates: months, weeks, years, nth weekdays, rule order.
It knows no Chinese work calendar, takes none, and lets one day's late hours be cut by the next day's rules.
So each text is rewritten, and the library evaluates the rewriting:

* `PH` and `SH` become `Mo-Su` on a public or school holiday. Otherwise they stay: with no country given the
  library's own holiday tables are empty, so they match nothing. `SH Mo-Fr` means both, as in the specification.
* The times of the text are replaced by their ranks (08:00-12:00,22:00-26:00 by 00:01-00:02,00:03-00:04), and
  back in the answer. Then no hours pass midnight and a day is evaluated without its neighbours.
* A rule with a comment and no `open` is `unknown` and `||` fills whatever is closed, both as in the
  specification; the library says open to the first and looks at whole days for the second.

Specification: https://wiki.openstreetmap.org/wiki/Key:opening_hours/specification
"""

import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal, NamedTuple

from opening_hours import OpeningHours, State

MAX_LENGTH: Final = 1000  # characters; OSM itself allows 255
DAY_MINUTES: Final = 24 * 60
ONE_DAY: Final = timedelta(days=1)

WEEKDAYS: Final = ("mo", "tu", "we", "th", "fr", "sa", "su")
_OFFSET = r"(?: [+-]\d+ days?)"
_HOLIDAY = rf"(?:PH|SH){_OFFSET}?"
_WEEKDAY = rf"(?:(?i:Mo|Tu|We|Th|Fr|Sa|Su)(?![A-Za-z])(?:\[[^\]]*\]{_OFFSET}?|-(?i:Mo|Tu|We|Th|Fr|Sa|Su))?)"
_ITEM = rf"(?:{_HOLIDAY}|{_WEEKDAY})"
_HOLIDAYS = rf"{_HOLIDAY}(?:,{_HOLIDAY})*"
_WEEKDAYS = rf"{_WEEKDAY}(?:,{_WEEKDAY})*"
# The sign keeps out `easter +Mo`, a date and not a weekday.
_SELECTOR = re.compile(rf"(?<![+-])(?:{_HOLIDAYS}(?:[, ]{_WEEKDAYS})?|{_WEEKDAYS}(?:[, ]{_HOLIDAYS})?)")
_HOLIDAY_AND_WEEKDAY = re.compile(rf"({_HOLIDAYS}) ({_WEEKDAYS})")
_WEEKDAY_THEN_HOLIDAY = re.compile(rf"{_WEEKDAY} {_HOLIDAY}")
_COMMENT = re.compile(r'(\b(?:open|closed|off|unknown) *)?"[^"]*"(:? *)', re.IGNORECASE)
_SUN = re.compile(r"sunrise|sunset|dawn|dusk", re.IGNORECASE)
_SPAN = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
# The library reads 2026May as the first of May, and prints 2026 May, which it reads well, as 2026May.
_YEAR_MONTH = re.compile(r"(\d{4})(?=[A-Za-z]{3})")
_RULE = re.compile(r"(; |, )")
_WHOLE_DAY = "00:00-24:00"

ALWAYS: Final = "Mo-Su"
NEVER: Final = "PH"


class Span(NamedTuple):
    """Minutes after the day's midnight, end excluded; the end passes 1440 when the hours pass midnight."""

    start: int
    end: int
    state: Literal["open", "unknown"]


class HoursError(ValueError):
    """Opening hours that cannot be used. `zh` and `en` say what to write instead."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")
        self.zh = zh
        self.en = en


class UnclearDay(Exception):
    """The text's rules for an assumed weekday depend on which week of the month it is."""


class Assumed(NamedTuple):
    """What the calendar says of a date. `weekday` (0 Monday) replaces the date's own: make-up workdays."""

    public_holiday: bool = False
    school_holiday: bool = False
    weekday: int | None = None


ORDINARY: Final = Assumed()


@lru_cache(maxsize=8192)
def validate_hours(text: str) -> None:
    """Raise HoursError unless `text` can be parsed and evaluated with our calendar."""
    if len(text) > MAX_LENGTH:
        raise HoursError(f"营业时间超过 {MAX_LENGTH} 个字符", f"opening hours exceed {MAX_LENGTH} characters")
    _parse(text)
    plain = _without_comments(text)
    _refuse_what_needs_more_than_a_calendar(plain)
    _refuse_what_is_easily_misread(plain)
    _evaluators(text, ORDINARY)
    _evaluators(text, Assumed(public_holiday=True, school_holiday=True))


def validate_exception_hours(text: str) -> None:
    """Raise HoursError unless `text` is times or `off`, with no days: the hours of one date."""
    validate_hours(text)
    rest = re.sub(r"(?i)open|closed|off|unknown", "", _without_comments(text))
    if re.search(r"[A-Za-z]|\b\d{4}\b", rest):
        raise HoursError("例外日只写时间或 off：09:00-12:00", "give times or `off` only: 09:00-12:00")


@lru_cache(maxsize=8192)
def uses_holidays(text: str) -> tuple[bool, bool]:
    """Whether `text` has rules for public holidays (`PH`) and for school holidays (`SH`)."""
    plain = _without_comments(text)
    return "PH" in plain, "SH" in plain


@lru_cache(maxsize=65_536)
def spans(text: str, on: date, assumed: Assumed = ORDINARY) -> tuple[Span, ...]:
    """The hours that start on `on`, in order, apart from each other; what lies between is closed.

    Raises HoursError for a text `validate_hours` refuses, UnclearDay when `assumed.weekday` is given and the
    text has a rule for that weekday in certain weeks of the month only.
    """
    ph, sh = uses_holidays(text)
    relevant = Assumed(ph and assumed.public_holiday, sh and assumed.school_holiday, assumed.weekday)
    filled: tuple[Span, ...] = ()
    for evaluator, minutes in _evaluators(text, relevant):
        filled = _fill(filled, _evaluate(evaluator, minutes, on))
    return filled


@lru_cache(maxsize=8192)
def _evaluators(text: str, assumed: Assumed) -> tuple[tuple[OpeningHours, tuple[int, ...]], ...]:
    """One evaluator for each `||` part, with the minutes its ranks stand for."""
    rewritten = _SELECTOR.sub(lambda found: _selector_for(found[0], assumed), _without_comments(text))
    try:
        canonical = _YEAR_MONTH.sub(r"\1 ", str(_parse(_YEAR_MONTH.sub(r"\1 ", rewritten))))
    except HoursError:
        if assumed.weekday is None:
            raise
        # `Oct Su[1]-Dec 26`: a date that the grammar writes with a weekday.
        raise UnclearDay from None
    return tuple(_ranked(part) for part in canonical.split(" || "))


def _selector_for(selector: str, assumed: Assumed) -> str:
    """The weekday selector as the library has to read it: `Mo-Fr,PH` on a public holiday is `Mo-Su`."""
    if both := _HOLIDAY_AND_WEEKDAY.fullmatch(selector):
        return _selector_for(both[2], assumed) if _is_holiday(both[1].split(","), assumed) else NEVER
    items = re.findall(_ITEM, selector)
    weekdays = [item for item in items if item[:2] not in ("PH", "SH")]
    if _is_holiday(items, assumed):
        return ALWAYS
    if assumed.weekday is None or not weekdays:
        return selector if weekdays == items else ",".join(weekdays) or NEVER
    return ALWAYS if any(_covers(item, assumed.weekday) for item in weekdays) else NEVER


def _is_holiday(items: Sequence[str], assumed: Assumed) -> bool:
    return (assumed.public_holiday and "PH" in items) or (assumed.school_holiday and "SH" in items)


def _covers(item: str, weekday: int) -> bool:
    """Whether `Mo`, `Mo-Fr` or `Fr-Mo` covers a weekday; UnclearDay for `Mo[1]` when it might."""
    first = WEEKDAYS.index(item[:2].lower())
    if "[" in item:
        if first == weekday or " " in item:
            raise UnclearDay
        return False
    last = WEEKDAYS.index(item[-2:].lower())
    return (weekday - first) % 7 <= (last - first) % 7


def _ranked(part: str) -> tuple[OpeningHours, tuple[int, ...]]:
    """A canonical text without comments, its times replaced by their ranks; and what each rank stands for."""
    timed = "".join(
        piece if index % 2 else _with_times(piece) for index, piece in enumerate(_RULE.split(part))
    )
    ends = [_minutes(found) for found in _SPAN.finditer(timed)]
    minutes = tuple(sorted({minute for pair in ends for minute in pair}))
    rank = {minute: _clock(index) for index, minute in enumerate(minutes)}

    def replace(found: re.Match[str]) -> str:
        start, end = _minutes(found)
        return f"{rank[start]}-{rank[end]}"

    return _parse(_SPAN.sub(replace, timed)), minutes


def _with_times(rule: str) -> str:
    """A rule without times covers its day from 00:00 to 24:00, not the whole axis of ranks; `off` does."""
    if _SPAN.search(rule) or rule.endswith("closed"):
        return rule
    days, unknown = (rule[: -len(" unknown")], " unknown") if rule.endswith(" unknown") else (rule, "")
    return f"{_WHOLE_DAY if days == '24/7' else f'{days} {_WHOLE_DAY}'}{unknown}"


def _minutes(found: re.Match[str]) -> tuple[int, int]:
    """22:00-02:00 is 1320 to 1560, as 22:00-26:00; 08:00-08:00 lasts 24 hours."""
    start = int(found[1]) * 60 + int(found[2])
    end = int(found[3]) * 60 + int(found[4])
    return start, end if end > start else end + DAY_MINUTES


def _clock(index: int) -> str:
    return f"{index // 60:02d}:{index % 60:02d}"


def _evaluate(evaluator: OpeningHours, minutes: tuple[int, ...], on: date) -> list[Span]:
    midnight = datetime.combine(on, time())
    found: list[Span] = []
    for start, end, state, _comment in evaluator.intervals(midnight, midnight + ONE_DAY):
        if state != State.CLOSED:
            # The library's midnight is rank 0; no open interval passes the last rank.
            first, last = (minutes[(edge - midnight).seconds // 60] for edge in (start, end))
            found.append(Span(first, last, "open" if state == State.OPEN else "unknown"))
    return found


def _fill(ours: tuple[Span, ...], fallback: Sequence[Span]) -> tuple[Span, ...]:
    """`fallback` where `ours` is closed; neighbours of one state become one span."""
    pieces = list(ours)
    gaps = pairwise([0, *(edge for span in ours for edge in span[:2]), 2 * DAY_MINUTES])
    for index, (start, end) in enumerate(gaps):
        if index % 2 == 0:
            for span in fallback:
                first, last = max(start, span.start), min(end, span.end)
                if first < last:
                    pieces.append(Span(first, last, span.state))
    merged: list[Span] = []
    for piece in sorted(pieces):
        if merged and merged[-1].end == piece.start and merged[-1].state == piece.state:
            merged[-1] = Span(merged[-1].start, piece.end, piece.state)
        else:
            merged.append(piece)
    return tuple(merged)


@lru_cache(maxsize=8192)
def _without_comments(text: str) -> str:
    """`"by appointment"` alone becomes `unknown`; a comment after `open` or `off`, or before `:`, goes."""

    def replace(found: re.Match[str]) -> str:
        if found[1]:
            return found[1].rstrip() + found[2]
        return "" if found[2].startswith(":") else "unknown" + found[2]

    return _COMMENT.sub(replace, text).strip()


def _parse(text: str) -> OpeningHours:
    try:
        return OpeningHours(text)
    except Exception as error:  # noqa: BLE001  a ParserError, which the library's type stubs do not name
        raise _syntax_error(text, str(error)) from None


def _syntax_error(text: str, message: str) -> HoursError:
    at = re.search(r"--> \d+:(\d+)", message)
    column = int(at[1]) if at else 1
    zh, en = f"第 {column} 个字符起无法识别", f"cannot be read from character {column} on"
    if not _COMMENT.sub("", text).isascii():
        zh += "；请用半角的 : - , ; 和英文星期（Mo-Su）"
        en += "; use plain : - , ; and Mo-Su"
    return HoursError(
        f"{zh}。例：Mo-Fr 08:30-12:00,14:30-18:00; PH off",
        f"{en}. Example: Mo-Fr 08:30-12:00,14:30-18:00; PH off",
    )


def _refuse_what_needs_more_than_a_calendar(plain: str) -> None:
    if _SUN.search(plain):
        raise HoursError(
            "请写明钟点，不要用日出、日落", "write clock times, not sunrise, sunset, dawn or dusk"
        )
    if re.search(rf"PH{_OFFSET}", plain):
        raise HoursError(
            "不支持“PH ±n day”；请把这些日期写成例外日",
            "`PH ±n day` is not supported: add those dates as exceptions",
        )
    if re.search(r"\d\d?:\d\d ?\+", plain):
        raise HoursError("请写明结束时间，不要用“+”", "write the closing time instead of `+`")
    if re.search(r"\d\d?:\d\d ?/", plain):
        raise HoursError(
            "请写起止时间，不要用“/”间隔", "write opening times, not points in time repeated by `/`"
        )


def _refuse_what_is_easily_misread(plain: str) -> None:
    """Texts the grammar allows, whose plain reading is another one than the grammar's."""
    if _WEEKDAY_THEN_HOLIDAY.search(plain):
        raise HoursError("星期与 PH、SH 之间请用逗号：Mo-Fr,PH", "put a comma before PH or SH: Mo-Fr,PH")
    if re.search(rf"{_ITEM} ?, (?={_ITEM})", plain):
        raise HoursError(
            "“Mo, We 10:00-12:00”意为周一全天；请去掉逗号后的空格：Mo,We 10:00-12:00",
            "`Mo, We 10:00-12:00` means all of Monday: leave out the space, Mo,We 10:00-12:00",
        )
    holiday_ruled = False
    for rule in re.split(r" *; *| *, | *\|\| ", plain):
        items = {item[:2] for found in _SELECTOR.finditer(rule) for item in re.findall(_ITEM, found[0])}
        closes = re.search(r"(?i)(?:off|closed)$", rule.strip()) is not None
        if items & {"PH", "SH"}:
            holiday_ruled = holiday_ruled or closes or items <= {"PH", "SH"}
        elif holiday_ruled and not closes and "||" not in plain:
            raise HoursError(
                "后面的规则会盖过 PH、SH 规则；请把 PH、SH 规则写在最后",
                "later rules override those for PH and SH: put PH and SH rules last",
            )
