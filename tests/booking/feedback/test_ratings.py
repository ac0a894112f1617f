"""Ratings count once, are published when enough people gave one, and name nobody."""

from datetime import date, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select, text, update

from booking.errors import ReservationNotFound
from booking.feedback.errors import (
    AlreadyRated,
    NotVisited,
    RatingFinal,
    RatingInFuture,
    RatingNotFound,
    SheetEntered,
    SheetNotFound,
    UnknownService,
)
from booking.feedback.levels import LEVELS
from booking.feedback.models import Rating, RatingSheet
from booking.feedback.ratings import (
    change_rating,
    collect_rating,
    enter_sheet,
    own_ratings_query,
    rate,
    remove_sheet,
)
from booking.feedback.texts import read_text
from booking.feedback.totals import TOTALS, remarks_query, require_remarks, totals_of
from booking.models import Reservation
from booking.people.models import Delegation, Person
from booking.people.persons import set_name
from core.actor import ANYONE
from core.audit import AuditEntry
from core.permissions import NotAllowed, NotSignedIn
from geo.errors import SiteNotFound
from geo.models import Site
from tests.booking.bookable import Bookable
from tests.booking.feedback.conftest import NOW, ZONE
from tests.booking.feedback.plans import generic_plan

TODAY = date(2026, 11, 24)


@pytest.fixture
def give(session, ring):
    async def make(actor, site, level=5, *, visit=None, now=NOW, **more):
        if visit is None:
            visit = await visited(session, ring, actor, site)
        return await rate(
            session,
            actor,
            ring=ring,
            site_id=site.id,
            reservation_id=visit.id,
            level=level,
            zone=ZONE,
            now=now,
            **more,
        )

    return make


@pytest.fixture
def sheet(session):
    async def make(actor, site, counts, reference="A3", *, on=TODAY, **more):
        return await enter_sheet(
            session,
            actor,
            site_id=site.id,
            rated_on=on,
            today=TODAY,
            counts=counts,
            reference=reference,
            now=NOW,
            **more,
        )

    return make


async def visited(session, ring, actor, site, **more):
    """A reservation of whoever acts, who was checked in at ``site`` this morning."""
    world = Bookable(session, ring)
    world.site_id = site.id
    person = await session.scalar(select(Person).where(Person.account_id == actor.account_id))
    if person is None:
        person = Person(id=uuid4(), account_id=actor.account_id, created_at=NOW)
        set_name(ring, person, "王秀英")
        session.add(person)
        await session.flush()
    slot = await world.slot(await world.offering(), starts_at=NOW - timedelta(hours=2))
    values = {
        "slot_id": slot.id,
        "offering_id": slot.offering_id,
        "person_id": person.id,
        "account_id": actor.account_id,
        "party_size": 1,
        "state": "checked_in",
        "channel": "app",
        "code": "123456",
        "starts_at": slot.starts_at,
        "ends_at": slot.ends_at,
        "created_at": NOW,
    }
    one = Reservation(**(values | more))
    session.add(one)
    await session.flush()
    return one


async def levels_of(session, site):
    totals = await totals_of(session, site_id=site.id)
    return {level: count for level, count in totals.levels.items() if count}


async def test_each_visit_is_rated_once_also_two_of_a_day(session, ring, sites, account, give):
    resident = await account()
    visit = await visited(session, ring, resident, sites[0])
    first = await give(resident, sites[0], visit=visit)
    assert (first.person_id, first.reservation_id) == (visit.person_id, visit.id)
    with pytest.raises(AlreadyRated) as refused:
        await give(resident, sites[0], 1, visit=visit, service="午餐")
    assert refused.value.fields["rating_id"] == first.id
    await give(resident, sites[0], 3)
    await give(resident, sites[1], 2)
    await give(await account(), sites[0], 5)
    assert await levels_of(session, sites[0]) == {3: 1, 5: 2}
    with pytest.raises(NotSignedIn):
        await give(ANYONE, sites[0], visit=visit)


@pytest.mark.parametrize(
    ("reason", "change", "later"),
    [
        ("not_checked_in", {"state": "confirmed"}, timedelta()),
        ("not_checked_in", {"state": "no_show"}, timedelta()),
        ("not_checked_in", {"state": "cancelled"}, timedelta()),
        ("too_long_ago", {}, timedelta(days=30)),
        (None, {}, timedelta(days=29)),
    ],
)
async def test_a_visit_is_rated_by_those_who_were_there_within_thirty_days(
    session, ring, sites, account, give, reason, change, later
):
    resident = await account()
    visit = await visited(session, ring, resident, sites[0], **change)
    if reason is None:
        await give(resident, sites[0], visit=visit, now=NOW + later)
        return
    with pytest.raises(NotVisited) as refused:
        await give(resident, sites[0], visit=visit, now=NOW + later)
    assert refused.value.fields == {"reason": reason, "reservation_ids": []}


async def test_a_visit_is_rated_where_it_was_and_the_answer_names_those_that_wait(
    session, ring, sites, account, give
):
    resident = await account()
    here, there = [await visited(session, ring, resident, site) for site in sites]
    with pytest.raises(NotVisited) as refused:
        await give(resident, sites[0], visit=there)
    assert refused.value.fields == {"reason": "other_site", "reservation_ids": [here.id]}
    with pytest.raises(NotVisited) as refused:
        await rate(
            session,
            resident,
            ring=ring,
            site_id=sites[0].id,
            reservation_id=None,
            level=5,
            zone=ZONE,
            now=NOW,
        )
    assert refused.value.fields["reason"] == "no_reservation"


async def test_whoever_was_delegated_to_rates_the_visit_of_the_other_and_nobody_else(
    session, ring, sites, account, give
):
    mother, daughter = await account(), await account()
    visit = await visited(session, ring, mother, sites[0])
    with pytest.raises(ReservationNotFound):
        await give(daughter, sites[0], visit=visit)
    session.add(
        Delegation(
            person_id=visit.person_id,
            grantee_id=daughter.account_id,
            scopes=["book.meal"],
            state="active",
            way="app",
            until_on=TODAY,
            relation="child",
            offered_at=NOW,
            accepted_at=NOW,
        )
    )
    await session.flush()
    rating = await give(daughter, sites[0], visit=visit)
    assert (rating.account_id, rating.person_id) == (daughter.account_id, visit.person_id)
    with pytest.raises(AlreadyRated) as refused:
        await give(mother, sites[0], visit=visit)
    assert refused.value.fields["rating_id"] is None  # it is her daughter's to change


async def test_a_rating_is_changed_on_its_day_by_its_account_alone(session, ring, sites, account, give):
    resident = await account()
    rating = await give(resident, sites[0], 1, text="送餐太慢", service="午餐")
    said = {
        "ring": ring,
        "rating_id": rating.id,
        "level": 4,
        "service": None,
        "tags": ["quick"],
        "text": None,
    }
    changed = await change_rating(session, resident, zone=ZONE, now=NOW, **said)
    assert (changed.level, changed.service, changed.tags, changed.text) == (4, None, ["quick"], None)
    assert await levels_of(session, sites[0]) == {4: 1}
    with pytest.raises(RatingNotFound):
        await change_rating(session, await account(), zone=ZONE, now=NOW, **said)
    with pytest.raises(RatingFinal):
        await change_rating(session, resident, zone=ZONE, now=NOW + timedelta(days=1), **said)
    with pytest.raises(UnknownService):
        await change_rating(session, resident, zone=ZONE, now=NOW, **{**said, "service": "理发"})
    mine = await session.scalars(own_ratings_query(resident.account_id, site_id=None, after=None, limit=9))
    assert mine.all() == [rating]


async def test_a_service_is_one_of_the_sites_own(session, sites, account, give):
    with pytest.raises(UnknownService) as refused:
        await give(await account(), sites[0], service="理发")
    assert refused.value.fields["services"] == ["午餐", "晚餐"]
    for level in (5, 3):
        await give(await account(), sites[0], level, service="午餐")
    await give(await account(), sites[0], 1)
    totals = await totals_of(session, site_id=sites[0].id)
    assert (totals.count, totals.average) == (3, 3.0)
    assert {name: (one.count, one.average) for name, one in totals.services.items()} == {"午餐": (2, 4.0)}


@pytest.mark.parametrize("change", [{"published_at": None}, {"status": "inactive"}], ids=["draft", "closed"])
async def test_a_draft_or_a_site_closed_for_good_is_not_rated(session, sites, account, give, change):
    await session.execute(update(Site).where(Site.id == sites[0].id).values(change))
    with pytest.raises(SiteNotFound):
        await give(await account(), sites[0])


async def test_staff_enter_ratings_of_their_own_site(session, ring, sites, clerk, account):
    staff = await clerk(sites[0])
    said = {"ring": ring, "level": 5, "channel": "counter", "zone": ZONE, "now": NOW}
    for _ in range(2):  # two people at the desk
        rating = await collect_rating(session, staff, site_id=sites[0].id, **said)
    assert (rating.account_id, rating.entered_by) == (None, staff.account_id)
    assert await levels_of(session, sites[0]) == {5: 2}
    with pytest.raises(NotAllowed):
        await collect_rating(session, staff, site_id=sites[1].id, **said)
    with pytest.raises(NotAllowed):
        await collect_rating(session, await account(), site_id=sites[0].id, **said)
    with pytest.raises(SiteNotFound):
        await collect_rating(session, staff, site_id=uuid4(), **said)
    entries = await session.scalars(select(AuditEntry.object_kind))
    assert entries.all() == ["rating", "rating"]


async def test_a_sheet_counts_once_and_can_be_taken_back(session, sites, clerk, account, give, sheet):
    staff = await clerk(sites[0])
    entered = await sheet(staff, sites[0], {5: 21, 4: 6, 3: 0})
    await give(await account(), sites[0], 1)
    assert await levels_of(session, sites[0]) == {1: 1, 4: 6, 5: 21}
    with pytest.raises(SheetEntered) as refused:
        await sheet(staff, sites[0], {1: 5})
    assert refused.value.fields["sheet_id"] == entered.id
    await sheet(await clerk(sites[1]), sites[1], {1: 5})  # another site's sheets have numbers of their own
    with pytest.raises(SheetNotFound):
        await remove_sheet(session, await clerk(sites[1]), sheet_id=entered.id, now=NOW)
    await remove_sheet(session, staff, sheet_id=entered.id, now=NOW)
    assert await levels_of(session, sites[0]) == {1: 1}
    await sheet(staff, sites[0], {2: 1})
    assert await session.scalar(select(func.count()).select_from(RatingSheet)) == 2


async def test_a_sheet_of_a_day_to_come_is_refused(sites, clerk, sheet):
    with pytest.raises(RatingInFuture):
        await sheet(await clerk(sites[0]), sites[0], {5: 1}, on=TODAY + timedelta(days=1))


async def test_remarks_are_read_by_the_sites_staff_on_record_and_stored_encrypted(
    session, ring, sites, clerk, account, give
):
    await give(await account(), sites[0], 2, text="我是李建国，等太久")
    await give(await account(), sites[0], 5)
    rows = (await session.execute(text("select row_to_json(r)::text from rating r"))).scalars().all()
    assert "李建国" not in "".join(rows)
    staff = await clerk(sites[0])
    await require_remarks(session, staff, site_id=sites[0].id, now=NOW)
    found = (await session.scalars(remarks_query(site_id=sites[0].id, after=None, limit=9))).all()
    assert [read_text(ring, one) for one in found] == ["我是李建国，等太久"]
    entry = (await session.scalars(select(AuditEntry))).one()
    assert (entry.object_kind, entry.object_id, entry.detail) == (
        "site",
        str(sites[0].id),
        {"read": ["rating.text"]},
    )
    with pytest.raises(NotAllowed):
        await require_remarks(session, staff, site_id=sites[1].id, now=NOW)


async def test_the_database_refuses_what_no_rating_can_be(session, sites, account, give):
    rating = await give(await account(), sites[0])
    for wrong in ("level = 0", "level = 6", "count = 2", "count = 0", "channel = 'fax'"):
        with pytest.raises(Exception, match=r"rating_\w+_check"):
            async with session.begin_nested():
                await session.execute(text(f"update rating set {wrong} where id = :id"), {"id": rating.id})


async def test_totals_are_read_from_their_index_alone(session, sites):
    """Also with a generic plan. The counts of 60,000 ratings of 60 sites agree with what was written."""
    await session.execute(
        text(
            "insert into site select (jsonb_populate_record(s, jsonb_build_object('id', gen_random_uuid(),"
            " 'external_id', 'more' || n))).* from site s, generate_series(1, 58) n where s.id = :id"
        ),
        {"id": sites[0].id},
    )
    await session.execute(
        text(
            "insert into rating (id, site_id, service, level, channel, rated_on, created_at)"
            " select gen_random_uuid(), id, case when n % 3 = 0 then '午餐' end, 1 + n % 5, 'counter', date '2026-11-24', now()"
            " from site, generate_series(1, 1000) n"
        )
    )
    await session.execute(text("analyze rating"))
    plan = await generic_plan(session, TOTALS, site_id=sites[0].id)
    assert "rating_site_id_idx" in plan, plan
    assert "Seq Scan" not in plan, plan
    totals = await totals_of(session, site_id=sites[1].id)
    assert totals.levels == dict.fromkeys(LEVELS, 200)
    assert totals.services["午餐"].count == 333
    assert await session.scalar(select(func.sum(Rating.count))) == 60_000
