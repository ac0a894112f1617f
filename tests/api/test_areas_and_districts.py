"""GET /v1/areas/at, /v1/districts/at and /v1/categories."""

import pytest

from api.schemas.locator import AreasOut, CategoriesOut, DistrictsOut
from geo.categories import category_file
from geo.crs import Crs, from_wgs84
from tests.api.conform import conforms

WENQU = (103.655, 36.432)
XIANGHE = (103.6363, 36.4812)


def place(at, crs=Crs.wgs84):
    lon, lat = from_wgs84(crs, *at)
    return {"lon": lon, "lat": lat, "crs": crs.value}


def ask(api, path, **parameters):
    answer = api.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("crs", list(Crs))
def test_a_place_is_in_its_township_centre_community_and_community(api, crs):
    areas = conforms(AreasOut, ask(api, "/v1/areas/at", **place(WENQU, crs)))
    assert [(area.kind, area.name) for area in areas.items][-3:] == [
        ("township", "西岔镇"),
        ("centre_community", "文曲中心社区"),
        ("community", "文曲社区"),
    ]
    assert areas.items[-3].codes == {"nbs": "620171103", "mca": "620122101"}


def test_outside_the_district_there_are_no_areas_and_no_school_district(api):
    assert ask(api, "/v1/areas/at", lon=116.4, lat=39.9, crs="wgs84")["items"] == []
    found = ask(api, "/v1/districts/at", lon=116.4, lat=39.9, crs="wgs84", stage="primary")
    assert found["districts"] == []
    assert found["ambiguous"] is False


@pytest.mark.parametrize("crs", list(Crs))
def test_the_school_district_of_a_place_leads_to_its_school_and_the_schools_group(api, crs):
    body = ask(api, "/v1/districts/at", **place(XIANGHE, crs), stage="primary", on="2026-09-01")
    found = conforms(DistrictsOut, body)
    assert [district.name for district in found.districts] == ["第十一小学片区"]
    (school,) = found.districts[0].schools
    assert school.name == "兰州新区第十一小学"
    assert [(group.name, group.leads) for group in school.groups] == [("第一小学教育集团", False)]
    assert found.ambiguous is False


def test_the_day_before_the_change_the_old_district_holds(api):
    body = ask(api, "/v1/districts/at", **place(XIANGHE), stage="primary", on="2026-08-31")
    assert [district["name"] for district in body["districts"]] == ["第一小学片区"]
    assert body["districts"][0]["effective_to"] == "2026-09-01"


def test_a_border_within_the_phones_accuracy_makes_the_answer_ambiguous(api, sql):
    """At half a metre from a shared border, twenty metres of doubt leave two districts; none leave one."""
    ((lon, lat),) = sql.execute(
        "with d as (select geom from school_district where stage = 'senior' and effective_to is null limit 1)"
        " select st_x(p), st_y(p) from d, lateral (select st_lineinterpolatepoint("
        "  (st_dump(st_linemerge(st_intersection(geom, (select geom from school_district o where stage = 'senior'"
        "  and not st_equals(o.geom, d.geom) limit 1))))).geom, 0.5) p) x limit 1"
    ).fetchall()
    doubtful = ask(
        api, "/v1/districts/at", lon=lon, lat=lat, crs="wgs84", stage="senior", on="2026-11-24", accuracy_m=20
    )
    assert doubtful["ambiguous"] is True
    assert {one["name"] for one in doubtful["districts"]} == {"北部高级中学片区", "南部高级中学片区"}
    assert doubtful["border_distance_m"] < 1
    inland = ask(api, "/v1/districts/at", **place(WENQU), stage="senior", on="2026-11-24", accuracy_m=20)
    assert inland["ambiguous"] is False
    assert len(inland["districts"]) == 1


def test_every_stage_has_a_district_here(api):
    for stage in ("kindergarten", "primary", "junior", "senior"):
        assert len(ask(api, "/v1/districts/at", **place(WENQU), stage=stage)["districts"]) == 1, stage
    answer = api.get("/v1/districts/at", params={**place(WENQU), "stage": "college"})
    assert answer.status_code == 422


def test_the_category_tree_is_whole_and_bilingual(api):
    tree = conforms(CategoriesOut, ask(api, "/v1/categories"))

    def codes(nodes):
        for node in nodes:
            assert node.label_zh
            assert node.label_en
            yield node.code
            yield from codes(node.children)

    listed = list(codes(tree.items))
    assert sorted(listed) == sorted(node.code for node in category_file())
    elder = next(node for node in tree.items if node.code == "elder")
    assert "meal_point" in [child.code for child in elder.children]
    assert {"wheelchair", "takeaway"} <= {feature.code for feature in tree.features}
