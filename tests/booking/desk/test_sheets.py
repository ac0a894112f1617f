"""The sign-in sheet."""

import io
import re
import zipfile

from python_calamine import CalamineWorkbook
from sqlalchemy import select

from booking.desk.check_ins import check_in
from booking.desk.found import Shown
from booking.desk.sheets import REASON, lines_of, read_sheet, xlsx_of
from booking.desk.walk_ins import walk_in
from core.audit import AuditEntry
from tests.booking.desk.meals import NOW


async def the_day(desk):
    return await read_sheet(desk.session, desk.clerk, ring=desk.ring, site_id=desk.site_id, now=NOW)


async def test_people_sign_beside_their_full_name_and_the_last_digits_of_their_phone(desk):
    one = await desk.guest()
    other = await desk.book(None, party_size=2)
    await check_in(desk.session, desk.clerk, ring=desk.ring, shown=Shown(reservation_id=one.id), now=NOW)
    await walk_in(desk.session, desk.clerk, ring=desk.ring, site_id=desk.site_id, now=NOW)
    lines = {line.code: line for line in lines_of(await the_day(desk))}
    assert len(lines) == 3
    assert (lines[one.code].name, lines[one.code].last_digits) == ("王秀英", "0001")
    assert (lines[one.code].time, lines[one.code].mode, lines[one.code].notes) == (
        "11:30–13:00",
        "堂食",
        "已签到",
    )
    assert (lines[other.code].name, lines[other.code].party_size) == ("（现场）", 2)
    assert sorted(line.number for line in lines.values()) == [1, 2, 3]


async def test_the_sheet_is_on_record_with_its_reason_and_everyone_on_it(desk):
    one, other = await desk.guest(), await desk.guest("李强", "+8613800004321")
    await desk.book(hold=True, now=NOW)
    await the_day(desk)
    entries = (await desk.session.scalars(select(AuditEntry).where(AuditEntry.reason == REASON))).all()
    assert {entry.person_id for entry in entries} == {one.person_id, other.person_id}


async def test_a_name_that_looks_like_a_formula_stays_text(desk):
    await desk.guest('=HYPERLINK("http://evil","王")', "+8613800000001")
    await desk.guest("+86", None)
    made = xlsx_of(await the_day(desk))
    rows = CalamineWorkbook.from_filelike(io.BytesIO(made)).get_sheet_by_index(0).to_python()
    head = [cell.split("\n") for cell in rows[1]]
    assert head[4] == ["姓名", "Name"]
    assert sorted(row[4] for row in rows[2:]) == ["+86", '=HYPERLINK("http://evil","王")']
    with zipfile.ZipFile(io.BytesIO(made)) as parts:
        sheet = parts.read("xl/worksheets/sheet1.xml").decode()
    assert re.search("<f[ >]", sheet) is None
    assert "<hyperlink" not in sheet


async def test_an_empty_day_has_an_empty_sheet(desk):
    rows = CalamineWorkbook.from_filelike(io.BytesIO(xlsx_of(await the_day(desk))))
    assert len(rows.get_sheet_by_index(0).to_python()) == 2
