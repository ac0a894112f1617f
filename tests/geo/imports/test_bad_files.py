"""Files that cannot be imported as they are: each refusal says what to do, in Chinese and in English."""

import io
import json
import os
import zipfile

import pytest
import xlsxwriter

from geo.errors import ImportRefused
from geo.imports.kinds import Kind, detect_kind
from geo.imports.readers import open_layer
from tests.geo.imports.files import (
    MAPPINGS,
    SHARED,
    codes,
    mapping_of,
    needs_shared,
    read,
    write_csv,
    write_geojson,
)

ROWS = [("1", "中川助餐点", 103.57, 36.51), ("2", "秦川助餐点", 103.58, 36.52)]
POINT = {"type": "Point", "coordinates": [103.57, 36.51]}
GEOJSON = mapping_of(crs=None, geometry={}, external_id="id", fields={"name": "name"})


def refusal(path, mapping=None, **options):
    with pytest.raises(ImportRefused) as caught:
        read(path, mapping or mapping_of(), **options)
    assert caught.value.detail_zh
    assert caught.value.detail_en
    return caught.value


def test_a_folder_a_missing_file_and_an_empty_file(tmp_path):
    (tmp_path / "empty.csv").touch()
    assert "folder" in refusal(tmp_path).detail_en
    assert "no file" in refusal(tmp_path / "gone.csv").detail_en
    assert "0 bytes" in refusal(tmp_path / "empty.csv").detail_en


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path):
    path = write_csv(tmp_path / "a.csv", ROWS)
    path.chmod(0)
    assert "permission" in refusal(path).detail_en


def test_content_decides_what_a_file_is_and_a_wrong_name_is_only_noted(tmp_path):
    path = write_geojson(tmp_path / "really.csv", [(POINT, {"id": "1", "name": "中川"})])
    sites, report = read(path, GEOJSON)
    assert len(sites) == 1
    assert codes(report) == ["other-format"]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"\x7fELF\x02\x01\x01\x00\x00\x00", "not known"),
        (b"<?xml version='1.0'?><OGRVRTDataSource/>", "not known"),
    ],
)
def test_what_only_looks_like_data_is_named(tmp_path, content, word):
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    assert word in refusal(path).detail_en


def test_json_that_asks_gdal_to_run_something_is_refused(tmp_path):
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline"}))
    assert "no plain GeoJSON" in refusal(path, GEOJSON).detail_en


def test_a_csv_without_header_is_refused(tmp_path):
    path = write_csv(tmp_path / "a.csv", ROWS[1:], ROWS[0])
    assert "no header" in refusal(path).detail_en


def test_a_title_above_the_header_is_refused_with_the_line_to_use(tmp_path):
    path = write_csv(
        tmp_path / "a.csv", [("编号", "名称", "经度", "纬度"), *ROWS], ("助餐点一览表", "", "", "")
    )
    assert "header_row: 2" in refusal(path).detail_en
    sites, _ = read(path, mapping_of(table={"header_row": 2}))
    assert len(sites) == 2


def test_two_header_rows_are_refused_and_can_be_joined(tmp_path):
    rows = [("", "", "lon", "lat"), *ROWS, ("3", "西岔助餐点", 103.6, 36.4)]
    path = write_csv(tmp_path / "a.csv", rows, ("编号", "名称", "坐标", ""))
    assert "header_rows: 2" in refusal(path).detail_en
    mapping = mapping_of(table={"header_rows": 2}, geometry={"lon": "坐标-lon", "lat": "坐标-lat"})
    sites, _ = read(path, mapping)
    assert [site.geometry.x for site in sites] == [103.57, 103.58, 103.6]


def test_an_english_header_below_the_chinese_one_is_a_second_header(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("id", "name", "lon", "lat"), *ROWS, *ROWS])
    assert "header_rows: 2" in refusal(path).detail_en


@pytest.mark.parametrize("rows", [[], ROWS[:1], ROWS], ids=["none", "one", "two"])
@pytest.mark.parametrize("between", [[], [("", "", "", "")]], ids=["next", "apart"])
def test_a_header_that_is_there_twice_is_refused_with_the_line_to_use(tmp_path, rows, between):
    header = ("编号", "名称", "经度", "纬度")
    path = write_csv(tmp_path / "a.csv", [*between, header, *rows], header)
    line = 2 + len(between)
    said = refusal(path)
    assert f"Line {line} repeats the header of line 1" in said.detail_en
    assert f"header_row: {line}" in said.detail_zh
    sites, report = read(path, mapping_of(table={"header_row": line}))
    assert len(sites) == len(rows)
    assert report.counts["rejected"] == 0


def test_a_row_that_says_nearly_what_the_header_says_is_a_row(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("编号", "名称", 103.57, 36.51)])
    assert len(read(path, mapping_of())[0]) == 1


def test_an_unclosed_quote_is_refused_with_its_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('编号,名称,经度,纬度\n1,"中川,103.57,36.51\n2,秦川,103.58,36.52\n')
    assert "Quotes do not match" in refusal(path).detail_en


def test_a_line_with_a_cell_too_many_is_rejected_alone(tmp_path):
    path = write_csv(tmp_path / "a.csv", [*ROWS, ("3", "西岔", "一楼", 103.6, 36.4)])
    sites, report = read(path, mapping_of())
    assert len(sites) == 2
    assert codes(report, "rejected") == ["too-many-cells"]
    assert [finding.row for finding in report.findings if finding.row] == [4]


def workbook(rows, sheets=("Sheet1",)):
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer) as book:
        for name in sheets:
            sheet = book.add_worksheet(name)
            for i, row in enumerate(rows):
                sheet.write_row(i, 0, row)
    return buffer.getvalue()


def test_an_xlsx_keeps_phones_whole_and_row_numbers_as_seen(tmp_path):
    path = tmp_path / "a.xlsx"
    header = ("编号", "名称", "经度", "纬度", "电话")
    path.write_bytes(workbook([header, (1, "中川", 103.57, 36.51, 13912345678), (2, "", 103.58, 36.52, "")]))
    mapping = mapping_of(fields={"name": "名称", "phones": "电话"})
    sites, report = read(path, mapping)
    assert sites[0].external_id == "1"
    assert sites[0].phones[0].number == "13912345678"
    assert [(finding.code, finding.row) for finding in report.findings if finding.row] == [("no-name", 3)]


def test_a_truncated_xlsx_is_refused(tmp_path):
    whole = workbook([("编号", "名称", "经度", "纬度"), *ROWS])
    path = tmp_path / "a.xlsx"
    for size in (len(whole) // 2, len(whole) - 10, 100):
        path.write_bytes(whole[:size])
        assert "cut short" in refusal(path).detail_en


def test_several_sheets_are_listed_and_one_can_be_named(tmp_path):
    path = tmp_path / "a.xlsx"
    path.write_bytes(workbook([("编号", "名称", "经度", "纬度"), *ROWS], ("一月", "二月")))
    assert "一月, 二月" in refusal(path).detail_en
    assert "没有工作表“三月”，可选：一月、二月" in refusal(path, mapping_of(layer="三月")).detail_zh
    assert len(read(path, mapping_of(table={"sheet": "二月"}))[0]) == 2


def test_a_zip_bomb_is_refused_before_it_is_opened(tmp_path):
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        with archive.open("xl/worksheets/sheet1.xml", "w") as file:
            for _ in range(64):
                file.write(b"0" * (1 << 20))
    assert path.stat().st_size < 200_000
    assert "zip bomb" in refusal(path).detail_en


def test_a_zip_whose_directory_lies_about_its_sizes_is_refused(tmp_path):
    path = tmp_path / "lie.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 20_000_000)
    data = path.read_bytes()
    assert data.count((20_000_000).to_bytes(4, "little")) == 2
    path.write_bytes(data.replace((20_000_000).to_bytes(4, "little"), (20_000).to_bytes(4, "little")))
    refusal(path)


@needs_shared
@pytest.mark.parametrize(
    ("name", "mapping"),
    [
        ("peers/singapore/Parks.geojson", "singapore_parks"),
        ("peers/taiwan/taipei_districts.geojson", "taipei_districts"),
        ("osm/bupt_beijing_wgs84.osm", "osm_sport"),
        ("osm/bupt_beijing_wgs84.osm.pbf", "osm_sport"),
    ],
)
def test_a_real_file_cut_in_half_is_refused(tmp_path, name, mapping):
    whole = (SHARED / name).read_bytes()
    path = tmp_path / name.rsplit("/", 1)[-1]
    path.write_bytes(whole[: len(whole) // 2])
    assert "cut short" in refusal(path, MAPPINGS / f"{mapping}.yaml").detail_en


def test_a_geojson_of_a_known_projection_is_reprojected(tmp_path):
    # Easting 500000 of CGCS2000 / 3-degree Gauss-Kruger CM 105E is the meridian 105.
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4544"}}
    shape = {"type": "Point", "coordinates": [500000.0, 4041000.0]}
    sites, _ = read(
        write_geojson(tmp_path / "a.geojson", [(shape, {"id": "1", "name": "中川"})], crs=crs), GEOJSON
    )
    assert sites[0].geometry.x == pytest.approx(105.0, abs=1e-6)
    assert sites[0].geometry.y == pytest.approx(36.5, abs=0.05)


def test_a_geojson_of_an_unknown_projection_is_refused_by_its_name(tmp_path):
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::987654"}}
    path = write_geojson(tmp_path / "a.geojson", [(POINT, {"id": "1", "name": "中川"})], crs=crs)
    assert "EPSG::987654" in refusal(path, GEOJSON).detail_en


def test_projected_numbers_without_a_crs_member_are_rejected_row_by_row_with_advice(tmp_path):
    shape = {"type": "Point", "coordinates": [500000.0, 4041000.0]}
    _, report = read(write_geojson(tmp_path / "a.geojson", [(shape, {"id": "1", "name": "中川"})]), GEOJSON)
    assert codes(report, "rejected") == ["out-of-range"]
    assert "EPSG" in report.findings[0].do_en


def test_a_table_that_does_not_say_its_coordinate_system_is_refused_with_the_choices(tmp_path):
    said = refusal(write_csv(tmp_path / "a.csv", ROWS), mapping_of(crs=None))
    assert "--crs" in said.detail_zh
    assert "gcj02" in said.detail_zh


def test_a_shapefile_without_prj_is_asked_for_and_its_text_encoding_is_found(tmp_path):
    import pyarrow as pa
    import shapely
    from pyogrio.raw import write_arrow

    table = pa.table(
        {
            "id": ["1", "2"],
            "name": ["中川老年助餐点", "秦川社区服务中心"],
            "geom": pa.array(
                shapely.to_wkb(shapely.points([[103.57, 36.51], [103.58, 36.52]])).tolist(), pa.binary()
            ),
        }
    )
    path = tmp_path / "a.shp"
    write_arrow(
        table, str(path), driver="ESRI Shapefile", geometry_name="geom", geometry_type="Point", crs="EPSG:4490",
        encoding="GB18030",
    )  # fmt: skip
    sites, _ = read(path, GEOJSON)
    assert sites[0].name == "中川老年助餐点"
    (tmp_path / "a.cpg").unlink(missing_ok=True)
    (tmp_path / "a.prj").unlink()
    assert ".prj" in refusal(path, GEOJSON).detail_zh
    sites, _ = read(path, GEOJSON, crs="wgs84")
    assert sites[1].name == "秦川社区服务中心"
    (tmp_path / "a.dbf").unlink()
    assert "a.dbf" in refusal(path, GEOJSON).detail_en


def test_a_geopackage_with_two_layers_asks_which(tmp_path):
    import pyarrow as pa
    import shapely
    from pyogrio.raw import write_arrow

    point = pa.array([shapely.to_wkb(shapely.Point(103.57, 36.51))], pa.binary())
    table = pa.table({"id": ["1"], "name": ["中川"], "geom": point})
    path = tmp_path / "a.gpkg"
    for name in ("one", "two"):
        write_arrow(
            table, str(path), layer=name, driver="GPKG", geometry_name="geom", geometry_type="Point", crs="EPSG:4326",
            append=False,
        )  # fmt: skip
    assert "one, two" in refusal(path, GEOJSON).detail_en
    assert "--layer one" in refusal(path, GEOJSON).detail_en
    assert "no layer “three”" in refusal(path, GEOJSON | {"layer": "three"}).detail_en
    assert len(read(path, GEOJSON | {"layer": "two"})[0]) == 1


def test_kml_folders_are_one_list_and_extended_data_are_columns(tmp_path):
    placemark = (
        "<Placemark><name>{0}</name><ExtendedData><Data name='id'><value>{1}</value></Data></ExtendedData>"
        "<Point><coordinates>103.57,36.51,0</coordinates></Point></Placemark>"
    )
    path = tmp_path / "a.kml"
    path.write_text(
        "<?xml version='1.0' encoding='UTF-8'?><kml xmlns='http://www.opengis.net/kml/2.2'><Document>"
        f"<Folder><name>a</name>{placemark.format('中川', '1')}</Folder>"
        f"<Folder><name>b</name>{placemark.format('秦川', '2')}</Folder></Document></kml>"
    )
    sites, _ = read(path, mapping_of(crs=None, geometry={}, external_id="id", fields={"name": "Name"}))
    assert [(site.external_id, site.name) for site in sites] == [("1", "中川"), ("2", "秦川")]


def test_a_mistyped_column_is_refused_with_those_that_come_close(tmp_path):
    said = refusal(write_csv(tmp_path / "a.csv", ROWS), mapping_of(fields={"name": "名 称"}))
    assert "名称" in said.detail_zh
    assert "编号、名称、经度、纬度" in said.detail_zh


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"fields": {"nmae": "名称"}}, "是不是 name"),
        ({"fields": {}}, "缺 name"),
        ({"colour": "red"}, "colour"),
        ({"category": "meal_pont"}, "meal_point"),
        ({"geometry": {"lon": "经度"}}, "lon"),
        ({"fields": {"name": {"column": "名称", "regex": "("}}}, "正则"),
    ],
)
def test_a_mistake_in_the_mapping_is_named(tmp_path, change, word):
    assert word in refusal(write_csv(tmp_path / "a.csv", ROWS), mapping_of(**change)).detail_zh


def test_sniffing_reads_no_more_than_the_head(tmp_path):
    path = write_csv(tmp_path / "a.tsv", [], ("编号\t名称\t经度\t纬度",))
    assert detect_kind(path) is Kind.table
    assert open_layer(path).columns == ("编号", "名称", "经度", "纬度")
