"""The real files of the folder beside the project, through their mappings, without a database."""

import pytest
import shapely

from tests.geo.imports.files import MAPPINGS, REAL, SHARED, codes, needs_shared, read

pytestmark = needs_shared


@pytest.mark.parametrize("name", REAL)
def test_each_real_file_becomes_sites_and_no_row_is_refused(name):
    mapping, rows, expected = REAL[name]
    sites, report = read(SHARED / name, MAPPINGS / f"{mapping}.yaml")
    assert len(sites) == expected
    assert (report.counts["read"], report.counts["rejected"]) == (rows, 0)
    assert report.counts["dropped"] == rows - expected


def test_attributes_come_out_of_the_html_and_not_from_kml_names():
    sites, _ = read(
        SHARED / "peers/singapore/EldercareServices.geojson", MAPPINGS / "singapore_eldercare.yaml"
    )
    first = sites[0]
    assert first.name == "Yuhua Senior Activity Centre"
    assert first.external_id == "2B0DB92FDD914FFC"
    assert first.address == "318A Jurong East Avenue 1 #02-308"
    assert first.assured_at is not None
    assert first.assured_at.isoformat() == "2016-07-28T19:23:27+08:00"
    assert not any(site.name.startswith("kml_") for site in sites)


def test_third_dimension_is_left_behind():
    sites, _ = read(SHARED / "peers/singapore/Parks.geojson", MAPPINGS / "singapore_parks.yaml")
    assert not any(site.geometry.has_z for site in sites)
    assert shapely.bounds([site.geometry for site in sites])[:, 0].min() > 103.5


def test_two_phone_cells_that_hold_no_single_number_are_reported_and_extensions_are_kept():
    homes, report = read(
        SHARED / "peers/taiwan/taipei_elder_homes_beds.csv", MAPPINGS / "taipei_elder_homes.yaml"
    )
    bad = [finding for finding in report.findings if finding.code == "bad-phone"]
    assert [finding.value for finding in bad] == ["02-23943265~6", "02-23046715~602-23046602"]
    assert [finding.row for finding in bad] == [23, 91]
    assert {home.operator.operating_model for home in homes if home.operator} == {
        "public",
        "private",
        "public_private",
    }
    day_care, _ = read(SHARED / "peers/taiwan/taipei_day_care.csv", MAPPINGS / "taipei_day_care.yaml")
    assert (day_care[7].phones[0].number, day_care[7].phones[0].extension) == ("2304-6716", "108")


def test_osm_pitches_are_surfaces_paths_are_lines_and_both_encodings_of_the_file_agree():
    pbf, _ = read(SHARED / "osm/bupt_beijing_wgs84.osm.pbf", MAPPINGS / "osm_sport.yaml")
    xml, _ = read(SHARED / "osm/bupt_beijing_wgs84.osm", MAPPINGS / "osm_sport.yaml")
    assert pbf == xml
    kinds = {(site.category, site.geometry.geom_type) for site in pbf}
    assert ("court", "Polygon") in kinds
    assert ("fitness_path", "LineString") in kinds
    assert sum(site.category == "court" for site in pbf) == 24
    assert sum(site.category == "fitness_point" for site in pbf) == 4
    assert {site.external_id.split("/")[0] for site in pbf} <= {"node", "way", "relation"}


def test_three_eldercare_centres_on_one_point_are_no_reason_to_refuse_the_file():
    _, report = read(
        SHARED / "peers/singapore/EldercareServices.geojson", MAPPINGS / "singapore_eldercare.yaml"
    )
    assert codes(report, "rejected") == []
