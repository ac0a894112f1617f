"""What can be booked, over HTTP: lists, rules in words, slots for anyone and for a person, and sites with a place."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from api.app import create_app
from api.free_sites import FreeSites
from bench.scoped_lists import running
from booking.models import OfferingTemplate
from core import clock
from core.actor import Grant
from core.settings import Settings
from geo.models import Site
from tests.api.bookable import BookableCity
from tests.api.people import sign_in
from tests.api.running import wait_until
from tests.conftest import TEST_RING

HERE = {"lon": 103.615, "lat": 36.482, "crs": "gcj02"}
DISTANCES = """
select offering.id::text, st_distance(site.geom::geography, st_setsrid(st_makepoint(%s, %s), 4326)::geography)
from offering join site on site.id = offering.site_id
where offering.status = 'active' and offering.kind = 'event' and site.published_at is not null
  and site.status <> 'inactive'
order by 2, site.id, 1
"""


@pytest.fixture(scope="module")
def city(edited):
    server, database_url = edited
    with BookableCity(server.url, database_url) as city:
        yield city


def get(city, path, **params):
    answer = city.client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def pages(city, limit, **params):
    """Items of all pages."""
    found, cursor = [], {}
    while True:
        page = get(city, "/v1/offerings", limit=limit, **params, **cursor)
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = {"next": page["next"]}


@pytest.fixture(scope="module")
def scattered(city):
    """Events at 25 sites, three at each fifth of them; one paused."""

    async def make(world):
        sites = await world.session.scalars(
            select(Site.id).where(Site.published_at.is_not(None), Site.status == "active").limit(25)
        )
        for number, site_id in enumerate(sites.all()):
            world.site_id = site_id
            for _ in range(1 if number % 5 else 3):
                await world.offering(kind="event", title="市集")
        await world.offering(kind="event", title="市集", status="paused")

    city.make(make)
    return city


def test_offerings_are_listed_by_id_each_once(scattered):
    everything = [one["id"] for one in pages(scattered, 200, kind="event")]
    assert everything == sorted(everything)
    with psycopg.connect(scattered.database_url) as connection:
        assert everything == sorted(row[0] for row in connection.execute(DISTANCES, (103.6, 36.4)))
    assert [one["id"] for one in pages(scattered, 4, kind="event")] == everything
    site = pages(scattered, 200, kind="event")[0]["site"]["id"]
    assert {one["site"]["id"] for one in pages(scattered, 2, site_id=site)} == {site}


def test_with_a_place_the_nearest_come_first_as_postgis_measures_them(scattered):
    place = {"lon": 103.61, "lat": 36.48, "crs": "wgs84"}
    found = pages(scattered, 200, kind="event", **place)
    for limit in (1, 2, 7):
        assert pages(scattered, limit, kind="event", **place) == found
    with psycopg.connect(scattered.database_url) as connection:
        truth = connection.execute(DISTANCES, (place["lon"], place["lat"])).fetchall()
    assert [one["id"] for one in found] == [row[0] for row in truth]
    for one, (_, metres) in zip(found, truth, strict=True):
        assert one["distance_m"] == pytest.approx(metres, abs=0.2)
    assert all(one["distance_m"] <= other["distance_m"] for one, other in pairwise(found))


def test_a_category_keeps_sites_at_and_below_it(scattered):
    kept = pages(scattered, 200, category="elder")
    assert kept
    assert {one["id"] for one in pages(scattered, 200, category="meal_point")} <= {one["id"] for one in kept}
    assert len(kept) < len(pages(scattered, 200))
    near = pages(scattered, 200, category="elder", **HERE)
    assert {one["id"] for one in near} == {one["id"] for one in kept}


def test_supplies_drafts_and_what_has_ended_are_not_there(city):
    hidden = [
        city.offering(kind="supply"),
        city.offering(status="draft"),
        city.offering(status="ended"),
    ]
    listed = {one["id"] for one in pages(city, 200)}
    for one in hidden:
        assert str(one.id) not in listed
        for path in (f"/v1/offerings/{one.id}", f"/v1/offerings/{one.id}/slots"):
            answer = city.client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "offering-not-found")


def test_a_paused_one_can_still_be_looked_at(city):
    paused = city.offering(status="paused")
    city.slot({"general": 1}, paused)
    assert get(city, f"/v1/offerings/{paused.id}")["status"] == "paused"
    (one,) = get(city, f"/v1/offerings/{paused.id}/slots")["items"]
    assert one["bookable"]["reason_code"] == "paused"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"lon": 103.6}, "crs-missing"),
        ({**HERE, "lat": 103.6, "lon": 36.4}, "coordinates-swapped"),
        ({"next": "nonsense"}, "invalid-cursor"),
        ({"kind": "supply"}, "invalid-request"),
        ({"surprise": 1}, "invalid-request"),
    ],
)
def test_what_cannot_be_listed_is_refused(city, params, code):
    answer = city.client.get("/v1/offerings", params=params)
    assert answer.json()["code"] == code, answer.text


def test_rules_are_said_in_words(city):
    offering = city.offering(
        closes_minutes_before=90,
        rules={
            "eligibility": [{"rule": "min_age", "value": 60}],
            "limits": [{"per": "day", "most": 1, "scope": "kind"}],
        },
    )
    answer = city.client.get(f"/v1/offerings/{offering.id}")
    said = [one["zh"] for one in answer.json()["rules_in_words"]]
    assert said == [
        "时段公布后即可预约",
        "开始前 90 分钟截止",
        "年满 60 周岁",
        "同类项目每天最多 1 次",
        "满员后可候补",
    ]
    again = city.client.get(f"/v1/offerings/{offering.id}", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_slots_show_what_is_left_and_why_one_cannot_be_booked(city):
    offering = city.offering()
    slot, wang = city.slot({"general": 1}, offering), city.caller()
    path = f"/v1/offerings/{offering.id}/slots"
    (one,) = get(city, path)["items"]
    assert (one["id"], one["places_left"], one["bookable"]["reason_code"]) == (str(slot.id), 1, "ok")
    assert one["tiers"] is None
    assert wang.book(slot.id).status_code == 201
    (one,) = get(city, path)["items"]
    assert (one["places_left"], one["bookable"]) == (
        0,
        {
            "ok": False,
            "reason_code": "waitlist",
            "reason_zh": "名额已满，可候补",
            "reason_en": "no place left; one can wait for one",
        },
    )
    mine = wang.call("GET", f"{path}?person_id={wang.person_id}")
    (one,) = mine.json()["items"]
    assert one["bookable"]["reason_code"] == "busy"
    assert one["tiers"] == [{"tier": "general", "places_left": 0}]
    assert mine.headers["Cache-Control"] == "no-store"
    assert city.client.get(path, params={"person_id": str(wang.person_id)}).status_code == 401
    assert city.caller().call("GET", f"{path}?person_id={wang.person_id}").status_code == 404


def test_slots_are_those_of_the_asked_days_by_the_sites_clock(city):
    offering = city.offering()
    late = city.tomorrow.replace(hour=15, minute=30)  # 23:30 in China
    early = late + timedelta(hours=1)
    for starts_at in (late, early):
        city.slot({"general": 1}, offering, starts_at=starts_at)
    path, day = f"/v1/offerings/{offering.id}/slots", str(late.date())
    page = get(city, path, **{"from": day, "to": day})
    assert [one["starts_at"][11:16] for one in page["items"]] == ["23:30"]
    assert (page["from"], page["to"]) == (day, day)
    assert len(get(city, path)["items"]) == 2
    today = str((clock.now() + timedelta(hours=8)).date())
    assert get(city, path)["from"] == today


@pytest.mark.parametrize(
    ("range_", "pointer", "says"),
    [
        ({"from": "2026-01-01", "to": "2026-03-04"}, "/query/to", "一次最多查 62 天"),
        ({"from": "2026-01-02", "to": "2026-01-01"}, "/query/to", "不能早于 from"),
        ({"from": "9999-12-31"}, "/query/from", "年份应为 2000 到 2998"),
        ({"from": "0001-01-01"}, "/query/from", "年份应为 2000 到 2998"),
        ({"from": "today"}, "/query/from", "2026-11-24"),
    ],
)
def test_a_range_that_is_too_long_or_makes_no_sense_is_refused(city, range_, pointer, says):
    answer = city.client.get(f"/v1/offerings/{city.offering().id}/slots", params=range_)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert says in error["reason"]


def test_of_very_many_slots_whole_days_are_shown_and_how_far_they_go(city):
    offering = city.offering()
    with psycopg.connect(city.database_url) as connection:
        connection.execute(
            "insert into slot (id, offering_id, on_date, starts_at, ends_at, opens_at, closes_at)"
            " select gen_random_uuid(), %s, date '2027-03-01' + n / 480, at, at + interval '3 min', at, at"
            " from generate_series(0, 2399) n,"
            " lateral (select timestamptz '2027-03-01 00:00+08' + n * interval '3 min' as at) begins",
            (offering.id,),
        )
    path = f"/v1/offerings/{offering.id}/slots"
    first = get(city, path, **{"from": "2027-03-01", "to": "2027-03-31"})
    assert (len(first["items"]), first["to"]) == (4 * 480, "2027-03-04")
    rest = get(city, path, **{"from": "2027-03-05", "to": "2027-03-31"})
    assert (len(rest["items"]), rest["to"]) == (480, "2027-03-31")


def test_a_court_shows_its_free_spans(city):
    offering = city.offering(shape="interval", kind="venue")
    window = city.slot(None, offering, minutes=120)
    court = city.make(lambda world: world.resource(offering, "1号场"))
    wang = city.caller()
    path = f"/v1/offerings/{offering.id}/slots"
    booked = wang.post(
        "/v1/reservations",
        {
            "person_id": str(wang.person_id),
            "offering_id": str(offering.id),
            "resource_id": str(court.id),
            "starts_at": window.starts_at.isoformat(),
            "ends_at": (window.starts_at + timedelta(hours=1)).isoformat(),
        },
    )
    assert booked.status_code == 201, booked.text
    (one,) = get(city, path)["items"]
    assert [(span["name"], span["starts_at"], span["ends_at"]) for span in one["free"]] == [
        ("1号场", booked.json()["ends_at"], one["ends_at"])
    ]
    assert [one["name"] for one in get(city, f"/v1/offerings/{offering.id}")["resources"]] == ["1号场"]


def test_a_hall_shows_its_plan_and_which_seats_are_free(city):
    offering = city.offering(shape="seated", kind="performance")
    slot = city.slot(None, offering)

    async def make(world):
        ids = await world.seats(slot, ["oo o", "woc"])
        world.session.add(
            OfferingTemplate(
                offering_id=offering.id,
                weekdays=[1],
                day_kinds=["workday"],
                starts_at=clock.now().time(),
                ends_at=clock.now().time(),
                seat_map="hall",
                valid_from=clock.now().date(),
                created_at=clock.now(),
            )
        )
        return ids

    ids = city.make(make)
    (hall,) = get(city, f"/v1/offerings/{offering.id}")["seat_maps"]
    drawn = [[(one["number"], one["x"], one["kind"]) for one in row["seats"]] for row in hall["rows"]]
    assert drawn == [
        [("1", 0, "standard"), ("2", 1, "standard"), ("3", 3, "standard")],
        [("1", 0, "wheelchair"), ("2", 1, "standard"), ("3", 2, "companion")],
    ]
    path = f"/v1/offerings/{offering.id}/slots"
    (one,) = get(city, path)["items"]
    assert (one["seats_left"], one["wheelchair_left"], one["seats"]) == (5, 1, None)
    assert (
        city.caller().book(slot.id, party_size=2, seats=[str(ids["1-1"]), str(ids["1-2"])]).status_code == 201
    )
    (one,) = get(city, path, seats="true")["items"]
    assert (one["seats_left"], one["wheelchair_left"]) == (3, 1)
    assert [(seat["row"], seat["number"]) for seat in one["seats"]] == [
        ("1", "3"),
        ("2", "1"),
        ("2", "2"),
        ("2", "3"),
    ]


class Counted:
    """A door to the database that counts what goes through."""

    def __init__(self, database):
        self.database, self.asked = database, 0

    @asynccontextmanager
    async def hot(self):
        async with self.database.hot() as connection:
            self.connection = connection
            yield self

    async def execute(self, *asked, **more):
        self.asked += 1
        return await self.connection.execute(*asked, **more)

    def cursor(self, *asked, **more):
        self.asked += 1
        return self.connection.cursor(*asked, **more)

    def transaction(self):
        return self.database.transaction()


@pytest.mark.parametrize(
    ("shape", "params", "queries"),
    [("counted", "", 2), ("interval", "", 2), ("seated", "", 2), ("seated", "?seats=true", 3)],
)
def test_a_week_of_fifty_slots_takes_two_queries(city, redis_url, shape, params, queries):
    offering = city.offering(shape=shape)

    async def fill(world):
        for number in range(50):
            starts_at = city.tomorrow + number * timedelta(hours=2)
            await world.slot(offering, {"general": 5}, starts_at=starts_at)
        if shape == "interval":
            await world.resource(offering, "1号场")
            await world.resource(offering, "2号场")

    city.make(fill)

    async def ask():
        app = create_app(
            Settings(database_url=city.database_url, redis_url=redis_url, keys=SecretStr(TEST_RING))
        )
        async with running(app) as (runtime, client):
            counted = Counted(runtime.database)
            app.state.runtime = replace(runtime, database=counted)
            answer = await client.get(f"/v1/offerings/{offering.id}/slots{params}")
            app.state.runtime = runtime
            return answer, counted.asked

    answer, asked = asyncio.run(ask())
    assert answer.status_code == 200
    assert len(answer.json()["items"]) >= 50
    assert asked == queries


def test_staff_of_the_site_see_what_a_caller_may_book(city):
    offering = city.offering(rules={"tiers": {"counter": {"channels": ["counter"]}}})
    city.slot({"general": 0, "counter": 2}, offering)
    wang = city.caller()
    path = f"/v1/offerings/{offering.id}/slots?person_id={wang.person_id}"
    site = get(city, f"/v1/offerings/{offering.id}")["site"]["id"]
    mine = sign_in(city.database_url, Grant("site_staff", "site", site))
    other = sign_in(city.database_url, Grant("site_staff", "site", str(offering.id)))
    (one,) = city.client.get(path, headers=mine).json()["items"]
    assert (one["bookable"]["ok"], one["places_left"]) == (True, 2)
    assert city.client.get(path, headers=other).status_code == 404


def test_nearby_keeps_sites_with_a_place_within_seconds(city):
    slot = city.slot({"general": 1})
    site = get(city, f"/v1/offerings/{slot.offering_id}")["site"]["id"]
    kept = {**HERE, "bookable": "true", "limit": 200}

    def found(**params):
        return [one["id"] for one in get(city, "/v1/sites/nearby", **params)["items"]]

    wait_until(lambda: site in found(**kept), "the site is bookable", 10)
    bookable, everything, params = set(found(**kept)), [], {**HERE, "limit": 200}
    while True:
        page = get(city, "/v1/sites/nearby", **params)
        everything += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        params["next"] = page["next"]
    assert [one for one in everything if one in bookable] == found(**kept)
    assert found(**{**kept, "q": "没有这样的地方"}) == []
    assert set(found(**{**kept, "q": "助餐"})) <= bookable
    assert site in found(**{**kept, "q": "助餐"})


def test_a_cursor_of_bookable_sites_is_not_one_of_all(city):
    page = get(city, "/v1/sites/nearby", **HERE, limit=1)
    answer = city.client.get("/v1/sites/nearby", params={**HERE, "bookable": "true", "next": page["next"]})
    assert (answer.status_code, answer.json()["code"]) == (404, "invalid-cursor")


async def test_the_last_set_serves_with_its_age_and_only_without_one_the_answer_is_503(
    own_city_url, redis_url
):
    app = create_app(Settings(database_url=own_city_url, redis_url=redis_url, keys=SecretStr(TEST_RING)))
    async with running(app) as (runtime, client):
        now = [clock.now()]
        sites = FreeSites(runtime.database, clock=lambda: now[0])
        app.state.runtime = replace(runtime, free_sites=sites)

        async def ask(**more):
            return await client.get("/v1/sites/nearby", params={**HERE, **more})

        refused = await ask(bookable="true")
        assert (refused.status_code, refused.json()["code"]) == (503, "free-sites-unknown")
        assert "Retry-After" in refused.headers
        assert (await ask()).status_code == 200
        sites.start()
        for _ in range(200):
            await asyncio.sleep(0.05)
            if (answer := await ask(bookable="true")).status_code != 503:
                break
        assert answer.status_code == 200
        await sites.stop()  # as if the database had gone away
        read = now[0]
        now[0] += timedelta(seconds=4)
        assert "X-Xinban-Stale-Since" not in (await ask(bookable="true")).headers
        now[0] += timedelta(seconds=4)
        late = await ask(bookable="true")
        assert (late.status_code, late.headers["X-Xinban-Stale-Since"]) == (200, read.isoformat())
        assert "X-Xinban-Stale-Since" not in (await ask()).headers
        app.state.runtime = runtime
