"""The sign-in sheet (签到表) of a day: to print, or as a spreadsheet. Full names, since people sign beside them."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import xlsxwriter
from sqlalchemy.ext.asyncio import AsyncSession

from booking.desk.places import ACTION, get_desk
from booking.desk.today import Day, DaySlot, Entry, read_day
from core import audit
from core.actor import Actor
from core.keyring import KeyRing

REASON = "sign-in sheet"
LISTED = frozenset({"confirmed", "checked_in", "no_show"})
# Chinese, English, width in characters.
COLUMNS: tuple[tuple[str, str, int], ...] = (
    ("序号", "No.", 6),
    ("时间", "Time", 14),
    ("项目", "For", 18),
    ("预约号", "Code", 10),
    ("姓名", "Name", 14),
    ("电话后四位", "Phone, last 4", 12),
    ("人数", "People", 8),
    ("方式", "Mode", 10),
    ("备注", "Notes", 18),
    ("签字", "Signature", 22),
)
WORDS = {
    "dine_in": "堂食",
    "pick_up": "自取",
    "pickup": "自取",
    "delivery": "送餐",
    "wheelchair": "轮椅",
    "checked_in": "已签到",
    "no_show": "未到",
}
WALK_IN_NAME = "（现场）"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the sheet."""

    number: int
    time: str
    title: str
    code: str
    name: str
    last_digits: str
    party_size: int
    mode: str
    notes: str


async def read_sheet(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    site_id: UUID,
    on: date | None = None,
    now: datetime,
) -> Day:
    """The day whose sheet is made, on record with the reason and everyone on it. Raises SiteNotFound, NotAllowed."""
    desk = await get_desk(session, actor, site_id=site_id)
    day = await read_day(session, desk, ring=ring, on=on or desk.day_of(now), now=now)
    listed = (one.reservation.person_id for one in day.entries() if one.reservation.state in LISTED)
    await audit.record(
        session,
        actor,
        action=ACTION,
        object_kind="site",
        object_id=site_id,
        person_ids=list(dict.fromkeys(one for one in listed if one is not None)),
        reason=REASON,
        detail={"look": "sheet", "on": day.on.isoformat(), "fields": ["name"]},
        now=now,
    )
    return day


def lines_of(day: Day) -> Iterator[Line]:
    """Who comes, slot by slot, in the order of codes."""
    number = 0
    for slot in day.slots:
        for entry in slot.entries:
            if entry.reservation.state in LISTED:
                number += 1
                yield _line(number, day, slot, entry)


def _line(number: int, day: Day, slot: DaySlot, entry: Entry) -> Line:
    one, zone = entry.reservation, day.desk.zone
    notes = [*entry.needs, *([one.state] if one.state != "confirmed" else [])]
    return Line(
        number=number,
        time=f"{one.starts_at.astimezone(zone):%H:%M}–{one.ends_at.astimezone(zone):%H:%M}",
        title=slot.title,
        code=one.code,
        name=entry.name or WALK_IN_NAME,
        last_digits=entry.last_digits or "",
        party_size=one.party_size,
        mode=WORDS.get(one.mode or "", one.mode or ""),
        notes=" ".join([*(WORDS[note] for note in notes), *entry.seats, *entry.resources]),
    )


def xlsx_of(day: Day) -> bytes:
    """A4, landscape, the head on every page. Every cell is text or a number: nothing in it is run as a formula."""
    made = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(made, options) as book:
        sheet = book.add_worksheet("签到表")
        line = {"border": 1, "valign": "vcenter", "text_wrap": True, "font_size": 12}
        cell, head = book.add_format(line), book.add_format({**line, "bold": True, "align": "center"})
        title = book.add_format({"bold": True, "font_size": 16})
        sheet.set_paper(9)  # A4
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.set_footer("&C&P / &N")
        sheet.write_string(0, 0, title_of(day), title)
        for column, (zh, en, width) in enumerate(COLUMNS):
            sheet.set_column(column, column, width)
            sheet.write_string(1, column, f"{zh}\n{en}", head)
        sheet.repeat_rows(1)
        sheet.freeze_panes(2, 0)
        for row, one in enumerate(lines_of(day), 2):
            sheet.set_row(row, 28)  # points: room for a signature
            _write(sheet, row, one, cell)
    return made.getvalue()


def title_of(day: Day) -> str:
    """What stands above the sheet."""
    return f"{day.desk.name} {day.on.year}年{day.on.month}月{day.on.day}日 签到表 Sign-in sheet"


def _write(sheet: Any, row: int, one: Line, cell: Any) -> None:
    values = (
        one.number,
        one.time,
        one.title,
        one.code,
        one.name,
        one.last_digits,
        one.party_size,
        one.mode,
        one.notes,
        "",
    )
    for column, value in enumerate(values):
        if isinstance(value, int):
            sheet.write_number(row, column, value, cell)
        elif value:
            sheet.write_string(row, column, value, cell)
        else:
            sheet.write_blank(row, column, None, cell)
