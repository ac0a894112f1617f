"""Staff run their sites: who may change what, what is kept of it, and what an import may not undo."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
import shapely
from sqlalchemy import event, func, select, text

from core.actor import SYSTEM, Actor, Grant
from core.audit import AuditEntry
from core.permissions import NotAllowed, covers, scopes
from geo.areas import put_area
from geo.errors import (
    FieldsNotAllowed,
    SiteChanged,
    SiteInvalid,
    SiteNotFound,
    UnknownCategory,
    VersionNotFound,
    WrongSiteState,
)
from geo.models import Phone, Site, SiteRevision, SiteSearch
from geo.search.find import matching_ids
from geo.sites.detail import get_staff_site, list_history
from geo.sites.edit import create_site, edit_site, revert_site
from geo.sites.input import ExceptionIn, OperatorIn, PhoneIn, ServiceIn
from geo.sites.listing import list_staff_sites, staff_sites_query
from geo.sites.places import place_of, scope_condition
from geo.sites.store import put_sites, put_source
from geo.sites.workflow import STATE_LABELS, TRANSITIONS, assure_site, take_step
from tests.geo.drawn import drawn
from tests.geo.test_site_store import a_site

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def staff(*grants, role="site_staff"):
    account_id = uuid4()
    given = tuple(Grant(role, *grant) for grant in grants)
    return Actor(f"account:{account_id}", "web", account_id=account_id, grants=given)


DISTRICT = staff(("district",), role="district_admin")
POINT = {"type": "Point", "coordinates": [103.605, 36.505]}


def said(**more):
    return {"category": "meal_point", "name": "新助餐点", "geometry": POINT} | more


async def imported(session, *sites, now=NOW, **more):
    await put_source(session, SYSTEM, code="test", name="test")
    await put_sites(session, SYSTEM, source_code="test", sites=sites or [a_site()], now=now, **more)
    session.expire_all()
    return (await session.scalars(select(Site).order_by(Site.external_id))).all()


async def only(session):
    session.expire_all()
    return (await session.scalars(select(Site))).one()


@pytest.fixture
async def townships(session):
    """Two townships side by side, each with a community in it."""
    await put_source(session, SYSTEM, code="test", name="test")
    made = {}
    for letter, shape in drawn("A B").items():
        for kind, parent in (("township", None), ("community", made.get(f"{letter} township"))):
            made[f"{letter} {kind}"] = await put_area(
                session,
                SYSTEM,
                source_code="test",
                kind=kind,
                name=f"{letter}{kind}",
                parent_id=parent if parent else made.get(f"{letter} township"),
                geometry=shapely.MultiPolygon([shape]),
                valid_from=date(2020, 1, 1),
            )
    return made


IN_A, IN_B = shapely.Point(103.605, 36.505), shapely.Point(103.615, 36.505)


# Scopes


async def test_a_place_has_the_areas_and_categories_above_it(session, townships):
    (site,) = await imported(session, a_site(geometry=IN_A))
    place = await place_of(session, site_id=site.id)
    assert set(place.area_ids) == {str(townships["A community"]), str(townships["A township"])}
    assert {"meal_point", "elder"} <= set(place.categories)
    with pytest.raises(SiteNotFound):
        await place_of(session, site_id=uuid4())


async def test_scoping_in_sql_agrees_with_asking_site_by_site(session, townships):
    await imported(
        session,
        a_site("1", geometry=IN_A),
        a_site("2", geometry=IN_B),
        a_site("3", geometry=IN_B, category="clinic"),
        a_site("4", geometry=shapely.Point(110, 30), category="day_care"),
    )
    sites = (await session.scalars(select(Site))).all()
    actors = [
        staff(("site", str(sites[0].id))),
        staff(("site", str(sites[0].id)), ("township", str(townships["B township"]))),
        staff(("township", str(townships["A community"]))),
        staff(("category", "elder")),
        staff(("category", "health"), ("township", str(townships["A township"]))),
        staff(("site", "no uuid"), ("township", "none"), ("category", "nothing")),
        staff(),
        DISTRICT,
        SYSTEM,
    ]
    seen = set()
    for actor in actors:
        query = select(Site.id).where(scope_condition(scopes(actor, "site.read")))
        found = set(await session.scalars(query))
        asked = {
            site.id for site in sites if covers(actor, "site.read", await place_of(session, site_id=site.id))
        }
        assert found == asked
        seen.add(len(found))
    assert seen == {0, 1, 2, 3, 4}


async def test_staff_of_one_township_may_not_edit_anothers_site_nor_know_of_its_drafts(session, townships):
    (site,) = await imported(session, a_site(geometry=IN_B))
    stranger = staff(("township", str(townships["A township"])))
    neighbour = staff(("township", str(townships["B township"])))
    with pytest.raises(NotAllowed):
        await edit_site(session, stranger, site_id=site.id, version=1, changes={"hours": "24/7"}, now=LATER)
    await edit_site(session, neighbour, site_id=site.id, version=1, changes={"hours": "24/7"}, now=LATER)
    await take_step(session, DISTRICT, site_id=site.id, step="unpublish", now=LATER)
    for attempt in (
        edit_site(session, stranger, site_id=site.id, version=3, changes={"hours": None}, now=LATER),
        get_staff_site(session, stranger, site_id=site.id, now=LATER),
        list_history(session, stranger, site_id=site.id, before=None, limit=10),
    ):
        with pytest.raises(SiteNotFound):
            await attempt
    assert (await get_staff_site(session, neighbour, site_id=site.id, now=LATER)).state == "withdrawn"


async def test_nobody_creates_or_moves_a_site_out_of_their_township(session, townships):
    actor = staff(("township", str(townships["A township"])))
    elsewhere = {"type": "Point", "coordinates": [IN_B.x, IN_B.y]}
    with pytest.raises(NotAllowed):
        await create_site(session, actor, content=said(geometry=elsewhere), now=NOW)
    site_id = await create_site(session, actor, content=said(), now=NOW)
    with pytest.raises(NotAllowed):
        await edit_site(
            session, actor, site_id=site_id, version=1, changes={"geometry": elsewhere}, now=LATER
        )
    assert (await only(session)).area_id == townships["A community"]


# States


async def test_a_draft_goes_from_its_author_to_residents_and_back(session, townships):
    author = staff(("township", str(townships["A township"])))
    site_id = await create_site(session, author, content=said(), now=NOW)

    async def step(actor, name):
        await take_step(session, actor, site_id=site_id, step=name, now=LATER)
        return (await get_staff_site(session, actor, site_id=site_id, now=LATER)).state

    assert await step(author, "submit") == "submitted"
    with pytest.raises(NotAllowed):
        await step(author, "publish")
    assert await step(DISTRICT, "return") == "draft"
    assert await step(author, "submit") == "submitted"
    assert await step(DISTRICT, "publish") == "published"
    assert await step(DISTRICT, "unpublish") == "withdrawn"
    assert await step(DISTRICT, "publish") == "published"
    site = await only(session)
    assert (site.version, site.published_at, site.withdrawn_at) == (7, LATER, None)
    past = await list_history(session, author, site_id=site_id, before=None, limit=10)
    assert [one.act for one in past[::-1]] == [
        "created", "submitted", "returned", "submitted", "published", "withdrawn", "published",
    ]  # fmt: skip
    assert past[0].changes == {"state": ["withdrawn", "published"]}
    assert (past[-1].roles, past[-1].channel) == ("site_staff", "web")


@pytest.mark.parametrize("state", STATE_LABELS)
@pytest.mark.parametrize("step", TRANSITIONS)
async def test_a_step_that_the_table_does_not_have_is_refused_and_names_the_state(session, state, step):
    site_id = await create_site(session, DISTRICT, content=said(), now=NOW)
    ways = {"draft": [], "submitted": ["submit"], "published": ["submit", "publish"]}
    ways["withdrawn"] = [*ways["published"], "unpublish"]
    for way in ways[state]:
        await take_step(session, DISTRICT, site_id=site_id, step=way, now=NOW)
    if state in TRANSITIONS[step].from_states:
        await take_step(session, DISTRICT, site_id=site_id, step=step, now=LATER)
        detail = await get_staff_site(session, DISTRICT, site_id=site_id, now=LATER)
        assert detail.state == TRANSITIONS[step].to_state
    else:
        with pytest.raises(WrongSiteState, match=state) as refused:
            await take_step(session, DISTRICT, site_id=site_id, step=step, now=LATER)
        assert STATE_LABELS[state] in refused.value.detail_zh


async def test_confirming_is_one_call_and_says_when_not_that_anything_changed(session):
    (site,) = await imported(session)
    actor = staff(("site", str(site.id)))
    assert await assure_site(session, actor, site_id=site.id, now=LATER) == 2
    site = await only(session)
    assert (site.assured_at, site.updated_at, site.version) == (LATER, NOW, 2)


# Edits


FULL = {
    "name_en": "Meals",
    "aliases": ["食堂"],
    "address": "纬一路 1 号",
    "hours": "Mo-Fr 11:00-13:00",
    "makeup_hours": "11:00-13:00",
    "features": ["wheelchair"],
    "operator": {"name": "某餐饮公司", "operating_model": "market_canteen"},
    "phones": [{"number": "0931-5550123", "label": "前台"}, {"number": "110"}],
    "services": [
        {
            "name": "午餐",
            "minimum_age": 60,
            "costs": [{"label": "60岁以上", "amount_fen": 800, "unit": "餐"}],
            "documents": [{"name": "身份证"}],
        }
    ],
    "exceptions": [{"on_date": "2026-12-02", "hours": "off", "reason": "停电"}],
    "external_ids": {"usci": "91620100"},
    "geometry": {"type": "LineString", "coordinates": [[103.6, 36.5], [103.60123456789012, 36.51]]},
}


async def test_what_is_written_comes_back_and_writing_it_again_changes_nothing(session):
    site_id = await create_site(session, DISTRICT, content=said(**FULL), now=NOW)
    content = (await get_staff_site(session, DISTRICT, site_id=site_id, now=NOW)).content
    assert content["geometry"]["coordinates"] == FULL["geometry"]["coordinates"]
    assert [phone["number"] for phone in content["phones"]] == ["0931-5550123", "110"]
    assert content["services"][0]["costs"] == FULL["services"][0]["costs"]
    assert content["operator"]["name"] == "某餐饮公司"
    assert await edit_site(session, DISTRICT, site_id=site_id, version=1, changes=content, now=LATER) == 1
    assert await session.scalar(select(func.count()).select_from(SiteRevision)) == 1


async def test_an_edit_writes_only_what_differs_and_is_found_by_its_new_words(session):
    site_id = await create_site(session, DISTRICT, content=said(**FULL), now=NOW)
    service = "select id from service where site_id = :id"
    before = await session.scalar(text(service), {"id": site_id})
    changes = {"name": "彩虹食堂", "phones": [{"number": "222"}], "hours": "24/7"}
    assert await edit_site(session, DISTRICT, site_id=site_id, version=1, changes=changes, now=LATER) == 2
    assert await session.scalar(text(service), {"id": site_id}) == before
    assert (await session.scalars(select(Phone.number))).all() == ["222"]
    site = await only(session)
    assert (site.name, site.updated_at, site.version) == ("彩虹食堂", LATER, 2)
    assert site.staff_fields == ["hours", "name", "phones"]
    connection = (await (await session.connection()).get_raw_connection()).driver_connection
    assert await matching_ids(connection, q="彩虹") == [site_id]
    assert await matching_ids(connection, q="新助") == []
    past = await list_history(session, DISTRICT, site_id=site_id, before=None, limit=1)
    assert set(past[0].changes) == {"name", "phones", "hours"}
    assert past[0].changes["name"] == ["新助餐点", "彩虹食堂"]


async def test_those_who_run_a_published_site_change_its_hours_but_not_its_name(session):
    (site,) = await imported(session, a_site(address="旧址"))
    actor = staff(("site", str(site.id)))
    daily = {
        "hours": "24/7",
        "alert": "今日停水",
        "status": "temporarily_closed",
        "services": [{"name": "午餐"}],
    }
    assert await edit_site(session, actor, site_id=site.id, version=1, changes=daily, now=LATER) == 2
    for field, value in {
        "name": "别名",
        "category": "clinic",
        "geometry": POINT,
        "operator": {"name": "他"},
        "status": "inactive",
    }.items():
        with pytest.raises(FieldsNotAllowed) as refused:
            await edit_site(
                session, actor, site_id=site.id, version=2, changes={field: value, "url": None}, now=LATER
            )
        assert refused.value.fields["fields"] == [field]
        assert await edit_site(
            session, DISTRICT, site_id=site.id, version=2, changes={field: value}, now=LATER
        )
        await session.execute(text("update site set version = 2"))
        await session.execute(text("delete from site_revision where version > 2"))


async def test_an_old_version_is_refused_and_told_what_the_other_changed(session):
    (site,) = await imported(session, a_site(hours="24/7"))
    other = staff(("site", str(site.id)))
    changes = {"hours": "Mo-Fr 08:00-18:00", "alert": "检修"}
    await edit_site(session, other, site_id=site.id, version=1, changes=changes, reason="改时间", now=LATER)
    with pytest.raises(SiteChanged) as refused:
        await edit_site(session, DISTRICT, site_id=site.id, version=1, changes={"alert": "我的"}, now=LATER)
    told = refused.value.fields
    assert told["version"] == 2
    assert told["changes"] == {"hours": ["24/7", "Mo-Fr 08:00-18:00"], "alert": [None, "检修"]}
    (by,) = told["changed_by"]
    assert (by["roles"], by["act"], by["reason"], by["at"]) == ("site_staff", "edited", "改时间", LATER)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"hours": "sometimes"}, "hours"),
        ({"geometry": {"type": "Point", "coordinates": [200, 36]}}, "geometry"),
        ({"geometry": {"type": "Point", "coordinates": [[]]}}, "geometry"),
        ({"geometry": None}, "geometry"),
        ({"geometry": {"type": "Point", "coordinates": ["x", {}]}}, "geometry"),
        ({"features": ["jacuzzi"]}, "features"),
        ({"services": [{"name": "x", "minimum_age": 60, "maximum_age": 3}]}, "services/0"),
        ({"name": " "}, "name"),
        ({"name": "a\x00"}, "name"),
    ],
)
async def test_what_cannot_be_said_of_a_site_is_refused_with_its_field(session, wrong, field):
    with pytest.raises(SiteInvalid) as refused:
        await create_site(session, DISTRICT, content=said(**wrong), now=NOW)
    assert refused.value.fields["errors"][0]["field"] == field
    (site,) = await imported(session)
    with pytest.raises(SiteInvalid):
        await edit_site(session, DISTRICT, site_id=site.id, version=1, changes=wrong, now=NOW)


async def test_unknown_fields_and_categories_are_named(session):
    (site,) = await imported(session)
    with pytest.raises(SiteInvalid, match="published_at"):
        await edit_site(session, DISTRICT, site_id=site.id, version=1, changes={"published_at": 1}, now=NOW)
    with pytest.raises(UnknownCategory, match="spaceport"):
        await edit_site(
            session, DISTRICT, site_id=site.id, version=1, changes={"category": "spaceport"}, now=NOW
        )


async def test_going_back_says_again_what_an_earlier_version_said(session):
    service = ServiceIn(name="午餐")
    off = ExceptionIn(on_date=date(2026, 12, 1), hours="off", reason="停电")
    (site,) = await imported(
        session,
        a_site(
            hours="24/7",
            services=(service,),
            exceptions=(off,),
            phones=(PhoneIn(number="111"),),
            operator=OperatorIn(name="甲"),
            external_ids={"usci": "1"},
        ),
    )
    before = (await get_staff_site(session, DISTRICT, site_id=site.id, now=NOW)).content
    changes = said(**FULL)
    await edit_site(session, DISTRICT, site_id=site.id, version=1, changes=changes, now=LATER)
    assert (await get_staff_site(session, DISTRICT, site_id=site.id, now=NOW)).content != before
    with pytest.raises(VersionNotFound):
        await revert_site(session, DISTRICT, site_id=site.id, version=2, to_version=9, now=LATER)
    assert (
        await revert_site(
            session, DISTRICT, site_id=site.id, version=2, to_version=1, reason="误改", now=LATER
        )
        == 3
    )
    assert (await get_staff_site(session, DISTRICT, site_id=site.id, now=NOW)).content == before
    past = await list_history(session, DISTRICT, site_id=site.id, before=None, limit=10)
    assert [(one.version, one.act) for one in past] == [(3, "reverted"), (2, "edited"), (1, "imported")]
    assert past[0].reason == "→ v1：误改"
    # Those who run it cannot change its name by way of an old version either.
    with pytest.raises(FieldsNotAllowed):
        await revert_site(
            session, staff(("site", str(site.id))), site_id=site.id, version=3, to_version=2, now=LATER
        )


async def test_each_act_is_on_record_without_what_the_fields_hold(session):
    site_id = await create_site(session, DISTRICT, content=said(), now=NOW)
    await edit_site(
        session, DISTRICT, site_id=site_id, version=1, changes={"hours": "24/7"}, reason="夏令", now=LATER
    )
    await take_step(session, DISTRICT, site_id=site_id, step="submit", now=LATER)
    await take_step(session, DISTRICT, site_id=site_id, step="publish", now=LATER)
    await assure_site(session, DISTRICT, site_id=site_id, now=LATER)
    entries = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id))).all()
    assert [one.action for one in entries] == [
        "site.create", "site.edit", "site.edit", "site.publish", "site.edit",
    ]  # fmt: skip
    assert entries[1].detail == {"act": "edited", "version": 2, "fields": ["hours"]}
    assert (entries[1].reason, entries[1].object_id, entries[1].roles) == (
        "夏令",
        str(site_id),
        "district_admin",
    )


# Imports


async def test_an_import_leaves_what_staff_wrote_and_brings_the_rest(session):
    (site,) = await imported(session, a_site(address="旧址", hours="24/7", phones=(PhoneIn(number="111"),)))
    changes = {"name": "员工改的名", "phones": [{"number": "222"}]}
    await edit_site(session, DISTRICT, site_id=site.id, version=1, changes=changes, now=LATER)
    await imported(
        session,
        a_site(name="来源的名", address="新址", hours="Mo 08:00-09:00", phones=(PhoneIn(number="333"),)),
        now=LATER,
    )
    site = await only(session)
    assert (site.name, site.address, site.hours, site.version) == ("员工改的名", "新址", "Mo 08:00-09:00", 3)
    assert (await session.scalars(select(Phone.number))).all() == ["222"]
    terms = await session.scalar(select(SiteSearch.terms))
    assert "员工" in terms
    assert "来源" not in terms
    past = await list_history(session, DISTRICT, site_id=site.id, before=None, limit=10)
    assert [(one.act, one.version) for one in past] == [("imported", 3), ("edited", 2), ("imported", 1)]
    assert set(past[0].changes) == {"address", "hours"}
    assert past[0].actor == "source:test"
    with pytest.raises(SiteChanged) as refused:
        await edit_site(session, DISTRICT, site_id=site.id, version=2, changes={"alert": "x"}, now=LATER)
    assert [one["act"] for one in refused.value.fields["changed_by"]] == ["imported"]
    assert set(refused.value.fields["changes"]) == {"address", "hours"}
    # Kept as soon as something replaces it.
    await assure_site(session, DISTRICT, site_id=site.id, now=LATER)
    past = await list_history(session, DISTRICT, site_id=site.id, before=None, limit=10)
    assert [(one.act, one.version) for one in past[:2]] == [("assured", 4), ("imported", 3)]
    assert set(past[1].changes) == {"address", "hours"}


async def test_going_back_hands_a_field_back_to_its_source_and_keeps_a_bad_import_out(session):
    (site,) = await imported(session, a_site(hours="24/7", address="旧址"))

    async def back(version, to_version):
        await revert_site(
            session, DISTRICT, site_id=site.id, version=version, to_version=to_version, now=LATER
        )
        return await only(session)

    changes = {"hours": "Mo 08:00-09:00"}
    await edit_site(session, DISTRICT, site_id=site.id, version=1, changes=changes, now=LATER)
    assert (await only(session)).staff_fields == ["hours"]
    assert (await back(2, 1)).staff_fields == []
    await imported(session, a_site(hours="Tu 08:00-09:00", address="错址"), now=LATER)
    assert (await only(session)).hours == "Tu 08:00-09:00"
    site = await back(4, 3)
    assert (site.address, site.staff_fields) == ("旧址", ["address", "hours"])
    await imported(session, a_site(hours="Tu 08:00-09:00", address="错址", alert="x"), now=LATER)
    assert (await only(session)).address == "旧址"


async def test_an_edit_that_an_import_meets_half_way_is_not_lost(database, database_url):
    """Both change one site; the import waits for the edit and then sees what staff wrote."""
    site_id = await committed_site(database)
    edited, may_end = asyncio.Event(), asyncio.Event()

    async def edit():
        async with database.transaction() as session:
            changes = {"phones": [{"number": "222"}], "hours": "24/7"}
            await edit_site(session, DISTRICT, site_id=site_id, version=1, changes=changes, now=LATER)
            edited.set()
            await may_end.wait()

    async def bring():
        async with database.transaction() as session:
            await put_sites(
                session,
                SYSTEM,
                source_code="test",
                sites=[a_site(address="新址", hours="Mo 08:00-09:00", phones=(PhoneIn(number="333"),))],
                now=LATER,
            )

    editing = asyncio.create_task(edit())
    await edited.wait()
    importing = asyncio.create_task(bring())
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        for _ in range(100):
            if (await (await connection.execute(waits)).fetchone())[0]:
                break
            await asyncio.sleep(0.05)
        # The control: whoever reads without the lock does not see that the telephone is staff's.
        unlocked = await connection.execute("select staff_fields from site where id = %s", (site_id,))
        assert await unlocked.fetchone() == ([],)
        assert not importing.done()
    may_end.set()
    await asyncio.gather(editing, importing)
    async with database.transaction() as session:
        site = await only(session)
        assert (site.hours, site.address, site.version) == ("24/7", "新址", 3)
        assert (await session.scalars(select(Phone.number))).all() == ["222"]


async def test_an_import_brings_back_no_site_that_was_taken_back_and_no_older_confirmation(session):
    (site,) = await imported(session)
    await assure_site(session, DISTRICT, site_id=site.id, now=LATER)
    await take_step(session, DISTRICT, site_id=site.id, step="unpublish", now=LATER)
    await imported(session, a_site(address="新址", assured_at=NOW), now=LATER)
    site = await only(session)
    assert (site.address, site.published_at, site.assured_at) == ("新址", None, LATER)


async def test_an_import_of_new_rows_keeps_no_copies_of_them(session):
    await imported(session, *(a_site(str(number)) for number in range(20)))
    assert await session.scalar(select(func.count()).select_from(SiteRevision)) == 0
    await imported(session, *(a_site(str(number), address="新") for number in range(5)), now=LATER)
    assert await session.scalar(select(func.count()).select_from(SiteRevision)) == 5


# Lists


async def test_long_unconfirmed_sites_come_oldest_first_page_by_page(session):
    days = [3, 40, None, 100, 31, 400]
    await imported(
        session,
        *(
            a_site(str(number), assured_at=None if ago is None else NOW - timedelta(days=ago))
            for number, ago in enumerate(days)
        ),
    )
    listed, after = [], None
    while True:
        rows = await list_staff_sites(
            session, DISTRICT, not_assured_for_days=30, after=after, limit=2, now=NOW
        )
        listed += [row.name for row in rows]
        if len(rows) < 2:
            break
        after = (rows[-1].confirmed, rows[-1].id)
    assert listed == [f"助餐点{number}" for number in (2, 5, 3, 1, 4)]


async def test_lists_are_by_state(session):
    draft = await create_site(session, DISTRICT, content=said(name="草稿"), now=NOW)
    submitted = await create_site(session, DISTRICT, content=said(name="待发布"), now=NOW)
    await take_step(session, DISTRICT, site_id=submitted, step="submit", now=NOW)
    await imported(session, a_site("1"), a_site("2", status="temporarily_closed"))

    async def names(*states):
        rows = await list_staff_sites(session, DISTRICT, states=states, limit=10, now=NOW)
        return {row.name: row.state for row in rows}

    assert await names("draft") == {"草稿": "draft"}
    assert await names("submitted") == {"待发布": "submitted"}
    assert await names("closed") == {"助餐点2": "published"}
    assert await names("withdrawn") == {}
    assert len(await names("published", "draft")) == 3
    assert len(await names()) == 4
    assert draft != submitted


async def test_freshness_and_drafts_are_read_from_their_indexes(session):
    await imported(session)
    await session.execute(text("set local enable_seqscan = off; set local enable_bitmapscan = off"))

    async def plan(**asked):
        query = staff_sites_query(None, limit=50, now=NOW, **asked)
        compiled = query.compile(dialect=session.get_bind().dialect, compile_kwargs={"literal_binds": True})
        rows = await session.execute(text("explain " + str(compiled).replace(":", r"\:")))
        return "\n".join(row[0] for row in rows)

    by_age = await plan(not_assured_since=NOW)
    assert "site_freshness_idx" in by_age
    assert "Sort" not in by_age
    assert "site_unpublished_idx" in await plan(states=["draft"])


async def test_a_list_is_one_statement_whatever_the_scope_and_however_long(session, townships):
    await imported(session, *(a_site(str(number), geometry=IN_A) for number in range(30)))
    statements = []
    connection = (await session.connection()).sync_connection

    def note(_connection, _cursor, statement, *_more):
        statements.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    town = staff(("township", str(townships["A township"])), ("category", "health"))
    for actor, limit in ((DISTRICT, 1), (DISTRICT, 30), (town, 1), (town, 30)):
        statements.clear()
        rows = await list_staff_sites(session, actor, states=["published"], limit=limit, now=NOW)
        assert (len(rows), len(statements)) == (limit, 1)
    event.remove(connection, "before_cursor_execute", note)


# Two at once


async def edit_at_once(database_url, edit):
    """Two callers who both read version 1; what became of each."""
    results = await asyncio.gather(edit("甲"), edit("乙"), return_exceptions=True)
    return sorted(
        "refused" if isinstance(one, SiteChanged) else "written" if one == 2 else repr(one) for one in results
    )


async def committed_site(database):
    async with database.transaction() as session:
        (site,) = await imported(session)
        return site.id


async def test_of_two_edits_of_one_version_one_is_written_and_the_other_is_told(database, database_url):
    site_id = await committed_site(database)

    async def edit(alert):
        async with database.transaction() as session:
            return await edit_site(
                session, DISTRICT, site_id=site_id, version=1, changes={"alert": alert}, now=LATER
            )

    assert await edit_at_once(database_url, edit) == ["refused", "written"]


async def test_without_the_lock_both_edits_are_written_and_one_is_lost(database, database_url):
    """The negative control: the same steps, but the version is read without locking the row."""
    site_id = await committed_site(database)
    both_read = asyncio.Barrier(2)

    async def edit(alert):
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            found = await connection.execute("select version from site where id = %s", (site_id,))
            (version,) = await found.fetchone()
            await both_read.wait()
            assert version == 1
            await connection.execute(
                "update site set alert = %s, version = %s where id = %s", (alert, version + 1, site_id)
            )
        return version + 1

    assert await edit_at_once(database_url, edit) == ["written", "written"]
