"""The demo city in a database: whole, found by the domain's own questions, and the same when put again."""

from datetime import UTC, date, datetime

import pytest

from core.actor import SYSTEM
from core.database import Database
from core.settings import Settings
from geo.areas import areas_at, find_area
from geo.calendar.store import load_calendar
from geo.calendar.workdays import DayKind
from geo.districts import districts_at
from seed.city import SOURCE, is_empty, seed_city
from tests.conftest import create_database, drop_database, url_of

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
TODAY = date(2026, 11, 24)
WENQU = {"lon": 103.655, "lat": 36.432}


@pytest.fixture(scope="module")
async def city(anyio_backend, server_url, template):
    """A database of this module's own with the city in it."""
    name = create_database(server_url, template)
    async with Database(Settings(database_url=url_of(server_url, name))) as database:
        assert await is_empty(database)
        await seed_city(database, now=NOW)
        yield database
    drop_database(server_url, name)


async def fetch(database, query):
    async with database.hot() as connection:
        return await (await connection.execute(query)).fetchall()


async def test_areas_of_a_kind_touch_but_never_overlap_and_make_up_the_district(city):
    overlaps = await fetch(
        city,
        "select a.name, b.name from area a join area b on a.kind = b.kind and a.id < b.id"
        " and st_intersects(a.geom, b.geom) where st_area(st_intersection(a.geom, b.geom)::geography) > 1",
    )
    assert overlaps == []
    for kind in ("community", "township"):
        ((missing_m2, invalid),) = await fetch(
            city,
            "select st_area(st_symdifference((select geom from area where kind = 'district'), st_union(geom))::geography),"
            f" count(*) filter (where not st_isvalid(geom)) from area where kind = '{kind}'",
        )
        assert missing_m2 < 1
        assert invalid == 0


async def test_a_point_in_wenqu_is_in_town_centre_community_and_community(city):
    async with city.transaction() as session:
        found = await areas_at(session, SYSTEM, on=TODAY, **WENQU)
    assert [(area.kind, area.name) for area in found] == [
        ("township", "西岔镇"),
        ("centre_community", "文曲中心社区"),
        ("community", "文曲社区"),
    ]
    assert found[0].codes == {"nbs": "620171103", "mca": "620122101"}
    assert found[2].codes == {"nbs": "620171103001"}


async def test_zhongchuan_answers_to_both_of_its_codes(city):
    async with city.transaction() as session:
        by_nbs = await find_area(session, SYSTEM, code="620171101", on=TODAY)
        by_mca = await find_area(session, SYSTEM, code="620122108", on=TODAY)
    assert by_nbs == by_mca
    assert by_nbs.name == "中川镇"


async def test_every_site_is_in_a_community_and_marked_as_synthetic(city):
    assert await fetch(
        city,
        "select count(*), count(*) filter (where a.kind = 'community'), min(s.source_code), max(s.source_code)"
        " from site s left join area a on a.id = s.area_id",
    ) == [(400, 400, SOURCE, SOURCE)]
    ((name, licence),) = await fetch(city, f"select name, licence from source where code = '{SOURCE}'")
    assert "synthetic demo" in name
    assert licence == "CC0-1.0"


async def test_the_district_of_the_eleventh_primary_school_came_in_autumn_2026(city):
    place = {"lon": 103.6363, "lat": 36.4812}
    async with city.transaction() as session:
        assert (await areas_at(session, SYSTEM, on=TODAY, **place))[-1].name == "祥和景苑社区"
        before = await districts_at(session, SYSTEM, stage="primary", on=date(2026, 8, 31), **place)
        after = await districts_at(session, SYSTEM, stage="primary", on=date(2026, 9, 1), **place)
    assert [district.name for district in before.districts] == ["第一小学片区"]
    assert [district.name for district in after.districts] == ["第十一小学片区"]
    (school,) = after.districts[0].schools
    assert school.name == "兰州新区第十一小学"
    assert [group.name for group in school.groups] == ["第一小学教育集团"]


async def test_every_school_is_led_to_by_a_district_of_its_stage(city):
    ((orphans,),) = await fetch(
        city,
        "select count(*) from site s where s.category_code in"
        " ('kindergarten', 'primary_school', 'junior_school', 'senior_school')"
        " and not exists (select from district_school d where d.site_id = s.id)",
    )
    assert orphans == 0


async def test_the_announced_years_are_known_and_2027_is_not(city):
    async with city.transaction() as session:
        calendar = await load_calendar(session, region="CN")
    assert calendar.announced == {2023, 2024, 2025, 2026}
    assert calendar.kind(date(2026, 2, 14)) is DayKind.makeup_workday
    assert calendar.kind(date(2026, 10, 1)) is DayKind.holiday
    assert calendar.kind(date(2027, 1, 1)) is None
    assert calendar.vacation(date(2026, 8, 1)) is True


async def test_every_category_has_places_to_book_in_the_days_ahead(city):
    assert (
        await fetch(
            city,
            "select c.code from category c where exists (select from site s where s.category_code = c.code)"
            " and not exists (select from site s join offering o on o.site_id = s.id and o.status = 'active'"
            " join slot on slot.offering_id = o.id and slot.state = 'open' where s.category_code = c.code)",
        )
        == []
    )
    ((slots, seats, spaces),) = await fetch(
        city,
        "select (select count(*) from slot), (select count(*) from seat),"
        " (select count(*) from slot_bucket where tier = 'wheelchair' and capacity = 2)",
    )
    assert 3_000 < slots < 4_500
    assert seats == 180 + 120
    assert spaces > 0


async def test_slots_heed_a_date_with_other_hours(city):
    """The service hall is off on 2026-12-05 and closes at noon on 2026-12-31; the clinic closes at noon on 2026-12-24."""
    at = "(slot.starts_at at time zone site.zone)"
    rows = await fetch(
        city,
        f"select site.external_id, to_char({at}, 'MM-DD HH24:MI') from slot join offering on offering.id = slot.offering_id"
        f" join site on site.id = offering.site_id join hours_exception e on e.site_id = site.id"
        f" and e.on_date = slot.on_date where {at}::time >= '12:00'",
    )
    assert rows == []


async def test_what_staff_made_of_their_offerings_stays_when_the_city_is_put_again(city):
    async with city.hot() as connection:
        await connection.execute(
            "update offering set title = '爱心午餐' where id = (select id from offering where title = '午餐' limit 1)"
        )
    counts = await seed_city(city, now=NOW)
    assert counts.bookable.offerings == 0
    assert await fetch(city, "select count(*) from offering where title = '爱心午餐'") == [(1,)]


async def test_putting_the_city_again_changes_nothing(city):
    async def versions():
        return await fetch(
            city,
            "select (select array_agg((id, version, updated_at) order by id) from site)::text,"
            " (select array_agg((id, version) order by id) from school_district)::text,"
            " (select array_agg((id, st_asbinary(geom)) order by id) from area)::text,"
            " (select array_agg((id, version, updated_at) order by id) from offering)::text,"
            " (select array_agg(id order by id) from slot)::text",
        )

    before = await versions()
    counts = await seed_city(city, now=datetime(2026, 12, 1, tzinfo=UTC))
    assert (counts.sites.created, counts.sites.changed, counts.sites.unchanged) == (0, 0, 400)
    assert (counts.bookable.offerings, counts.bookable.slots) == (0, 0)
    assert await versions() == before
    assert not await is_empty(city)


async def test_an_imported_calendar_is_not_overwritten(city):
    async with city.hot() as connection:
        await connection.execute("update calendar_year set source = 'imported by a clerk' where year = 2026")
    await seed_city(city, now=NOW)
    assert await fetch(city, "select source from calendar_year where year = 2026") == [
        ("imported by a clerk",)
    ]
