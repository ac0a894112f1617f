"""Complaints over HTTP: sent once, answered by whoever may, and escalated by the worker when nobody answers."""

from datetime import date
from itertools import count

import httpx
import psycopg
import pytest

from core.actor import Grant
from tests.api.people import sign_in, who
from tests.api.running import running, serving, wait_until

SECRET = "王秀英"
NOWHERE = "00000000-0000-7000-8000-000000000000"
keys = count()


@pytest.fixture
def resident(city):
    return sign_in(city[1], kind="resident")


@pytest.fixture(scope="module")
def clerk(city):
    """Staff of the first site."""
    return sign_in(city[1], Grant("site_staff", "site", city[2][0]))


def key():
    return {"Idempotency-Key": f"complaint-{next(keys)}"}


def post(client, path, headers, **body):
    return client.post(path, json=body, headers=headers | key())


def complain(client, headers, site=None, **more):
    body = (
        {"category": "hours", "text": f"中午没有开饭，我是{SECRET}"}
        | ({"site_id": site} if site else {})
        | more
    )
    answer = post(client, "/v1/complaints", headers, **body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_complaint_goes_from_filing_over_answers_to_its_end(city, resident, clerk):
    client, url, (site, _) = city
    made = complain(client, resident, site)
    at, staff = f"/v1/complaints/{made['id']}", f"/v1/staff/complaints/{made['id']}"
    assert (made["state"], made["reopen_until"], made["overdue"]) == ("open", None, False)
    assert date.fromisoformat(made["deadline_on"]) > date.fromisoformat(made["created_at"][:10])

    listed = client.get("/v1/staff/complaints", params={"site_id": site}, headers=clerk)
    assert made["id"] in [item["id"] for item in listed.json()["items"]]
    assert SECRET not in listed.text
    assert SECRET in client.get(staff, headers=clerk).json()["text"]
    with psycopg.connect(url) as connection:
        looked = connection.execute(
            "select account_id, detail->'read' from audit_entry where object_kind = 'complaint' and object_id = %s",
            (made["id"],),
        ).fetchall()
    assert looked == [(who(clerk), ["text"])]

    assert post(client, f"{staff}/reply", clerk, text="明天恢复").json()["state"] == "replied"
    answered = client.get(at, headers=resident).json()
    assert [one["text"] for one in answered["history"]] == [None, "明天恢复"]
    assert answered["reopen_until"] is not None
    reopened = post(client, f"{at}/reopen", resident, text="还是没有").json()
    assert (reopened["state"], reopened["reopened"]) == ("open", True)
    assert post(client, f"{staff}/escalate", clerk, text="请上级协调").json()["state"] == "escalated"
    refused = post(client, f"{staff}/reply", clerk, text="又一次")
    assert (refused.status_code, refused.json()["code"]) == (403, "complaint-escalated")
    inspector = sign_in(url, Grant("inspector", "district"))
    assert post(client, f"{staff}/reply", inspector, text="已督促整改").json()["state"] == "replied"
    again = post(client, f"{at}/reopen", resident, text="再说一次")
    assert (again.status_code, again.json()["code"]) == (409, "complaint-reopened-before")
    late = post(client, f"{at}/withdraw", resident)
    assert (late.status_code, late.json()["state"]) == (409, "replied")


def test_a_complaint_sent_twice_is_one_and_needs_a_key(city, resident):
    client, _, _ = city
    body, headers = {"category": "other", "text": "路灯不亮"}, resident | key()
    first, second = [client.post("/v1/complaints", json=body, headers=headers) for _ in range(2)]
    assert first.json() == second.json()
    assert len(client.get("/v1/complaints", headers=resident).json()["items"]) == 1
    bare = client.post("/v1/complaints", json=body, headers=resident)
    assert bare.status_code == 400
    assert "Idempotency-Key" in bare.json()["detail"]


def test_one_resident_cannot_read_or_move_anothers_complaint(city, resident):
    client, url, (site, _) = city
    at = f"/v1/complaints/{complain(client, resident, site)['id']}"
    other = sign_in(url, kind="resident")
    assert client.get(at, headers=other).json()["code"] == "complaint-not-found"
    assert post(client, f"{at}/reopen", other, text="x").status_code == 404
    assert post(client, f"{at}/withdraw", other).status_code == 404
    assert client.get(at).status_code == 401
    assert client.get("/v1/complaints", headers=other).json()["items"] == []


def test_staff_of_another_site_do_not_learn_of_a_complaint(city, resident, clerk):
    client, url, (site, other) = city
    one = complain(client, resident, site)["id"]
    nowhere = complain(client, resident)["id"]
    elsewhere = sign_in(url, Grant("site_staff", "site", other))
    for complaint, headers in ((one, elsewhere), (nowhere, clerk)):
        at = f"/v1/staff/complaints/{complaint}"
        assert client.get(at, headers=headers).status_code == 404
        for act in ("reply", "escalate"):
            assert post(client, f"{at}/{act}", headers, text="好").status_code == 404
    district = sign_in(url, Grant("district_admin", "district"))
    assert client.get(f"/v1/staff/complaints/{nowhere}", headers=district).json()["site_name"] is None


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"text": "x"}, "/body/category"),
        ({"category": "noise", "text": "x"}, "/body/category"),
        ({"category": "hours", "text": " "}, "/body/text"),
        ({"category": "hours", "text": "字" * 2001}, "/body/text"),
        ({"category": "hours", "text": "a\x00"}, "/body/text"),
        ({"category": "hours", "text": "x", "site_id": "abc"}, "/body/site_id"),
        ({"category": "hours", "text": "x", "deadline_on": "2026-01-01"}, "/body/deadline_on"),
    ],
)
def test_a_complaint_that_cannot_be_taken_says_what_is_wrong(city, resident, body, pointer):
    answer = post(city[0], "/v1/complaints", resident, **body)
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


def test_unknown_sites_and_strangers_are_refused(city, resident):
    client, _, _ = city
    said = {"category": "other", "text": "x"}
    assert (
        post(client, "/v1/complaints", resident, **said, site_id=NOWHERE).json()["code"] == "site-not-found"
    )
    stranger = post(client, "/v1/complaints", resident, **said, person_id=NOWHERE)
    assert (stranger.status_code, stranger.json()["code"]) == (404, "person-not-found")


def test_residents_and_staff_page_through_complaints(city, resident, clerk):
    client, _, (site, _) = city
    made = [
        complain(client, resident, site, category=category)["id"]
        for category in ("service", "food_safety", "fees")
    ]
    mine, page = [], {"next": None}
    while not mine or page["next"]:
        page = client.get(
            "/v1/complaints",
            params={"limit": 2, **({"next": page["next"]} if mine else {})},
            headers=resident,
        ).json()
        mine += [item["id"] for item in page["items"]]
    assert mine == made[::-1]
    asked = {"limit": 1, "site_id": site, "category": ["service", "food_safety", "fees"]}
    first = client.get("/v1/staff/complaints", params=asked, headers=clerk).json()
    assert [item["category"] for item in first["items"]] == ["food_safety"]  # its deadline is the nearest
    second = client.get("/v1/staff/complaints", params=asked | {"next": first["next"]}, headers=clerk).json()
    assert second["items"][0]["deadline_on"] >= first["items"][0]["deadline_on"]
    wrong = client.get("/v1/staff/complaints", params={"next": first["next"]}, headers=clerk)
    assert wrong.json()["code"] == "invalid-cursor"


def test_the_worker_escalates_what_nobody_answered(tmp_path, own_city_url, redis_url):
    """A real worker; the job is deferred as the clock would every ten minutes."""
    resident = sign_in(own_city_url, kind="resident")
    with (
        serving(tmp_path / "log", database_url=own_city_url, redis_url=redis_url) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=15) as client,
        psycopg.connect(own_city_url, autocommit=True) as connection,
    ):
        late, fine = complain(client, resident)["id"], complain(client, resident)["id"]
        connection.execute("update complaint set deadline_on = '2020-01-01' where id = %s", (late,))
        with running(tmp_path / "worker", "worker", database_url=own_city_url, redis_url=redis_url) as worker:
            wait_until(lambda: worker.said("worker started"), "the worker starts")
            defer(connection, "escalate_complaints")
            wait_until(lambda: worker.said("complaints escalated"), "complaints are escalated")
        assert client.get(f"/v1/complaints/{late}", headers=resident).json()["state"] == "escalated"
        assert client.get(f"/v1/complaints/{fine}", headers=resident).json()["state"] == "open"
    for name in ("log", "worker"):
        assert SECRET not in (tmp_path / name).read_text()


def defer(connection, task):
    """Put a periodic task into the queue now."""
    connection.execute(
        "insert into procrastinate_jobs (queue_name, task_name, priority, args) values ('default', %s, 0, %s)",
        (task, '{"timestamp": 0}'),
    )
