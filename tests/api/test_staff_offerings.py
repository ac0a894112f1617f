"""Offerings, templates and slots over HTTP: whole, by version, once, and only where one may."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import httpx
import psycopg
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from api.app import create_app
from api.cli.bookings import app as commands
from api.tasks.booking import generate_all, settle_all
from bench.scoped_lists import added, running, statements
from booking.reservations.reserve import Wish, reserve
from core import clock
from core.actor import SYSTEM, Grant
from core.database import Database
from core.keyring import KeyRing
from core.settings import Settings
from tests.api.people import sign_in
from tests.booking.bookable import Bookable
from tests.conftest import TEST_RING

RING = KeyRing.parse(TEST_RING)
LUNCH = {"kind": "meal", "title": "午餐", "opens_at": "07:00", "party_max": 4}
EVERY_DAY = ["workday", "rest_day", "holiday", "makeup_workday"]
PATTERN = {
    "day_kinds": EVERY_DAY,
    "starts_at": "12:00",
    "ends_at": "13:00",
    "places": {"general": 10},
    "valid_from": "2026-01-01",
}
TWO_SITES = (
    "select id::text from site where published_at is not null and status = 'active' order by id limit 2"
)


class Desk:
    """Staff of one site who send requests."""

    def __init__(self, url, database_url, site):
        self.client = httpx.Client(
            base_url=url,
            trust_env=False,
            timeout=30,
            headers=sign_in(database_url, Grant("site_staff", "site", site)),
        )
        self.database_url, self.site = database_url, site

    def ask(self, method, path, json=None, version=None, key=None):
        headers = {"Idempotency-Key": key or str(uuid4())} if method == "POST" else {}
        if version is not None:
            headers["If-Match"] = f'"v{version}"'
        return self.client.request(method, path, json=json, headers=headers)

    def done(self, *args, **more):
        answer = self.ask(*args, **more)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def offering(self, pattern=PATTERN, **more):
        made = self.done("POST", "/v1/staff/offerings", {**LUNCH, "site_id": self.site, **more})
        path = f"/v1/staff/offerings/{made['id']}"
        template = self.done("POST", f"{path}/templates", pattern) if pattern else None
        return self.done("POST", f"{path}/activate"), template

    def slots(self, offering, days=5, **more):
        today = clock.now().date()
        asked = {
            "offering_id": offering["id"],
            "from": str(today),
            "to": str(today + timedelta(days=days)),
            **more,
        }
        answer = self.client.get("/v1/staff/slots", params=asked)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def desks(edited):
    server, url = edited
    with psycopg.connect(url) as connection:
        sites = [row[0] for row in connection.execute(TWO_SITES)]
    two = [Desk(server.url, url, site) for site in sites]
    yield two
    for one in two:
        one.client.close()


@pytest.fixture
def desk(desks):
    return desks[0]


def in_database(url, work):
    async def run():
        async with Database(Settings(database_url=url)) as database:
            return await work(database)

    return asyncio.run(run())


def book(url, slot_id, people=1):
    """A resident books; the reservation's id."""

    async def work(database):
        async with database.transaction() as session:
            who = await Bookable(session, RING).resident()
            wish = Wish(person_id=who.person_id, slot_id=slot_id, party_size=people)
            one = await reserve(session, who.actor, ring=RING, wish=wish, now=clock.now())
            return one.id

    return in_database(url, work)


def test_a_clerk_sets_up_lunch_and_sees_its_slots(desk):
    offering, template = desk.offering()
    assert (offering["status"], offering["opens_at"], offering["version"]) == ("active", "07:00", 2)
    assert (template["starts_at"], template["slots"]["made"]) == ("12:00", 0)  # it was a draft then
    assert offering["slots"]["made"] >= 29
    page = desk.slots(offering, limit=2)
    assert len(page["items"]) == 2
    assert page["items"][0]["buckets"] == [
        {"tier": "general", "capacity": 10, "held": 0, "confirmed": 0, "set_aside": 0, "released_at": None}
    ]
    following = desk.slots(offering, limit=2, next=page["next"])
    assert following["items"][0]["starts_at"] > page["items"][1]["starts_at"]
    listed = desk.client.get("/v1/staff/offerings", params={"site_id": desk.site, "limit": 200}).json()
    assert offering["id"] in [one["id"] for one in listed["items"]]
    templates = desk.client.get(f"/v1/staff/offerings/{offering['id']}/templates").json()
    assert [one["id"] for one in templates["items"]] == [template["id"]]


def test_the_same_request_again_is_done_once(desk):
    body, key = {**LUNCH, "site_id": desk.site}, str(uuid4())
    first = desk.ask("POST", "/v1/staff/offerings", body, key=key)
    again = desk.ask("POST", "/v1/staff/offerings", body, key=key)
    assert (first.json()["id"], again.headers["idempotent-replayed"]) == (again.json()["id"], "true")


def test_an_edit_names_its_version_and_an_old_one_hears_what_others_did(desk):
    offering, _ = desk.offering()
    path = f"/v1/staff/offerings/{offering['id']}"
    assert desk.ask("PUT", path, LUNCH).status_code == 428
    changed = desk.ask("PUT", path, {**LUNCH, "title": "晚餐"}, version=2)
    assert (changed.status_code, changed.headers["etag"]) == (200, '"v3"')
    late = desk.ask("PUT", path, {**LUNCH, "title": "早餐"}, version=2)
    assert (late.status_code, late.json()["code"]) == (412, "offering-changed")
    assert late.json()["changes"] == {"title": {"now": "晚餐"}}
    assert desk.client.get(path).headers["etag"] == '"v3"'


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"shape": "interval"}, "/body"),
        ({"rules": {"limits": [{"per": "year", "most": 1}]}}, "/body/rules/limits/0/per"),
        ({"colour": "red"}, "/body/colour"),
        ({"opens_at": "25:00"}, "/body/opens_at"),
    ],
)
def test_what_is_wrong_with_an_offering_is_named(desk, more, pointer):
    answer = desk.ask("POST", "/v1/staff/offerings", {**LUNCH, "site_id": desk.site, **more})
    assert answer.status_code == 422, answer.text
    assert pointer in [one["pointer"] for one in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("first", "last"),
    [("0001-01-01", "0001-01-02"), ("9999-12-30", "9999-12-31"), ("2026-11-25", "2026-11-24")],
)
def test_dates_that_make_no_sense_are_refused(desk, first, last):
    asked = {"offering_id": str(uuid4()), "from": first, "to": last}
    assert desk.client.get("/v1/staff/slots", params=asked).status_code == 422


def test_an_edited_template_lists_the_booked_slots_that_no_longer_fit(desk):
    offering, template = desk.offering()
    slot = desk.slots(offering)["items"][1]
    book(desk.database_url, slot["id"], 2)
    path = f"/v1/staff/templates/{template['id']}"
    changed = desk.done("PUT", path, {**PATTERN, "starts_at": "17:00", "ends_at": "18:00"}, version=1)
    (misfit,) = changed["slots"]["do_not_fit"]
    assert (misfit["slot_id"], misfit["people"], misfit["why"]) == (slot["id"], 2, "time")
    warnings = desk.client.get("/v1/staff/offering-warnings", params={"offering_id": offering["id"]}).json()
    assert [(one["code"], one["slot_id"]) for one in warnings["items"]] == [("does_not_fit", slot["id"])]
    shown = {one["id"]: one for one in desk.slots(offering)["items"]}
    assert shown[slot["id"]]["warnings"] == ["does_not_fit"]
    desk.done("POST", f"/v1/staff/slots/{slot['id']}/keep")
    warnings = desk.client.get("/v1/staff/offering-warnings", params={"offering_id": offering["id"]}).json()
    assert warnings == {"items": [], "next": None}
    ended = desk.done("POST", f"{path}/end", version=2)
    assert ended["slots"]["taken_away"] >= 29


def test_fewer_places_than_are_taken_is_a_conflict_that_says_how_many(desk):
    offering, _ = desk.offering()
    slot = desk.slots(offering)["items"][1]
    book(desk.database_url, slot["id"], 3)
    path = f"/v1/staff/slots/{slot['id']}"
    refused = desk.ask("PUT", path, {"tiers": {"general": {"capacity": 2}}})
    assert (refused.status_code, refused.json()["code"]) == (409, "places-taken")
    assert refused.json()["taken"] == {"general": 3}
    after = desk.done("PUT", path, {"tiers": {"general": {"capacity": 3}}})
    assert (after["edited"], after["buckets"][0]["capacity"]) == (True, 3)


def test_a_closed_slot_moves_people_and_the_worker_does_it(desk):
    offering, _ = desk.offering()
    slot, target = desk.slots(offering)["items"][1:3]
    reservation = book(desk.database_url, slot["id"])
    path = f"/v1/staff/slots/{slot['id']}/close"
    without_key = desk.client.post(path, json={"reason": "停电"})
    assert without_key.status_code == 400
    closed = desk.done("POST", path, {"reason": "停电", "move_to": target["id"]})
    assert (closed["state"], closed["reservations"], closed["settled"]) == ("closed", 1, False)
    in_database(desk.database_url, lambda database: settle_all(database, RING, now=clock.now()))
    in_database(
        desk.database_url,
        lambda database: settle_all(database, RING, now=clock.now() + timedelta(minutes=2)),
    )
    shown = {one["id"]: one for one in desk.slots(offering)["items"]}
    assert shown[slot["id"]]["settled"]
    assert shown[target["id"]]["buckets"][0]["confirmed"] == 1
    with psycopg.connect(desk.database_url) as connection:
        found = connection.execute(
            "select slot_id::text, state from reservation where id = %s", (reservation,)
        ).fetchone()
    assert found == (target["id"], "confirmed")


def test_a_lent_block_and_what_its_lender_says(desk):
    offering, _ = desk.offering(
        {**PATTERN, "places": {}}, kind="clinic", capacity_authority="allotted", opens_at=None
    )
    slot = desk.slots(offering)["items"][1]
    block = {"lender": "市人民医院", "reference": "A-1", "lent": 5, "return_at": slot["starts_at"]}
    shown = desk.done("PUT", f"/v1/staff/slots/{slot['id']}/allotment", block)
    assert (shown["buckets"][0]["capacity"], shown["allotment"]["lent"]) == (5, 5)
    book(desk.database_url, slot["id"], 2)
    compared = desk.done("POST", f"/v1/staff/slots/{slot['id']}/reconcile", {"used": 3})
    assert (compared["ours"], compared["difference"]) == (2, 1)


def test_seats_and_resources(desk):
    seats = [{"row": "1", "number": str(x), "x": x} for x in range(1, 4)]
    shown = desk.done("PUT", f"/v1/staff/sites/{desk.site}/seats", {"map": "main", "seats": seats})
    assert [one["number"] for one in shown["seats"]] == ["1", "2", "3"]
    lengths = {"granularity_minutes": 30, "shortest_minutes": 60, "longest_minutes": 120}
    offering, _ = desk.offering({**PATTERN, "places": {}}, kind="venue", shape="interval", **lengths)
    path = f"/v1/staff/offerings/{offering['id']}/resources"
    shown = desk.done("PUT", path, {"resources": [{"name": "一号场"}, {"name": "二号场"}]})
    assert [(one["name"], one["status"]) for one in shown["items"]] == [
        ("一号场", "active"),
        ("二号场", "active"),
    ]


def test_staff_of_another_site_are_refused_everywhere(desks):
    own, other = desks
    offering, template = own.offering()
    slot = own.slots(offering)["items"][1]["id"]
    today = str(clock.now().date())
    offerings, templates = f"/v1/staff/offerings/{offering['id']}", f"/v1/staff/templates/{template['id']}"
    calls = [
        ("POST", "/v1/staff/offerings", {**LUNCH, "site_id": own.site}),
        ("GET", offerings, None),
        ("PUT", offerings, LUNCH),
        ("POST", f"{offerings}/activate", None),
        ("POST", f"{offerings}/pause", None),
        ("POST", f"{offerings}/end", None),
        ("POST", f"{offerings}/templates", PATTERN),
        ("GET", f"{offerings}/templates", None),
        ("PUT", f"{offerings}/resources", {"resources": []}),
        ("PUT", templates, PATTERN),
        ("POST", f"{templates}/end", None),
        ("GET", f"/v1/staff/slots?offering_id={offering['id']}&from={today}&to={today}", None),
        ("PUT", f"/v1/staff/slots/{slot}", {"tiers": {"general": {"capacity": 1}}}),
        ("POST", f"/v1/staff/slots/{slot}/close", {"reason": "停电"}),
        ("POST", f"/v1/staff/slots/{slot}/keep", None),
        ("POST", f"/v1/staff/slots/{slot}/reconcile", {"used": 1}),
        (
            "PUT",
            f"/v1/staff/slots/{slot}/allotment",
            {"lender": "a", "reference": "b", "lent": 1, "return_at": "2027-01-01T00:00:00Z"},
        ),
        (
            "PUT",
            f"/v1/staff/sites/{own.site}/seats",
            {"map": "m", "seats": [{"row": "1", "number": "1", "x": 1}]},
        ),
    ]
    for method, path, body in calls:
        answer = other.ask(method, path, body, version=1 if method == "PUT" else None)
        assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed"), (method, path)
        signed_out = httpx.request(
            method, str(own.client.base_url) + path, json=body, headers={"If-Match": '"v1"'}, trust_env=False
        )
        assert signed_out.status_code in (400, 401), (method, path)  # 400: without a key
    assert offering["id"] not in [
        one["id"] for one in other.client.get("/v1/staff/offerings?limit=200").json()["items"]
    ]
    draft = own.done("POST", "/v1/staff/offerings", {**LUNCH, "site_id": own.site})
    assert other.ask("GET", f"/v1/staff/offerings/{draft['id']}").status_code == 404


def test_the_command_and_two_workers_make_what_is_missing(desk, monkeypatch):
    offering, _ = desk.offering()

    async def both(database):
        one = {"region": "CN", "days": 20, "now": clock.now()}
        return await asyncio.gather(*(generate_all(database, SYSTEM, **one) for _ in range(2)))

    in_database(desk.database_url, both)  # what other offerings of this city are missing
    with psycopg.connect(desk.database_url) as connection:
        connection.execute("delete from slot_bucket using slot where slot.id = slot_id and offering_id = %s", (offering["id"],))  # fmt: skip
        connection.execute("delete from slot where offering_id = %s", (offering["id"],))
    made = in_database(desk.database_url, both)
    assert sum(made) == len(desk.slots(offering, days=40)["items"])
    monkeypatch.setenv("XINBAN_DATABASE_URL", desk.database_url)
    done = CliRunner().invoke(commands, ["generate", "--days", "25"])
    assert (done.exit_code, "new slots: " in done.output) == (0, True), done.output
    assert len(desk.slots(offering, days=40)["items"]) == sum(made) + 5


async def test_lists_take_as_many_queries_whoever_asks_and_however_many_there_are(own_city_url, redis_url):
    app = create_app(Settings(database_url=own_city_url, redis_url=redis_url, keys=SecretStr(TEST_RING)))
    with psycopg.connect(own_city_url) as connection:
        township = connection.execute("select id from area where kind = 'township' limit 1").fetchone()[0]
    async with running(app) as (runtime, client):
        for path in ("/v1/staff/offerings", "/v1/staff/offering-warnings"):
            assert await added(runtime, client, path, "site_staff", township=township) == 0
            asked = [
                await statements(runtime, client, f"{path}?limit={limit}", Grant("site_staff", "district"))
                for limit in (1, 200)
            ]
            assert [len(one) for one in asked] == [1, 1]
