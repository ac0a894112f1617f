"""Exports that other programs read: GDAL, spreadsheets, and this importer."""

import csv
import json
import zipfile
from datetime import UTC, date, datetime

import pyogrio
import pytest
import python_calamine
import shapely
from sqlalchemy import text

from core.actor import SYSTEM
from geo.areas import put_area, put_area_code
from geo.errors import UnknownArea, UnknownCategory
from geo.exports.query import COLUMNS, NAMES, Selection
from geo.exports.run import Format, export_sites
from geo.sites.input import PhoneIn, ServiceIn, SiteIn
from geo.sites.store import put_sites, put_source
from tests.geo.imports.files import ROOT

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
CLOCKWISE = shapely.Polygon([(103.5, 36.5), (103.5, 36.6), (103.6, 36.6), (103.6, 36.5)])
SITES = [
    SiteIn(
        external_id="1",
        category="meal_point",
        name="中川镇老年助餐点",
        geometry=shapely.Point(103.123456789, 36.5),
        phones=(PhoneIn(number="0931-8255678", extension="8"), PhoneIn(number="+8613912345678")),
        services=(ServiceIn(name="午餐", minimum_age=60),),
        aliases=("食堂", "餐厅"),
    ),
    SiteIn(
        external_id="=1+1",
        category="fitness_path",
        name='=HYPERLINK("http://example.invalid")',
        geometry=shapely.LineString([(103.5, 36.5), (103.6, 36.6)]),
    ),
    SiteIn(external_id="3", category="city_park", name='公园, 带"引号"\n和换行', geometry=CLOCKWISE),
]


@pytest.fixture
async def stored(session):
    await put_source(session, SYSTEM, code="test", name="测试", licence="CC BY 4.0")
    await put_sites(session, SYSTEM, source_code="test", sites=SITES, now=NOW)
    return session


async def exported(session, tmp_path, format_, now=NOW, zone="Asia/Shanghai", **selection):
    path = tmp_path / f"out.{format_}"
    count = await export_sites(
        session, SYSTEM, path=path, format_=format_, selection=Selection(**selection), now=now, zone=zone
    )
    assert [file.name for file in tmp_path.iterdir()] == [path.name]  # nothing half-written beside it
    return path, count


@pytest.mark.parametrize("format_", [Format.geojson, Format.gpkg, Format.fgb])
async def test_gdal_reads_back_every_site_where_it_is(stored, tmp_path, format_):
    path, count = await exported(stored, tmp_path, format_)
    _, table = pyogrio.read_arrow(path)
    info = pyogrio.read_info(path)
    assert (count, info["features"], info["crs"]) == (3, 3, "EPSG:4326")
    rows = {row["external_id"]: row for row in table.to_pylist()}
    geometry = next(name for name in table.column_names if name in ("geom", "wkb_geometry"))
    for site in SITES:
        row = rows[site.external_id]
        shape = shapely.from_wkb(row[geometry])
        assert shape.geom_type == site.geometry.geom_type
        assert shapely.hausdorff_distance(shape, site.geometry) < 1e-7
        assert row["name"] == site.name
    assert rows["1"]["phones"] == "0931-8255678#8; +8613912345678"
    assert rows["1"]["minimum_age"] == 60


async def test_geojson_is_as_rfc_7946_says(stored, tmp_path):
    path, _ = await exported(stored, tmp_path, Format.geojson)
    collection = json.loads(path.read_bytes())
    assert set(collection) == {"type", "features"}  # no crs member
    by_number = {feature["properties"]["external_id"]: feature for feature in collection["features"]}
    assert by_number["1"]["geometry"]["coordinates"] == [103.1234568, 36.5]
    ring = shapely.LinearRing(by_number["3"]["geometry"]["coordinates"][0])
    assert ring.is_ccw
    assert not CLOCKWISE.exterior.is_ccw
    assert all(len(feature["id"]) == 36 for feature in collection["features"])


async def test_csv_opens_in_excel_and_runs_no_formula(stored, tmp_path):
    path, _ = await exported(stored, tmp_path, Format.csv)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = {row["source"] + row["external_id"]: row for row in csv.DictReader(file)}
    assert rows["test'=1+1"]["name"].startswith("'=HYPERLINK")
    assert rows["test3"]["name"] == '公园, 带"引号"\n和换行'
    assert rows["test1"]["lon"] == "103.1234568"
    assert rows["test1"]["wkt"] == ""
    assert rows["test'=1+1"]["wkt"].startswith("LINESTRING")
    assert rows["test1"]["aliases"] == "食堂; 餐厅"


async def test_xlsx_holds_text_and_numbers_and_no_formula(stored, tmp_path):
    path, _ = await exported(stored, tmp_path, Format.xlsx)
    header, *rows = python_calamine.load_workbook(str(path)).get_sheet_by_index(0).to_python()
    assert tuple(header[: len(NAMES)]) == NAMES
    by_number = {row[NAMES.index("external_id")]: row for row in rows}
    assert by_number["1"][NAMES.index("lon")] == 103.1234568
    assert by_number["=1+1"][NAMES.index("name")] == SITES[1].name
    with zipfile.ZipFile(path) as archive:
        assert b"<f>" not in archive.read("xl/worksheets/sheet1.xml")


async def test_a_category_brings_what_is_below_it_and_an_unknown_one_is_refused(stored, tmp_path):
    path, count = await exported(stored, tmp_path, Format.csv, categories=("elder",))
    assert count == 1
    with pytest.raises(UnknownCategory):
        await exported(stored, tmp_path, Format.csv, categories=("elderly",))
    assert "meal_point" in path.read_text("utf-8-sig")  # the earlier file is still whole


async def test_an_unknown_area_is_refused(stored, tmp_path):
    with pytest.raises(UnknownArea):
        await exported(stored, tmp_path, Format.csv, area="999999")


async def put_town(session, name, code, valid_from, valid_to=None, **area):
    area_id = await put_area(
        session, SYSTEM, source_code="test", kind="township", name=name, valid_from=date(2012, 1, 1), **area
    )
    await put_area_code(
        session, SYSTEM, area_id=area_id, system="nbs", code=code, valid_from=valid_from, valid_to=valid_to
    )
    return area_id


async def test_an_area_brings_the_sites_of_what_is_below_it(stored, tmp_path):
    town = await put_town(stored, "中川镇", "620171101", date(2012, 1, 1))
    village = await put_town(stored, "陈家井村", "620171101201", date(2012, 1, 1), parent_id=town)
    await stored.execute(text("update site set area_id = :id where external_id = '3'"), {"id": village})
    assert (await exported(stored, tmp_path, Format.csv, area="620171101"))[1] == 1
    assert (await exported(stored, tmp_path, Format.csv, area="620171101201"))[1] == 1


async def test_an_area_code_means_what_it_means_on_the_local_day(stored, tmp_path):
    change = date(2026, 11, 25)
    old = await put_town(stored, "旧镇", "620171101", date(2012, 1, 1), change)
    await put_town(stored, "新镇", "620171101", change)
    await stored.execute(text("update site set area_id = :id"), {"id": old})
    evening = datetime(2026, 11, 24, 16, 30, tzinfo=UTC)  # half past midnight of the 25th in Lanzhou
    for zone, count in (("UTC", 3), ("Asia/Shanghai", 0)):
        _, exported_count = await exported(
            stored, tmp_path, Format.csv, now=evening, zone=zone, area="620171101"
        )
        assert exported_count == count


async def test_drafts_stay_in_unless_asked_for(stored, tmp_path):
    await stored.execute(text("update site set published_at = null where external_id = '1'"))
    assert (await exported(stored, tmp_path, Format.csv))[1] == 2
    assert (await exported(stored, tmp_path, Format.csv, drafts=True))[1] == 3


@pytest.mark.parametrize("format_", list(Format))
async def test_no_sites_make_a_valid_empty_file(session, tmp_path, format_):
    path, count = await exported(session, tmp_path, format_)
    assert count == 0
    assert path.stat().st_size > 0
    if format_ in (Format.geojson, Format.gpkg, Format.fgb):
        assert pyogrio.read_info(path, force_feature_count=True)["features"] == 0


async def test_a_failed_export_leaves_the_old_file_alone(stored, tmp_path):
    path = tmp_path / "out.gpkg"
    path.write_bytes(b"old")
    await stored.execute(text("alter table source rename column licence to licence_"))
    with pytest.raises(Exception, match="licence"):
        await export_sites(
            stored, SYSTEM, path=path, format_=Format.gpkg, selection=Selection(), now=NOW, zone="UTC"
        )
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["out.gpkg"]


def test_every_column_is_documented():
    page = (ROOT / "docs" / "importing.md").read_text(encoding="utf-8")
    missing = [column.name for column in COLUMNS if f"| `{column.name}` |" not in page]
    assert missing == []
