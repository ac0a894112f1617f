"""Dry runs and imports on a real database."""

from datetime import UTC, date, datetime

import pytest
import shapely
from sqlalchemy import text

from core.actor import operator
from geo.areas import put_area, put_area_code
from geo.crs import Crs, from_wgs84
from geo.errors import ImportRefused
from geo.imports.mapping import load_mapping, parse_mapping
from geo.imports.opening import ImportRequest
from geo.imports.report import Report, report_to
from geo.imports.run import import_file, sha256
from geo.sites.store import put_source
from tests.geo.imports.files import MAPPINGS, REAL, SHARED, codes, mapping_of, needs_shared, write_csv

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)
ROWS = [("1", "中川镇老年助餐点", 103.57, 36.51), ("2", "秦川镇老年助餐点", 103.48, 36.62)]
CLERK = operator("clerk")


async def run(session, path, mapping, *, now=NOW, apply=True, sink=None, **options):
    """Import and return the report; the mapping is a dict or a file."""
    parsed = parse_mapping(mapping) if isinstance(mapping, dict) else load_mapping(mapping)
    report = sink or Report()
    request = ImportRequest(path=path, mapping=parsed, **options)
    await import_file(session, CLERK, request=request, report=report, now=now, apply=apply)
    return report


async def count(session, table="site"):
    return await session.scalar(text(f"select count(*) from {table}"))


async def test_a_dry_run_counts_and_writes_nothing(session, tmp_path):
    report = await run(session, write_csv(tmp_path / "a.csv", ROWS), mapping_of(), apply=False)
    assert report.counts["new"] == 2
    assert await count(session) == 0
    assert await session.scalar(text("select count(*) from source where code = 'test'")) == 0


async def test_the_same_file_twice_changes_nothing(session, tmp_path):
    path = write_csv(tmp_path / "a.csv", ROWS)
    first = await run(session, path, mapping_of())
    before = (await session.execute(text("select id, version, updated_at from site order by id"))).all()
    again = await run(session, path, mapping_of(), now=LATER)
    assert (first.counts["new"], again.counts["new"], again.counts["unchanged"]) == (2, 0, 2)
    assert (
        await session.execute(text("select id, version, updated_at from site order by id"))
    ).all() == before


async def test_a_changed_row_keeps_its_id_and_a_missing_one_stays(session, tmp_path):
    await run(session, write_csv(tmp_path / "a.csv", ROWS), mapping_of())
    before = dict((await session.execute(text("select external_id, id from site"))).all())
    path = write_csv(tmp_path / "b.csv", [("1", "中川镇老年餐厅", 103.57, 36.51)])
    dry = await run(session, path, mapping_of(), apply=False)
    report = await run(session, path, mapping_of(), now=LATER)
    assert dry.counts["changed"] == report.counts["changed"] == 1
    assert report.counts["absent"] == 1
    assert dict((await session.execute(text("select external_id, id from site"))).all()) == before


async def test_what_staff_set_here_stays_when_the_file_changes_only_the_address(session, tmp_path):
    header = ("编号", "名称", "经度", "纬度", "地址")
    mapping = mapping_of(fields={"name": "名称", "address": "地址"})

    def file(name, address):
        return write_csv(tmp_path / name, [(*ROWS[0], address)], header)

    await run(session, file("a.csv", "中川街1号"), mapping)
    await session.execute(
        text("update site set status = 'temporarily_closed', alert = '装修', assured_at = :now"), {"now": NOW}
    )
    await session.execute(
        text(
            "insert into hours_exception (site_id, on_date, hours, reason) select id, '2026-12-01', 'off', '盘点' from site"
        )
    )
    again = await run(session, file("b.csv", "中川街2号"), mapping, now=LATER)
    assert again.counts["changed"] == 1
    kept = text("select address, status, alert, assured_at from site")
    assert (await session.execute(kept)).one() == ("中川街2号", "temporarily_closed", "装修", NOW)
    exception = text("select on_date::text, hours, reason from hours_exception")
    assert (await session.execute(exception)).all() == [("2026-12-01", "off", "盘点")]

    # A mapping that speaks of the status is believed.
    said = mapping | {"constants": {"status": "active"}}
    await run(session, file("c.csv", "中川街3号"), said, now=LATER)
    assert (await session.execute(kept)).one() == ("中川街3号", "active", "装修", NOW)


async def test_an_empty_cell_takes_an_alert_away_when_the_file_has_a_column_for_it(session, tmp_path):
    header = ("编号", "名称", "经度", "纬度", "通知")
    mapped = mapping_of(fields={"name": "名称", "alert": "通知"})
    alert = text("select alert from site")

    def file(name, *cells):
        return write_csv(tmp_path / name, [(*ROWS[0], *cells)], header[: 4 + len(cells)])

    await run(session, file("a.csv", "装修，请走东门"), mapped)
    assert await session.scalar(alert) == "装修，请走东门"
    emptied = await run(session, file("b.csv", "无"), mapped, now=LATER)
    assert emptied.counts["changed"] == 1
    assert await session.scalar(alert) is None
    # A file without such a column says nothing of it.
    await run(session, file("c.csv", "停水"), mapped, now=LATER)
    renamed = write_csv(tmp_path / "d.csv", [("1", "中川镇老年餐厅", 103.57, 36.51)])
    assert (await run(session, renamed, mapping_of(), now=LATER)).counts["changed"] == 1
    assert await session.scalar(alert) == "停水"


async def test_an_applied_file_leaves_a_record_of_what_was_read(session, tmp_path):
    path = write_csv(tmp_path / "a.csv", ROWS)
    await run(session, path, mapping_of())
    row = (
        await session.execute(
            text("select file_name, file_sha256, mapping, counts, applied_by from import_run")
        )
    ).one()
    assert (row.file_name, row.file_sha256, row.applied_by) == ("a.csv", sha256(path), "operator:clerk")
    assert row.mapping["read_as"] == "wgs84"
    assert row.counts["new"] == 2


async def test_one_refused_row_keeps_the_whole_file_out(database, tmp_path):
    rows = [(str(i), f"第{i}助餐点", 103.5 + i / 1e5, 36.5) for i in range(1, 3_001)] + [
        ("", "没有编号", 103.5, 36.5)
    ]
    path = write_csv(tmp_path / "a.csv", rows)
    report = Report()
    with pytest.raises(ImportRefused, match="1 rows were rejected"):
        async with database.transaction() as session:
            await run(session, path, mapping_of(), sink=report)
    assert report.counts["rejected"] == 1
    assert report.counts["read"] == 3_001
    async with database.transaction() as session:
        assert [await count(session, table) for table in ("site", "import_run", "site_search")] == [0, 0, 0]
        assert await session.scalar(text("select count(*) from source where code = 'test'")) == 0


async def test_refused_rows_can_be_skipped_when_asked(session, tmp_path):
    path = write_csv(tmp_path / "a.csv", [*ROWS, ("3", "", 103.5, 36.5)])
    report = await run(session, path, mapping_of(), skip_rejected=True)
    assert (report.counts["new"], report.counts["rejected"]) == (2, 1)
    assert await count(session) == 2


async def test_a_file_without_rows_is_refused(session, tmp_path):
    with pytest.raises(ImportRefused, match="no rows"):
        await run(session, write_csv(tmp_path / "a.csv", []), mapping_of())


async def test_likely_duplicates_of_another_source_are_listed_and_both_kept(session, tmp_path):
    await run(session, write_csv(tmp_path / "a.csv", ROWS), mapping_of())
    near = [
        ("9", "中川镇老年助餐店", 103.5705, 36.5105),  # 70 m away, one character differs
        ("10", "秦川镇老年助餐点", 103.50, 36.62),  # the same name, 1.8 km away
        ("11", "口腔诊所", 103.57, 36.51),  # the same place, another name
    ]
    other = mapping_of(source={"code": "other", "name": "另一来源"})
    report = await run(session, write_csv(tmp_path / "b.csv", near), other)
    found = [finding for finding in report.findings if finding.code == "likely-duplicate"]
    assert [(finding.row, finding.value) for finding in found] == [(2, "中川镇老年助餐店")]
    assert "中川镇老年助餐点" in found[0].zh
    assert await count(session) == 5


async def test_points_outside_the_expected_box_are_listed_or_summed_up(session, tmp_path):
    box = mapping_of(within=[103.0, 36.0, 104.0, 37.0])
    some = [*ROWS, ("3", "西岔", 103.6, 36.4), ("4", "上海", 121.5, 31.2)]
    report = await run(session, write_csv(tmp_path / "a.csv", some), box, apply=False)
    assert [(finding.code, finding.row) for finding in report.findings if finding.severity == "warning"] == [
        ("outside-area", 5)
    ]
    most = [("1", "上海", 121.5, 31.2), ("2", "南京", 118.8, 32.0), ("3", "中川", 103.57, 36.51)]
    report = await run(session, write_csv(tmp_path / "b.csv", most), box, apply=False)
    outside = [finding for finding in report.findings if finding.code == "outside-area"]
    assert [finding.row for finding in outside] == [None]
    assert "2 of 3" in outside[0].en


async def test_a_file_with_exchanged_columns_is_told_so_once(session, tmp_path):
    rows = [(number, name, lat, lon) for number, name, lon, lat in ROWS]
    report = await run(session, write_csv(tmp_path / "a.csv", rows), mapping_of(), apply=False)
    assert codes(report, "rejected") == ["swapped-axes", "swapped-axes"]
    assert codes(report, "warning") == ["swapped-columns"]


async def test_gcj02_coordinates_read_as_wgs84_are_noticed_by_known_sites_of_the_same_name(session, tmp_path):
    rows = [(str(i), f"第{i}社区服务中心", 103.5 + i / 50, 36.4 + i / 60) for i in range(5)]
    await run(session, write_csv(tmp_path / "a.csv", rows), mapping_of())
    shifted = [(number, name, *from_wgs84(Crs.gcj02, lon, lat)) for number, name, lon, lat in rows]
    path = write_csv(tmp_path / "b.csv", shifted)
    other = mapping_of(source={"code": "other", "name": "另一来源"})
    wrong = await run(session, path, other, apply=False)
    assert "--crs gcj02" in next(
        finding.do_en for finding in wrong.findings if finding.code == "landmarks-off"
    )
    right = await run(session, path, other, apply=False, crs="gcj02")
    assert "landmarks-off" not in codes(right)


async def test_three_rows_on_one_point_are_reported_together(session, tmp_path):
    rows = [(str(i), f"第{i}助餐点", 103.57, 36.51) for i in range(4)]
    report = await run(session, write_csv(tmp_path / "a.csv", rows), mapping_of(), apply=False)
    (finding,) = (finding for finding in report.findings if finding.code == "repeated-point")
    assert "rows 2, 3, 4, 5" in finding.en


async def test_the_report_file_has_every_row_that_matters_and_runs_no_formula(session, tmp_path):
    rows = [*ROWS, ("=HYPERLINK(1)", "", 103.5, 36.5)]
    target = tmp_path / "report.csv"
    with report_to(target) as sink:
        await run(session, write_csv(tmp_path / "a.csv", rows), mapping_of(), apply=False, sink=sink)
    raw = target.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    lines = raw.decode("utf-8-sig").splitlines()
    assert len(lines) == 1 + 1 + 2 + 1  # header, encoding, two new rows, one refused
    assert "no-name" in lines[-1] or "no-name" in lines[2]
    assert not any(cell.startswith(("=", "+", "@")) for line in lines for cell in line.split(","))


async def test_an_area_code_that_is_not_here_is_refused(session, tmp_path):
    with pytest.raises(ImportRefused, match="no area with code 999999"):
        await run(session, write_csv(tmp_path / "a.csv", ROWS), mapping_of(), within="999999")


async def test_points_are_compared_with_an_area_by_any_of_its_codes(session, tmp_path):
    await session.execute(text("insert into source (code, name) values ('areas', 'areas')"))
    area = "00000000-0000-7000-8000-000000000001"
    shape = shapely.MultiPolygon([shapely.box(103.5, 36.4, 103.7, 36.6)]).wkt
    await session.execute(
        text(
            "insert into area (id, kind, name, geom, valid_from, source_code)"
            " values (:id, 'district', '兰州新区', st_geomfromtext(:shape, 4326), '2012-01-01', 'areas')"
        ),
        {"id": area, "shape": shape},
    )
    await session.execute(
        text(
            "insert into area_code (area_id, system, valid_from, code) values (:id, 'nbs', '2012-01-01', '620171')"
        ),
        {"id": area},
    )
    rows = [*ROWS, ("3", "石洞", 103.6, 36.5), ("4", "西岔", 103.61, 36.5)]
    report = await run(
        session, write_csv(tmp_path / "a.csv", rows), mapping_of(), apply=False, within="620171"
    )
    (finding,) = (finding for finding in report.findings if finding.code == "outside-area")
    assert (finding.row, finding.zh) == (3, "不在兰州新区范围内。")


async def test_the_expected_area_is_looked_up_on_the_local_day(session, tmp_path):
    await put_source(session, CLERK, code="areas", name="areas")
    change = date(2026, 11, 25)
    for name, west, dates in (
        ("旧区", 103.0, {"valid_from": date(2012, 1, 1), "valid_to": change}),
        ("新区", 104.0, {"valid_from": change}),
    ):
        area_id = await put_area(
            session,
            CLERK,
            source_code="areas",
            kind="district",
            name=name,
            geometry=shapely.box(west, 36.0, west + 1, 37.0),
            **dates,
        )
        await put_area_code(session, CLERK, area_id=area_id, system="nbs", code="620171", **dates)
    path = write_csv(tmp_path / "a.csv", ROWS)
    evening = datetime(2026, 11, 24, 16, 30, tzinfo=UTC)  # half past midnight of the 25th in Lanzhou
    for zone, expected in (("UTC", []), ("Asia/Shanghai", ["outside-area"])):
        report = await run(
            session, path, mapping_of(), now=evening, apply=False, zone=zone, expected_area="620171"
        )
        assert codes(report, "warning") == expected


@needs_shared
@pytest.mark.parametrize("name", REAL)
async def test_real_files_import_and_import_again_without_change(session, name):
    mapping, rows, expected = REAL[name]
    first = await run(session, SHARED / name, MAPPINGS / f"{mapping}.yaml")
    again = await run(session, SHARED / name, MAPPINGS / f"{mapping}.yaml", now=LATER)
    assert (first.counts["read"], first.counts["new"], first.counts["rejected"]) == (rows, expected, 0)
    assert (again.counts["new"], again.counts["changed"], again.counts["unchanged"]) == (0, 0, expected)
    assert await count(session) == expected


async def test_memory_of_findings_is_bounded_and_their_counts_are_not(session, tmp_path):
    header = ("编号", "名称", "经度", "纬度", "电话")
    rows = [(str(i), f"第{i}助餐点", 103.5 + i / 1e4, 36.5, "~") for i in range(700)]
    mapping = mapping_of(fields={"name": "名称", "phones": "电话"})
    report = await run(session, write_csv(tmp_path / "a.csv", rows, header), mapping, apply=False)
    assert report.by_code["bad-phone"] == report.counts["warnings"] == 700
    assert len(report.findings) < 300


async def test_the_record_holds_the_mapping_as_the_clerk_wrote_it(session, tmp_path):
    await run(session, write_csv(tmp_path / "a.csv", ROWS), mapping_of())
    mapping = await session.scalar(text("select mapping from import_run"))
    assert set(mapping) == {"source", "crs", "geometry", "external_id", "category", "fields", "read_as"}
