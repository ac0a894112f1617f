"""Which areas hold a point, and which area a code meant on a day."""

from datetime import date

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core.actor import SYSTEM
from geo.areas import (
    AREAS_AT,
    areas_at,
    areas_below,
    find_area,
    find_area_shape,
    get_area,
    put_area,
    put_area_code,
)
from geo.errors import UnknownArea
from geo.sites.store import put_source
from tests.geo.drawn import corner, drawn, middle

TODAY = date(2026, 11, 24)
LONG_AGO = date(2020, 1, 1)


@pytest.fixture
async def put(session):
    await put_source(session, SYSTEM, code="test", name="test")

    async def put(kind, name, geometry, *, codes=(), valid_from=LONG_AGO, valid_to=None, parent_id=None):
        area_id = await put_area(
            session,
            SYSTEM,
            source_code="test",
            kind=kind,
            name=name,
            parent_id=parent_id,
            geometry=geometry,
            valid_from=valid_from,
            valid_to=valid_to,
        )
        for system, code, *dates in codes:
            await put_area_code(
                session,
                SYSTEM,
                area_id=area_id,
                system=system,
                code=code,
                valid_from=(dates or [valid_from])[0],
            )
        return area_id

    return put


async def names_at(session, on=TODAY, **point):
    return [area.name for area in await areas_at(session, SYSTEM, on=on, **point)]


async def test_a_point_is_in_township_centre_community_and_community_smallest_last(session, put):
    town = drawn("""
        T T T
        T T T
    """)["T"]
    centre = drawn("""
        C C .
        . . .
    """)["C"]
    home = drawn("""
        H . .
        . . .
    """)["H"]
    # Put in another order than they are answered in.
    await put("community", "文曲社区", home)
    await put("township", "西岔镇", town)
    await put("centre_community", "文曲中心社区", centre)
    assert await names_at(session, **middle(0, 1)) == ["西岔镇", "文曲中心社区", "文曲社区"]
    assert await names_at(session, **middle(1, 1)) == ["西岔镇", "文曲中心社区"]
    assert await names_at(session, **middle(2, 0)) == ["西岔镇"]
    assert await names_at(session, **middle(3, 0)) == []


async def test_a_district_is_not_listed_among_the_areas_of_a_point(session, put):
    await put("district", "兰州新区", drawn("D D")["D"])
    assert await names_at(session, **middle(0, 0)) == []


async def test_on_a_shared_border_or_corner_the_area_with_the_lowest_id_is_given(session, put):
    map_ = drawn("""
        A B
        C D
    """)
    ids = {name: await put("community", name, map_[name]) for name in "DBAC"}
    lowest = min(ids, key=lambda name: ids[name])
    lon, lat = corner(1, 1)
    assert {tuple(await names_at(session, lon=lon, lat=lat)) for _ in range(3)} == {(lowest,)}
    lon, lat = corner(1, 2)
    assert await names_at(session, lon=lon, lat=lat) == [min("AB", key=lambda name: ids[name])]


async def test_every_point_between_two_neighbours_is_in_one_of_them(session, put):
    map_ = drawn("""
        A B
    """)
    await put("community", "A", map_["A"])
    await put("community", "B", map_["B"])
    lon, lat = corner(1, 0)
    for step in range(50):
        assert len(await names_at(session, lon=lon, lat=lat + step * 0.0002 / 3)) == 1


async def test_an_area_holds_points_only_on_the_days_it_is_valid(session, put):
    map_ = drawn("A")
    change = date(2026, 1, 1)
    await put("township", "旧镇", map_["A"], valid_to=change)
    await put("township", "新镇", map_["A"], valid_from=change)
    assert await names_at(session, on=date(2025, 12, 31), **middle(0, 0)) == ["旧镇"]
    assert await names_at(session, on=change, **middle(0, 0)) == ["新镇"]


async def test_one_town_answers_to_its_code_in_either_system(session, put):
    town_id = await put(
        "township", "中川镇", drawn("A")["A"], codes=[("nbs", "620171101"), ("mca", "620122108")]
    )
    by_nbs = await find_area(session, SYSTEM, code="620171101", on=TODAY)
    by_mca = await find_area(session, SYSTEM, code="620122108", system="mca", on=TODAY)
    assert by_nbs == by_mca
    assert by_nbs.id == town_id
    assert by_nbs.codes == {"nbs": "620171101", "mca": "620122108"}
    assert await find_area(session, SYSTEM, code="620122108", system="nbs", on=TODAY) is None
    (at,) = await areas_at(session, SYSTEM, on=TODAY, **middle(0, 0))
    assert at == by_nbs


async def test_a_code_means_another_area_after_it_was_given_away(session, put):
    change = date(2026, 1, 1)
    old = await put("township", "旧镇", None)
    new = await put("township", "新镇", None)
    await put_area_code(
        session, SYSTEM, area_id=old, system="nbs", code="620171101", valid_from=LONG_AGO, valid_to=change
    )
    await put_area_code(session, SYSTEM, area_id=new, system="nbs", code="620171101", valid_from=change)
    assert (await get_area(session, SYSTEM, code="620171101", on=date(2025, 12, 31))).id == old
    assert (await get_area(session, SYSTEM, code="620171101", on=change)).id == new
    assert (await get_area(session, SYSTEM, code="620171101", on=date(2025, 12, 31))).codes == {
        "nbs": "620171101"
    }


async def test_a_point_is_answered_with_the_codes_of_the_day(session, put):
    change = date(2026, 1, 1)
    town = await put("township", "中川镇", drawn("A")["A"])
    await put_area_code(
        session, SYSTEM, area_id=town, system="nbs", code="620122108", valid_from=LONG_AGO, valid_to=change
    )
    await put_area_code(session, SYSTEM, area_id=town, system="nbs", code="620171101", valid_from=change)
    for on, code in ((date(2025, 12, 31), "620122108"), (change, "620171101")):
        (area,) = await areas_at(session, SYSTEM, on=on, **middle(0, 0))
        assert area.codes == {"nbs": code}
    (area,) = await areas_at(session, SYSTEM, on=LONG_AGO, **middle(0, 0))
    assert area.codes == {"nbs": "620122108"}


async def test_one_code_of_a_system_cannot_mean_two_areas_on_one_day(session, put):
    await put("township", "中川镇", None, codes=[("nbs", "620171101")])
    with pytest.raises(IntegrityError, match="area_code_one_area_a_day_excl"):
        await put("township", "另一镇", None, codes=[("nbs", "620171101", TODAY)])


async def test_an_unknown_code_names_itself_and_the_day(session):
    with pytest.raises(UnknownArea) as caught:
        await get_area(session, SYSTEM, code="999999", on=TODAY)
    assert "999999" in caught.value.detail_zh
    assert "2026-11-24" in caught.value.detail_en
    assert caught.value.fields == {"area_code": "999999"}


async def test_putting_the_same_area_again_changes_its_border_and_keeps_its_id(session, put):
    map_ = drawn("A B")
    first = await put("community", "陈家井村", map_["A"])
    assert await put("community", "陈家井村", map_["B"]) == first
    assert await names_at(session, **middle(0, 0)) == []
    assert await names_at(session, **middle(1, 0)) == ["陈家井村"]
    assert (await find_area_shape(session, SYSTEM, area_id=first, on=TODAY)).equals(map_["B"])


async def test_two_towns_may_each_have_a_village_of_one_name(session, put):
    north, south = await put("township", "中川镇", None), await put("township", "西岔镇", None)
    first = await put("community", "陈家井村", drawn("A")["A"], parent_id=north)
    assert await put("community", "陈家井村", drawn("A")["A"], parent_id=south) != first


async def test_an_area_of_which_no_border_is_known_has_no_shape(session, put):
    town = await put("township", "中川镇", None)
    await put("community", "陈家井村", None, parent_id=town)
    assert await find_area_shape(session, SYSTEM, area_id=town, on=TODAY) is None


async def test_a_district_without_a_border_has_the_shape_of_what_lies_below_it_on_the_day(session, put):
    map_ = drawn("A B C")
    change = date(2026, 1, 1)
    district = await put("district", "兰州新区", None)
    town = await put("township", "中川镇", map_["A"], parent_id=district)
    old = await put("community", "旧村", map_["B"], parent_id=town, valid_to=change)
    await put("township", "别处", map_["C"])
    before, after = [
        await find_area_shape(session, SYSTEM, area_id=district, on=on) for on in (date(2025, 12, 31), change)
    ]
    assert before.equals(map_["A"] | map_["B"])
    assert after.equals(map_["A"])
    # Sites that were filed under the old village are still below the district.
    assert set(await areas_below(session, SYSTEM, area_id=district)) == {district, town, old}


async def test_four_thousand_areas_are_searched_by_their_index(session, put):
    await session.execute(
        text(
            "insert into area (id, kind, name, geom, valid_from, source_code)"
            " select gen_random_uuid(), 'community', 'x' || i, st_multi(st_makeenvelope("
            "   103 + (i % 64) * 0.01, 36 + (i / 64) * 0.01, 103.01 + (i % 64) * 0.01, 36.01 + (i / 64) * 0.01, 4326)),"
            " '2020-01-01', 'test' from generate_series(0, 4095) i"
        )
    )
    await session.execute(text("analyze area"))
    await session.execute(text("set local plan_cache_mode = force_generic_plan"))
    place = {"lon": 103.3051, "lat": 36.3049, "on": TODAY}
    plan = "\n".join(await session.scalars(text(f"explain {AREAS_AT.text}"), place))
    assert "area_geom_idx" in plan
    assert "Seq Scan on area" not in plan
    assert len(await areas_at(session, SYSTEM, **place)) == 1
