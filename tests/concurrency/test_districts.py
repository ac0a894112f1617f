"""Two editors draw overlapping districts of one stage at the same moment: the trigger lets one of them have it."""

import asyncio
from datetime import date

import psycopg

from core.actor import SYSTEM
from core.database import Database
from geo.district_store import put_district
from geo.errors import DistrictOverlap
from geo.sites.store import put_source
from tests.geo.drawn import drawn

FIRST_DAY = date(2025, 9, 1)
LEFT = drawn("A A .")["A"]
RIGHT = drawn(". B B")["B"]

INSERT = (
    "insert into school_district (id, name, stage, geom, effective_from, source_code) values"
    " (gen_random_uuid(), %s, %s, st_multi(st_geomfromtext(%s, 4326)), '2025-09-01', 'test')"
)


async def insert_at_once(url: str, *districts: tuple[str, str, str]) -> list[str]:
    """Open a transaction each, insert in each before any commits, then commit; what became of each.

    Plain INSERTs: the last guard must hold for whoever writes, not only for ``put_district``.
    """
    begun = 0
    all_begun = asyncio.Event()

    async def edit(name: str, stage: str, wkt: str) -> str:
        nonlocal begun
        async with await psycopg.AsyncConnection.connect(url) as connection:
            await connection.execute(
                "select 1"
            )  # the transaction, and for a stricter isolation the snapshot, begins
            begun += 1
            if begun == len(districts):
                all_begun.set()
            await all_begun.wait()
            try:
                await connection.execute(INSERT, (name, stage, wkt))
                await asyncio.sleep(0.2)  # the first holds its row uncommitted while the second checks
                await connection.commit()
            except psycopg.errors.ExclusionViolation:
                await connection.rollback()
                return "refused"
            return "committed"

    return await asyncio.wait_for(asyncio.gather(*(edit(*district) for district in districts)), timeout=30)


async def put_test_source(database: Database) -> None:
    async with database.transaction() as session:
        await put_source(session, SYSTEM, code="test", name="test")


async def count(database: Database) -> int:
    async with database.hot() as connection:
        row = await (await connection.execute("select count(*) from school_district")).fetchone()
    assert row
    return row[0]


async def test_of_two_editors_of_overlapping_districts_exactly_one_commits(database, database_url):
    await put_test_source(database)
    outcome = await insert_at_once(database_url, ("A", "primary", LEFT.wkt), ("B", "primary", RIGHT.wkt))
    assert sorted(outcome) == ["committed", "refused"]
    assert await count(database) == 1


async def test_without_the_trigger_both_commit(database, database_url):
    """Negative control: were the trigger not what decides, the test above would prove nothing."""
    await put_test_source(database)
    async with database.hot() as connection:
        await connection.execute("alter table school_district disable trigger school_district_no_overlap")
    outcome = await insert_at_once(database_url, ("A", "primary", LEFT.wkt), ("B", "primary", RIGHT.wkt))
    assert outcome == ["committed", "committed"]
    assert await count(database) == 2


async def test_editors_of_different_stages_or_of_neighbouring_districts_both_commit(database, database_url):
    await put_test_source(database)
    outcome = await insert_at_once(
        database_url,
        ("A", "primary", LEFT.wkt),
        ("B", "junior", RIGHT.wkt),
        ("C", "primary", drawn(". . C")["C"].wkt),
    )
    assert outcome == ["committed", "committed", "committed"]


async def test_of_eight_callers_of_put_district_one_wins_and_the_others_learn_from_whom(database):
    await put_test_source(database)

    async def put(name: str) -> str:
        try:
            async with database.transaction() as session:
                await put_district(
                    session,
                    SYSTEM,
                    source_code="test",
                    name=name,
                    stage="primary",
                    geometry=LEFT,
                    effective_from=FIRST_DAY,
                )
        except DistrictOverlap as error:
            return error.fields["district_name"]
        return name

    answers = await asyncio.gather(*(put(f"片区{i}") for i in range(8)))
    assert len(set(answers)) == 1  # the winner's own name, and seven refusals naming it
    assert await count(database) == 1


async def test_two_callers_putting_the_same_district_make_one(database):
    await put_test_source(database)

    async def put():
        async with database.transaction() as session:
            return await put_district(
                session,
                SYSTEM,
                source_code="test",
                name="A",
                stage="primary",
                geometry=LEFT,
                effective_from=FIRST_DAY,
            )

    first, second = await asyncio.gather(put(), put())
    assert first == second
    assert await count(database) == 1
