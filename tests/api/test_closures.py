"""Closures over HTTP: residents see them before they begin, in the detail, nearby, in search and in the guide."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from api.schemas.locator import SiteOut
from api.schemas.staff_sites import StaffClosureOut, StaffClosuresOut
from core.actor import Grant
from tests.api.conform import conforms
from tests.api.people import sign_in
from tests.api.running import running, wait_until

LANZHOU = ZoneInfo("Asia/Shanghai")
TODAY = datetime.now(LANZHOU).date()


@pytest.fixture
def site_id(edited_sql):
    """A published clinic, always open, that no other test has taken."""
    ((found,),) = edited_sql.execute(
        "update site set batch = 'taken', hours = '24/7' where id = (select id from site where status = 'active'"
        " and category_code = 'village_clinic' and batch is distinct from 'taken' order by id limit 1)"
        " returning id::text"
    ).fetchall()
    return found


@pytest.fixture
def clerk(edited, site_id):
    return sign_in(edited[1], Grant("site_staff", "site", site_id))


def plan(client, headers, site_id, **said):
    return client.post(
        f"/v1/staff/sites/{site_id}/closures", headers=headers, json={"reason": "设备检修"} | said
    )


def nearby(client, site_id, **more):
    shown = client.get(f"/v1/sites/{site_id}").json()
    asked = {**shown["location"], "crs": "wgs84", "radius_m": 5, "limit": 50} | more
    items = client.get("/v1/sites/nearby", params=asked).json()["items"]
    return next((one for one in items if one["id"] == site_id), None)


def test_a_planned_closure_is_seen_before_it_begins_and_within_it(client, clerk, site_id):
    first, last = TODAY + timedelta(days=3), TODAY + timedelta(days=4)
    made = plan(client, clerk, site_id, **{"from": str(first), "until": str(last)})
    assert made.status_code == 201, made.text
    conforms(StaffClosureOut, made.json())
    assert made.json()["stage"] == "planned"
    midnight = datetime(first.year, first.month, first.day, tzinfo=LANZHOU)
    assert datetime.fromisoformat(made.json()["starts_at"]) == midnight
    assert datetime.fromisoformat(made.json()["ends_at"]) == midnight + timedelta(days=2)

    shown = client.get(f"/v1/sites/{site_id}").json()
    conforms(SiteOut, shown)
    assert [one["reason"] for one in shown["closures"]] == ["设备检修"]
    assert shown["open"]["state"] == "open"
    assert datetime.fromisoformat(shown["open"]["until"]) == midnight
    closed_days = [day for day in shown["hours"]["days"] if day["reason"] == "temporarily_closed"]
    assert [day["on"] for day in closed_days] == [str(first), str(last)]
    assert all(day["intervals"] == [] for day in closed_days)

    wait_until(lambda: nearby(client, site_id)["open"] == shown["open"], "the index")
    within = (midnight + timedelta(hours=30)).isoformat()
    assert nearby(client, site_id, open_at=within) is None
    assert nearby(client, site_id, open_at=(midnight - timedelta(minutes=1)).isoformat()) is not None
    assert nearby(client, site_id, open_at=(midnight + timedelta(days=2)).isoformat()) is not None

    guide = client.get(f"/v1/sites/{site_id}/guide").text
    assert f"停业安排：</strong>{first.month}月{first.day}日 起，到 {last.month}月{last.day}日（含）" in guide
    assert "设备检修" in guide


def test_lists_search_and_nearby_agree_while_it_is_closed(client, clerk, site_id):
    end = TODAY + timedelta(days=1)
    made = plan(client, clerk, site_id, until=str(end))
    assert made.json()["stage"] == "in_force"
    shown = client.get(f"/v1/sites/{site_id}").json()
    assert (shown["open"]["state"], shown["open"]["reason"]) == ("closed", "temporarily_closed")
    opens = datetime(end.year, end.month, end.day, tzinfo=LANZHOU) + timedelta(days=1)
    assert datetime.fromisoformat(shown["open"]["until"]) == opens
    wait_until(lambda: nearby(client, site_id)["open"] == shown["open"], "the index")
    area = client.get("/v1/sites", params={"category": "village_clinic", "limit": 200}).json()["items"]
    assert [one["open"] for one in area if one["id"] == site_id] == [shown["open"]]
    found = client.get("/v1/search", params={"q": shown["name"], "limit": 50}).json()["items"]
    assert [one["open"] for one in found if one["id"] == site_id] == [shown["open"]]

    ended = client.delete(f"/v1/staff/sites/{site_id}/closures/{made.json()['id']}", headers=clerk)
    assert (ended.status_code, ended.json()["stage"]) == (200, "over")
    assert client.get(f"/v1/sites/{site_id}").json()["open"]["state"] == "open"
    wait_until(lambda: nearby(client, site_id)["open"]["state"] == "open", "the index")
    again = client.delete(f"/v1/staff/sites/{site_id}/closures/{made.json()['id']}", headers=clerk)
    assert (again.status_code, again.json()["code"]) == (409, "closure-over")
    path = f"/v1/staff/sites/{site_id}/closures"
    assert client.get(path, headers=clerk).json()["items"] == []
    every = client.get(path, params={"over": True}, headers=clerk).json()
    conforms(StaffClosuresOut, every)
    assert len(every["items"]) == 1


def test_a_worker_takes_a_site_closed_for_good_out_of_the_lists(
    client, edited, redis_url, edited_sql, admin, clerk, site_id, tmp_path
):
    assert (
        plan(client, clerk, site_id, for_good=True, **{"from": str(TODAY + timedelta(days=5))}).status_code
        == 201
    )
    other = plan(client, clerk, site_id)
    assert (other.status_code, other.json()["code"]) == (409, "closed-for-good")
    # Its day comes; the next run of the worker's clock is up to five minutes away, so its job is queued by hand.
    edited_sql.execute(
        "update site_closure set starts_at = now() - interval '1 minute' where site_id = %s", (site_id,)
    )
    assert client.get(f"/v1/sites/{site_id}").json()["open"]["reason"] == "inactive"
    edited_sql.execute(
        "select procrastinate_defer_jobs_v1(array[row('default', 'apply_closures', 0, null, null,"
        " '{\"timestamp\": 0}'::jsonb, null)::procrastinate_job_to_defer_v1])"
    )
    with running(tmp_path / "worker", "worker", database_url=edited[1], redis_url=redis_url):
        wait_until(
            lambda: (
                edited_sql.execute("select status from site where id = %s", (site_id,)).fetchone()[0]
                == "inactive"
            ),
            "the worker",
        )
    assert client.get(f"/v1/sites/{site_id}").json()["status"] == "inactive"
    wait_until(lambda: nearby(client, site_id) is None, "the index")
    assert "已停止服务" in client.get(f"/v1/sites/{site_id}/guide").text
    (closure,) = client.get(f"/v1/staff/sites/{site_id}/closures", headers=clerk).json()["items"]
    path = f"/v1/staff/sites/{site_id}/closures/{closure['id']}"
    assert client.delete(path, headers=clerk).status_code == 403
    assert client.delete(path, headers=admin).status_code == 200
    wait_until(lambda: nearby(client, site_id), "the index")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"from": "2026-12-01T08:00"}, "invalid-request"),
        ({"from": "2026-02-30"}, "invalid-request"),
        ({"from": 1_800_000_000}, "invalid-request"),
        ({"until": "soon"}, "invalid-request"),
        ({"reason": "  "}, "invalid-request"),
        ({"because": "x"}, "invalid-request"),
        ({"until": "2020-01-01"}, "invalid-closure"),
        ({"from": "9999-12-31", "until": "9999-12-31"}, "invalid-closure"),
        ({"from": "0001-01-01T00:00:00+08:00"}, "invalid-closure"),
        ({"until": str(TODAY + timedelta(days=2)), "for_good": True}, "invalid-closure"),
    ],
)
def test_bad_times_are_refused_once_and_say_how(client, clerk, site_id, said, code):
    answer = plan(client, clerk, site_id, **said)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    if code == "invalid-request":
        assert len(answer.json()["errors"]) == 1
        assert answer.json()["errors"][0]["pointer"] == f"/body/{next(iter(said))}"


def test_a_closure_sent_twice_under_one_key_is_one(client, clerk, site_id):
    headers = clerk | {"Idempotency-Key": "closing-once-please"}
    first, second = (plan(client, headers, site_id, until=str(TODAY)) for _ in range(2))
    assert first.json() == second.json()
    assert len(client.get(f"/v1/staff/sites/{site_id}/closures", headers=clerk).json()["items"]) == 1


def test_until_now_is_utc_or_any_offset(client, clerk, site_id):
    begins = (datetime.now(UTC) + timedelta(hours=2)).replace(microsecond=0)
    ends = (begins + timedelta(hours=1)).astimezone(LANZHOU)
    made = plan(
        client,
        clerk,
        site_id,
        **{"from": begins.isoformat().replace("+00:00", "Z"), "until": ends.isoformat()},
    ).json()
    assert datetime.fromisoformat(made["starts_at"]) == begins.replace(second=0)
    assert datetime.fromisoformat(made["ends_at"]) - datetime.fromisoformat(made["starts_at"]) == timedelta(
        hours=1
    )
