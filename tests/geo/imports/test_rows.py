"""Rows with messy cells: what is refused, what is left out, what is only suggested."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.crs import Crs, from_wgs84
from geo.imports.html_attributes import html_attributes
from geo.imports.values import read_age, read_date, read_phone, read_price, suggest_date, suggest_hours
from tests.geo.imports.files import codes, mapping_of, read, write_csv, write_geojson

HEADER = ("编号", "名称", "经度", "纬度", "电话", "时间", "日期", "年龄", "状态")
FULL = mapping_of(
    fields={
        "name": "名称",
        "phones": "电话",
        "hours": "时间",
        "assured_at": "日期",
        "minimum_age": "年龄",
        "status": {"column": "状态", "translate": {"正常": "active", "停业": "temporarily_closed"}},
    }
)


def one(tmp_path, **cells):
    row = {"编号": "1", "名称": "中川助餐点", "经度": 103.57, "纬度": 36.51} | cells
    return read(write_csv(tmp_path / "a.csv", [[row.get(name, "") for name in HEADER]], HEADER), FULL)


def test_a_clean_row_becomes_a_site_with_everything_it_says(tmp_path):
    (site,), report = one(
        tmp_path, 电话="0931-8255678", 时间="Mo-Fr 08:30-17:30", 日期="2026/3/5", 年龄="60周岁", 状态="停业"
    )
    assert codes(report, "warning") == []
    assert site.phones[0].number == "0931-8255678"
    assert site.hours == "Mo-Fr 08:30-17:30"
    assert site.assured_at.isoformat() == "2026-03-05T00:00:00+08:00"
    assert site.services[0].minimum_age == 60
    assert site.status == "temporarily_closed"


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"名称": ""}, "no-name"),
        ({"名称": "—"}, "no-name"),
        ({"编号": ""}, "no-id"),
        ({"经度": ""}, "not-a-number"),
        ({"经度": "", "纬度": ""}, "no-coordinates"),
        ({"经度": "nan"}, "not-a-number"),
        ({"经度": "1e308"}, "out-of-range"),
        ({"经度": "东经103度"}, "not-a-number"),
        ({"经度": 36.51, "纬度": 103.57}, "swapped-axes"),
        ({"名称": "中" * 300}, "invalid"),
        ({"名称": "中\x00川"}, "invalid"),
    ],
)
def test_a_row_that_cannot_be_a_site_is_refused_with_its_row_and_column(tmp_path, cells, code):
    sites, report = one(tmp_path, **cells)
    assert sites == []
    assert codes(report, "rejected") == [code]
    (finding,) = (finding for finding in report.findings if finding.severity == "rejected")
    assert finding.row == 2
    assert finding.zh
    assert finding.en
    assert report.counts["rejected"] == 1


def test_swapped_axes_are_named_with_the_order_to_use(tmp_path):
    _, report = one(tmp_path, 经度=36.51, 纬度=103.57)
    assert "经度 103.57，纬度 36.51" in report.findings[0].do_zh


@pytest.mark.parametrize(
    ("cells", "code", "kept"),
    [
        ({"日期": "TBC"}, "bad-date", "assured_at"),
        ({"日期": "2026-02-30"}, "bad-date", "assured_at"),
        ({"电话": "1.39E+10"}, "bad-phone", "phones"),
        ({"年龄": "六十"}, "bad-age", None),
        ({"年龄": "999"}, "bad-age", None),
        ({"状态": "装修"}, "untranslated", None),
    ],
)
def test_what_cannot_be_read_is_left_out_and_the_row_kept(tmp_path, cells, code, kept):
    (site,), report = one(tmp_path, **cells)
    assert codes(report, "warning") == [code]
    if kept:
        assert not getattr(site, kept)


def test_a_phone_that_lost_its_zero_is_kept_and_the_zero_only_suggested(tmp_path):
    (site,), report = one(tmp_path, 电话="9318255678")
    assert site.phones[0].number == "9318255678"
    assert codes(report, "warning") == ["lost-zero"]
    assert "09318255678" in report.findings[0].do_zh


def test_hours_in_prose_go_to_the_description_with_the_grammar_suggested(tmp_path):
    (site,), report = one(tmp_path, 时间="周一至周五 8:30-17:30")
    assert site.hours is None
    assert site.description == "开放时间：周一至周五 8:30-17:30"
    assert codes(report, "warning") == ["prose-hours"]
    assert "Mo-Fr 08:30-17:30" in report.findings[0].do_zh


def test_the_same_number_twice_refuses_the_second_row(tmp_path):
    rows = [("1", "中川", 103.57, 36.51), ("1", "秦川", 103.58, 36.52)]
    sites, report = read(write_csv(tmp_path / "a.csv", rows), mapping_of())
    assert [site.name for site in sites] == ["中川"]
    assert codes(report, "rejected") == ["duplicate-id"]


def test_several_columns_make_a_number_that_stays_the_same_when_rows_move(tmp_path):
    rows = [("1", "中川", 103.57, 36.51), ("2", "秦川", 103.58, 36.52)]
    mapping = mapping_of(external_id=["名称", "编号"])
    there, _ = read(write_csv(tmp_path / "a.csv", rows), mapping)
    back, _ = read(write_csv(tmp_path / "b.csv", rows[::-1]), mapping)
    assert [site.external_id for site in there] == [site.external_id for site in back][::-1]
    assert there[0].external_id != there[1].external_id


def test_gcj02_rows_come_back_to_where_they_are(tmp_path):
    lon, lat = from_wgs84(Crs.gcj02, 103.57, 36.51)
    (site,), _ = read(write_csv(tmp_path / "a.csv", [("1", "中川", lon, lat)]), mapping_of(crs="gcj02"))
    assert math.isclose(site.geometry.x, 103.57, abs_tol=1e-8)
    assert math.isclose(site.geometry.y, 36.51, abs_tol=1e-8)


def test_one_column_of_pairs_and_wkt_are_read_too(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("1", "中川", "103.57 36.51")], ("编号", "名称", "坐标"))
    (site,), _ = read(path, mapping_of(geometry={"pair": "坐标"}))
    assert (site.geometry.x, site.geometry.y) == (103.57, 36.51)
    path = write_csv(
        tmp_path / "b.csv",
        [("1", "步道", "LINESTRING (103.5 36.5; 103.6 36.6)".replace(";", "|"))],
        ("编号", "名称", "形状"),
    )
    _, report = read(path, mapping_of(geometry={"wkt": "形状"}))
    assert codes(report, "rejected") == ["bad-wkt"]


def test_a_bow_tie_is_refused_and_a_doubled_vertex_repaired_or_kept(tmp_path):
    bow_tie = {"type": "Polygon", "coordinates": [[[103, 36], [104, 37], [104, 36], [103, 37], [103, 36]]]}
    spike = {
        "type": "Polygon",
        "coordinates": [[[103, 36], [104, 36], [104, 37], [104, 36], [104, 37], [103, 37], [103, 36]]],
    }
    path = write_geojson(
        tmp_path / "a.geojson", [(bow_tie, {"id": "1", "name": "a"}), (spike, {"id": "2", "name": "b"})]
    )
    sites, report = read(path, mapping_of(crs=None, geometry={}, external_id="id", fields={"name": "name"}))
    assert [site.external_id for site in sites] == ["2"]
    assert codes(report) == ["invalid-geometry", "geometry-repaired"]


def test_multi_part_lines_stay_whole_and_scattered_points_are_refused(tmp_path):
    lines = {
        "type": "MultiLineString",
        "coordinates": [[[103, 36], [103.1, 36]], [[103.2, 36], [103.3, 36.1]]],
    }
    points = {"type": "MultiPoint", "coordinates": [[103, 36], [104, 36]]}
    single = {"type": "MultiPoint", "coordinates": [[103, 36, 1500]]}
    features = [(shape, {"id": str(i), "name": "n"}) for i, shape in enumerate((lines, points, single))]
    mapping = mapping_of(crs=None, geometry={}, external_id="id", fields={"name": "name"})
    sites, report = read(write_geojson(tmp_path / "a.geojson", features), mapping)
    assert [site.geometry.geom_type for site in sites] == ["MultiLineString", "Point"]
    assert codes(report, "rejected") == ["geometry-type"]


@pytest.mark.parametrize(
    ("text", "number", "extension", "label"),
    [
        ("2304-6716轉108", "2304-6716", "108", None),
        ("（0931）825 5678 转 9", "(0931)825 5678", "9", None),
        ("办公室：0931-8255678", "0931-8255678", None, "办公室"),
        ("+65 6123 4567 ext. 12", "+65 6123 4567", "12", None),
        ("１２３４５", "12345", None, None),
        ("02-23943265~6", None, None, None),
        ("无电话", None, None, None),
    ],
)
def test_phones_as_people_type_them(text, number, extension, label):
    read_number = read_phone(text)
    assert (read_number.number, read_number.extension, read_number.label) == (number, extension, label)


@pytest.mark.parametrize("number", ["13912345678", "4008123456", "12345", "0931-8255678", "63456789"])
def test_numbers_that_are_whole_are_not_suspected(number):
    assert read_phone(number).restored is None


def test_dates_ages_prices_and_hours():
    assert read_date("20160728192327", "Asia/Singapore").isoformat() == "2016-07-28T19:23:27+08:00"
    assert read_date("2026年3月5日", "Asia/Shanghai").day == 5
    assert read_date("NA", "Asia/Shanghai") is None
    assert suggest_date("113/1/5") == "2024-01-05"
    assert (read_age("60岁以上"), read_age("151"), read_age("不限")) == (60, None, None)
    assert (read_price("12.5元"), read_price("免费"), read_price("¥8/餐"), read_price("面议")) == (
        1250,
        0,
        800,
        None,
    )
    assert suggest_hours("周一至周五9:00-12:00，周六10:00-11:30") == "Mo-Fr 09:00-12:00; Sa 10:00-11:30"
    assert suggest_hours("星期一上午看診") == ""


def test_html_tables_give_their_pairs_and_survive_what_is_not_closed():
    html = "<table><tr><th colspan=2>Attributes</th></tr><tr><th>A &amp; B<td>1<br>2<tr><th>C</th><td></td></table>"
    assert html_attributes(html) == {"A & B": "1 2", "C": ""}


@given(st.text())
def test_no_text_breaks_the_readers_of_cells(text):
    read_phone(text)
    read_date(text, "Asia/Shanghai")
    read_age(text)
    read_price(text)
    suggest_hours(text)
    html_attributes(text)
