"""Until when a complaint is to be answered: workdays where they are known, calendar days where nobody can know."""

from datetime import date

import pytest

from booking.feedback.deadlines import deadline
from geo.calendar.workdays import DayKind, WorkCalendar

# 2026: National Day from 1 to 7 October, with Saturday the 10th worked for it.
CALENDAR = WorkCalendar(
    {date(2026, 10, day): DayKind.holiday for day in range(1, 8)}
    | {date(2026, 10, 10): DayKind.makeup_workday},
    frozenset({2026}),
)
TUESDAY, FRIDAY = date(2026, 11, 24), date(2026, 11, 27)


@pytest.mark.parametrize(
    ("since_on", "workdays", "until_on"),
    [
        (TUESDAY, 1, date(2026, 11, 25)),
        (TUESDAY, 3, FRIDAY),
        (FRIDAY, 1, date(2026, 11, 30)),
        (TUESDAY, 5, date(2026, 12, 1)),
        (date(2026, 9, 30), 1, date(2026, 10, 8)),
        (date(2026, 10, 9), 1, date(2026, 10, 10)),
        (date(2026, 10, 3), 2, date(2026, 10, 9)),
    ],
    ids=[
        "the next day",
        "the same week",
        "over a weekend",
        "a week",
        "over a holiday",
        "a worked Saturday counts",
        "filed on a holiday",
    ],
)
def test_workdays_are_counted_from_the_day_after(since_on, workdays, until_on):
    found = deadline(CALENDAR, since_on=since_on, workdays=workdays)
    assert (found.on, found.basis) == (until_on, "workdays")


def test_a_year_that_was_not_announced_is_not_guessed_and_says_so():
    found = deadline(CALENDAR, since_on=date(2026, 12, 30), workdays=5)
    assert (found.on, found.basis) == (date(2027, 1, 4), "calendar_days")
    # The last workday of the announced year is still countable.
    found = deadline(CALENDAR, since_on=date(2026, 12, 30), workdays=1)
    assert (found.on, found.basis) == (date(2026, 12, 31), "workdays")


def test_calendar_days_are_never_later_than_workdays():
    known = WorkCalendar({}, frozenset({2026, 2027}))
    for day in range(1, 29):
        for workdays in (1, 3, 5):
            since_on = date(2026, 12, day)
            unknown = deadline(WorkCalendar(), since_on=since_on, workdays=workdays)
            assert unknown.basis == "calendar_days"
            assert unknown.on <= deadline(known, since_on=since_on, workdays=workdays).on
