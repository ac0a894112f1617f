"""Closures: open states heed them, lists and the index agree, and each ends by itself."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import psycopg
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from core.actor import ANYONE, SYSTEM
from core.permissions import NotAllowed
from geo.errors import ClosedForGood, ClosureNotFound, ClosureOver, InvalidClosure, SiteNotFound
from geo.hours.state import ClosedTime, Hours, HoursException, day_intervals, open_state
from geo.models import Site
from geo.nearby.open_table import OpenTable, state_of
from geo.nearby.rows import Timetable, read_rows
from geo.sites.closures import apply_closures, end_closure, list_closures, plan_closure, stage_of
from geo.sites.detail import list_history
from geo.sites.listing import list_staff_sites
from geo.sites.read import get_site, list_sites, sites_query
from tests.geo.cities import CALENDAR, HOURS, CitySite, insert_sites
from tests.geo.test_site_store import a_site
from tests.geo.test_site_workflow import DISTRICT, imported, staff

LANZHOU = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 9, 28, 0, 0, tzinfo=UTC)
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)  # Tuesday, 11:00 in 兰州
MINUTE = timedelta(minutes=1)

minutes = st.integers(0, 6 * 24 * 60).map(lambda minute: START + timedelta(minutes=minute))


@st.composite
def closed_times(draw):
    starts_at = draw(minutes)
    length = draw(st.sampled_from([1, 30, 60 * 9, 60 * 24, 60 * 24 * 3, None]))
    ends_at = None if length is None else starts_at + timedelta(minutes=length)
    return ClosedTime(starts_at, ends_at, for_good=ends_at is None and draw(st.booleans()))


closings = st.lists(closed_times(), min_size=1, max_size=3).map(tuple)
weeks = st.sampled_from([*HOURS, 'Mo-Fr 09:00-12:00 || "电话预约"', "Mo-Su 00:00-24:00"])
exceptions = st.sampled_from([(), (HoursException(date(2026, 9, 29), "10:00-11:00", "盘点"),)])


def covering(closed, at):
    """Closures in force at an instant, said as plainly as can be."""
    return [one for one in closed if one.starts_at <= at and (one.ends_at is None or at < one.ends_at)]


@settings(deadline=None)
@given(weeks, exceptions, closings, minutes)
def test_a_site_is_closed_within_its_closures_and_by_its_hours_outside(weekly, special, closed, at):
    state = open_state(Hours(weekly, None, special, closed=closed), CALENDAR, at)
    inside = covering(closed, at)
    if inside:
        good = any(one.for_good for one in inside)
        assert (state.state, state.reason) == ("closed", "inactive" if good else "temporarily_closed")
    else:
        assert state.state == open_state(Hours(weekly, None, special), CALENDAR, at).state


@settings(deadline=None)
@given(weeks, closings, minutes)
def test_until_is_the_first_minute_with_another_state(weekly, closed, at):
    hours = Hours(weekly, closed=closed)
    state = open_state(hours, CALENDAR, at)
    edges = [at + timedelta(minutes=30 * step) for step in range(100)]
    for one in closed:
        edges += [one.starts_at, *([one.ends_at] if one.ends_at else [])]
    for edge in sorted(edge for edge in edges if edge >= at):
        if state.until is None or edge < state.until:
            assert open_state(hours, CALENDAR, edge).state == state.state
    if state.until is not None:
        assert open_state(hours, CALENDAR, state.until).state != state.state
        assert open_state(hours, CALENDAR, state.until - MINUTE).state == state.state


@settings(deadline=None)
@given(weeks, closings, minutes)
def test_the_days_shown_are_open_exactly_when_the_site_is(weekly, closed, at):
    hours = Hours(weekly, closed=closed)
    on = at.astimezone(LANZHOU).date()
    shown = [
        one
        for day in (on - timedelta(days=1), on)
        for one in day_intervals(hours, CALENDAR, day).intervals
        if one.starts_at <= at < one.ends_at
    ]
    is_open = open_state(hours, CALENDAR, at).state == "open"
    assert is_open == any(one.state == "open" for one in shown)


def test_a_day_that_a_closure_takes_says_so():
    closed = (ClosedTime(datetime(2026, 9, 28, 16, 0, tzinfo=UTC), datetime(2026, 9, 29, 16, 0, tzinfo=UTC)),)
    hours = Hours("Mo-Su 08:00-18:00", closed=closed)
    taken = day_intervals(hours, CALENDAR, date(2026, 9, 29))
    assert (taken.intervals, taken.reason) == ((), "temporarily_closed")
    assert day_intervals(hours, CALENDAR, date(2026, 9, 30)).reason is None


TIMETABLES = [
    Timetable(
        Hours(weekly, closed=(ClosedTime(START + timedelta(hours=20), START + timedelta(hours=44)),)), False
    )
    for weekly in HOURS
]


@settings(deadline=None)
@given(st.lists(minutes, min_size=1, max_size=8), st.booleans())
def test_states_kept_in_the_index_end_with_a_closure_and_begin_with_it(instants, look_at_all):
    table = OpenTable(TIMETABLES, CALENDAR)
    for at in instants:
        if look_at_all:
            is_open = [state_of(one, CALENDAR, at).state == "open" for one in TIMETABLES]
            assert table.open_mask(at).tolist() == is_open
        for number, one in enumerate(TIMETABLES):
            assert table.json(number, at, at.timestamp()) == orjson.dumps(state_of(one, CALENDAR, at))


@pytest.fixture
def connection(shared_database_url):
    with psycopg.connect(shared_database_url) as connection:
        yield connection
        connection.rollback()


INSERT = (
    "insert into site_closure (id, site_id, starts_at, ends_at, reason, for_good, created_at, ended_at)"
    " values (gen_random_uuid(), %s, %s, %s, '检修', %s, %s, %s)"
)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 5), closed_times(), st.booleans()), max_size=8))
def test_the_index_reads_exactly_the_closures_that_count(connection, planned):
    with connection.transaction(force_rollback=True):
        insert_sites(
            connection, [CitySite(UUID(int=number), shapely.Point(103.6, 36.5)) for number in range(6)]
        )
        wanted = {UUID(int=number): [] for number in range(6)}
        for number, one, ended in planned:
            connection.execute(
                INSERT,
                (UUID(int=number), one.starts_at, one.ends_at, one.for_good, START, START if ended else None),
            )
            if not ended:
                wanted[UUID(int=number)].append(one)
        rows = read_rows(connection)
        read = {
            UUID(int=int(row["id_high"]) << 64 | int(row["id_low"])): rows.timetables[int(row["timetable"])]
            for row in rows.header
        }

        def order(one):
            return one.starts_at, str(one.ends_at), one.for_good

        assert {site_id: sorted(one.hours.closed, key=order) for site_id, one in read.items()} == {
            site_id: sorted(closed, key=order) for site_id, closed in wanted.items()
        }


# What staff do


async def plan(session, site, first, last=None, *, actor=DISTRICT, for_good=False, now=NOW):
    return (
        await plan_closure(
            session,
            actor,
            site_id=site.id,
            first=first,
            last=last,
            reason="设备检修",
            for_good=for_good,
            now=now,
        )
    ).closure


async def resident_sees(session, site, at):
    (row,) = await list_sites(session, sites_query(after=None, limit=10), today=at.date())
    return open_state(row.hours, CALENDAR, at)


async def test_a_closure_for_days_is_shown_before_it_begins_and_ends_by_itself(session):
    (site,) = await imported(session)
    await session.execute(Site.__table__.update().values(hours="Mo-Su 08:00-18:00"))
    closure = await plan(session, site, date(2026, 12, 1), date(2026, 12, 2))
    assert closure.starts_at == datetime(2026, 11, 30, 16, 0, tzinfo=UTC)  # midnight in 兰州
    assert closure.ends_at == datetime(2026, 12, 2, 16, 0, tzinfo=UTC)
    detail = await get_site(session, ANYONE, site_id=site.id, today=NOW.date())
    assert [one.reason for one in detail.row.closures] == ["设备检修"]
    before = await resident_sees(session, site, datetime(2026, 11, 30, 9, 59, tzinfo=UTC))
    assert before.state == "open"
    within = await resident_sees(session, site, datetime(2026, 12, 1, 3, 0, tzinfo=UTC))
    assert (within.state, within.reason) == ("closed", "temporarily_closed")
    assert within.until == datetime(2026, 12, 3, 0, 0, tzinfo=UTC)  # 08:00 in 兰州
    assert (await resident_sees(session, site, within.until)).state == "open"
    assert [stage_of(closure, NOW + timedelta(days=days)) for days in (0, 7, 30)] == [
        "planned", "in_force", "over",
    ]  # fmt: skip


async def test_a_closure_to_the_minute_begins_now_and_lasts_until_further_notice(session):
    (site,) = await imported(session, now=NOW)
    actor = staff(("site", str(site.id)))
    now = NOW.replace(second=31)
    closure = await plan(session, site, None, actor=actor, now=now)
    assert (closure.starts_at, closure.ends_at) == (NOW, None)
    assert (await resident_sees(session, site, NOW)).state == "closed"
    (row,) = await list_staff_sites(session, actor, states=["closed"], limit=10, now=now)
    assert (row.closed_now, row.closed_until, row.status) == (True, None, "active")
    later = NOW + timedelta(hours=2)
    await end_closure(session, actor, site_id=site.id, closure_id=closure.id, now=later)
    assert stage_of(closure, later) == "over"
    assert (await resident_sees(session, site, later)).reason == "no_hours"
    assert await list_staff_sites(session, actor, states=["closed"], limit=10, now=later) == []
    with pytest.raises(ClosureOver):
        await end_closure(session, actor, site_id=site.id, closure_id=closure.id, now=later)
    past = await list_history(session, actor, site_id=site.id, before=None, limit=10)
    assert [one.act for one in past] == ["closure_ended", "closure_planned", "imported"]
    assert [*past[0].changes] == ["closures"]


async def test_a_planned_closure_can_be_called_off(session):
    (site,) = await imported(session)
    closure = await plan(session, site, date(2026, 12, 1))
    await end_closure(session, DISTRICT, site_id=site.id, closure_id=closure.id, now=NOW)
    assert stage_of(closure, NOW + timedelta(days=30)) == "called_off"
    shown = await list_closures(session, DISTRICT, site_id=site.id, over=False, now=NOW)
    assert shown.closures == []
    every = await list_closures(session, DISTRICT, site_id=site.id, over=True, now=NOW)
    assert every.closures == [closure]


async def test_a_site_closed_for_good_leaves_the_lists_on_its_day(session):
    (site,) = await imported(session)
    actor = staff(("site", str(site.id)))
    closure = await plan(session, site, date(2026, 12, 1), actor=actor, for_good=True)
    assert await apply_closures(session, SYSTEM, now=NOW) == []
    day = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
    assert (await resident_sees(session, site, day)).reason == "inactive"  # also before the worker comes by
    assert await apply_closures(session, SYSTEM, now=day) == [site.id]
    assert await apply_closures(session, SYSTEM, now=day) == []
    session.expire_all()
    site = (await session.scalars(select(Site))).one()
    assert (site.status, site.version) == ("inactive", 3)
    with pytest.raises(ClosedForGood):
        await plan(session, site, date(2027, 1, 1), now=day)
    # To open it again is the district's to do.
    with pytest.raises(NotAllowed):
        await end_closure(session, actor, site_id=site.id, closure_id=closure.id, now=day)
    await end_closure(session, DISTRICT, site_id=site.id, closure_id=closure.id, now=day)
    session.expire_all()
    assert (await session.scalars(select(Site.status))).one() == "active"


async def test_until_a_site_closes_for_good_it_may_have_holidays(session):
    (site,) = await imported(session)
    await plan(session, site, date(2027, 3, 1), for_good=True)
    holiday = await plan(session, site, date(2027, 2, 5), date(2027, 2, 28))
    assert holiday.ends_at == datetime(2027, 2, 28, 16, 0, tzinfo=UTC)  # as the other begins
    for last in (date(2027, 3, 1), None):
        with pytest.raises(ClosedForGood):
            await plan(session, site, date(2027, 2, 5), last)
    with pytest.raises(ClosedForGood):
        await plan(session, site, date(2027, 2, 5), for_good=True)


async def test_a_site_closed_for_good_is_the_districts_to_open_also_before_the_worker_came_by(session):
    (site,) = await imported(session)
    actor = staff(("site", str(site.id)))
    closure = await plan(session, site, date(2026, 12, 1), actor=actor, for_good=True)
    day = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
    with pytest.raises(NotAllowed):
        await end_closure(session, actor, site_id=site.id, closure_id=closure.id, now=day)
    await end_closure(session, actor, site_id=site.id, closure_id=closure.id, now=day - timedelta(minutes=1))
    assert await apply_closures(session, SYSTEM, now=day) == []


async def test_closed_for_good_at_once_is_inactive_at_once_and_no_import_opens_it(session):
    (site,) = await imported(session)
    site_id, closure_id = site.id, (await plan(session, site, None, for_good=True)).id

    async def status():
        session.expire_all()
        return (await session.scalars(select(Site.status))).one()

    assert await status() == "inactive"
    await imported(session, a_site(status="active", address="新址"))
    assert await status() == "inactive"
    await end_closure(session, DISTRICT, site_id=site_id, closure_id=closure_id, now=NOW)
    assert await status() == "active"
    await imported(session, a_site(status="temporarily_closed"))
    assert await status() == "temporarily_closed"


@pytest.mark.parametrize(
    ("first", "last", "for_good"),
    [
        (date(2026, 12, 2), date(2026, 12, 1), False),
        (date(2026, 11, 1), date(2026, 11, 23), False),
        (NOW, NOW + timedelta(seconds=20), False),
        (date(2026, 12, 1), date(2026, 12, 2), True),
        (date(2040, 1, 1), None, False),
        (date(2026, 12, 1), date.max, False),
        (date.min, None, False),
    ],
    ids=[
        "ends first",
        "over",
        "less than a minute",
        "good with an end",
        "far",
        "end of time",
        "begin of time",
    ],
)
async def test_times_that_are_none_are_refused(session, first, last, for_good):
    (site,) = await imported(session)
    with pytest.raises(InvalidClosure):
        await plan(session, site, first, last, for_good=for_good)


async def test_a_closure_belongs_to_its_site_and_its_staff(session):
    one, other = await imported(session, *(a_site(number) for number in "12"))
    closure = await plan(session, one, date(2026, 12, 1))
    with pytest.raises(ClosureNotFound):
        await end_closure(session, DISTRICT, site_id=other.id, closure_id=closure.id, now=NOW)
    with pytest.raises(NotAllowed):
        await plan(session, one, date(2026, 12, 1), actor=staff(("site", str(other.id))))
    with pytest.raises(SiteNotFound):
        await plan(session, Site(id=UUID(int=1)), None)
