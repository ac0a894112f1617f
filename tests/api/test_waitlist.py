"""The waiting list over HTTP: join, see one's place, accept, decline, leave; the desk's look."""

import psycopg
import pytest

from core.actor import Grant
from tests.api.bookable import BookableCity
from tests.api.people import sign_in


@pytest.fixture(scope="module")
def city(edited):
    server, database_url = edited
    with BookableCity(server.url, database_url) as city:
        yield city


@pytest.fixture
def full(city):
    """A slot with one place, who has it, and their reservation."""
    slot, wang = city.slot({"general": 1}), city.caller()
    return slot, wang, wang.book(slot.id).json()["id"]


def join(who, slot, key=None, **more):
    body = {"slot_id": str(slot.id), "person_id": str(who.person_id), **more}
    return who.post("/v1/waitlist", body, key)


def test_whoever_waits_is_told_their_place_and_the_rule(city, full):
    slot, _, _ = full
    first, second = city.caller(), city.caller()
    assert join(first, slot).json()["position"] == 1
    answer = join(second, slot)
    assert answer.status_code == 201, answer.text
    one = answer.json()
    assert (one["state"], one["position"], one["offer_expires_at"]) == ("waiting", 2, None)
    assert "候补" in one["rule"]["says_zh"]
    assert "waits" in one["rule"]["says_en"] or "pass" in one["rule"]["says_en"]
    assert one["rule"]["strict_until"] < one["starts_at"]
    listed = second.call("GET", "/v1/waitlist").json()
    assert listed == {"items": [one], "next": None}


def test_a_cancelled_place_is_offered_accepted_and_shown_as_reservation(city, full):
    slot, wang, reservation = full
    first, second = city.caller(), city.caller()
    entries = [join(who, slot).json()["id"] for who in (first, second)]
    assert wang.post(f"/v1/reservations/{reservation}/cancel").status_code == 200
    assert city.caller().book(slot.id).json()["code"] == "slot-full"
    offered = first.call("GET", "/v1/waitlist").json()["items"][0]
    assert (offered["state"], offered["position"]) == ("offered", None)
    assert offered["offer_expires_at"].endswith("+08:00")
    held = first.call("GET", f"/v1/reservations/{offered['reservation_id']}").json()
    assert held["state"] == "held"
    key = "accept-once-0001"
    answers = [first.post(f"/v1/waitlist/{entries[0]}/accept", key=key) for _ in range(2)]
    assert [one.status_code for one in answers] == [200, 200]
    assert answers[0].json()["state"] == "accepted"
    assert answers[1].headers["Idempotent-Replayed"] == "true"
    assert first.call("GET", f"/v1/reservations/{offered['reservation_id']}").json()["state"] == "confirmed"
    assert second.call("GET", "/v1/waitlist").json()["items"][0]["position"] == 1
    assert first.call("GET", "/v1/waitlist").json()["items"] == []
    assert first.call("GET", "/v1/waitlist?over=true").json()["items"][0]["state"] == "accepted"


def test_a_declined_place_goes_to_the_next(city, full):
    slot, wang, reservation = full
    first, second = city.caller(), city.caller()
    entry, _ = join(first, slot).json()["id"], join(second, slot)
    wang.post(f"/v1/reservations/{reservation}/cancel")
    assert first.post(f"/v1/waitlist/{entry}/decline").json()["state"] == "declined"
    assert second.call("GET", "/v1/waitlist").json()["items"][0]["state"] == "offered"


def test_an_offer_that_ran_out_is_shown_as_over_before_anybody_wrote_it_down(city, full):
    slot, wang, reservation = full
    first = city.caller()
    entry = join(first, slot).json()["id"]
    wang.post(f"/v1/reservations/{reservation}/cancel")
    with psycopg.connect(city.database_url) as connection:
        connection.execute(
            "update reservation set expires_at = now() - interval '1 s' where slot_id = %s and state = 'held'",
            (slot.id,),
        )
    shown = first.call("GET", "/v1/waitlist").json()["items"][0]
    assert (shown["state"], shown["offer_expires_at"]) == ("expired", None)
    refused = first.post(f"/v1/waitlist/{entry}/accept")
    assert (refused.status_code, refused.json()["code"]) == (409, "hold-expired")


def test_leaving_may_be_repeated(city, full):
    slot, _, _ = full
    first = city.caller()
    entry = join(first, slot).json()["id"]
    for _ in range(2):
        left = first.call("DELETE", f"/v1/waitlist/{entry}")
        assert (left.status_code, left.json()["state"]) == (200, "left")


def test_what_cannot_be_is_refused_by_code(city, full):
    slot, _, _ = full
    first = city.caller()
    assert join(first, city.slot({"general": 1})).json()["code"] == "places-left"
    entry = join(first, slot).json()["id"]
    assert join(first, slot).json()["code"] == "already-waiting"
    assert first.post(f"/v1/waitlist/{entry}/accept").json()["code"] == "wrong-entry-state"
    stranger = city.caller()
    for answer in (
        stranger.post(f"/v1/waitlist/{entry}/accept"),
        stranger.post(f"/v1/waitlist/{entry}/decline"),
        stranger.call("DELETE", f"/v1/waitlist/{entry}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "waitlist-entry-not-found")
    body = {"slot_id": str(slot.id), "person_id": str(first.person_id)}
    assert stranger.post("/v1/waitlist", body).json()["code"] == "person-not-found"
    assert first.call("POST", "/v1/waitlist", body).status_code == 400  # no Idempotency-Key
    assert join(first, slot, party_size=0).status_code == 422


def test_pages_of_ones_entries_hold_each_once(city):
    first = city.caller()
    offering = city.offering(exclusive=False)
    entries = []
    for _ in range(3):
        slot = city.slot({"general": 1}, offering)
        city.caller().book(slot.id)
        entries.append(join(first, slot).json()["id"])
    seen, cursor = [], ""
    while cursor is not None:
        page = first.call("GET", f"/v1/waitlist?limit=2{cursor and '&next=' + cursor}").json()
        seen += [one["id"] for one in page["items"]]
        cursor = page["next"]
    assert seen == entries[::-1]


def test_the_desk_sees_a_queue_masked(city, full):
    slot, _, _ = full
    entries = [join(city.caller(), slot).json()["id"] for _ in range(2)]
    with psycopg.connect(city.database_url) as connection:
        site = connection.execute(
            "select site_id::text from offering join slot on offering_id = offering.id where slot.id = %s",
            (slot.id,),
        ).fetchone()[0]
    staff = sign_in(city.database_url, Grant("site_staff", "site", site))
    shown = city.client.get(f"/v1/staff/slots/{slot.id}/waitlist", headers=staff)
    assert shown.headers["Cache-Control"] == "no-store"
    assert [one["id"] for one in shown.json()["items"]] == entries
    assert {one["name"] for one in shown.json()["items"]} == {"王**"}
    others = sign_in(city.database_url, Grant("site_staff", "site", str(slot.id)))
    assert city.client.get(f"/v1/staff/slots/{slot.id}/waitlist", headers=others).status_code == 403
