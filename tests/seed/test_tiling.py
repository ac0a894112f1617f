"""The demo city's polygons tile: nothing lies between neighbours, nothing belongs to two."""

import csv
from datetime import timedelta
from itertools import combinations
from pathlib import Path

import pytest
import shapely

from seed.names import communities, townships
from seed.schools import CHANGE_DAY, FIRST_DAY, districts
from seed.tiling import GRID_DEGREES, tiling

CODES = Path(__file__).parents[3] / "shared" / "data" / "codes"
M2_PER_SQUARE_DEGREE = 110_960 * 89_500  # at 36.5 N, to 0.5 %


def test_communities_tile_the_district():
    cells = list(tiling().cells.values())
    whole = shapely.union_all(cells)
    assert all(cell.is_valid and cell.geom_type == "Polygon" for cell in cells)
    assert shapely.coverage_is_valid(cells)  # shared borders have equal vertices
    assert whole.geom_type == "Polygon"
    assert not whole.interiors
    assert sum(cell.area for cell in cells) == pytest.approx(whole.area, rel=1e-12)
    overlap_m2 = max(a.intersection(b).area for a, b in combinations(cells, 2)) * M2_PER_SQUARE_DEGREE
    assert overlap_m2 < 1e-3


def test_every_vertex_is_on_the_grid_that_is_stored():
    vertices = shapely.get_coordinates(list(tiling().cells.values()))
    assert abs(vertices / GRID_DEGREES - (vertices / GRID_DEGREES).round()).max() < 1e-4


def test_each_community_holds_its_own_middle_and_is_of_a_plausible_size():
    for place in communities():
        cell = tiling().cells[place.code]
        assert cell.contains(shapely.Point(place.lon, place.lat))
        assert 0.5e6 < cell.area * M2_PER_SQUARE_DEGREE < 40e6


def test_townships_and_centre_communities_are_single_pieces():
    for town in townships():
        assert (
            tiling().union([p.code for p in communities() if p.township == town.code]).geom_type == "Polygon"
        )
    centres = {place.centre_community for place in communities()} - {None}
    assert "文曲中心社区" in centres
    for centre in centres:
        members = [place for place in communities() if place.centre_community == centre]
        assert tiling().union([place.code for place in members]).geom_type == "Polygon"
        assert len({place.township for place in members}) == 1


def test_school_districts_of_each_stage_tile_the_city_on_every_day():
    all_codes = sorted(tiling().cells)
    for stage in ("kindergarten", "primary", "junior", "senior"):
        for on in (FIRST_DAY, CHANGE_DAY - timedelta(days=1), CHANGE_DAY, CHANGE_DAY + timedelta(days=400)):
            in_force = [
                district
                for district in districts()
                if district.stage == stage
                and district.effective_from <= on
                and (district.effective_to is None or on < district.effective_to)
            ]
            assert sorted(code for district in in_force for code in district.communities) == all_codes
            assert all(district.schools for district in in_force)


def test_each_school_district_is_one_piece_that_holds_its_schools():
    for district in districts():
        surface = tiling().union(district.communities)
        assert surface.geom_type == "Polygon", district.name
        for school in district.schools:
            assert school.place.code in district.communities


def test_the_primary_map_changes_in_autumn_2026():
    def holders(on):
        return {
            district.name: district.communities
            for district in districts()
            if district.stage == "primary"
            and district.effective_from <= on
            and (district.effective_to is None or on < district.effective_to)
        }

    before, after = holders(FIRST_DAY), holders(CHANGE_DAY)
    assert "第十一小学片区" not in before
    assert before["第一小学片区"] == after["第一小学片区"] | after["第十一小学片区"]


def test_codes_and_names_are_those_of_the_official_lists():
    if not CODES.is_dir():
        pytest.skip("the code lists in ../shared/data/codes are not here")
    with (CODES / "nbs2023_lanzhou_new_area_villages.csv").open(encoding="utf-8") as file:
        official = {row["code"]: row["name"].replace("村委会", "村") for row in csv.DictReader(file)}
    assert {place.code: place.name for place in communities()} == official
    with (CODES / "quhua_lanzhou_townships.csv").open(encoding="utf-8-sig") as file:
        mca = {name: code for code, name, *_ in csv.reader(file)}
    for town in townships():
        assert mca[town.name].startswith(town.code_mca)
