"""Calendar files as they are published: CSV (every day), JSON and ICS (special days), and a CSV of school terms.

Nothing here raises for a bad file: what cannot be read is a Problem with its line. A year is announced by a file
only when the file is whole for that year, because half an announcement would turn unknown days into wrong ones.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final, Literal

from icalendar import Calendar
from icalendar.error import BrokenCalendarProperty

from geo.calendar.announcements import announced_years
from geo.calendar.workdays import SATURDAY, DayKind, Term

FileFormat = Literal["csv", "json", "ics"]

LONGEST_PERIOD: Final = timedelta(days=31)
_KINDS: Final[Mapping[str, DayKind]] = {kind.value: kind for kind in DayKind} | {"restday": DayKind.rest_day}


@dataclass(frozen=True)
class Problem:
    """Something in a file that was not used, and why; `line` counts from 1, None for the whole file."""

    line: int | None
    zh: str
    en: str


@dataclass
class CalendarFile:
    """What a calendar file says. JSON and ICS list special days only; the other days go by weekday.

    `years` are those the file announces. `not_announced` says of each other year it touches what is missing.
    """

    format: FileFormat
    days: dict[date, DayKind] = field(default_factory=dict)
    names: dict[date, str] = field(default_factory=dict)
    years: frozenset[int] = frozenset()
    problems: list[Problem] = field(default_factory=list)
    not_announced: list[Problem] = field(default_factory=list)

    def refuse(self, line: int | None, zh: str, en: str) -> None:
        self.problems.append(Problem(line, zh, en))

    def add(self, line: int | None, on: date, kind: DayKind, name: str) -> None:
        """Keep a day unless it contradicts its weekday or what the file said of it before."""
        if kind is DayKind.makeup_workday and on.weekday() < SATURDAY:
            self.refuse(
                line,
                f"{on} 是星期一至五，不能是调休上班日",
                f"{on} is a Monday to Friday, not a make-up workday",
            )
        elif self.days.get(on, kind) is not kind:
            self.refuse(line, f"{on} 前后说法不一", f"{on} is given two kinds")
        else:
            self.days[on] = kind
            if name:
                self.names[on] = name


@dataclass
class TermsFile:
    """School terms and vacations from a CSV `name,kind,starts_on,ends_on`."""

    terms: list[Term] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_calendar(data: bytes, *, file_format: FileFormat | None = None) -> CalendarFile:
    """Read a calendar file in UTF-8 (with or without BOM) or GB18030; without a format, by its first characters."""
    text = decode(data)
    found = CalendarFile(file_format or _guess(text or ""))
    if text is None:
        found.refuse(None, "文件编码不是 UTF-8 或 GB18030", "the file is neither UTF-8 nor GB18030")
        return found
    if found.format == "csv":
        _read_csv(text, found)
    elif found.format == "json":
        _read_json(text, found)
    else:
        _read_ics(text, found)
    if not found.days and not found.problems:
        found.refuse(None, "文件里没有日期", "the file has no days")
    found.years, missing = announced_years(
        found.days, found.names, every_day=found.format == "csv", whole=not found.problems
    )
    found.not_announced = [
        Problem(None, f"{year} 年不视为已公布：{zh}", f"{year} does not count as announced: {en}")
        for year, (zh, en) in missing.items()
    ]
    return found


def read_terms(data: bytes) -> TermsFile:
    """Read school terms; a bad or overlapping row is a problem and is left out."""
    found = TermsFile()
    text = decode(data)
    if text is None:
        found.problems.append(
            Problem(None, "文件编码不是 UTF-8 或 GB18030", "the file is neither UTF-8 nor GB18030")
        )
        return found
    for line, row in _rows(text, {"name", "kind", "starts_on", "ends_on"}, found.problems):
        starts_on, ends_on = find_date(row["starts_on"]), find_date(row["ends_on"])
        if starts_on is None or ends_on is None or ends_on < starts_on:
            problem = (
                "starts_on、ends_on 应为日期（YYYY-MM-DD），先后有序",
                "starts_on and ends_on must be dates in order",
            )
        elif row["kind"] not in ("term", "vacation"):
            problem = "kind 应为 term 或 vacation", "kind must be term or vacation"
        elif any(term.starts_on <= ends_on and starts_on <= term.ends_on for term in found.terms):
            problem = "与前面的学期或假期日期重叠", "its dates overlap an earlier row's"
        else:
            kind: Literal["term", "vacation"] = "term" if row["kind"] == "term" else "vacation"
            found.terms.append(Term(row["name"], kind, starts_on, ends_on))
            continue
        found.problems.append(Problem(line, *problem))
    if not found.terms and not found.problems:
        found.problems.append(Problem(None, "文件里没有学期", "the file has no terms"))
    return found


def decode(data: bytes) -> str | None:
    """UTF-8 first: GB18030 accepts most UTF-8 files and garbles them, the reverse is refused."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return None if "\0" in text else text
    return None


def find_date(text: str) -> date | None:
    """A date written as 2026-01-02, 2026/1/2 or 20260102."""
    found = re.fullmatch(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})|(\d{4})(\d\d)(\d\d)", text.strip(), re.ASCII)
    if found is None:
        return None
    year, month, day = (int(part) for part in found.groups() if part is not None)
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _guess(text: str) -> FileFormat:
    start = text.lstrip()[:20].upper()
    return "ics" if start.startswith("BEGIN:VCALENDAR") else "json" if start.startswith("{") else "csv"


def _rows(text: str, needed: set[str], problems: list[Problem]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows by column name, stripped, with their line; a missing column or a torn row is a problem."""
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        missing = sorted(needed - set(reader.fieldnames or ()))
        if missing:
            columns = ", ".join(missing)
            problems.append(
                Problem(1, f"第一行缺少列：{columns}", f"columns missing in the first line: {columns}")
            )
            return
        for row in reader:
            if None in row or None in row.values():
                en = f"the row does not have {len(reader.fieldnames or ())} columns"
                problems.append(Problem(reader.line_num, "这一行的列数与表头不符", en))
            else:
                yield reader.line_num, {name: value.strip() for name, value in row.items()}
    except csv.Error as error:
        problems.append(Problem(reader.line_num + 1, f"不是 CSV：{error}", f"not CSV: {error}"))


def _read_csv(text: str, found: CalendarFile) -> None:
    """`date,day_type[,is_makeup_workday,is_weekday_off,iso_weekday,holiday_name_en or name]`, one row a day.

    `day_type` is one of our kinds, or workday and restday with the two flags; a rest day with a name is a holiday.
    """
    for line, row in _rows(text, {"date", "day_type"}, found.problems):
        on = find_date(row["date"])
        if on is None:
            found.refuse(line, f"“{row['date']}”不是日期", f"{row['date']!r} is not a date")
            continue
        kind = _KINDS.get(row["day_type"])
        name = row.get("name") or row.get("holiday_name_zh") or row.get("holiday_name_en") or ""
        makeup, off = row.get("is_makeup_workday", "0"), row.get("is_weekday_off", "0")
        if kind is DayKind.workday and makeup == "1":
            kind = DayKind.makeup_workday
        elif kind is DayKind.rest_day and (name or off == "1"):
            kind = DayKind.holiday
        if kind is None:
            found.refuse(line, f"不认识 day_type“{row['day_type']}”", f"unknown day_type {row['day_type']!r}")
        elif not {makeup, off} <= {"0", "1", ""} or (makeup == "1" and kind is not DayKind.makeup_workday):
            found.refuse(
                line, "is_makeup_workday、is_weekday_off 与 day_type 不符", "the flags contradict day_type"
            )
        elif row.get("iso_weekday", "") not in ("", str(on.isoweekday())):
            found.refuse(
                line, f"{on} 不是星期 {row['iso_weekday']}", f"{on} is not weekday {row['iso_weekday']}"
            )
        elif kind in (DayKind.workday, DayKind.rest_day) and (kind is DayKind.workday) != (
            on.weekday() < SATURDAY
        ):
            zh, en = (
                "普通工作日或休息日与星期不符",
                "an ordinary workday or rest day that does not fit its weekday",
            )
            found.refuse(line, zh, en)
        else:
            found.add(line, on, kind, name)


def _read_json(text: str, found: CalendarFile) -> None:
    """`{"holidays": {date: "English,中文,days"}, "workdays": {…}, "inLieuDays": {…}}`; days in lieu are holidays too."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else None
        found.refuse(line, "不是完整的 JSON", "not a whole JSON document")
        return
    sections = {
        "holidays": DayKind.holiday,
        "inLieuDays": DayKind.holiday,
        "workdays": DayKind.makeup_workday,
    }
    for section, kind in sections.items():
        rows = (
            whole.get(section, {} if section == "inLieuDays" else None) if isinstance(whole, dict) else None
        )
        if not isinstance(rows, dict):
            found.refuse(None, f"缺少“{section}”对象", f"there is no object {section!r}")
            continue
        for key, value in rows.items():
            on = find_date(key)
            if on is None or not isinstance(value, str):
                at = text.count("\n", 0, max(0, text.find(json.dumps(key)))) + 1
                found.refuse(
                    at,
                    f"{section} 中的“{key}”不是日期和名称",
                    f"{key!r} in {section} is not a date and a name",
                )
            else:
                parts = value.split(",")
                found.add(None, on, kind, parts[1] if len(parts) > 1 and parts[1] else parts[0])


def _read_ics(text: str, found: CalendarFile) -> None:
    """All-day events whose summary (or description) says 休 or 班: `春节(休)`; the end date is not included."""
    if not text.rstrip().upper().endswith("END:VCALENDAR"):
        found.refuse(
            text.count("\n") + 1, "文件不完整：没有 END:VCALENDAR", "the file is cut off: no END:VCALENDAR"
        )
    lines = [
        number for number, line in enumerate(text.splitlines(), 1) if line.strip().upper() == "BEGIN:VEVENT"
    ]
    try:
        events = Calendar.from_ical(text).walk("VEVENT")
    except (ValueError, IndexError, KeyError, TypeError) as error:
        found.refuse(None, "不是 iCalendar 文件", f"not an iCalendar file: {error}")
        return
    for index, event in enumerate(events):
        line = lines[index] if len(lines) == len(events) else None
        summary = str(event.get("SUMMARY", ""))
        mark = re.search(r"[(（]\s*([休班])\s*[)）]", summary) or re.fullmatch(
            r"\s*([休班])\s*", str(event.get("DESCRIPTION", ""))
        )
        period = _period(event.get("DTSTART"), event.get("DTEND"))
        if mark is None:
            found.refuse(
                line, f"“{summary}”没有写明休或班", f"{summary!r} says neither 休 (off) nor 班 (work)"
            )
        elif period is None:
            found.refuse(
                line, f"“{summary}”的起止日期有误", f"the dates of {summary!r} are missing, wrong or too long"
            )
        else:
            starts_on, days = period
            kind = DayKind.holiday if mark[1] == "休" else DayKind.makeup_workday
            name = re.sub(r"\s*[(（][^)）]*[)）]\s*$", "", summary)
            for offset in range(days):
                found.add(line, starts_on + timedelta(days=offset), kind, name)


def _period(start: object, end: object) -> tuple[date, int] | None:
    """First day and number of days of an all-day event; None when it is not one."""
    try:
        first, after = getattr(start, "dt", None), getattr(end, "dt", None)
    except BrokenCalendarProperty:  # a date that is none is kept, and raises when it is read
        return None
    if not isinstance(first, date) or isinstance(first, datetime) or first.year > 9990:
        return None
    if end is None:
        return first, 1
    if not isinstance(after, date) or isinstance(after, datetime):
        return None
    return (first, (after - first).days) if timedelta(0) < after - first <= LONGEST_PERIOD else None
