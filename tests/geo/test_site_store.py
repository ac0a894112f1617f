"""Writing sites: what is new, changed or as before, and what a source may not undo."""

import asyncio
from datetime import UTC, date, datetime

import pytest
import shapely
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import IntegrityError

from core.actor import SYSTEM
from geo.areas import put_area
from geo.errors import UnknownCategory
from geo.models import Area, HoursException, Phone, Service, Site
from geo.sites.input import CostIn, DocumentIn, ExceptionIn, OperatorIn, PhoneIn, ServiceIn, SiteIn
from geo.sites.store import PutCounts, compare_sites, put_sites, put_source

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)


def a_site(number="1", **more):
    said = {"external_id": number, "category": "meal_point", "name": f"助餐点{number}"} | more
    return SiteIn(geometry=said.pop("geometry", shapely.Point(103.6, 36.5)), **said)


async def put(session, *sites, now=NOW, **more):
    await put_source(session, SYSTEM, code="test", name="test")
    return await put_sites(session, SYSTEM, source_code="test", sites=sites, now=now, **more)


async def only_site(session):
    session.expire_all()
    return (await session.scalars(select(Site))).one()


async def test_a_site_comes_back_with_all_that_was_said_of_it(session):
    service = ServiceIn(
        name="午餐",
        minimum_age=60,
        costs=(CostIn(label="60岁以上", amount_fen=800, unit="餐"),),
        documents=(DocumentIn(name="身份证"),),
    )
    counts = await put(
        session,
        a_site(
            hours="Mo-Fr 11:00-13:00",
            operator=OperatorIn(name="某餐饮公司", operating_model="market_canteen"),
            phones=(PhoneIn(number="0931-5550123"),),
            services=(service,),
            exceptions=(ExceptionIn(on_date=date(2026, 12, 1), hours="off", reason="停电"),),
            external_ids={"usci": "91620100"},
        ),
    )
    assert counts == PutCounts(created=1, changed=0, unchanged=0)
    site = await only_site(session)
    assert (site.version, site.published_at, site.status) == (1, NOW, "active")
    assert site.organisation_id is not None
    assert (await session.scalars(select(Phone.number))).all() == ["0931-5550123"]
    assert (await session.scalars(select(Service.name))).all() == ["午餐"]
    assert (await session.scalars(select(HoursException.reason))).all() == ["停电"]


async def test_the_same_again_changes_nothing_and_keeps_what_staff_wrote(session):
    await put(session, a_site())
    await session.execute(update(Site).values(address="工作人员改过的地址"))
    assert await compare_sites(session, SYSTEM, source_code="test", sites=[a_site()]) == ["unchanged"]
    assert await put(session, a_site(), now=LATER) == PutCounts(0, 0, 1)
    site = await only_site(session)
    assert (site.address, site.version, site.updated_at) == ("工作人员改过的地址", 1, NOW)


async def test_a_change_raises_the_version_and_replaces_phones(session):
    await put(session, a_site(phones=(PhoneIn(number="111"), PhoneIn(number="222"))))
    first = await only_site(session)
    assert await put(session, a_site(phones=(PhoneIn(number="333"),)), now=LATER) == PutCounts(0, 1, 0)
    site = await only_site(session)
    assert (site.id, site.version, site.updated_at, site.published_at) == (first.id, 2, LATER, NOW)
    assert (await session.scalars(select(Phone.number))).all() == ["333"]


async def test_a_source_that_says_nothing_of_a_closure_does_not_undo_it(session):
    await put(session, a_site(address="旧址"))
    site = await only_site(session)
    await session.execute(update(Site).values(status="temporarily_closed", alert="停电检修", assured_at=NOW))
    session.add(HoursException(site_id=site.id, on_date=date(2026, 12, 1), hours="off", reason="停电"))
    await session.flush()
    await put(session, a_site(address="新址"), now=LATER)
    site = await only_site(session)
    assert (site.address, site.status, site.alert, site.assured_at) == (
        "新址",
        "temporarily_closed",
        "停电检修",
        NOW,
    )
    assert await session.scalar(select(func.count()).select_from(HoursException)) == 1


async def test_a_source_that_does_speak_of_it_decides(session):
    closed = a_site(status="temporarily_closed", alert="检修", exceptions=())
    await put(
        session, a_site(exceptions=(ExceptionIn(on_date=date(2026, 12, 1), hours="off", reason="停电"),))
    )
    await put(session, closed, now=LATER)
    site = await only_site(session)
    assert (site.status, site.alert) == ("temporarily_closed", "检修")
    assert await session.scalar(select(func.count()).select_from(HoursException)) == 0


async def test_a_draft_is_not_published_and_a_published_site_stays_so(session):
    await put(session, a_site(), publish=False)
    assert (await only_site(session)).published_at is None
    await put(session, a_site(name="新名"), now=LATER)
    assert (await only_site(session)).published_at == LATER
    await put(session, a_site(name="又一新名"), publish=False)
    assert (await only_site(session)).published_at == LATER


async def test_a_site_is_filed_under_the_smallest_area_of_its_own_local_date(session):
    await put_source(session, SYSTEM, code="test", name="test")
    square = shapely.MultiPolygon([shapely.box(103.5, 36.4, 103.7, 36.6)])
    for kind, name, since, until in (
        ("township", "中川镇", date(2020, 1, 1), None),
        ("community", "旧社区", date(2020, 1, 1), date(2026, 9, 1)),
        ("community", "新社区", date(2026, 9, 1), None),
    ):
        await put_area(
            session,
            SYSTEM,
            source_code="test",
            kind=kind,
            name=name,
            geometry=square,
            valid_from=since,
            valid_to=until,
        )
    # Half past midnight on 1 September in 兰州 is still August in UTC.
    await put(session, a_site(), now=datetime(2026, 8, 31, 16, 30, tzinfo=UTC))
    named = select(Area.name).join(Site, Site.area_id == Area.id)
    assert (await session.scalars(named)).all() == ["新社区"]


async def test_an_unknown_category_is_named(session):
    with pytest.raises(UnknownCategory, match="spaceport"):
        await put(session, a_site(category="spaceport"))


async def test_two_writers_of_one_source_take_turns(database):
    async with database.transaction() as session:
        await put_source(session, SYSTEM, code="test", name="test")

    async def write(name):
        async with database.transaction() as session:
            return await put_sites(session, SYSTEM, source_code="test", sites=[a_site(name=name)], now=NOW)

    counts = await asyncio.gather(*(write(f"第{i}家") for i in range(6)))
    assert sorted(one.created for one in counts) == [0, 0, 0, 0, 0, 1]
    async with database.transaction() as session:
        assert (await only_site(session)).version == 6


@pytest.mark.parametrize(
    "wrong",
    [
        "name = ' '",
        "status = 'perhaps'",
        "geom = st_geomfromtext('POLYGON((0 0, 1 1, 1 0, 0 1, 0 0))', 4326)",
        "geom = st_setsrid(st_makepoint(181, 36), 4326)",
        "geom = st_geomfromtext('GEOMETRYCOLLECTION EMPTY', 4326)",
        "features = array[null]::text[]",
        "category_code = 'spaceport'",
        "source_code = 'nobody'",
        "version = 0",
    ],
)
async def test_the_database_keeps_bad_rows_out_whoever_writes(session, wrong):
    await put(session, a_site())
    with pytest.raises(IntegrityError):
        async with session.begin_nested():
            await session.execute(text(f"update site set {wrong}"))
