"""What a query finds, and in which order."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Database, driver_connection
from geo.models import SearchWord, Site
from geo.search.find import SearchHit, matching_ids, search
from tests.geo.search_city import HERE, a_site, put

Find = Callable[..., Awaitable[list[tuple[str, str]]]]

CITY = [
    a_site(
        "中川镇第三社区老年助餐点", aliases=("幸福食堂",), address="兰州新区中川镇纬一路128号B2座", east_km=3
    ),
    a_site("西岔镇养老院", category="elder_home", address="兰州新区西岔镇经七路9号", east_km=1),
    a_site("王氏诊所", category="village_clinic", address="兰州新区中川镇纬二路12号", east_km=2),
    a_site("滨河健身步道", category="fitness_path", east_km=4),
    a_site("新舟社区零工驿站", category="gig_station", aliases=("助餐义工队",), address="秦川镇东街1号"),
]


@pytest.fixture
def find(session: AsyncSession) -> Find:
    """Ask from HERE: (name, how it matched), best first."""

    async def ask(q: str, **more: Any) -> list[tuple[str, str]]:
        more = {"lon": HERE[0], "lat": HERE[1], **more}
        hits = await search(await driver_connection(session), q=q, **more)
        return await _named(session, hits)

    return ask


async def _named(session: AsyncSession, hits: list[SearchHit]) -> list[tuple[str, str]]:
    names = {row.id: row.name for row in await session.execute(select(Site.id, Site.name))}
    return [(names[hit.site_id], hit.matched) for hit in hits]


@pytest.mark.parametrize(
    ("q", "name", "matched"),
    [
        ("诊", "王氏诊所", "name"),
        ("健身步道", "滨河健身步道", "name"),
        ("步道", "滨河健身步道", "name"),
        ("jsbd", "滨河健身步道", "name"),
        ("zhucandian", "中川镇第三社区老年助餐点", "name"),
        ("zcd", "中川镇第三社区老年助餐点", "name"),
        ("中川zcd", "中川镇第三社区老年助餐点", "name"),
        ("社区 助餐", "中川镇第三社区老年助餐点", "name"),
        ("幸福食堂", "中川镇第三社区老年助餐点", "alias"),
        ("xfst", "中川镇第三社区老年助餐点", "alias"),
        ("西岔镇经七路", "西岔镇养老院", "address"),
        ("128号", "中川镇第三社区老年助餐点", "address"),
        ("B2座", "中川镇第三社区老年助餐点", "address"),
        ("纬二路 诊所", "王氏诊所", "address"),
        ("zhucandain", "中川镇第三社区老年助餐点", "fuzzy"),
        ("zhu candain", "中川镇第三社区老年助餐点", "fuzzy"),
        ("zhongchaun zhucan", "中川镇第三社区老年助餐点", "fuzzy"),
        ("yanglaoyaun", "西岔镇养老院", "fuzzy"),
        ("助残点", "中川镇第三社区老年助餐点", "fuzzy"),
        ("整所", "王氏诊所", "fuzzy"),
    ],
)
async def test_a_site_is_found_however_it_is_asked_for(
    session: AsyncSession, find: Find, q: str, name: str, matched: str
) -> None:
    await put(session, CITY)
    assert (await find(q))[:1] == [(name, matched)]


@pytest.mark.parametrize(
    "q", ["火锅", "zdc", "餐助", "zhucanting", "12", "诊", "", "' & | !:*", "\0", "诊\\' 火"]
)
async def test_what_is_not_there_is_not_found(session: AsyncSession, find: Find, q: str) -> None:
    await put(session, CITY[:1])  # its 镇 sounds like 诊: one character alone is never corrected
    assert await find(q) == []


async def test_a_town_in_the_address_and_a_word_of_the_name_may_be_typed_without_a_space(
    session: AsyncSession, find: Find
) -> None:
    await put(session, CITY)
    assert await find("中川镇诊所") == [("王氏诊所", "address")]
    assert await find("纬二路12号诊所") == [("王氏诊所", "address")]


async def test_names_come_before_aliases_and_those_before_addresses_however_far(
    session: AsyncSession, find: Find
) -> None:
    await put(
        session,
        [
            a_site("瑞岭小学", address="助餐路1号", east_km=0, category="elder"),
            a_site("瑞岭食堂", aliases=("助餐点",), east_km=1, category="elder"),
            a_site("瑞岭助老餐饮点，助餐", east_km=2, category="elder"),
            a_site("助餐点", east_km=9, category="elder"),
        ],
    )
    assert await find("助餐") == [
        ("瑞岭助老餐饮点，助餐", "name"),
        ("助餐点", "name"),
        ("瑞岭食堂", "alias"),
        ("瑞岭小学", "address"),
    ]
    assert [name for name, _ in await find("助餐", limit=2)] == ["瑞岭助老餐饮点，助餐", "助餐点"]


async def test_the_name_itself_comes_first_then_names_with_the_words_as_typed(
    session: AsyncSession, find: Find
) -> None:
    names = ["第一社区KTV", "ktv", "第一KTV社区", "社区第一KTV店", "社区内第一，KTV"]
    await put(session, [a_site(name, east_km=9 - i) for i, name in enumerate(names)])
    assert [name for name, _ in await find("KTV")] == ["ktv", *reversed([n for n in names if n != "ktv"])]
    assert [name for name, _ in await find("第一KTV")][:2] == ["社区第一KTV店", "第一KTV社区"]


async def test_distance_decides_between_equals_then_the_id(session: AsyncSession) -> None:
    await put(session, [a_site(f"{n}号助餐点", east_km=abs(n - 3), north_km=1) for n in (5, 1, 3, 2)])
    connection = await driver_connection(session)
    near = await search(connection, q="助餐点", lon=HERE[0], lat=HERE[1])
    assert [name[0] for name, _ in await _named(session, near)][:2] == ["3", "2"]
    assert near[2].distance_m == near[3].distance_m
    assert near[2].site_id < near[3].site_id
    nowhere = await search(connection, q="助餐点")
    assert [hit.distance_m for hit in nowhere] == [None] * 4
    assert [hit.site_id for hit in nowhere] == sorted(hit.site_id for hit in near)


async def test_distances_are_metres_on_the_ellipsoid(session: AsyncSession) -> None:
    await put(session, [a_site("助餐点", north_km=5)])
    [hit] = await search(await driver_connection(session), q="助餐", lon=HERE[0], lat=HERE[1])
    assert hit.distance_m == pytest.approx(4998.4, abs=0.2)  # 5/111.0 degrees of latitude at 36.5 N


async def test_drafts_and_inactive_sites_are_not_found_but_closed_ones_are(
    session: AsyncSession, find: Find
) -> None:
    await put(session, [a_site("甲助餐点")], publish=False)
    await put(
        session, [a_site("乙助餐点", status="inactive"), a_site("丙助餐点", status="temporarily_closed")]
    )
    assert await find("助餐") == [("丙助餐点", "name")]


async def test_only_the_categories_asked_for_are_found(session: AsyncSession, find: Find) -> None:
    await put(session, CITY)
    assert {name for name, _ in await find("新区")} == {CITY[0].name, CITY[1].name, CITY[2].name}
    assert await find("新区", categories=["elder_home", "fitness_path"]) == [("西岔镇养老院", "address")]
    assert await find("新区", categories=["fitness_path"]) == []
    assert await find("zhucandain", categories=["meal_point"]) == [(CITY[0].name, "fuzzy")]
    assert await find("zhucandain", categories=["elder_home"]) == []


async def test_a_renamed_site_is_found_by_its_new_name_only(session: AsyncSession, find: Find) -> None:
    await put(session, [a_site("老王助餐点", external_id="1")])
    await put(session, [a_site("老王书屋", external_id="1", category="reading_room")])
    assert await find("助餐") == []
    assert await find("书屋", categories=["reading_room"]) == [("老王书屋", "name")]
    assert await find("书屋", categories=["meal_point"]) == []


async def test_what_people_say_for_a_kind_of_place_finds_it(session: AsyncSession, find: Find) -> None:
    await put(
        session,
        [
            a_site("彩虹城卫生服务站", category="community_health_station"),
            a_site("新区劳动人事争议仲裁院", category="labour_arbitration", east_km=1),
        ],
    )
    assert await find("诊") == [("彩虹城卫生服务站", "alias")]
    assert await find("看病") == [("彩虹城卫生服务站", "alias")]
    assert await find("讨薪") == [("新区劳动人事争议仲裁院", "alias")]


async def test_ids_to_filter_with_are_those_of_the_search(session: AsyncSession) -> None:
    await put(session, CITY)
    connection = await driver_connection(session)
    for q in ("助餐", "新区", "中川镇诊所", "zhucandain", "火锅", ""):
        hits = await search(connection, q=q)
        assert set(await matching_ids(connection, q=q)) == {hit.site_id for hit in hits}, q


async def test_two_writers_with_the_same_new_words_do_not_wait_for_each_other(database: Database) -> None:
    async with database.transaction() as first, database.transaction() as second:
        await put(first, [a_site("助餐点", category="elder")], source="one")
        async with asyncio.timeout(10):
            await put(second, [a_site("助餐点", category="elder")], source="two")
    async with database.transaction() as session:
        assert (await session.scalars(select(SearchWord.word))).all() == ["zhucandian"] * 2
        await put(session, [a_site("新助餐点")], source="one")
        assert set(await session.scalars(select(SearchWord.word))) >= {"zhucandian"}
        assert (
            len((await session.scalars(select(SearchWord).where(SearchWord.word == "zhucandian"))).all()) == 2
        )
