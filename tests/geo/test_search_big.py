"""Search in a city so big that the planner has to choose, with words so common that not every match is ranked."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from core.database import Database
from core.settings import Settings
from geo.errors import WordsTooCommon
from geo.search import find, sql
from geo.search.find import matching_ids, search
from geo.search.stored import asked_text
from geo.search.words import query_terms
from tests.conftest import create_database, drop_database, url_of
from tests.geo.search_city import HERE, a_quarter, a_site, big_city, put

COUNT = 6000  # 3,600 of them meal points, which is more than CANDIDATES
QUARTER = 1600  # sites of one name, all of them far away; more than CANDIDATES too

Connection = AsyncConnection[Any]


@pytest.fixture(scope="module")
async def new_city(anyio_backend: str, server_url: str, template: str) -> AsyncIterator[str]:
    """The name of a database just filled: no statistics yet, the index's pending list not yet cleaned."""
    name = create_database(server_url, template)
    settings = Settings(database_url=url_of(server_url, name))
    async with Database(settings) as database, database.transaction() as session:
        await put(session, big_city(COUNT))
        await put(session, [a_site("兰州新区政务服务大厅", east_km=9, external_id="hall")])
        await put(session, a_quarter("文曲", QUARTER, east_km=40))
    yield name
    drop_database(server_url, name)


@pytest.fixture(scope="module")
def settled_city(server_url: str, new_city: str) -> Iterator[str]:
    """The same after a while, when autovacuum has been there."""
    name = create_database(server_url, new_city)
    with psycopg.connect(url_of(server_url, name), autocommit=True) as connection:
        connection.execute("vacuum analyze site, site_search")
    yield name
    drop_database(server_url, name)


@pytest.fixture
async def connection(server_url: str, settled_city: str) -> AsyncIterator[Connection]:
    async with await AsyncConnection.connect(url_of(server_url, settled_city), autocommit=True) as connection:
        yield connection


@pytest.fixture(params=["new_city", "settled_city"])
async def any_city(
    request: pytest.FixtureRequest, server_url: str, settled_city: str, new_city: str
) -> AsyncIterator[Connection]:
    name = {"new_city": new_city, "settled_city": settled_city}[request.param]
    async with await AsyncConnection.connect(url_of(server_url, name), autocommit=True) as connection:
        yield connection


async def _plan(connection: Connection, statement: str, q: str, among: Any = "names") -> str:
    terms = query_terms(q)
    parameters = {
        "asked": asked_text(terms, among),
        "names_only": False,
        "names": asked_text(terms, "names"),
        "aliases": asked_text(terms, "aliases"),
        "text": q,
        "categories": None,
        "lon": HERE[0],
        "lat": HERE[1],
        "neighbours": sql.NEIGHBOURS,
        "limit": 20,
    }
    cursor = await connection.execute(
        "explain " + statement.format(rank=sql.CASELESS), parameters, prepare=False
    )
    return "\n".join(line for (line,) in await cursor.fetchall())


@pytest.mark.parametrize("plans", ["auto", "force_generic_plan"])
@pytest.mark.parametrize("q", ["书屋", "步道", "健身步道", "chengshishuwu", "jsbd", "纬3路77号"])
async def test_words_of_two_characters_pinyin_and_initials_use_the_index(
    connection: Connection, q: str, plans: str
) -> None:
    await connection.execute(f"set plan_cache_mode = {plans}")
    for among in ("names", "everything"):
        plan = await _plan(connection, sql.BY_INDEX, q, among)
        assert "Bitmap Index Scan on site_search_terms_idx" in plan
        assert "Seq Scan" not in plan
    plan = await _plan(connection, sql.FIRST_BY_INDEX, q)
    assert "Bitmap Index Scan on site_search_terms_idx" in plan
    assert "Index Scan using site_pkey" in plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize("plans", ["auto", "force_generic_plan"])
async def test_walks_follow_an_index_and_stop_when_they_have_enough(
    connection: Connection, plans: str
) -> None:
    await connection.execute(f"set plan_cache_mode = {plans}")
    for statement, index in ((sql.BY_DISTANCE, "site_geom_idx"), (sql.BY_ID, "site_pkey")):
        plan = await _plan(connection, statement, "助餐")
        assert f"Index Scan using {index} on site" in plan
        assert "Index Scan using site_search_pkey on site_search" in plan
        assert "Seq Scan" not in plan


async def test_the_planner_knows_which_words_are_common(connection: Connection) -> None:
    async def expected(q: str) -> float:
        cursor = await connection.execute(sql.EXPECTED, (asked_text(query_terms(q), "everything"),))
        [(plan,)] = await cursor.fetchall()
        return float(plan[0]["Plan"]["Plan Rows"])

    assert await expected("助餐") > sql.CANDIDATES
    assert await expected("书屋") < sql.CANDIDATES


async def _nearest(connection: Connection, word: str, lon: float, lat: float, limit: int) -> list[Any]:
    """The slow way: every site, by true distance."""
    cursor = await connection.execute(
        "select id from site where strpos(concat(name, address), %s) > 0"
        " order by st_distance(geom::geography, st_setsrid(st_makepoint(%s, %s), 4326)::geography), id limit %s",
        (word, lon, lat, limit),
    )
    return [row[0] for row in await cursor.fetchall()]


@pytest.mark.parametrize("at", [HERE, (HERE[0] + 0.0413, HERE[1] - 0.0287), (HERE[0] - 1.0, HERE[1])])
@pytest.mark.parametrize("q", ["助餐点", "书屋", "中川镇", "社区"])
async def test_the_nearest_are_found_of_more_matches_than_can_be_ranked(
    any_city: Connection, q: str, at: tuple[float, float]
) -> None:
    hits = await search(any_city, q=q, lon=at[0], lat=at[1], limit=15)
    assert [hit.site_id for hit in hits] == await _nearest(any_city, q, *at, 15)
    assert set(await _nearest(any_city, q, *at, 50)) <= set(await matching_ids(any_city, q=q))


async def test_a_word_common_somewhere_else_is_found_from_afar(any_city: Connection) -> None:
    hits = await search(any_city, q="文曲", lon=HERE[0], lat=HERE[1], limit=20)
    distances = [hit.distance_m or 0.0 for hit in hits]
    assert len(hits) == 20
    assert distances == sorted(distances)
    assert 39_000 < distances[0] < 42_000


async def test_a_common_word_of_addresses_does_not_hide_the_one_name_that_has_it(
    connection: Connection,
) -> None:
    for at in ({"lon": HERE[0], "lat": HERE[1]}, {}):
        hits = await search(connection, q="兰州新区", limit=5, **at)
        assert [hit.matched for hit in hits] == ["name", *["address"] * 4]


async def test_a_rare_category_of_a_common_word_is_found_whole(connection: Connection) -> None:
    hits = await search(
        connection, q="中川镇", categories=["fitness_path"], lon=HERE[0], lat=HERE[1], limit=200
    )
    assert len(hits) == COUNT * 2 // 100
    distances = [hit.distance_m for hit in hits if hit.distance_m is not None]
    assert len(distances) == len(hits)
    assert distances == sorted(distances)


async def test_a_common_word_gives_the_same_answer_each_time(connection: Connection) -> None:
    for q in ("助餐", "zc", "中川镇"):
        hits = await search(connection, q=q, limit=50)
        assert len(hits) == 50
        assert hits == await search(connection, q=q, limit=50)


async def test_ids_of_a_common_word_are_all_there_are(connection: Connection) -> None:
    cursor = await connection.execute("select count(*) from site where category_code = 'meal_point'")
    assert await cursor.fetchone() == (len(await matching_ids(connection, q="助餐")),)
    assert len(await matching_ids(connection, q="助餐")) > sql.CANDIDATES


async def test_words_of_more_sites_than_may_be_read_are_refused(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "MOST_MATCHES", 100)
    with pytest.raises(WordsTooCommon):
        await matching_ids(connection, q="助餐")
