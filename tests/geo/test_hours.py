"""Opening hours at an instant: one table a rule, and real calendar days."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from geo.calendar.files import read_calendar
from geo.calendar.workdays import DayKind, Term, WorkCalendar
from geo.hours.state import (
    REASONS,
    Hours,
    HoursException,
    day_intervals,
    open_state,
    open_states,
    validate_hours,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOLIDAYS = Path(__file__).resolve().parents[3] / "shared" / "data" / "holidays"

# 2026 as announced, as far as these tests need it.
SPRING_FESTIVAL = {date(2026, 2, day): DayKind.holiday for day in range(15, 24)}
NATIONAL_DAY = {date(2026, 10, day): DayKind.holiday for day in range(1, 8)}
MAKEUP = {date(2026, 2, 14), date(2026, 2, 28), date(2026, 9, 20), date(2026, 10, 10)}
CALENDAR = WorkCalendar(
    SPRING_FESTIVAL | NATIONAL_DAY | dict.fromkeys(MAKEUP, DayKind.makeup_workday),
    frozenset({2026}),
    (
        Term("春季学期", "term", date(2026, 3, 2), date(2026, 7, 5)),
        Term("暑假", "vacation", date(2026, 7, 6), date(2026, 8, 31)),
    ),
)


def at(text: str) -> datetime:
    """`2026-11-24 09:00`, in Shanghai."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def asked(
    hours: Hours | str, when: str, calendar: WorkCalendar = CALENDAR
) -> tuple[str, str | None, str | None]:
    """State, `MM-DD HH:MM` of the next change, reason."""
    state = open_state(hours if isinstance(hours, Hours) else Hours(hours), calendar, at(when))
    return state.state, f"{state.until:%m-%d %H:%M}" if state.until else None, state.reason


@pytest.mark.parametrize(
    ("weekly", "when", "expected"),
    [
        ("Mo-Fr 08:00-18:00; PH off", "2026-10-01 09:00", ("closed", "10-08 08:00", "holiday")),
        ("Mo-Fr 08:00-18:00; PH 10:00-12:00", "2026-10-03 09:00", ("closed", "10-03 10:00", "holiday")),
        ("Mo-Fr 08:00-18:00; PH 10:00-12:00", "2026-10-03 10:00", ("open", "10-03 12:00", "holiday")),
        ("Mo-Fr,PH 08:00-18:00", "2026-10-03 10:00", ("open", "10-03 18:00", "holiday")),  # a Saturday
        (
            "Mo-Fr 08:00-18:00",
            "2026-10-01 09:00",
            ("open", "10-01 18:00", None),
        ),  # no PH: a Thursday like others
        ("Th 08:00-18:00; PH Sa 10:00-12:00", "2026-10-03 10:00", ("open", "10-03 12:00", "holiday")),  # both
        ("Th 08:00-18:00; PH Sa 10:00-12:00", "2026-10-04 10:00", ("closed", "10-08 08:00", None)),
        ("22:00-26:00; PH off", "2026-10-01 01:00", ("open", "10-01 02:00", None)),  # Wednesday's night stays
        ("22:00-26:00; PH off", "2026-10-07 23:00", ("closed", "10-08 22:00", "holiday")),
    ],
)
def test_holidays_follow_ph_rules_and_else_the_weekday(
    weekly: str, when: str, expected: tuple[str, str | None, str | None]
) -> None:
    validate_hours(weekly)
    assert asked(weekly, when) == expected


UNSAID = "calendar_not_announced"
UNCLEAR = "makeup_day_unclear"
MAKEUP_DAY = "makeup_workday"
ALIKE = "Mo-Fr 08:30-12:00; Sa 10:00-11:00; PH off"
SEASONS = "Nov-Mar Mo-Fr 09:00-17:00; Apr-Oct Mo-Th 08:00-18:00"
UNLIKE = "Mo-Th 08:30-12:00; Fr 08:30-11:00"


@pytest.mark.parametrize(
    ("hours", "when", "expected"),
    [
        (Hours(ALIKE), "2026-02-14 11:30", ("open", "02-14 12:00", MAKEUP_DAY)),
        (Hours(ALIKE), "2026-02-14 07:00", ("closed", "02-14 08:30", MAKEUP_DAY)),
        (Hours(ALIKE, makeup="14:00-15:00"), "2026-02-14 11:30", ("closed", "02-14 14:00", MAKEUP_DAY)),
        (Hours(ALIKE, makeup="off"), "2026-02-14 11:30", ("closed", "02-24 08:30", MAKEUP_DAY)),
        (Hours(UNLIKE, makeup="14:00-15:00"), "2026-02-28 14:30", ("open", "02-28 15:00", MAKEUP_DAY)),
        (Hours(UNLIKE), "2026-02-28 09:00", ("unknown", "03-01 00:00", UNCLEAR)),
        (Hours(UNLIKE), "2026-02-27 23:00", ("closed", "02-28 00:00", None)),
        (Hours("Mo-Th 20:00-24:00; Fr 20:00-26:00"), "2026-03-01 01:00", ("unknown", "03-01 02:00", UNCLEAR)),
        (Hours("08:00-20:00"), "2026-02-28 09:00", ("open", "02-28 20:00", None)),
        (Hours("24/7"), "2026-02-28 09:00", ("open", None, None)),
        (Hours("Sa-Su 10:00-18:00"), "2026-02-28 11:00", ("closed", "03-01 10:00", MAKEUP_DAY)),
        # Alike in the season of the make-up day, whatever the other season does on Fridays.
        (Hours(SEASONS), "2026-02-28 16:00", ("open", "02-28 17:00", MAKEUP_DAY)),
        (Hours("Mo-Fr 09:00-17:00; Fr[-1] 09:00-12:00"), "2026-02-28 10:00", ("unknown", "03-01 00:00", UNCLEAR)),
        (Hours("Mo-Fr 09:00-17:00; Sa[1] 09:00-12:00"), "2026-02-28 10:00", ("open", "02-28 17:00", MAKEUP_DAY)),
        (Hours(None, makeup="09:00-10:00"), "2026-02-28 09:30", ("open", "02-28 10:00", MAKEUP_DAY)),
    ],
)  # fmt: skip
def test_makeup_workdays_use_their_own_pattern_or_the_one_of_monday_to_friday(
    hours: Hours, when: str, expected: tuple[str, str | None, str | None]
) -> None:
    assert asked(hours, when) == expected


@pytest.mark.parametrize(
    ("hours", "when", "expected"),
    [
        (Hours("24/7"), "2099-01-01 09:00", ("open", None, None)),
        (Hours("08:00-20:00"), "2099-01-03 09:00", ("open", "01-03 20:00", None)),
        (Hours("Mo-Fr 08:00-12:00"), "2099-01-01 09:00", ("open", "01-01 12:00", None)),  # no PH
        (Hours("Mo-Fr 08:00-12:00; PH off"), "2099-01-01 09:00", ("unknown", "01-01 12:00", UNSAID)),
        (Hours("Mo-Fr 08:00-12:00; PH off"), "2099-01-01 13:00", ("closed", "01-02 08:00", None)),  # either way
        (Hours("Mo-Fr 08:00-12:00"), "2099-01-03 09:00", ("unknown", "01-03 12:00", UNSAID)),
        (Hours(UNLIKE), "2099-01-03 20:00", ("unknown", "01-05 00:00", UNSAID)),
        (Hours("08:00-12:00", makeup="08:00-11:00"), "2099-01-03 09:00", ("open", "01-03 11:00", None)),
        # The state itself changes to unknown with the year.
        (Hours("24/7; PH off"), "2026-12-31 09:00", ("open", "01-01 00:00", None)),
        (Hours("24/7; PH off"), "2027-01-01 09:00", ("unknown", None, UNSAID)),
    ],
)  # fmt: skip
def test_a_year_not_announced_is_unknown_only_for_what_depends_on_it(
    hours: Hours, when: str, expected: tuple[str, str | None, str | None]
) -> None:
    assert asked(hours, when) == expected


def test_rows_of_a_year_that_is_not_announced_change_nothing() -> None:
    rows = WorkCalendar({date(2027, 1, 1): DayKind.holiday})
    assert asked("24/7; PH off", "2027-01-01 09:00", rows)[0] == "unknown"


@pytest.mark.parametrize(
    ("weekly", "when", "expected"),
    [
        ("Mo-Fr 08:00-17:00; SH off", "2026-05-12 09:00", ("open", "05-12 17:00", None)),
        (
            "Mo-Fr 08:00-17:00; SH off",
            "2026-07-14 09:00",
            ("closed", "09-01 08:00", "school_vacation"),
        ),  # to unknown
        (
            "Mo-Fr 08:00-17:00; SH Mo-Fr 10:00-12:00",
            "2026-07-14 10:00",
            ("open", "07-14 12:00", "school_vacation"),
        ),
        ("Mo-Fr 08:00-17:00; SH off", "2026-11-24 09:00", ("unknown", "11-24 17:00", "no_term_data")),
        ("Mo-Fr 08:00-17:00; SH off", "2026-11-24 18:00", ("closed", "11-25 08:00", None)),
        ("Mo-Fr 08:00-17:00; SH off; PH off", "2099-01-01 09:00", ("unknown", "01-01 17:00", "no_term_data")),
    ],
)
def test_sh_is_the_school_vacation_and_unknown_without_term_data(
    weekly: str, when: str, expected: tuple[str, str | None, str | None]
) -> None:
    assert asked(weekly, when) == expected


def test_an_exception_replaces_its_date_and_leaves_the_night_before() -> None:
    hours = Hours(
        "08:00-12:00,22:00-26:00",
        exceptions=(
            HoursException(date(2026, 11, 24), "09:00-10:00,23:00-25:00", "盘点"),
            HoursException(date(2026, 11, 26), None, "停电"),
            HoursException(date(2026, 11, 27), "off", "停电"),
        ),
    )
    assert asked(hours, "2026-11-24 01:30") == ("open", "11-24 02:00", None)
    assert asked(hours, "2026-11-24 08:30") == ("closed", "11-24 09:00", "exception")
    assert asked(hours, "2026-11-24 09:30") == ("open", "11-24 10:00", "exception")
    assert asked(hours, "2026-11-25 00:30") == ("open", "11-25 01:00", "exception")
    assert asked(hours, "2026-11-25 01:30") == ("closed", "11-25 08:00", None)
    assert asked(hours, "2026-11-26 08:30") == ("closed", "11-28 08:00", "exception")


def test_an_exception_makes_a_date_known_that_the_calendar_does_not() -> None:
    hours = Hours("24/7; PH off", exceptions=(HoursException(date(2099, 1, 1), "09:00-10:00", "元旦"),))
    assert asked(hours, "2099-01-01 09:30") == ("open", "01-01 10:00", "exception")


def test_no_hours_and_unusable_rows_are_unknown_and_never_an_error() -> None:
    assert asked(Hours(None), "2026-11-24 09:00") == ("unknown", None, "no_hours")
    assert asked(Hours("週一 8點"), "2026-11-24 09:00") == ("unknown", None, "unreadable_hours")
    assert asked(Hours("24/7", zone="Asia/Nowhere"), "2026-11-24 09:00") == (
        "unknown",
        None,
        "unreadable_hours",
    )
    assert asked(Hours("24/7", zone="../etc"), "2026-11-24 09:00") == ("unknown", None, "unreadable_hours")


@pytest.mark.parametrize(
    "text", ["0001-01-01", "9999-12-31T23:59:59.999999", "1902-01-01", "9997-12-31T23:59"]
)
def test_any_instant_gets_an_answer(text: str) -> None:
    instant = datetime.fromisoformat(text).replace(tzinfo=UTC)
    state = open_state(Hours("24/7"), CALENDAR, instant)
    assert state.state in ("open", "unknown")
    assert day_intervals(Hours("24/7"), CALENDAR, instant.date()).intervals


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        open_state(Hours("24/7"), CALENDAR, datetime.fromisoformat("2026-11-24"))


def test_an_instant_in_another_zone_is_the_same_instant() -> None:
    hours = Hours("Mo-Fr 08:00-12:00")
    state = open_state(hours, CALENDAR, datetime(2026, 11, 24, 0, 30, tzinfo=UTC))
    assert state.until == at("2026-11-24 12:00")
    assert state.state == "open"
    assert state.until is not None
    assert state.until.utcoffset() == timedelta(hours=8)


def test_until_lies_ahead_in_an_hour_the_clock_repeats() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    again = datetime(2026, 10, 25, 2, 15, tzinfo=berlin, fold=1)
    state = open_state(Hours("02:00-02:30", zone="Europe/Berlin"), WorkCalendar(), again)
    assert state.until is not None
    assert state.until.astimezone(UTC) - again.astimezone(UTC) == timedelta(minutes=15)


def test_until_is_looked_for_within_sixty_days_and_no_further() -> None:
    start = "2026-05-01 00:00"
    assert asked("24/7; Jun 30 00:01-01:00 off", start)[1] is None
    assert asked("24/7; Jun 30 00:00-01:00 off", start)[1] == "06-30 00:00"


def test_the_week_table_shows_hours_on_the_day_they_start() -> None:
    day = day_intervals(
        Hours("Sa 08:00-12:00,22:00-26:00"), WorkCalendar(announced=frozenset({2026})), date(2026, 11, 28)
    )
    assert [(f"{it.starts_at:%d %H:%M}", f"{it.ends_at:%d %H:%M}", it.state) for it in day.intervals] == [
        ("28 08:00", "28 12:00", "open"),
        ("28 22:00", "29 02:00", "open"),
    ]
    assert all(it.starts_at.tzinfo is not None for it in day.intervals)


def test_the_week_table_says_which_hours_are_unknown_and_why() -> None:
    day = day_intervals(Hours("Mo-Fr 08:00-12:00; PH off"), CALENDAR, date(2027, 1, 1))
    assert [(f"{it.starts_at:%H:%M}", it.state, it.reason) for it in day.intervals] == [
        ("08:00", "unknown", "calendar_not_announced")
    ]
    closed = day_intervals(Hours("Mo-Fr 08:00-12:00; PH off"), CALENDAR, date(2026, 10, 1))
    assert (closed.intervals, closed.reason) == ((), "holiday")


def test_every_reason_has_both_languages() -> None:
    assert all(zh and en for zh, en in REASONS.values())


def test_a_list_is_answered_in_order_and_as_one_by_one() -> None:
    sites = [Hours("24/7"), Hours(UNLIKE), Hours(None), Hours("off"), Hours("24/7")]
    when = at("2026-02-28 09:00")
    assert open_states(sites, CALENDAR, when) == [open_state(hours, CALENDAR, when) for hours in sites]
    assert [state.state for state in open_states(sites, CALENDAR, when)] == [
        "open", "unknown", "unknown", "closed", "open",
    ]  # fmt: skip


@pytest.mark.skipif(not HOLIDAYS.exists(), reason="../shared/data/holidays is not beside the project")
def test_real_days_of_2026() -> None:
    found = read_calendar((HOLIDAYS / "cn_workdays_2023_2026.csv").read_bytes())
    calendar = WorkCalendar(found.days, found.years)
    office = Hours("Mo-Fr 08:30-12:00,14:30-18:00; PH off")
    assert asked(office, "2026-02-14 09:00", calendar) == ("open", "02-14 12:00", "makeup_workday")
    assert asked(office, "2026-02-28 09:00", calendar) == ("open", "02-28 12:00", "makeup_workday")
    assert asked(office, "2026-02-21 09:00", calendar) == ("closed", "02-24 08:30", None)  # a Saturday
    assert asked(office, "2026-10-01 09:00", calendar) == ("closed", "10-08 08:30", "holiday")
    assert asked(office, "2026-10-10 09:00", calendar) == ("open", "10-10 12:00", "makeup_workday")
    assert asked(office, "2026-10-11 09:00", calendar) == ("closed", "10-12 08:30", None)
    assert asked(office, "2026-12-31 18:00", calendar) == ("closed", "01-01 08:30", None)  # then unknown
    assert asked(office, "2027-01-01 09:00", calendar) == ("unknown", "01-01 12:00", "calendar_not_announced")
