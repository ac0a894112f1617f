"""Places left empty over HTTP: seen, appealed, decided."""

import psycopg
import pytest

from core.actor import Grant
from core.ids import new_id
from tests.api.bookable import BookableCity
from tests.api.people import sign_in

RULES = {"attendance": {"most": 1}}


@pytest.fixture(scope="module")
def city(edited):
    server, database_url = edited
    with BookableCity(server.url, database_url) as city:
        yield city


@pytest.fixture
def missed(city):
    """Who left a place empty, their reservation, and the headers of staff of that site."""
    offering = city.offering(rules=RULES)
    wang = city.caller()
    booked = wang.book(city.slot({"general": 1}, offering).id).json()["id"]
    with psycopg.connect(city.database_url) as connection:
        connection.execute("update reservation set state = 'no_show' where id = %s", (booked,))
        connection.execute(
            "insert into attendance_mark (id, person_id, reservation_id, offering_id, kind, at)"
            " values (%s, %s, %s, %s, 'no_show', now())",
            (new_id(), wang.person_id, booked, offering.id),
        )
    staff = sign_in(city.database_url, Grant("site_staff", "site", str(offering.site_id)))
    return wang, booked, staff, offering


def test_a_place_left_empty_is_seen_and_pauses_booking(city, missed):
    wang, booked, _, offering = missed
    said = wang.call("GET", "/v1/me/attendance").json()
    assert [(one["reservation_id"], one["counts"]) for one in said["items"]] == [(booked, True)]
    assert said["standings"][0]["blocked_until"] is not None
    refused = wang.book(city.slot({"general": 1}, offering).id)
    assert (refused.status_code, refused.json()["code"]) == (409, "blocked")
    assert "blocked_until" in refused.json()


def test_an_appeal_is_made_read_and_waived(city, missed):
    wang, booked, staff, offering = missed
    made = wang.post(f"/v1/reservations/{booked}/appeal", {"text": "那天住院了"})
    assert (made.status_code, made.json()["state"]) == (201, "open")
    assert wang.call("GET", "/v1/me/attendance").json()["items"][0]["counts"] is False
    again = wang.post(f"/v1/reservations/{booked}/appeal", {"text": "真的"})
    assert (again.status_code, again.json()["code"]) == (409, "appeal-made")
    listed = city.client.get(f"/v1/staff/appeals?site_id={offering.site_id}&limit=200", headers=staff)
    assert listed.headers["Cache-Control"] == "no-store"
    item = next(one for one in listed.json()["items"] if one["id"] == made.json()["id"])
    assert (item["text"], item["name"], item["reservation_id"]) == ("那天住院了", "王**", booked)
    with psycopg.connect(city.database_url) as connection:
        found = connection.execute(
            "select count(*) from audit_entry where action = 'attendance.read' and person_id = %s",
            (wang.person_id,),
        ).fetchone()
    assert found == (1,)
    path = f"/v1/staff/appeals/{item['id']}/waive"
    others = sign_in(city.database_url, Grant("site_staff", "site", str(new_id())))
    assert city.client.post(path, json={"answer": "好的"}, headers=others).status_code == 404
    waived = city.client.post(path, json={"answer": "祝早日康复"}, headers=staff)
    assert (waived.status_code, waived.json()["state"]) == (200, "waived")
    said = wang.call("GET", "/v1/me/attendance").json()
    assert (said["items"][0]["answer"], said["items"][0]["counts"]) == ("祝早日康复", False)
    assert said["standings"][0]["blocked_until"] is None
    second = city.client.post(path.replace("waive", "uphold"), json={"answer": "不行"}, headers=staff)
    assert (second.status_code, second.json()["code"]) == (409, "appeal-decided")


def test_pages_of_appeals_hold_each_once(city, missed):
    wang, booked, staff, offering = missed
    wang.post(f"/v1/reservations/{booked}/appeal", {"text": "那天住院了"})
    other = city.caller()
    second = other.book(city.slot({"general": 1}, offering).id).json()["id"]
    with psycopg.connect(city.database_url) as connection:
        connection.execute(
            "insert into attendance_mark (id, person_id, reservation_id, offering_id, kind, at)"
            " values (%s, %s, %s, %s, 'late_cancel', now())",
            (new_id(), other.person_id, second, offering.id),
        )
    other.post(f"/v1/reservations/{second}/appeal", {"text": "堵车了"})
    seen, cursor = [], ""
    while cursor is not None:
        page = city.client.get(f"/v1/staff/appeals?limit=1{cursor and '&next=' + cursor}", headers=staff)
        seen += [one["reservation_id"] for one in page.json()["items"]]
        cursor = page.json()["next"]
    assert len(seen) == len(set(seen))
    assert [one for one in seen if one in (booked, second)] == [booked, second]


def test_there_is_nothing_to_appeal_without_a_mark_of_ones_own(city, missed):
    wang, booked, _, _ = missed
    stranger = city.caller()
    for who, reservation in ((stranger, booked), (wang, new_id())):
        answer = who.post(f"/v1/reservations/{reservation}/appeal", {"text": "不是我"})
        assert (answer.status_code, answer.json()["code"]) == (404, "mark-not-found")
    assert wang.post(f"/v1/reservations/{booked}/appeal", {"text": " "}).status_code == 422
    assert city.client.get("/v1/staff/appeals", headers=wang.headers).status_code == 403
