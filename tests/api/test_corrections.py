"""Reports of mistakes over HTTP: from anyone, answered by staff, without a second look at what is not one's own."""

import httpx
import psycopg
import pytest

from core.actor import Grant
from tests.api.people import sign_in
from tests.api.running import serving

PHONE = "13812345678"
NOWHERE = "00000000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def clerk(city):
    """Staff of the first site."""
    return sign_in(city[1], Grant("site_staff", "site", city[2][0]))


def report(client, site, headers=None, **more):
    body = {"field": "hours", "text": "周末也开门"} | more
    return client.post(f"/v1/sites/{site}/corrections", json=body, headers=headers)


def test_a_report_travels_from_a_signed_out_reporter_to_an_edit_and_back(city, clerk):
    client, _, (site, _) = city
    answer = report(client, site, suggestion="每天 9-18 点", contact_phone="138 1234 5678")
    assert answer.status_code == 201
    made = answer.json()
    where = answer.headers["Location"]
    assert where == f"/v1/corrections/{made['id']}"
    assert client.get(where).status_code == 404
    assert client.get(where, params={"receipt": made["receipt"]}).json()["state"] == "open"

    listed = client.get("/v1/staff/corrections", params={"site_id": site}, headers=clerk).json()["items"]
    one = next(item for item in listed if item["id"] == made["id"])
    assert (one["text"], one["contact_phone"], one["signed_in"]) == ("周末也开门", "138****5678", False)
    staff = f"/v1/staff/corrections/{made['id']}"
    contact = client.post(f"{staff}/contact", json={"reason": "回电核实"}, headers=clerk)
    assert contact.json() == {"contact_phone": f"+86{PHONE}"}
    version = client.get(staff, headers=clerk).json()["site_version"]
    body = {"edit": {"hours": "Mo-Su 09:00-18:00"}, "answer": "谢谢，已经改好"}
    assert client.post(f"{staff}/accept", json=body, headers=clerk).status_code == 428
    old = clerk | {"If-Match": '"v999"'}
    assert client.post(f"{staff}/accept", json=body, headers=old).json()["code"] == "site-changed"
    accepted = client.post(f"{staff}/accept", json=body, headers=clerk | {"If-Match": f'"v{version}"'})
    assert accepted.status_code == 200
    assert accepted.headers["ETag"] == f'"v{version + 1}"'
    assert client.get(f"/v1/sites/{site}").json()["hours"]["weekly"] == "Mo-Su 09:00-18:00"

    seen = client.get(where, headers={"X-Receipt": made["receipt"]}).json()
    assert (seen["state"], seen["answer"]) == ("accepted", "谢谢，已经改好")
    assert seen["contact_phone"] == "138****5678"
    again = client.post(f"{staff}/decline", json={"answer": "不对"}, headers=clerk)
    assert (again.status_code, again.json()["code"], again.json()["state"]) == (
        409,
        "correction-handled",
        "accepted",
    )


def test_an_edit_by_the_wrong_hand_or_with_a_wrong_value_is_refused_where_it_is_wrong(city, clerk):
    client, url, (site, _) = city
    one = report(client, site, sign_in(url, kind="resident"), field="location", text="图钉偏了").json()["id"]
    at = f"/v1/staff/corrections/{one}"
    version = {"If-Match": f'"v{client.get(at, headers=clerk).json()["site_version"]}"'}

    def accept(edit, headers=clerk):
        return client.post(f"{at}/accept", json={"edit": edit, "answer": "好"}, headers=headers | version)

    wrong = accept({"hours": "weekends too", "nonsense": 1}).json()
    assert [error["pointer"] for error in wrong["errors"]] == ["/body/edit/hours", "/body/edit/nonsense"]
    assert accept({"name": None}).json()["errors"][0]["pointer"] == "/body/edit/name"
    refused = accept({"location": {"lon": 103.62, "lat": 36.49, "crs": "gcj02"}})
    assert (refused.status_code, refused.json()["code"]) == (403, "fields-not-allowed")
    district = sign_in(url, Grant("district_admin", "district"))
    moved = accept({"location": {"lon": 103.62, "lat": 36.49, "crs": "gcj02"}}, district)
    assert moved.status_code == 200
    place = client.get(f"/v1/sites/{site}", params={"crs": "gcj02"}).json()["location"]
    assert (round(place["lon"], 5), round(place["lat"], 5)) == (103.62, 36.49)


def test_a_report_that_needs_no_edit_is_accepted_or_declined_with_an_answer(city, clerk):
    client, url, (site, _) = city
    resident = sign_in(url, kind="resident")
    one, two = [report(client, site, resident).json()["id"] for _ in range(2)]
    kept = client.post(f"/v1/staff/corrections/{one}/accept", json={"answer": "已改"}, headers=clerk)
    assert (kept.status_code, kept.json()["state"]) == (200, "accepted")
    declined = client.post(f"/v1/staff/corrections/{two}/decline", json={"answer": "核实无误"}, headers=clerk)
    assert (declined.status_code, declined.json()["answer"]) == (200, "核实无误")
    mine = client.get("/v1/corrections", params={"limit": 1}, headers=resident).json()
    assert [item["state"] for item in mine["items"]] == ["declined"]
    rest = client.get("/v1/corrections", params={"next": mine["next"]}, headers=resident).json()
    assert ([item["state"] for item in rest["items"]], rest["next"]) == (["accepted"], None)
    assert client.get("/v1/corrections").status_code == 401


def test_staff_of_another_site_do_not_learn_of_a_report(city, clerk):
    client, url, (site, other) = city
    one = report(client, site, sign_in(url, kind="resident")).json()["id"]
    elsewhere = sign_in(url, Grant("site_staff", "site", other))
    at = f"/v1/staff/corrections/{one}"
    assert client.get(at, headers=elsewhere).status_code == 404
    for act, body in (
        ("accept", {"answer": "好"}),
        ("decline", {"answer": "好"}),
        ("contact", {"reason": "回电"}),
    ):
        assert client.post(f"{at}/{act}", json=body, headers=elsewhere).status_code == 404
        assert client.post(f"{at}/{act}", json=body).status_code == 401
        as_resident = sign_in(url, kind="resident")
        assert client.post(f"{at}/{act}", json=body, headers=as_resident).status_code == 403
    assert client.get(at, headers=clerk).json()["state"] == "open"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/body/field"),
        ({"field": "colour", "text": "x"}, "/body/field"),
        ({"field": "hours", "text": "   "}, "/body/text"),
        ({"field": "hours", "text": "字" * 1001}, "/body/text"),
        ({"field": "hours", "text": "a\x00b"}, "/body/text"),
        ({"field": "hours", "text": "x", "suggestion": ""}, "/body/suggestion"),
        ({"field": "hours", "text": "x", "contact_phone": "1"}, "/body/contact_phone"),
        ({"field": "hours", "text": "x", "colour": "red"}, "/body/colour"),
        ({"field": "hours", "text": 5}, "/body/text"),
    ],
)
def test_a_report_that_cannot_be_taken_says_what_is_wrong(city, body, pointer):
    client, _, (site, _) = city
    answer = client.post(f"/v1/sites/{site}/corrections", json=body)
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


def test_a_lone_surrogate_a_wrong_phone_and_unknown_sites_are_refused(city):
    client, _, (site, _) = city
    raw = {"content": rb'{"field":"hours","text":"\ud800"}', "headers": {"Content-Type": "application/json"}}
    assert client.post(f"/v1/sites/{site}/corrections", **raw).status_code == 422
    wrong = report(client, site, contact_phone="12345")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid-phone")
    assert "12345" not in wrong.text
    assert report(client, NOWHERE).json()["code"] == "site-not-found"
    assert report(client, "abc").status_code == 422
    assert client.get(f"/v1/corrections/{NOWHERE}", headers={"X-Receipt": "x" * 24}).status_code == 404


def test_an_address_cannot_flood_a_site_and_is_told_when_to_come_back(tmp_path, own_city_url, redis_url):
    with serving(tmp_path / "log", database_url=own_city_url, redis_url=redis_url) as server:
        with psycopg.connect(own_city_url) as connection:
            site = connection.execute("select id from site where published_at is not null").fetchone()[0]
        with httpx.Client(base_url=server.url, trust_env=False, timeout=15) as client:
            answers = [report(client, site) for _ in range(6)]
            assert [answer.status_code for answer in answers] == [201] * 5 + [429]
            assert answers[-1].json()["code"] == "too-many-corrections"
            assert 0 < int(answers[-1].headers["Retry-After"]) <= 86_401
            assert report(client, site, sign_in(own_city_url, kind="resident")).status_code == 201
        assert PHONE not in (tmp_path / "log").read_text()


def test_a_report_sent_again_under_its_key_is_one_report(city):
    client, url, (site, _) = city
    headers = sign_in(url, kind="resident") | {"Idempotency-Key": "report-again-1"}
    first, second = report(client, site, headers), report(client, site, headers)
    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(client.get("/v1/corrections", headers=headers).json()["items"]) == 1


def test_staff_page_through_reports_and_an_altered_cursor_is_refused(city, clerk):
    client, url, (site, _) = city
    resident = sign_in(url, kind="resident")
    for _ in range(4):
        report(client, site, resident)
    page = client.get("/v1/staff/corrections", params={"limit": 2}, headers=clerk).json()
    assert len(page["items"]) == 2
    rest = client.get("/v1/staff/corrections", params={"limit": 2, "next": page["next"]}, headers=clerk)
    assert not {item["id"] for item in page["items"]} & {item["id"] for item in rest.json()["items"]}
    altered = client.get(
        "/v1/staff/corrections", params={"limit": 2, "next": page["next"][:-2]}, headers=clerk
    )
    assert (altered.status_code, altered.json()["code"]) == (404, "invalid-cursor")
