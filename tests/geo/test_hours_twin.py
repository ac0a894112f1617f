"""Opening hours against a slow obvious twin: minute by minute, over tables instead of texts.

The twin shares no code with geo.hours and reads no grammar; `texts` writes the same
table down for the fast side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from geo.calendar.workdays import DayKind, Term, WorkCalendar
from geo.hours.state import Hours, HoursException, open_state, validate_hours

SHANGHAI = ZoneInfo("Asia/Shanghai")

Times = tuple[tuple[int, int], ...]  # minutes after midnight, the end up to 48 hours
FIRST, LAST = date(2026, 12, 1), date(2027, 1, 20)


@dataclass(frozen=True)
class Table:
    week: tuple[Times, ...]
    public: Times | None
    school: Times | None
    makeup: Times | None
    exceptions: tuple[tuple[date, Times], ...]
    special: tuple[tuple[date, DayKind], ...]
    announced: frozenset[int]
    terms: tuple[Term, ...]


def written(times: Times) -> str:
    """08:00-12:00,22:00-26:00; ends past midnight in either of the two ways."""
    spans = []
    for start, end in times:
        shown = end - 1440 if 1440 < end <= start + 1440 and end % 2 else end
        spans.append(f"{start // 60:02}:{start % 60:02}-{shown // 60:02}:{shown % 60:02}")
    return ",".join(spans) or "off"


def texts(table: Table) -> Hours:
    rules = [
        f"{name} {written(times)}"
        for name, times in zip(["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"], table.week, strict=True)
    ]
    rules += [] if table.school is None else [f"SH {written(table.school)}"]
    rules += [] if table.public is None else [f"PH {written(table.public)}"]
    exceptions = tuple(HoursException(on, written(times), "x") for on, times in table.exceptions)
    return Hours("; ".join(rules), None if table.makeup is None else written(table.makeup), exceptions)


def slow_minutes(times: Times) -> frozenset[int]:
    return frozenset(minute for start, end in times for minute in range(start, end))


def slow_day(table: Table, on: date) -> dict[int, tuple[str, str | None]]:
    """Minute (0 to 2879) -> state and, when unknown, reason; for the hours that start on `on`."""
    for day, times in table.exceptions:
        if day == on:
            return dict.fromkeys(slow_minutes(times), ("open", None))
    weekend = on.weekday() >= 5
    if on.year in table.announced:
        kinds = [dict(table.special).get(on, DayKind.rest_day if weekend else DayKind.workday)]
    else:
        kinds = (
            [DayKind.rest_day, DayKind.holiday, DayKind.makeup_workday]
            if weekend
            else [DayKind.workday, DayKind.holiday]
        )
    covering = {term.kind for term in table.terms if term.starts_on <= on <= term.ends_on}
    outs = [covering == {"vacation"}] if covering else [False, True]
    by_out = []
    for out in outs:
        by_kind = [slow_kind(table, on, kind, out) for kind in kinds]
        by_out.append(slow_common(by_kind, "calendar_not_announced"))
    return slow_common(by_out, "no_term_data")


def slow_kind(table: Table, on: date, kind: DayKind, out: bool) -> dict[int, tuple[str, str | None]]:
    week = [table.school if out and table.school is not None else times for times in table.week]
    if kind is DayKind.makeup_workday:
        if table.makeup is not None:
            return dict.fromkeys(slow_minutes(table.makeup), ("open", None))
        working = [slow_minutes(times) for times in week[:5]]
        if len(set(working)) > 1:
            unclear = max(1439, *(max(minutes, default=0) for minutes in working))
            return dict.fromkeys(range(unclear + 1), ("unknown", "makeup_day_unclear"))
        return dict.fromkeys(working[0], ("open", None))
    times = table.public if kind is DayKind.holiday and table.public is not None else week[on.weekday()]
    return dict.fromkeys(slow_minutes(times), ("open", None))


def slow_common(
    days: Sequence[dict[int, tuple[str, str | None]]], otherwise: str
) -> dict[int, tuple[str, str | None]]:
    if len(days) == 1:
        return days[0]
    common = {}
    for minute in range(2880):
        answers = {day.get(minute, ("closed", None)) for day in days}
        common[minute] = answers.pop() if len(answers) == 1 else ("unknown", otherwise)
    return {minute: answer for minute, answer in common.items() if answer[0] != "closed"}


class Slow:
    """One table's states; each day is worked out once, minute by minute."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.days: dict[date, list[tuple[str, str | None]]] = {}
        self.starts: dict[date, dict[int, tuple[str, str | None]]] = {}

    def day(self, on: date) -> list[tuple[str, str | None]]:
        """The answers for the 1440 minutes of a date, its own hours and the night before's."""
        if on not in self.days:
            own, before = self.starting(on), self.starting(on - timedelta(days=1))
            self.days[on] = [
                slow_winner(own.get(minute, ("closed", None)), before.get(minute + 1440, ("closed", None)))
                for minute in range(1440)
            ]
        return self.days[on]

    def starting(self, on: date) -> dict[int, tuple[str, str | None]]:
        if on not in self.starts:
            self.starts[on] = slow_day(self.table, on)
        return self.starts[on]

    def state(self, moment: datetime) -> tuple[str, str | None]:
        return self.day(moment.date())[moment.hour * 60 + moment.minute]

    def until(self, moment: datetime) -> datetime | None:
        state = self.state(moment)[0]
        midnight = datetime.combine(moment.date(), time())
        first = moment.hour * 60 + moment.minute + 1
        for days in range(61):
            answers = self.day(midnight.date() + timedelta(days=days))
            for minute in range(first, 1440):
                if answers[minute][0] != state:
                    later = midnight + timedelta(days=days, minutes=minute)
                    return later if later <= moment + timedelta(days=60) else None
            first = 0
        return None


def slow_winner(own: tuple[str, str | None], night: tuple[str, str | None]) -> tuple[str, str | None]:
    for state in ("open", "unknown"):
        for answer in (own, night):
            if answer[0] == state:
                return answer
    return "closed", None


def times_of(longest: int) -> st.SearchStrategy[Times]:
    def end(start: int) -> st.SearchStrategy[tuple[int, int]]:
        return st.tuples(st.just(start), st.integers(start + 1, min(start + longest, 2880)))

    starts = st.one_of(st.sampled_from([0, 480, 510, 840, 1320, 1439]), st.integers(0, 1439))
    whole = st.just(((0, 1440),))
    lunch = st.just(((480, 720), (840, 1080)))
    return st.one_of(lunch, whole, st.lists(starts.flatmap(end), max_size=3).map(tuple))


@st.composite
def tables(draw: st.DrawFn) -> Table:
    times = times_of(draw(st.sampled_from([240, 1440, 2880])))
    office = st.tuples(times, times).map(lambda two: (two[0],) * 5 + (two[1],) * 2)
    week = draw(st.one_of(st.tuples(*[times] * 7), times.map(lambda same: (same,) * 7), office))
    dates = st.dates(FIRST, LAST)
    special = {
        on: DayKind.holiday if on.weekday() < 5 or draw(st.booleans()) else DayKind.makeup_workday
        for on in draw(st.lists(dates, max_size=8))
    }
    cut = sorted(draw(st.lists(dates, min_size=2, max_size=2, unique=True)))
    terms = (Term("a", "term", FIRST, cut[0]), Term("b", "vacation", cut[0] + timedelta(days=1), cut[1]))
    return Table(
        week,
        draw(st.none() | times),
        draw(st.none() | st.none() | times),
        draw(st.none() | times),
        tuple(draw(st.dictionaries(dates, times, max_size=3)).items()),
        tuple(special.items()),
        draw(st.sampled_from([frozenset({2026, 2027}), frozenset({2026}), frozenset()])),
        draw(st.sampled_from([(), terms])),
    )


EMPTY = Table(((),) * 7, None, None, None, (), (), frozenset(), ())
ALWAYS = Table((((0, 1440),),) * 7, (), None, None, (), (), frozenset(), ())


# Shrinking a failure takes minutes here, longer than a test may run; the unshrunk table is readable enough.
@settings(deadline=None, max_examples=80, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(tables(), st.dates(FIRST + timedelta(days=1), LAST), st.times(), st.integers(-12, 12))
@example(EMPTY, date(2026, 12, 5), time(0, 0), 0)
@example(ALWAYS, date(2026, 12, 31), time(23, 59, 59), 8)
def test_state_reason_and_until_equal_those_of_a_scan_minute_by_minute(
    table: Table, on: date, clock: time, offset: int
) -> None:
    hours = texts(table)
    assert hours.weekly is not None
    validate_hours(hours.weekly)
    calendar = WorkCalendar(dict(table.special), table.announced, table.terms)
    local = datetime.combine(on, clock.replace(microsecond=0))
    instant = local.replace(tzinfo=SHANGHAI).astimezone(timezone(timedelta(hours=offset)))
    found = open_state(hours, calendar, instant)
    slow = Slow(table)
    state, reason = slow.state(local)
    until = slow.until(local)
    assert (found.state, found.until) == (state, until and until.replace(tzinfo=SHANGHAI))
    if state == "unknown":
        assert found.reason == reason
