"""The work calendar as a value, and the files it is read from."""

import csv
import io
import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.calendar.files import FileFormat, read_calendar, read_terms
from geo.calendar.workdays import DayKind, Term, WorkCalendar

HOLIDAYS = Path(__file__).resolve().parents[3] / "shared" / "data" / "holidays"
needs_files = pytest.mark.skipif(
    not HOLIDAYS.exists(), reason="../shared/data/holidays is not beside the project"
)
CSV, JSON, ICS = "cn_workdays_2023_2026.csv", "chinese-days/chinese-days.json", "chinese-days/holidays.ics"

FESTIVALS = {
    "2027-01-01": "New Year's Day,元旦,1",
    "2027-02-06": "Spring Festival,春节,4",
    "2027-04-05": "Tomb-sweeping Day,清明,1",
    "2027-05-01": "Labour Day,劳动节,2",
    "2027-06-09": "Dragon Boat Festival,端午,1",
    "2027-09-15": "Mid-autumn Festival,中秋,1",
    "2027-10-01": "National Day,国庆节,3",
}


def as_json(holidays: dict[str, str], workdays: dict[str, str] | None = None) -> bytes:
    return json.dumps(
        {"holidays": holidays, "workdays": workdays or {}}, ensure_ascii=False, indent=1
    ).encode()


def as_csv(change: Callable[[date], str | None] = lambda _on: "") -> bytes:
    """Every day of 2027 by weekday, 1 Jan, 1 May and 1 Oct as holidays; `change` gives another row or None to drop."""
    lines, on = ["date,day_type"], date(2027, 1, 1)
    while on.year == 2027:
        plain = "rest_day" if on.weekday() > 4 else "workday"
        row = change(on)
        if row is not None:
            kind = "holiday" if (on.month, on.day) in ((1, 1), (5, 1), (10, 1)) else plain
            lines.append(row or f"{on},{kind}")
        on += timedelta(days=1)
    return "\n".join(lines).encode()


def test_a_row_alone_does_not_announce_its_year() -> None:
    calendar = WorkCalendar({date(2027, 1, 1): DayKind.holiday})
    assert calendar.kind(date(2027, 1, 1)) is None
    assert calendar.possible_kinds(date(2027, 1, 1)) == {DayKind.workday, DayKind.holiday}
    assert calendar.possible_kinds(date(2027, 1, 2)) == set(DayKind) - {DayKind.workday}


def test_a_day_without_a_row_in_an_announced_year_goes_by_its_weekday() -> None:
    calendar = WorkCalendar({date(2027, 1, 1): DayKind.holiday}, frozenset({2027}))
    kinds = [calendar.kind(date(2027, 1, day)) for day in (1, 2, 4)]
    assert kinds == [DayKind.holiday, DayKind.rest_day, DayKind.workday]
    assert calendar.possible_kinds(date(2027, 1, 2)) == {DayKind.rest_day}


def test_vacation_is_unknown_where_no_term_or_both_cover_the_day() -> None:
    calendar = WorkCalendar(
        terms=(
            Term("秋季学期", "term", date(2026, 9, 1), date(2027, 1, 20)),
            Term("寒假", "vacation", date(2027, 1, 20), date(2027, 2, 20)),
        )
    )
    days = [date(2026, 8, 31), date(2026, 9, 1), date(2027, 1, 20), date(2027, 2, 20), date(2027, 2, 21)]
    assert [calendar.vacation(on) for on in days] == [None, False, None, True, None]


@needs_files
@pytest.mark.parametrize(
    ("name", "years"), [(CSV, range(2023, 2027)), (JSON, range(2004, 2027)), (ICS, range(2024, 2027))]
)
def test_the_published_files_announce_their_years_without_a_problem(name: str, years: range) -> None:
    found = read_calendar((HOLIDAYS / name).read_bytes())
    assert (found.problems, found.not_announced) == ([], [])
    assert found.years == set(years)


@needs_files
def test_the_published_files_agree_on_each_day_of_2024_to_2026() -> None:
    files = [read_calendar((HOLIDAYS / name).read_bytes()) for name in (CSV, JSON, ICS)]
    calendars = [WorkCalendar(found.days, found.years, (), found.names) for found in files]
    on, end = date(2024, 1, 1), date(2026, 12, 31)
    while on <= end:
        assert len({calendar.kind(on) for calendar in calendars}) == 1, on
        on += timedelta(days=1)
    assert calendars[1].kind(date(2026, 2, 14)) is DayKind.makeup_workday
    assert calendars[2].kind(date(2026, 2, 28)) is DayKind.makeup_workday
    assert calendars[0].kind(date(2026, 10, 3)) is DayKind.holiday  # a Saturday within the period
    assert calendars[1].names[date(2026, 10, 3)] == "国庆节"
    assert calendars[0].kind(date(2027, 1, 1)) is None


@needs_files
@pytest.mark.parametrize("name", [CSV, JSON, ICS])
def test_a_file_cut_short_announces_no_year_it_no_longer_holds(name: str) -> None:
    data = (HOLIDAYS / name).read_bytes()
    whole = read_calendar(data).years
    for share in (0.3, 0.7, 0.95):
        found = read_calendar(data[: int(len(data) * share)])
        # Complete earlier years of a CSV cut at the end of a line still stand; the cut one never does.
        assert max(whole) not in found.years
        assert found.problems or found.not_announced


def test_seven_festivals_announce_a_year_and_six_do_not() -> None:
    assert read_calendar(as_json(FESTIVALS)).years == {2027}
    for lost in FESTIVALS:
        found = read_calendar(as_json({day: name for day, name in FESTIVALS.items() if day != lost}))
        assert found.years == set()
        assert FESTIVALS[lost].split(",")[1] in found.not_announced[0].zh


def test_a_national_day_of_eight_days_holds_mid_autumn_as_in_2020() -> None:
    days = {day: name for day, name in FESTIVALS.items() if "中秋" not in name}
    days |= {f"2027-10-0{day}": "National Day,国庆节,4" for day in range(1, 9)}
    assert read_calendar(as_json(days)).years == {2027}


def test_a_csv_announces_a_year_with_all_its_days_and_not_with_one_less() -> None:
    assert read_calendar(as_csv()).years == {2027}
    found = read_calendar(as_csv(lambda on: None if on == date(2027, 3, 3) else ""))
    assert found.years == set()
    assert "2027-03-03" in found.not_announced[0].en


def test_a_bare_table_of_weekdays_announces_nothing() -> None:
    found = read_calendar(as_csv(lambda on: "2027-10-01,workday" if on == date(2027, 10, 1) else ""))
    assert found.problems == []
    assert found.years == set()
    assert "国庆节" in found.not_announced[0].zh


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("2027-03-33,workday", "not a date"),
        ("2027-03-03,holliday", "unknown day_type"),
        ("2027-03-03,rest_day", "does not fit"),
        ("2027-03-03,makeup_workday", "Monday to Friday"),
        ("2027-03-02,holiday", "two kinds"),
        ("2027-03-03", "columns"),
        ("2027-03-03,workday,1", "columns"),
    ],
)
def test_a_bad_row_is_a_problem_with_its_line_and_announces_nothing(row: str, says: str) -> None:
    found = read_calendar(as_csv(lambda on: row if on == date(2027, 3, 3) else ""))
    assert [(problem.line, says in problem.en) for problem in found.problems] == [(63, True)]
    assert found.problems[0].zh
    assert found.years == set()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_chinese_encodings_are_recognised(encoding: str) -> None:
    found = read_calendar(as_json(FESTIVALS).decode().encode(encoding))
    assert found.names[date(2027, 2, 6)] == "春节"
    assert found.years == {2027}


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xff\xfe\x00", b"{", b"[]", b"{}", b'{"holidays": [], "workdays": 3}', b"[" * 100_000, b"a,b\n1,2\n",
        b'{"holidays": {"x": 1}, "workdays": {}}', b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n",
        b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:x\nDTSTART:99999999\nEND:VEVENT\nEND:VCALENDAR", b'date,day_type\n"',
    ],
)  # fmt: skip
def test_a_file_that_is_no_calendar_is_a_problem_and_not_an_error(data: bytes) -> None:
    found = read_calendar(data)
    assert found.problems
    assert found.years == set()


@given(st.binary(max_size=200), st.sampled_from(["csv", "json", "ics"]), st.sampled_from(["", "BEGIN:VCALENDAR\n", "date,day_type\n", "{"]))  # fmt: skip
def test_any_bytes_give_a_report(data: bytes, file_format: FileFormat, start: str) -> None:
    assert read_calendar(start.encode() + data, file_format=file_format).years == set()
    read_terms(start.encode() + data)


def test_an_event_says_rest_or_work_and_ends_before_its_end_date() -> None:
    events = [("春节(休)", "20270206", "20270208"), ("春节(班)", "20270220", "20270221"), ("会议", "20270301", "20270302"),
              ("国庆节（休）", "20271001", "20281001")]  # fmt: skip
    body = "\r\n".join(
        f"BEGIN:VEVENT\r\nUID:{n}\r\nDTSTART;VALUE=DATE:{a}\r\nDTEND;VALUE=DATE:{b}\r\nSUMMARY:{s}\r\nEND:VEVENT"
        for n, (s, a, b) in enumerate(events)
    )
    found = read_calendar(f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{body}\r\nEND:VCALENDAR\r\n".encode())
    assert found.days == {
        date(2027, 2, 6): DayKind.holiday,
        date(2027, 2, 7): DayKind.holiday,
        date(2027, 2, 20): DayKind.makeup_workday,
    }
    assert [problem.line for problem in found.problems] == [15, 21]


def test_terms_are_read_and_bad_or_overlapping_rows_are_not() -> None:
    table = io.StringIO()
    csv.writer(table).writerows([
        ("name", "kind", "starts_on", "ends_on"),
        ("秋季学期", "term", "2026-09-01", "2027/1/20"),
        ("寒假", "vacation", "20270121", "2027-02-20"),
        ("又一个", "term", "2027-02-20", "2027-06-30"),
        ("倒序", "term", "2028-02-20", "2028-02-19"),
        ("别的", "holiday", "2028-02-20", "2028-02-29"),
    ])  # fmt: skip
    found = read_terms(table.getvalue().encode("gb18030"))
    assert [(term.name, term.kind, term.ends_on) for term in found.terms] == [
        ("秋季学期", "term", date(2027, 1, 20)),
        ("寒假", "vacation", date(2027, 2, 20)),
    ]
    assert [problem.line for problem in found.problems] == [4, 5, 6]
