"""Booking over HTTP: the fast way and the general one answer alike, once under a key."""

import time
from datetime import timedelta

import psycopg
import pytest

from tests.api.bookable import BookableCity

NOBODY = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def city(edited):
    server, database_url = edited
    with BookableCity(server.url, database_url) as city:
        yield city


def count(city, statement, *values):
    with psycopg.connect(city.database_url) as connection:
        return connection.execute(statement, values).fetchone()[0]


def test_a_booking_is_answered_whole_and_found_again(city):
    slot, wang = city.slot({"general": 2}), city.caller()
    answer = wang.book(slot.id)
    assert answer.status_code == 201, answer.text
    one = answer.json()
    assert answer.headers["Location"] == f"/v1/reservations/{one['id']}"
    assert (one["state"], one["state_zh"], one["title"], one["channel"]) == (
        "confirmed",
        "已预约",
        "午餐",
        "app",
    )
    assert one["starts_at"].endswith("+08:00")
    shown = wang.call("GET", f"/v1/reservations/{one['id']}").json()
    assert shown.pop("history") == [
        {
            "number": 1,
            "at": one["created_at"],
            "state": "confirmed",
            "channel": "app",
            "by": "booker",
            "why": "booked",
        }
    ]
    assert {name: value for name, value in one.items() if name != "history"} == shown
    listed = wang.call("GET", "/v1/reservations").json()
    assert [each["id"] for each in listed["items"]] == [one["id"]]


def test_the_same_key_books_once_and_is_answered_the_same(city):
    slot, wang = city.slot({"general": 2}), city.caller()
    first = wang.book(slot.id, "key-of-wang-1")
    again = wang.book(slot.id, "key-of-wang-1")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = wang.book(slot.id, "key-of-wang-1", party_size=2)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    taken = count(city, "select confirmed from slot_bucket where slot_id = %s", slot.id)
    assert taken == 1


@pytest.mark.parametrize(
    ("said", "pointers"),
    [
        ({}, {"/body/person_id"}),
        ({"slot_id": "12", "party_size": 0}, {"/body/slot_id", "/body/person_id", "/body/party_size"}),
        ({"seats": ["A1"], "colour": "red"}, {"/body/person_id", "/body/seats/0", "/body/colour"}),
        (
            {"person_id": None, "starts_at": [], "wheelchair": "maybe"},
            {"/body/person_id", "/body/starts_at", "/body/wheelchair"},
        ),
        ([], {"/body"}),
    ],
)
def test_each_wrong_field_is_named(city, said, pointers):
    answer = city.caller().post("/v1/reservations", said)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert {one["pointer"] for one in answer.json()["errors"]} == pointers
    assert "无效" not in answer.json()["detail"]  # each is said in Chinese


@pytest.mark.parametrize("rules", [{}, {"eligibility": [{"rule": "min_age", "value": 18}]}])
def test_a_time_within_a_slot_is_refused_and_so_is_another_offerings(city, rules):
    """The whole slot would be booked in its place. By the fast way and by the general one."""
    slot, wang = city.slot({"general": 9}, city.offering(rules=rules)), city.caller()
    named = {"starts_at": slot.starts_at.isoformat(), "ends_at": slot.ends_at.isoformat()}
    for more in (named, {"starts_at": named["starts_at"]}, {"resource_id": NOBODY}, {"offering_id": NOBODY}):
        refused = wang.book(slot.id, **more)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid-wish")
    unnamed = {**named, "offering_id": str(slot.offering_id), "person_id": str(wang.person_id)}
    assert wang.post("/v1/reservations", unnamed).json()["code"] == "invalid-wish"


def test_a_time_within_a_slot_is_refused_when_rescheduling(city):
    offering, wang = city.offering(), city.caller()
    one = wang.book(city.slot({"general": 1}, offering).id).json()
    other = city.slot({"general": 1}, offering, city.tomorrow + timedelta(hours=3))
    path = f"/v1/reservations/{one['id']}/reschedule"
    named = {"slot_id": str(other.id), "starts_at": one["starts_at"], "ends_at": one["ends_at"]}
    assert wang.post(path, named).json()["code"] == "invalid-wish"
    assert wang.post(path, {"slot_id": str(other.id)}).status_code == 200


def test_whoever_has_a_place_is_answered_so_when_the_slot_is_full_by_then(city):
    slot, wang, li = city.slot({"general": 1}), city.caller(), city.caller()
    first = wang.book(slot.id, "key-of-wang-2")
    for _ in range(2):  # the second refusal is from memory
        refused = li.book(slot.id)
        assert (refused.status_code, refused.json()["code"]) == (409, "slot-full")
    assert wang.book(slot.id, "key-of-wang-2").content == first.content


def test_a_freed_place_can_be_had_within_a_second(city):
    slot, wang, li = city.slot({"general": 1}), city.caller(), city.caller()
    one = wang.book(slot.id).json()
    assert li.book(slot.id).status_code == 409
    assert wang.post(f"/v1/reservations/{one['id']}/cancel").json()["state"] == "cancelled"
    time.sleep(1.1)
    assert li.book(slot.id).status_code == 201


def test_holding_confirming_and_moving(city):
    offering = city.offering()
    first, second = (
        city.slot({"general": 1}, offering),
        city.slot({"general": 1}, offering, city.tomorrow.replace(minute=30)),
    )
    wang = city.caller()
    one = wang.book(first.id, hold=True).json()
    assert (one["state"], one["expires_at"] is not None) == ("held", True)
    confirmed = wang.post(f"/v1/reservations/{one['id']}/confirm")
    assert (confirmed.status_code, confirmed.json()["state"]) == (200, "confirmed")
    moved = wang.post(f"/v1/reservations/{one['id']}/reschedule", {"slot_id": str(second.id)})
    assert (moved.status_code, moved.json()["slot_id"]) == (200, str(second.id)), moved.text
    assert city.caller().book(first.id).status_code == 201


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"slot_id": None}, 422, "invalid-request"),
        ({"slot_id": "01a20dc3-fb43-7322-a8c8-3b0dab889c8c"}, 404, "slot-not-found"),
        ({"person_id": "01a20dc3-fb43-7322-a8c8-3b0dab889c8c"}, 404, "person-not-found"),
        ({"party_size": 0}, 422, "invalid-request"),
        ({"party_size": 9}, 422, "invalid-wish"),
        ({"mode": "by_air"}, 422, "invalid-wish"),
        ({"seats": ["01a20dc3-fb43-7322-a8c8-3b0dab889c8c"]}, 422, "invalid-wish"),
        ({"surprise": 1}, 422, "invalid-request"),
    ],
)
def test_what_cannot_be_booked_is_refused_with_what_to_do(city, change, status, code):
    slot, wang = city.slot({"general": 1}), city.caller()
    body = {"slot_id": str(slot.id), "person_id": str(wang.person_id), **change}
    answer = wang.post("/v1/reservations", {name: value for name, value in body.items() if value is not None})
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json()["detail"]


def test_a_key_and_a_token_are_needed(city):
    slot, wang = city.slot({"general": 1}), city.caller()
    body = {"slot_id": str(slot.id), "person_id": str(wang.person_id)}
    assert wang.call("POST", "/v1/reservations", body).status_code == 400
    assert wang.post("/v1/reservations", body, "short").status_code == 422
    anonymous = city.client.post("/v1/reservations", json=body, headers={"Idempotency-Key": "12345678"})
    assert (anonymous.status_code, anonymous.json()["code"]) == (401, "not-signed-in")


def test_nobody_sees_or_changes_what_is_anothers(city):
    slot, wang, li = city.slot({"general": 1}), city.caller(), city.caller()
    one = wang.book(slot.id).json()["id"]
    for path in ("", "/qr.svg", ".ics"):
        assert wang.call("GET", f"/v1/reservations/{one}{path}").status_code == 200
        assert li.call("GET", f"/v1/reservations/{one}{path}").status_code == 404
    for act in ("confirm", "cancel"):
        assert li.post(f"/v1/reservations/{one}/{act}").status_code == 404
    assert li.post(f"/v1/reservations/{one}/reschedule", {"slot_id": str(slot.id)}).status_code == 404
    assert li.call("GET", "/v1/reservations").json() == {"items": [], "next": None}
