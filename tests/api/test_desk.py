"""The desk over HTTP: a morning at a meal point, what is refused, and who may do what where."""

import asyncio
import io
import json
from base64 import urlsafe_b64decode
from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from procrastinate import App
from procrastinate.testing import InMemoryConnector
from python_calamine import CalamineWorkbook

from api.tasks.desk import add_desk_tasks
from booking.desk.rosters import base64
from core import clock
from core.permissions import RULES
from core.settings import Settings
from tests.api.desks import ServedDesk
from tests.api.people import sign_in
from tests.api.running import serving
from tests.booking.desk.meals import minutes
from tests.conftest import create_database, drop_database, url_of


@pytest.fixture(scope="module")
def served(tmp_path_factory, server_url, city_template, redis_url):
    """A server on a demo city of this file's own, and the database's address."""
    name = create_database(server_url, city_template)
    url = url_of(server_url, name)
    log = tmp_path_factory.mktemp("desk") / "log"
    with serving(log, database_url=url, redis_url=redis_url) as one:
        yield one.url, url
        assert [line for line in one.log() if line["level"] == "ERROR" or line.get("status") == 500] == []
    drop_database(server_url, name)


@pytest.fixture
def desk(served):
    return ServedDesk(*served)


@pytest.fixture
def other(served):
    return ServedDesk(*served, number=1)


def ours(desk, answer):
    """The desk's own slot in the list; tests share a site."""
    assert answer.status_code == 200, answer.text
    (slot,) = [one for one in answer.json()["items"] if one["slot_id"] == str(desk.slot.id)]
    return slot


def test_a_morning_at_the_desk(desk):
    one, two = desk.guest(), desk.guest("李强", "+8613800004321")
    slot = ours(desk, desk.get("/v1/staff/desk"))
    assert (slot["places"], slot["places_left"], slot["counts"]) == (10, 8, {"confirmed": 2})
    shown = {person["code"]: person for person in slot["reservations"]}
    assert (shown[one.code]["name"], shown[one.code]["last_digits"]) == ("王**", "0001")
    # The QR code.
    came = desk.post("/v1/staff/checkins", {"ticket": desk.ticket(one), "site_id": str(desk.site_id)})
    assert (came.status_code, came.json()["already"]) == (200, False)
    assert came.headers["Cache-Control"] == "no-store"
    again = desk.post("/v1/staff/checkins", {"ticket": desk.ticket(one)})
    assert (again.status_code, again.json()["already"], again.json()["by_me"]) == (200, True, True)
    # The six digits, the wrong finger, and the list.
    code = {"code": two.code, "slot_id": str(desk.slot.id)}
    assert desk.post("/v1/staff/checkins", code).json()["reservation"]["state"] == "checked_in"
    undone = desk.post(f"/v1/staff/checkins/{two.id}/undo")
    assert (undone.status_code, undone.json()["state"]) == (200, "confirmed")
    assert desk.post(f"/v1/staff/reservations/{two.id}/no-show").json()["already"] is False
    assert desk.post(f"/v1/staff/reservations/{two.id}/no-show/undo").json()["state"] == "confirmed"
    # Somebody without a reservation: one call.
    walked = desk.post("/v1/staff/walk-ins", {"offering_id": str(desk.offering.id)})
    assert walked.status_code == 201, walked.text
    assert walked.json()["reservation"]["state"] == "checked_in"
    slot = ours(desk, desk.get("/v1/staff/desk"))
    assert (slot["places_left"], slot["people"]) == (7, {"checked_in": 2, "confirmed": 1})
    (walk_in,) = [one for one in slot["reservations"] if one["walk_in"]]
    assert (walk_in["name"], walk_in["checked_in_at"] is None) == (None, False)


def test_people_are_found_by_digits_in_the_address_and_by_name_in_the_body(desk):
    one = desk.guest("欧阳修", "+8613800008765")
    for asked in ({"q": one.code}, {"q": "8765"}):
        found = ours(desk, desk.get("/v1/staff/desk", **asked))["reservations"]
        assert [person["id"] for person in found] == [str(one.id)]
    assert desk.get("/v1/staff/desk", q="欧阳").status_code == 422
    body = {"site_id": str(desk.site_id), "on": desk.on, "q": "欧阳"}
    found = ours(desk, desk.post("/v1/staff/desk/search", body))["reservations"]
    assert [(person["id"], person["name"]) for person in found] == [(str(one.id), "欧**")]


def test_each_refusal_says_what_it_is(desk, other):
    elsewhere, tomorrow = other.guest(), desk.guest(slot=desk.slot_at(timedelta(days=1)))
    evening = desk.guest(slot=desk.slot_at(timedelta(hours=3)))
    gone = desk.guest()
    cancelled = desk.post(
        f"/v1/staff/reservations/{gone.id}/cancel", {"channel": "phone", "reason": "本人来电取消"}
    )
    assert cancelled.json()["state"] == "cancelled"
    ticket = desk.ticket(desk.guest())
    for body, status, code in (
        ({"ticket": desk.ticket(elsewhere), "site_id": str(desk.site_id)}, 409, "wrong-desk"),
        ({"reservation_id": str(elsewhere.id)}, 403, "not-allowed"),
        ({"ticket": desk.ticket(tomorrow)}, 409, "wrong-day"),
        ({"ticket": desk.ticket(gone)}, 409, "wrong-state"),
        ({"ticket": ticket[:-4] + "AAAA"}, 422, "invalid-ticket"),
        ({"code": "000000", "slot_id": str(desk.slot.id)}, 404, "reservation-not-found"),
        ({"reservation_id": str(uuid4())}, 404, "reservation-not-found"),
        ({"ticket": ticket, "at": (clock.now() + minutes(5)).isoformat()}, 422, "invalid-time"),
        ({}, 422, "invalid-request"),
        ({"code": "000000"}, 422, "invalid-request"),
        ({"ticket": ticket, "reservation_id": str(gone.id)}, 422, "invalid-request"),
    ):
        answer = desk.post("/v1/staff/checkins", body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    wrong = desk.post("/v1/staff/checkins", {"ticket": desk.ticket(elsewhere)}).json()
    assert (wrong["site_name"], wrong["site_id"]) == (other.site_name, str(other.site_id))
    early = desk.post("/v1/staff/checkins", {"ticket": desk.ticket(evening)})
    assert early.json()["code"] in ("outside-check-in", "wrong-day")  # it may be tomorrow by then
    if early.json()["code"] == "outside-check-in":
        told = {"ticket": desk.ticket(evening), "why": "提前到场，已核对"}
        assert desk.post("/v1/staff/checkins", told).json()["already"] is False


def test_when_it_is_full_the_clerk_hears_where_else_there_is_a_place(served):
    desk = ServedDesk(*served, places={"general": 1})
    later = desk.slot_at(timedelta(hours=2))
    walk_in = {"slot_id": str(desk.slot.id)}
    assert desk.post("/v1/staff/walk-ins", walk_in).status_code == 201
    full = desk.post("/v1/staff/walk-ins", walk_in)
    assert (full.status_code, full.json()["code"], full.json()["waitlist"]) == (409, "slot-full", True)
    assert [one["slot_id"] for one in full.json()["alternatives"]] == [str(later.id)]


def test_a_walk_in_sent_again_after_a_lost_answer_takes_one_place(desk):
    key = {"Idempotency-Key": str(uuid4())}
    answers = [desk.post("/v1/staff/walk-ins", {"slot_id": str(desk.slot.id)}, said=key) for _ in range(2)]
    assert [one.status_code for one in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert ours(desk, desk.get("/v1/staff/desk"))["places_left"] == 9


@pytest.mark.parametrize("path", ["walk-ins", "reservations"])
def test_what_takes_a_place_needs_a_key(desk, path):
    answer = desk.call("POST", f"/v1/staff/{path}", {}, said={"Idempotency-Key": ""})
    assert answer.status_code in (400, 422)


def test_staff_book_for_a_caller_whom_they_looked_up(desk):
    known = desk.guest("钱七", "+8613811112222")
    dinner = desk.slot_at(timedelta(hours=4))
    body = {
        "channel": "phone",
        "person_id": str(known.person_id),
        "slot_id": str(dinner.id),
        "mode": "pick_up",
    }
    assert desk.post("/v1/staff/reservations", body).json()["code"] == "person-not-found"
    desk.post("/v1/staff/persons/search", {"phone": "13811112222"})
    made = desk.post("/v1/staff/reservations", body)
    assert (made.status_code, made.json()["state"], made.json()["mode"]) == (201, "confirmed", "pick_up")
    ((channel,),) = desk.query("select channel from reservation where id = %s", made.json()["id"])
    assert channel == "phone"


def test_the_sign_in_sheet_prints_full_names_and_says_so_on_the_record(desk):
    one = desk.guest("王秀英<b>", "+8613800000001")
    page = desk.get("/v1/staff/desk/sheet")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "王秀英&lt;b&gt;" in page.text
    assert "13800000001" not in page.text
    sheet = desk.get("/v1/staff/desk/sheet.xlsx")
    assert "filename*=UTF-8''" in sheet.headers["Content-Disposition"]
    rows = CalamineWorkbook.from_filelike(io.BytesIO(sheet.content)).get_sheet_by_index(0).to_python()
    assert [row[4] for row in rows if row[3] == one.code] == ["王秀英<b>"]
    said = desk.query(
        "select reason, detail->>'look' from audit_entry where person_id = %s and reason is not null",
        one.person_id,
    )
    assert said == [("sign-in sheet", "sheet")] * 2


def test_a_device_works_through_an_outage(desk):
    key = X25519PrivateKey.generate()
    one, two = desk.guest(), desk.guest("李强", "+8613800004321")
    answer = desk.get("/v1/staff/desk/roster", device_key=base64(key.public_key().public_bytes_raw()))
    assert answer.status_code == 200, answer.text
    sealed = answer.json()
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    roster = json.loads(
        suite.decrypt(_bytes(sealed["enc"]) + _bytes(sealed["ciphertext"]), key, sealed["info"].encode())
    )
    (slot,) = [slot for slot in roster["slots"] if slot["slot_id"] == str(desk.slot.id)]
    assert {person["code"] for person in slot["reservations"]} == {one.code, two.code}
    # Meanwhile a colleague with a network checks the second in.
    colleague = desk.staff("carer")
    desk.post("/v1/staff/checkins", {"reservation_id": str(two.id)}, headers=colleague)
    at = clock.now().isoformat()
    walk = {"id": str(uuid4()), "kind": "walk_in", "slot_id": slot["slot_id"], "party_size": 2, "at": at}
    batch = {
        "site_id": str(desk.site_id),
        "device_id": "desk-1",
        "roster_id": sealed["roster_id"],
        "items": [
            {"id": str(uuid4()), "kind": "check_in", "ticket": desk.ticket(one), "at": at},
            {"id": str(uuid4()), "kind": "check_in", "reservation_id": str(two.id), "at": at},
            walk,
            {"id": str(uuid4()), "kind": "undo", "undoes": walk["id"], "at": at},
        ],
    }
    reports = desk.post("/v1/staff/desk/sync", batch).json()["items"]
    assert [report["result"] for report in reports] == ["done", "conflict", "done", "done"]
    assert reports[1]["conflict"]["code"] == "checked-in-elsewhere"
    assert reports[1]["conflict"]["detail_zh"]
    again = desk.post("/v1/staff/desk/sync", batch).json()["items"]
    assert [report["result"] for report in again] == ["already", "conflict", "already", "already"]
    assert (desk.state(one.id), desk.state(reports[2]["reservation_id"])) == ("checked_in", "cancelled")


def _bytes(text):
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize(
    "item",
    [
        {"kind": "check_in"},
        {"kind": "walk_in"},
        {"kind": "undo"},
        {"kind": "check_in", "code": "123456"},
        {"kind": "walk_in", "slot_id": str(uuid4()), "reservation_id": str(uuid4())},
        {"kind": "undo", "undoes": str(uuid4()), "reservation_id": str(uuid4())},
        {"kind": "cancel", "reservation_id": str(uuid4())},
    ],
)
def test_an_item_that_says_too_little_or_too_much_is_named(desk, item):
    said = {"id": str(uuid4()), "at": clock.now().isoformat(), **item}
    body = {"site_id": str(desk.site_id), "device_id": "desk-1", "items": [said]}
    answer = desk.post("/v1/staff/desk/sync", body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/body/items/0")


def test_more_than_500_items_are_too_many(desk):
    at = clock.now().isoformat()
    items = [
        {"id": str(uuid4()), "kind": "check_in", "reservation_id": str(uuid4()), "at": at} for _ in range(501)
    ]
    body = {"site_id": str(desk.site_id), "device_id": "desk-1", "items": items}
    assert desk.post("/v1/staff/desk/sync", body).status_code == 422


async def test_the_worker_notes_who_did_not_come(served):
    desk = await asyncio.to_thread(lambda: ServedDesk(*served))
    came, absent = [await asyncio.to_thread(desk.guest, "王秀英", None) for _ in range(2)]
    desk.post("/v1/staff/checkins", {"ticket": desk.ticket(came)})
    with psycopg.connect(desk.database_url) as connection:
        connection.execute(
            "update reservation set starts_at = starts_at - interval '26 hours', ends_at = ends_at - interval '26 hours'"
            " where slot_id = %s",
            (desk.slot.id,),
        )
    jobs = App(connector=InMemoryConnector())
    add_desk_tasks(jobs, Settings(database_url=desk.database_url))
    for name in ("mark_absences", "forget_sync_items"):
        await jobs.tasks[name](0)
    assert (desk.state(came.id), desk.state(absent.id)) == ("checked_in", "no_show")


KEY = base64(X25519PrivateKey.generate().public_key().public_bytes_raw())


def calls(desk, one, dinner):
    """Every call of the desk, well-formed; those in charge may make all of them, in this order."""
    site, at = str(desk.site_id), clock.now().isoformat()
    day = {"site_id": site, "on": desk.on}
    item = {"id": str(uuid4()), "kind": "walk_in", "slot_id": str(desk.slot.id), "at": at}
    known = {
        "channel": "counter",
        "person_id": str(one.person_id),
        "slot_id": str(dinner.id),
        "mode": "dine_in",
    }
    return [
        ("GET", "/v1/staff/desk", day, None),
        ("GET", "/v1/staff/desk/sheet", day, None),
        ("GET", "/v1/staff/desk/sheet.xlsx", day, None),
        ("GET", "/v1/staff/desk/roster", {**day, "device_key": KEY}, None),
        ("POST", "/v1/staff/desk/search", None, {**day, "q": "王"}),
        ("POST", "/v1/staff/desk/sync", None, {"site_id": site, "device_id": "desk-1", "items": [item]}),
        ("POST", "/v1/staff/walk-ins", None, {"slot_id": str(desk.slot.id)}),
        ("POST", "/v1/staff/checkins", None, {"reservation_id": str(one.id)}),
        ("POST", f"/v1/staff/checkins/{one.id}/undo", None, None),
        ("POST", f"/v1/staff/reservations/{one.id}/no-show", None, None),
        ("POST", f"/v1/staff/reservations/{one.id}/no-show/undo", None, None),
        ("POST", "/v1/staff/reservations", None, known),
        ("POST", f"/v1/staff/reservations/{one.id}/cancel", None, {"reason": "本人来电取消"}),
    ]


@pytest.mark.parametrize("role", sorted(RULES["desk.run"].roles - {"district_admin"}))
def test_the_desk_of_another_place_is_closed_to_everyone_who_runs_one(desk, other, role):
    one = desk.guest("孙八", "+8613822223333")
    dinner = desk.slot_at(timedelta(hours=4))
    there, here = other.staff(role), desk.staff(role)
    resident = sign_in(desk.database_url, kind="resident")
    for method, path, params, body in calls(desk, one, dinner):
        for headers in (there, resident):
            answer = desk.call(method, path, body, params=params, headers=headers)
            assert answer.status_code in (403, 404), (method, path, answer.text)
        nobody = desk.call(method, path, body, params=params, headers={"Accept": "*/*"})
        assert nobody.status_code == 401, (method, path)
    desk.call("POST", "/v1/staff/persons/search", {"phone": "13822223333"}, headers=here)
    for method, path, params, body in calls(desk, one, dinner):
        answer = desk.call(method, path, body, params=params, headers=here)
        assert answer.status_code in (200, 201), (method, path, answer.text)


def test_every_call_of_the_desk_is_on_record(desk):
    one = desk.guest("周九", "+8613833334444")
    dinner = desk.slot_at(timedelta(hours=4))
    desk.post("/v1/staff/persons/search", {"phone": "13833334444"})
    for method, path, params, body in calls(desk, one, dinner):
        before = desk.query("select count(*) from audit_entry where action = 'desk.run'")
        assert desk.call(method, path, body, params=params).is_success
        assert desk.query("select count(*) from audit_entry where action = 'desk.run'") > before, path
