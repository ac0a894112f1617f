"""On which days a template counts, and when its slots are: pure."""

from datetime import UTC, date, datetime, time
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.offerings.input import length_minutes
from booking.offerings.patterns import Pattern, counts_on, windows_on
from geo.calendar.workdays import DayKind, WorkCalendar

CHINA = ZoneInfo("Asia/Shanghai")
HOLIDAY, MAKEUP = date(2026, 10, 1), date(2026, 10, 10)  # a Thursday, a Saturday
CALENDAR = WorkCalendar({HOLIDAY: DayKind.holiday, MAKEUP: DayKind.makeup_workday}, frozenset({2026}))
MONDAY, SATURDAY = date(2026, 10, 12), date(2026, 10, 17)
MONDAY_2027, SATURDAY_2027 = date(2027, 1, 4), date(2027, 1, 9)


def pattern(*kinds, weekdays=(1, 2, 3, 4, 5, 6, 7), **more):
    said = {
        "starts_at": time(11),
        "ends_at": time(13),
        "slot_minutes": None,
        "valid_from": date(2026, 1, 1),
        "valid_until": None,
        **more,
    }
    return Pattern(frozenset(weekdays), frozenset(DayKind(kind) for kind in kinds), **said)


@pytest.mark.parametrize(
    ("kinds", "weekdays", "on", "answer"),
    [
        (("workday",), (1, 2, 3, 4, 5), MONDAY, "yes"),
        (("workday",), (2, 3), MONDAY, "no"),
        (("workday",), (1, 2, 3, 4, 5), HOLIDAY, "no"),
        (("workday", "holiday"), (1, 2, 3, 4, 5), HOLIDAY, "yes"),
        (("workday", "holiday"), (1, 2), HOLIDAY, "no"),
        (("workday",), (1, 2, 3, 4, 5), MAKEUP, "no"),
        # A make-up workday follows another weekday's timetable: its own weekday says nothing.
        (("workday", "makeup_workday"), (1, 2, 3, 4, 5), MAKEUP, "yes"),
        (("rest_day",), (6, 7), SATURDAY, "yes"),
        (("rest_day",), (6, 7), MAKEUP, "no"),
        (("rest_day",), (7,), SATURDAY, "no"),
        # A year that is not announced: every kind a day may turn out to be must be named.
        (("workday",), (1, 2, 3, 4, 5), MONDAY_2027, "unknown"),
        (("workday", "holiday"), (1, 2, 3, 4, 5), MONDAY_2027, "yes"),
        (("workday", "holiday"), (2,), MONDAY_2027, "no"),
        (("rest_day",), (6, 7), SATURDAY_2027, "unknown"),
        (("rest_day", "holiday", "makeup_workday"), (6, 7), SATURDAY_2027, "yes"),
        # The weekday keeps rest days out, and a make-up workday would count all the same.
        (("rest_day", "holiday", "makeup_workday"), (7,), SATURDAY_2027, "unknown"),
        (("workday",), (1, 2, 3, 4, 5), SATURDAY_2027, "no"),
    ],
)
def test_a_day_counts_if_every_kind_it_may_be_does(kinds, weekdays, on, answer):
    assert counts_on(pattern(*kinds, weekdays=weekdays), CALENDAR, on) == answer


def test_a_template_counts_from_its_first_to_its_last_date():
    one = pattern("workday", valid_from=MONDAY, valid_until=date(2026, 10, 14))
    days = [date(2026, 10, day) for day in (9, 12, 13, 14, 15)]
    assert [counts_on(one, CALENDAR, day) for day in days] == ["no", "yes", "yes", "yes", "no"]


def test_one_slot_runs_from_start_to_end():
    (only,) = windows_on(pattern("workday"), CHINA, MONDAY)
    assert only == (
        MONDAY,
        datetime(2026, 10, 12, 3, tzinfo=UTC),
        datetime(2026, 10, 12, 5, tzinfo=UTC),
    )


def test_slots_fill_the_time_and_leave_what_is_too_short():
    found = windows_on(pattern("workday", slot_minutes=50), CHINA, MONDAY)
    assert [one.starts_at.astimezone(CHINA).time() for one in found] == [time(11), time(11, 50)]


def test_past_midnight_a_slot_belongs_to_the_date_it_starts_on():
    late = pattern("workday", starts_at=time(22), ends_at=time(2), slot_minutes=120)
    found = windows_on(late, CHINA, MONDAY)
    assert [one.on for one in found] == [MONDAY, date(2026, 10, 13)]
    (whole,) = windows_on(pattern("workday", starts_at=time(22), ends_at=time(2)), CHINA, MONDAY)
    assert (whole.on, whole.ends_at - whole.starts_at) == (MONDAY, found[1].ends_at - found[0].starts_at)


@given(st.times(), st.times(), st.one_of(st.none(), st.integers(5, 1440)))
def test_slots_never_overlap_and_stay_within_their_length(starts_at, ends_at, minutes):
    starts_at, ends_at = (at.replace(second=0, microsecond=0) for at in (starts_at, ends_at))
    one = pattern("workday", starts_at=starts_at, ends_at=ends_at, slot_minutes=minutes)
    found = windows_on(one, CHINA, MONDAY)
    for before, after in pairwise(found):
        assert before.ends_at == after.starts_at
    total = sum((one.ends_at - one.starts_at).total_seconds() for one in found) / 60
    assert total <= length_minutes(starts_at, ends_at)
    if minutes is None:
        assert total == length_minutes(starts_at, ends_at)
