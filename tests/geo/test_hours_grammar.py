"""The opening_hours grammar as Xinban reads it: what texts mean on ordinary days, and which are refused."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.calendar.workdays import WorkCalendar
from geo.hours.state import Hours, HoursError, open_state, validate_exception_hours, validate_hours

SHANGHAI = ZoneInfo("Asia/Shanghai")
CALENDAR = WorkCalendar(announced=frozenset({2026, 2027}))  # ordinary days only


def asked(weekly: str, when: str, calendar: WorkCalendar = CALENDAR) -> tuple[str, str | None, str | None]:
    """State, `MM-DD HH:MM` of the next change, reason."""
    at = datetime.fromisoformat(when).replace(tzinfo=SHANGHAI)
    state = open_state(Hours(weekly), calendar, at)
    return state.state, f"{state.until:%m-%d %H:%M}" if state.until else None, state.reason


@pytest.mark.parametrize(
    ("weekly", "when", "expected"),
    [
        # 2026-11-23 is a Monday.
        ("Mo-Fr 08:00-12:00,14:00-18:00", "2026-11-24 08:00", ("open", "11-24 12:00", None)),
        ("Mo-Fr 08:00-12:00,14:00-18:00", "2026-11-24 07:59", ("closed", "11-24 08:00", None)),
        ("Mo-Fr 08:00-12:00,14:00-18:00", "2026-11-24 12:00", ("closed", "11-24 14:00", None)),  # lunch
        ("Mo-Fr 08:00-12:00,14:00-18:00", "2026-11-27 18:00", ("closed", "11-30 08:00", None)),  # the weekend
        ("24/7", "2026-11-24 03:00", ("open", None, None)),
        ("00:00-24:00", "2026-11-24 03:00", ("open", None, None)),
        ("08:00-08:00", "2026-11-24 03:00", ("open", None, None)),
        ("off", "2026-11-24 03:00", ("closed", None, None)),
        ("Mo-Sa 00:00-24:00", "2026-11-28 12:00", ("open", "11-29 00:00", None)),
        ("Fr 22:00-02:00", "2026-11-28 01:59", ("open", "11-28 02:00", None)),
        ("Fr 22:00-26:00", "2026-11-28 02:00", ("closed", "12-04 22:00", None)),
        ("Fr 22:00-26:00", "2026-11-27 01:00", ("closed", "11-27 22:00", None)),  # Thursday has no night
        (
            "Fr 22:00-02:00; Sa 10:00-12:00",
            "2026-11-28 01:00",
            ("open", "11-28 02:00", None),
        ),  # next rule cuts nothing
        ("Fr 22:00-02:00; Sa off", "2026-11-28 01:00", ("open", "11-28 02:00", None)),
        ("Fr 20:00-24:00; Sa 00:00-02:00", "2026-11-27 21:00", ("open", "11-28 02:00", None)),  # adjoining
        ("Fr 20:00-48:00", "2026-11-28 23:59", ("open", "11-29 00:00", None)),
        ("Apr-Oct 08:00-12:00; Nov-Mar 09:00-11:00", "2026-11-24 08:30", ("closed", "11-24 09:00", None)),
        ("Apr-Oct 08:00-12:00", "2026-11-24 08:30", ("closed", None, None)),  # 60 days are too few
        ("Mo-Fr 08:00-12:00; We off", "2026-11-25 09:00", ("closed", "11-26 08:00", None)),
        ("Mo-Fr 08:00-18:00; We 12:00-14:00 off", "2026-11-25 13:00", ("closed", "11-25 14:00", None)),
        ("Mo-Fr 08:00-12:00; We 14:00-16:00", "2026-11-25 09:00", ("closed", "11-25 14:00", None)),
        ("Mo-Fr 08:00-12:00, We 14:00-16:00", "2026-11-25 09:00", ("open", "11-25 12:00", None)),
        ("Tu[4] 08:00-12:00", "2026-11-24 09:00", ("open", "11-24 12:00", None)),
        ("week 48 Tu 08:00-12:00", "2026-11-24 09:00", ("open", "11-24 12:00", None)),
        ("2026May 08:00-12:00", "2026-05-20 09:00", ("open", "05-20 12:00", None)),
        ("2026 May 08:00-12:00", "2026-05-20 09:00", ("open", "05-20 12:00", None)),
        ('08:00-12:00 open "凭卡; PH"', "2026-11-24 09:00", ("open", "11-24 12:00", None)),
        ('08:00-12:00 "by appointment"', "2026-11-24 09:00", ("unknown", "11-24 12:00", "ask_site")),
        ('Tu 08:00-12:00 || "call"', "2026-11-24 09:00", ("open", "11-24 12:00", None)),
        ('Tu 08:00-12:00 || "call"', "2026-11-24 12:00", ("unknown", "12-01 08:00", "ask_site")),
    ],
)
def test_the_weekly_text_means_what_the_grammar_says(
    weekly: str, when: str, expected: tuple[str, str | None, str | None]
) -> None:
    validate_hours(weekly)
    assert asked(weekly, when) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "character 1"),
        ("周一至周五 8:00-12:00", "half-width|plain"),
        ("Mo-Fr 08:00-12:00；PH off", "plain"),
        ("Mo-Fr 8-12", "character 7"),
        ("24/24", "Example"),
        ("sunrise-20:00", "clock times"),
        ("08:00-(sunset-01:00)", "clock times"),
        ("PH -1 day 08:00-12:00", "exceptions"),
        ("08:00+", "closing time"),
        ("08:00-12:00+", "closing time"),
        ("08:00-12:00/00:30", "points in time"),
        ("Mo-Fr PH 08:00-12:00", "comma"),
        ("Mo, We 10:00-12:00", "all of Monday"),
        ("PH off; Mo-Fr 08:00-12:00", "last"),
        ("PH,Su off; Mo-Sa 08:00-12:00", "last"),
        ("Mo-Fr 08:00-12:00;" * 100, "exceed"),
        ("\ud800", "character 1"),
        ("\0", "character 1"),
    ],
)
def test_hours_that_cannot_be_used_are_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(HoursError, match=says) as refused:
        validate_hours(text)
    assert refused.value.zh
    assert refused.value.en


@given(st.text(alphabet='MoTuWeFrSaPHSH0123456789:-,;|+[]"/ offunknweek', max_size=40))
def test_validation_answers_any_text_and_what_it_accepts_can_be_evaluated(text: str) -> None:
    try:
        validate_hours(text)
    except HoursError:
        return
    for calendar in (CALENDAR, WorkCalendar()):
        assert asked(text, "2026-02-28 12:00", calendar)[2] != "unreadable_hours"


@pytest.mark.parametrize("text", ["Mo 08:00-12:00", "PH off", "2026 08:00-12:00", "Dec 24 off"])
def test_an_exception_names_no_days(text: str) -> None:
    validate_exception_hours("09:00-12:00,14:00-26:00")
    validate_exception_hours("off")
    with pytest.raises(HoursError, match="times or"):
        validate_exception_hours(text)
