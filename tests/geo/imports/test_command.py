"""`xinban import` and `xinban export` as a clerk runs them."""

import os

import psycopg
import pytest
import typer
import xlsxwriter
import yaml
from typer.testing import CliRunner

from api.cli.exports import export
from api.cli.imports import import_
from api.cli.person import acting_operator
from geo.imports.guess import guess_mapping
from geo.imports.mapping import parse_mapping
from tests.geo.imports.files import SHARED, mapping_of, needs_shared, read, write_csv

ROWS = [("1", "中川镇老年助餐点", 103.57, 36.51), ("2", "秦川镇老年助餐点", 103.48, 36.62)]


@pytest.fixture
def xinban(database_url, monkeypatch, tmp_path):
    monkeypatch.setenv("XINBAN_DATABASE_URL", database_url)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    app.command("import")(import_)
    app.command("export")(export)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def mapped(path, **changes):
    path.write_text(yaml.safe_dump(mapping_of(**changes), allow_unicode=True))
    return path


def sites(database_url):
    with psycopg.connect(database_url) as connection:
        return connection.execute("select count(*) from site").fetchone()[0]


def test_dry_run_then_apply_then_export(xinban, database_url, tmp_path):
    file, mapping = write_csv(tmp_path / "a.csv", ROWS), mapped(tmp_path / "a.yaml")
    dry = xinban("import", file, "--map", mapping)
    assert dry.exit_code == 0, dry.output
    assert "new 2" in dry.output
    assert "没有写入" in dry.output
    assert sites(database_url) == 0
    applied = xinban("import", file, "--map", mapping, "--apply", "--report", "report.csv")
    assert applied.exit_code == 0, applied.output
    assert "已写入" in applied.output
    assert sites(database_url) == 2
    out = xinban("export", "-o", "out.csv", "--category", "elder")
    assert out.exit_code == 0, out.output
    assert len((tmp_path / "out.csv").read_text("utf-8-sig").splitlines()) == 3


def test_a_refused_row_shows_the_report_and_exits_with_1(xinban, database_url, tmp_path):
    file = write_csv(tmp_path / "a.csv", [*ROWS, ("3", "", 103.5, 36.5)])
    result = xinban("import", file, "--map", mapped(tmp_path / "a.yaml"), "--apply")
    assert result.exit_code == 1
    assert "名称是空的" in result.output
    assert "--skip-rejected" in result.output
    assert sites(database_url) == 0
    skipped = xinban("import", file, "--map", tmp_path / "a.yaml", "--apply", "--skip-rejected")
    assert skipped.exit_code == 0, skipped.output
    assert sites(database_url) == 2


def unwrapped(result):
    """What was said, however wide the terminal."""
    return " ".join(result.output.split())


def test_a_dry_run_with_refused_rows_names_the_options_that_import_the_others(xinban, database_url, tmp_path):
    file = write_csv(tmp_path / "a.csv", [*ROWS, ("3", "", 103.5, 36.5)])
    dry = xinban("import", file, "--map", mapped(tmp_path / "a.yaml"))
    assert dry.exit_code == 0, dry.output
    assert "--apply --skip-rejected 只导入其余的行" in unwrapped(dry)
    assert "add --apply --skip-rejected to import the others" in unwrapped(dry)
    assert "确认后加 --apply" not in unwrapped(dry)
    assert xinban("import", file, "--map", "a.yaml", "--apply", "--skip-rejected").exit_code == 0
    assert sites(database_url) == 2


def test_when_all_rows_are_refused_no_option_is_offered(xinban, database_url, tmp_path):
    file = write_csv(tmp_path / "a.csv", [("1", "", 103.5, 36.5), ("2", "", 103.6, 36.5)])
    dry = xinban("import", file, "--map", mapped(tmp_path / "a.yaml"))
    assert dry.exit_code == 0
    assert "没有一行可以导入" in unwrapped(dry)
    assert "no row can be imported" in unwrapped(dry)
    assert "--apply" not in unwrapped(dry)
    for options in (("--apply",), ("--apply", "--skip-rejected")):
        applied = xinban("import", file, "--map", "a.yaml", *options)
        assert applied.exit_code == 1
        assert "none can be imported" in unwrapped(applied)
        assert "--skip-rejected" not in unwrapped(applied)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("select count(*) from import_run").fetchone()[0] == 0


def test_a_dry_run_that_ends_in_a_refusal_does_not_say_to_apply(xinban, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text('编号,名称,经度,纬度\n1,中川,103.57,36.51\n2,"秦川,103.58,36.52\n')
    dry = xinban("import", file, "--map", mapped(tmp_path / "a.yaml"))
    assert dry.exit_code == 1
    assert "Quotes do not match" in dry.output
    assert "--apply" not in dry.output


def test_a_guess_for_a_workbook_of_two_sheets_is_asked_for_one_of_them_by_option(xinban, tmp_path):
    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        for name in ("一月", "二 月"):
            book.add_worksheet(name).write_row(0, 0, ("编号", "名称", "经度", "纬度"))
    asked = xinban("import", "a.xlsx", "--guess", "--map", "a.yaml")
    assert asked.exit_code == 1
    assert "可选：一月、二 月；请加 --layer 名称" in asked.output
    assert "there are: 一月, 二 月. Add --layer NAME" in asked.output
    assert xinban("import", "a.xlsx", "--guess", "--map", "a.yaml", "--layer", "二 月").exit_code == 0
    assert yaml.safe_load((tmp_path / "a.yaml").read_text())["layer"] == "二 月"


def test_who_imports_is_recorded_also_when_the_system_knows_no_name(monkeypatch):
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2_000_000_001)  # an account that no passwd file lists
    assert acting_operator().name == "operator:cli"
    monkeypatch.setenv("LOGNAME", "zhang")
    assert acting_operator().name == "operator:zhang"


def test_cells_are_never_taken_for_markup(xinban, tmp_path):
    file = write_csv(tmp_path / "a.csv", [("1", "[red]中川[/nope]", 203.5, 36.5)])
    result = xinban("import", file, "--map", mapped(tmp_path / "a.yaml"))
    assert result.exit_code == 0, result.output
    assert "203.5" in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("import", "gone.csv", "--map", "gone.yaml"), 1, "gone.yaml"),
        (("import", "gone.csv"), 1, "--guess"),
        (("export", "-o", "sites.doc"), 2, "--format"),
        (("export", "-o", "nowhere/sites.csv"), 2, "nowhere"),
        (("export", "-o", "sites.csv", "--category", "nothing"), 1, "nothing"),
    ],
)
def test_mistakes_are_one_sentence_and_no_traceback(xinban, arguments, code, word):
    result = xinban(*arguments)
    assert result.exit_code == code
    assert word in result.output
    assert "Traceback" not in result.output
    assert isinstance(result.exception, SystemExit)


def test_a_guessed_mapping_needs_only_the_coordinate_system(xinban, database_url, tmp_path):
    header = ("机构编号", "机构名称", "详细地址", "联系电话", "经度", "纬度", "备注")
    file = write_csv(
        tmp_path / "a.csv", [("A1", "中川敬老院", "中川镇", "0931-8255678", 103.57, 36.51, "")], header
    )
    assert xinban("import", file, "--guess", "--map", "a.yaml").exit_code == 0
    text = (tmp_path / "a.yaml").read_text()
    again = xinban("import", file, "--guess", "--map", "a.yaml")
    assert again.exit_code == 1  # a corrected mapping is not overwritten
    assert (tmp_path / "a.yaml").read_text() == text
    asked = xinban("import", file, "--map", "a.yaml", "--apply")
    assert asked.exit_code == 1
    assert "--crs" in asked.output
    assert xinban("import", file, "--map", "a.yaml", "--apply", "--crs", "gcj02").exit_code == 0
    assert sites(database_url) == 1


@needs_shared
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("peers/singapore/CommunityClubs.geojson", {"name": "NAME", "url": "HYPERLINK"}),
        ("peers/taiwan/taipei_elder_homes_beds.csv", {"name": "機構名稱", "phones": "電話"}),
    ],
)
def test_guesses_for_real_files_name_the_right_columns(name, fields):
    mapping = parse_mapping(yaml.safe_load(guess_mapping(SHARED / name)))
    assert {field: mapping.fields[field].column for field in fields} == {
        field: (column,) for field, column in fields.items()
    }
    made, report = read(SHARED / name, mapping.model_dump(exclude_defaults=True), crs="wgs84")
    assert report.counts["rejected"] == 0
    assert made


@needs_shared
def test_the_guess_for_an_osm_extract_finds_its_pitches():
    path = SHARED / "osm/bupt_beijing_wgs84.osm.pbf"
    made, report = read(path, yaml.safe_load(guess_mapping(path)))
    assert sum(site.category == "court" for site in made) == 24
    assert report.counts["rejected"] == 0


def test_a_guess_for_a_file_with_two_lines_of_headers_reads_them_itself(xinban, database_url, tmp_path):
    rows = [("id", "name", "lon", "lat"), *ROWS, ("3", "西岔助餐点", 103.6, 36.4)]
    file = write_csv(tmp_path / "a.csv", rows, ("编号", "名称", "坐标", ""))
    asked = xinban("import", file, "--guess", "--map", "a.yaml")
    assert asked.exit_code == 0, asked.output
    said = yaml.safe_load((tmp_path / "a.yaml").read_text())
    assert said["table"] == {"header_rows": 2}
    assert said["geometry"] == {"lon": "坐标-lon", "lat": "坐标-lat"}
    assert (said["external_id"], said["fields"]["name"]) == ("编号-id", "名称-name")
    assert xinban("import", file, "--map", "a.yaml", "--crs", "wgs84", "--apply").exit_code == 0
    assert sites(database_url) == 3


def test_a_guess_for_a_file_with_a_title_reads_the_header_below_it(xinban, tmp_path):
    file = write_csv(
        tmp_path / "a.csv", [("编号", "名称", "经度", "纬度"), *ROWS], ("助餐点一览表", "", "", "")
    )
    assert xinban("import", file, "--guess", "--map", "a.yaml").exit_code == 0
    said = yaml.safe_load((tmp_path / "a.yaml").read_text())
    assert said["table"] == {"header_row": 2}
    assert said["fields"]["name"] == "名称"
