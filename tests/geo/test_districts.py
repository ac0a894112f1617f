"""Which school district a home is in, when a person has to decide, and what may not overlap."""

from datetime import UTC, date, datetime

import pytest
import shapely
from shapely.geometry import Point
from sqlalchemy import text

from core.actor import SYSTEM
from geo.district_store import GroupMember, put_district, put_school_group
from geo.districts import CANDIDATES, districts_at
from geo.errors import DistrictOverlap
from geo.sites.input import SiteIn
from geo.sites.store import put_sites, put_source
from tests.geo.drawn import SIDE, SOUTH, WEST, corner, drawn, middle

FIRST_DAY = date(2025, 9, 1)
CHANGE_DAY = date(2026, 9, 1)
TODAY = date(2026, 11, 24)
NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
M_PER_DEGREE_LON = 89_500.0  # at 36.5 N, to 0.1 %


@pytest.fixture
async def put(session):
    await put_source(session, SYSTEM, code="test", name="test")

    async def put(name, geometry, *, stage="primary", effective_from=FIRST_DAY, **more):
        return await put_district(
            session,
            SYSTEM,
            source_code="test",
            name=name,
            stage=stage,
            geometry=geometry,
            effective_from=effective_from,
            **more,
        )

    return put


@pytest.fixture
async def schools(session):
    """Ids by name of three published schools and one draft."""
    await put_source(session, SYSTEM, code="test", name="test")

    def school(name):
        return SiteIn(external_id=name, category="primary_school", name=name, geometry=Point(WEST, SOUTH))

    await put_sites(
        session,
        SYSTEM,
        source_code="test",
        sites=[school(name) for name in ("一小", "二小", "三小")],
        now=NOW,
    )
    await put_sites(session, SYSTEM, source_code="test", sites=[school("草稿小学")], now=NOW, publish=False)
    rows = await session.execute(text("select name, id from site"))
    return {row.name: row.id for row in rows}


async def at(session, *, on=TODAY, stage="primary", accuracy_m=0, **point):
    return await districts_at(session, SYSTEM, on=on, stage=stage, accuracy_m=accuracy_m, **point)


def names(answer):
    return [district.name for district in answer.districts]


async def test_a_home_is_in_the_district_of_its_stage(session, put):
    map_ = drawn("""
        A A B
        A A B
    """)
    await put("A小学片区", map_["A"])
    await put("B小学片区", map_["B"])
    await put("初中片区", drawn("C C C")["C"], stage="junior")
    answer = await at(session, **middle(0, 0))
    assert names(answer) == ["A小学片区"]
    assert not answer.ambiguous
    assert names(await at(session, **middle(2, 1))) == ["B小学片区"]
    assert names(await at(session, stage="junior", **middle(0, 0))) == ["初中片区"]
    assert names(await at(session, stage="senior", **middle(0, 0))) == []


async def test_outside_every_district_the_list_is_empty_and_nothing_is_ambiguous(session, put):
    await put("A", drawn("A .")["A"])
    answer = await at(session, accuracy_m=50, **middle(1, 0))
    assert answer.districts == ()
    assert not answer.ambiguous
    assert answer.border_distance_m is None


async def test_a_border_within_the_accuracy_makes_every_candidate_appear(session, put):
    map_ = drawn("A B C")
    for letter in "ABC":
        await put(letter, map_[letter])
    lon, lat = corner(1, 0)
    twenty_m_inside_a = {"lon": lon - 20 / M_PER_DEGREE_LON, "lat": lat + SIDE / 2}
    exact = await at(session, accuracy_m=15, **twenty_m_inside_a)
    assert names(exact) == ["A"]
    assert not exact.ambiguous
    assert exact.border_distance_m == pytest.approx(20, abs=0.1)
    rough = await at(session, accuracy_m=25, **twenty_m_inside_a)
    assert names(rough) == ["A", "B"]  # the one that holds the point comes first, C is far
    assert rough.ambiguous
    assert rough.border_distance_m == pytest.approx(20, abs=0.1)


async def test_a_border_to_no_district_within_the_accuracy_is_ambiguous_from_both_sides(session, put):
    await put("A", drawn("A .")["A"])
    lon, lat = corner(1, 0)
    for offset_m in (-20, 20):
        point = {"lon": lon + offset_m / M_PER_DEGREE_LON, "lat": lat + SIDE / 2}
        answer = await at(session, accuracy_m=30, **point)
        assert names(answer) == ["A"]
        assert answer.ambiguous
        assert answer.border_distance_m == pytest.approx(20, abs=0.1)
    assert (await at(session, accuracy_m=10, **point)).districts == ()


async def test_on_a_shared_border_both_are_named_in_the_same_order_each_time(session, put):
    map_ = drawn("A B")
    ids = {letter: await put(letter, map_[letter]) for letter in "BA"}
    lon, lat = corner(1, 0)
    expected = sorted("AB", key=lambda letter: ids[letter])
    for accuracy_m in (0, 0, 1):
        answer = await at(session, accuracy_m=accuracy_m, lon=lon, lat=lat)
        assert names(answer) == expected
        assert answer.ambiguous
        assert answer.border_distance_m == 0


async def test_a_wide_accuracy_reaches_neighbours_in_every_direction(session, put):
    """The box around the point must not be narrower than the circle, also where degrees of longitude are short."""
    map_ = drawn("""
        . N .
        W M E
        . S .
    """)
    for letter in "NWMES":
        await put(letter, map_[letter])
    reach_m = 0.5 * SIDE * 111_100  # half a square north-south, more than half of one east-west
    answer = await at(session, accuracy_m=reach_m, **middle(1, 1))
    assert names(answer)[0] == "M"
    assert sorted(names(answer)) == ["E", "M", "N", "S", "W"]


async def test_the_district_of_the_day_asked_for_is_given(session, put):
    square = drawn("A")["A"]
    await put("旧片区", square, effective_to=CHANGE_DAY)
    await put("新片区", square, effective_from=CHANGE_DAY)  # dates that touch do not overlap
    assert names(await at(session, on=date(2025, 8, 31), **middle(0, 0))) == []
    assert names(await at(session, on=FIRST_DAY, **middle(0, 0))) == ["旧片区"]
    assert names(await at(session, on=date(2026, 8, 31), **middle(0, 0))) == ["旧片区"]
    assert names(await at(session, on=CHANGE_DAY, **middle(0, 0))) == ["新片区"]


async def test_published_schools_come_with_the_groups_they_are_in_on_the_day(session, put, schools):
    await put("A", drawn("A")["A"], schools=[schools["二小"], schools["一小"], schools["草稿小学"]])
    await put_school_group(
        session,
        SYSTEM,
        source_code="test",
        kind="group",
        name="一小教育集团",
        members=[
            GroupMember(schools["一小"], FIRST_DAY, leads=True),
            GroupMember(schools["二小"], CHANGE_DAY),
        ],
    )
    (before,) = (await at(session, on=FIRST_DAY, **middle(0, 0))).districts
    assert [(school.name, [group.name for group in school.groups]) for school in before.schools] == [
        ("一小", ["一小教育集团"]),
        ("二小", []),
    ]
    (after,) = (await at(session, **middle(0, 0))).districts
    assert [(school.name, [group.leads for group in school.groups]) for school in after.schools] == [
        ("一小", [True]),
        ("二小", [False]),
    ]
    assert after.schools[0].id == schools["一小"]
    assert after.schools[0].category == "primary_school"


async def test_putting_a_group_again_replaces_its_members(session, put, schools):
    await put("A", drawn("A")["A"], schools=[schools["一小"]])

    async def put_group(*members):
        return await put_school_group(
            session,
            SYSTEM,
            source_code="test",
            kind="alliance",
            name="联盟",
            members=[GroupMember(schools[name], FIRST_DAY) for name in members],
        )

    assert await put_group("一小", "二小") == await put_group("三小")
    (district,) = (await at(session, **middle(0, 0))).districts
    assert district.schools[0].groups == ()


async def test_an_overlap_is_refused_and_names_the_other_district(session, put):
    map_ = drawn("""
        A A .
    """)
    other_id = await put("一小片区", map_["A"])
    with pytest.raises(DistrictOverlap) as caught:
        await put("二小片区", drawn(". B B")["B"])
    assert "一小片区" in caught.value.detail_zh
    assert "一小片区" in caught.value.detail_en
    assert caught.value.fields == {"district_id": str(other_id), "district_name": "一小片区"}
    # The caller's transaction goes on, and the refused district left nothing.
    await put("二小片区", drawn(". . B")["B"])
    assert names(await at(session, **middle(1, 0))) == ["一小片区"]
    assert names(await at(session, **middle(2, 0))) == ["二小片区"]


async def test_moving_a_district_onto_its_neighbour_is_refused_and_leaves_it_as_it_was(session, put):
    await put("A", drawn("A .")["A"])
    await put("B", drawn(". B")["B"])
    with pytest.raises(DistrictOverlap):
        await put("A", drawn("A A")["A"])
    assert names(await at(session, **middle(0, 0))) == ["A"]
    assert names(await at(session, **middle(1, 0))) == ["B"]


async def test_neighbours_that_share_borders_and_corners_do_not_overlap(session, put):
    map_ = drawn("""
        A A B
        A C B
        D C C
    """)
    for letter in "ABCD":
        await put(letter, map_[letter])
    assert names(await at(session, **middle(1, 1))) == ["C"]


async def test_districts_of_another_stage_may_lie_over_each_other(session, put):
    square = drawn("A")["A"]
    for stage in ("kindergarten", "primary", "junior", "senior"):
        await put("A", square, stage=stage)


@pytest.mark.parametrize(("overlap_m2", "refused"), [(0.5, False), (2.0, True)])
async def test_up_to_one_square_metre_of_overlap_is_let_through(session, put, overlap_m2, refused):
    left = drawn("A .")["A"]
    await put("A", left)
    lon, lat = corner(1, 0)
    width = (
        overlap_m2 / (SIDE * 110_950) / M_PER_DEGREE_LON
    )  # degrees; the border is SIDE degrees of latitude long
    right = shapely.box(lon - width, lat, lon + SIDE, lat + SIDE)
    if refused:
        with pytest.raises(DistrictOverlap):
            await put("B", right)
    else:
        await put("B", right)


async def test_the_version_grows_only_when_something_changes(session, put, schools):
    square = drawn("A")["A"]

    async def version():
        return await session.scalar(text("select version from school_district"))

    first = await put("A", square, schools=[schools["一小"]])
    assert await put("A", square, schools=[schools["一小"]]) == first
    assert await version() == 1
    await put("A", square, schools=[schools["一小"], schools["二小"]])
    assert await version() == 2
    await put("A", drawn("A A")["A"], schools=[schools["一小"], schools["二小"]])
    assert await version() == 3


async def test_four_thousand_districts_are_searched_by_their_index(session, put):
    await session.execute(
        text(
            "insert into school_district (id, name, stage, geom, effective_from, source_code)"
            " select gen_random_uuid(), 'x' || i, 'primary', st_multi(st_makeenvelope("
            "   103 + (i % 64) * 0.01, 36 + (i / 64) * 0.01, 103.01 + (i % 64) * 0.01, 36.01 + (i / 64) * 0.01, 4326)),"
            " '2025-09-01', 'test' from generate_series(0, 4095) i"
        )
    )
    await session.execute(text("analyze school_district"))
    await session.execute(text("set local plan_cache_mode = force_generic_plan"))
    values = {
        "lon": 103.3051,
        "lat": 36.3049,
        "stage": "primary",
        "on": TODAY,
        "accuracy_m": 30.0,
        "box_lat": 0.0003,
        "box_lon": 0.0004,
    }
    plan = "\n".join(await session.scalars(text(f"explain (analyze, timing off) {CANDIDATES.text}"), values))
    assert "school_district_geom_idx" in plan
    assert "Seq Scan on school_district" not in plan
    answer = await at(session, lon=103.3051, lat=36.3049, accuracy_m=30)
    assert len(answer.districts) == 1
