"""When marks pause booking, and when they do not: pure."""

from datetime import UTC, datetime, timedelta

import pytest

from booking.attendance.appeals import counts
from booking.attendance.marks import Said, blocked_until
from booking.rules.reading import AttendanceRule

NOW = datetime(2026, 11, 24, tzinfo=UTC)
RULE = AttendanceRule(most=3, within_days=90, blocks_days=14)


def said(*days_ago, kind="no_show"):
    return [Said(kind, NOW - timedelta(days=days)) for days in days_ago]


@pytest.mark.parametrize(
    ("days_ago", "blocked"),
    [
        ((), None),
        ((1, 2), None),
        ((1, 2, 3), 13),
        ((3, 2, 1), 13),
        ((15, 16, 17), None),  # the pause is over
        ((1, 60, 90), 13),
        ((1, 60, 91), None),  # the first faded before the third came
        ((10, 20, 98), 4),  # it faded since, and the pause stays
        ((1, 15, 16, 17), 13),  # once more after a pause, and all within the window
    ],
)
def test_so_many_marks_within_a_window_pause_for_a_while(days_ago, blocked):
    expected = None if blocked is None else NOW + timedelta(days=blocked)
    assert blocked_until(RULE, said(*days_ago), now=NOW) == expected


def test_late_cancellations_count_where_the_rule_says_so():
    late = said(1, 2, 3, kind="late_cancel")
    assert blocked_until(RULE, late, now=NOW) is not None
    lenient = AttendanceRule(most=3, late_cancel_counts=False)
    assert blocked_until(lenient, late, now=NOW) is None
    assert not counts(lenient, late[0], now=NOW)


def test_without_a_number_nobody_is_ever_paused():
    assert blocked_until(AttendanceRule(), said(*range(50)), now=NOW) is None


@pytest.mark.parametrize(("age", "spared"), [(None, False), (59, False), (60, True), (85, True)])
def test_elders_are_spared(age, spared):
    assert RULE.spares(age) is spared


def test_a_mark_fades():
    one = said(90)[0]
    assert not counts(RULE, one, now=NOW)
    assert counts(RULE, one, now=NOW - timedelta(seconds=1))
