"""Staff run their sites over HTTP: with the version they read, within their scope, on record, seen by residents at once."""

import concurrent.futures
import io
import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from api.schemas.staff_sites import HistoryPage, StaffSiteOut, StaffSitePage
from core.actor import Grant
from tests.api.conform import conforms
from tests.api.people import sign_in, who
from tests.api.running import wait_until

TOWNSHIP_OF = """with recursive up as (
    select a.* from area a join site s on s.area_id = a.id where s.id = %s
    union all select a.* from area a join up on a.id = up.parent_id)"""
BELOW = """with recursive below as (
    select id from area where id = %s union all select a.id from area a join below on a.parent_id = below.id)"""
DRAFT = {
    "category": "meal_point",
    "name": "试点助餐点",
    "location": {"lon": 103.6153, "lat": 36.4819, "crs": "gcj02"},
}


@pytest.fixture
def site_id(edited_sql):
    """A published meal point that no other test has taken or changed."""
    ((found,),) = edited_sql.execute(
        "update site set batch = 'taken' where id = (select id from site where category_code = 'meal_point'"
        " and status = 'active' and version = 1 and batch <> 'taken' order by id limit 1) returning id::text"
    ).fetchall()
    return found


@pytest.fixture
def clerk(edited, site_id):
    return sign_in(edited[1], Grant("site_staff", "site", site_id))


def read(client, headers, site_id):
    answer = client.get(f"/v1/staff/sites/{site_id}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def edit(client, headers, site_id, tag, **changes):
    body = read(client, headers, site_id).json()["site"] | changes
    return client.put(f"/v1/staff/sites/{site_id}", headers=headers | {"If-Match": tag}, json=body)


def test_a_clerk_edits_hours_and_residents_see_it(client, edited_sql, clerk, site_id):
    before = read(client, clerk, site_id)
    conforms(StaffSiteOut, before.json())
    written = edit(
        client, clerk, site_id, before.headers["etag"], hours="24/7", alert="周四停水", reason="居民要求"
    )
    assert written.status_code == 200, written.text
    version = before.json()["version"] + 1
    assert written.headers["etag"] == f'"v{version}"'
    assert written.json()["staff_fields"] == ["alert", "hours"]
    shown = client.get(f"/v1/sites/{site_id}").json()
    assert (shown["hours"]["weekly"], shown["alert"], shown["version"]) == ("24/7", "周四停水", version)
    lon, lat = shown["location"]["lon"], shown["location"]["lat"]
    asked = {"lon": lon, "lat": lat, "crs": "wgs84", "limit": 5}

    def nearby():
        items = client.get("/v1/sites/nearby", params=asked).json()["items"]
        return any((one["id"], one["version"]) == (site_id, version) for one in items)

    wait_until(nearby, "the index")
    past = client.get(f"/v1/staff/sites/{site_id}/history", headers=clerk).json()
    conforms(HistoryPage, past)
    assert past["items"][0]["reason"] == "居民要求"
    assert past["items"][0]["actor"] == f"account:{who(clerk)}"
    assert past["items"][0]["roles"] == "site_staff"
    assert past["items"][0]["changes"]["hours"][1] == "24/7"
    (detail,) = edited_sql.execute(
        "select detail from audit_entry where object_id = %s and account_id = %s", (site_id, who(clerk))
    ).fetchone()
    assert detail == {"act": "edited", "version": version, "fields": ["alert", "hours"]}


def test_without_a_version_428_and_with_an_old_one_412_that_shows_the_others_change(
    client, admin, clerk, site_id
):
    body = read(client, clerk, site_id)
    tag, content = body.headers["etag"], body.json()["site"]
    assert client.put(f"/v1/staff/sites/{site_id}", headers=clerk, json=content).status_code == 428
    wrong = client.put(f"/v1/staff/sites/{site_id}", headers=clerk | {"If-Match": "*"}, json=content)
    assert wrong.status_code == 400
    assert edit(client, clerk, site_id, tag, hours="Mo 08:00-09:00").status_code == 200
    late = edit(client, admin, site_id, tag, hours="Tu 08:00-09:00")
    assert late.status_code == 412
    told = late.json()
    assert told["code"] == "site-changed"
    assert told["version"] == body.json()["version"] + 1
    assert told["changes"]["hours"] == [content["hours"], "Mo 08:00-09:00"]
    assert told["changed_by"][0]["roles"] == "site_staff"
    assert read(client, admin, site_id).json()["site"]["hours"] == "Mo 08:00-09:00"


def test_of_many_edits_of_one_version_at_once_exactly_one_is_written(client, clerk, site_id):
    body = read(client, clerk, site_id)
    content, tag = body.json()["site"], body.headers["etag"]

    def put(number):
        return client.put(
            f"/v1/staff/sites/{site_id}",
            headers=clerk | {"If-Match": tag},
            json=content | {"alert": f"第{number}位"},
        ).status_code

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(put, range(8)))
    assert answers == [200] + [412] * 7
    assert read(client, clerk, site_id).json()["version"] == body.json()["version"] + 1


def test_a_draft_is_submitted_by_a_clerk_and_published_by_the_district(client, edited, edited_sql, admin):
    (township,) = edited_sql.execute(
        "select id::text from area where kind = 'township' and name = '中川镇'"
    ).fetchone()
    clerk = sign_in(edited[1], Grant("site_staff", "township", township))
    key = {"Idempotency-Key": "a-draft-once"}
    made = client.post("/v1/staff/sites", headers=clerk | key, json=DRAFT)
    assert made.status_code == 201, made.text
    again = client.post("/v1/staff/sites", headers=clerk | key, json=DRAFT)
    assert (again.status_code, again.json()) == (201, made.json())
    site_id, place = made.json()["id"], made.headers["location"]
    assert client.get(place, headers=clerk).json() == made.json()
    assert made.json()["state"] == "draft"
    lon, _ = made.json()["site"]["geometry"]["coordinates"]
    assert abs(lon - 103.6153) > 0.001  # gcj02 is half a kilometre off
    assert client.get(f"/v1/sites/{site_id}").status_code == 404
    refused = client.post(f"{place}/publish", headers=clerk)
    assert (refused.status_code, refused.json()["code"]) == (403, "not-allowed")
    early = client.post(f"{place}/publish", headers=admin)
    assert (early.status_code, early.json()["code"], early.json()["state"]) == (
        409, "wrong-site-state", "draft",
    )  # fmt: skip
    assert client.post(f"{place}/submit", headers=clerk).json()["state"] == "submitted"
    listed = client.get("/v1/staff/sites", params={"state": "submitted"}, headers=admin).json()
    conforms(StaffSitePage, listed)
    assert [one["id"] for one in listed["items"]] == [site_id]
    seen = client.get(place, headers=admin).headers["etag"]
    stale = client.post(f"{place}/publish", headers=admin | {"If-Match": '"v1"'})
    assert stale.status_code == 412
    published = client.post(f"{place}/publish", headers=admin | {"If-Match": seen}, json={"reason": "已核实"})
    assert published.json()["state"] == "published"
    shown = client.get(f"/v1/sites/{site_id}").json()
    assert (shown["name"], shown["assured_at"]) == ("试点助餐点", None)
    found = client.get("/v1/search", params={"q": "试点助餐"}).json()["items"]
    wait_until(lambda: client.get("/v1/search", params={"q": "试点助餐"}).json()["items"], "search")
    assert found == [] or found[0]["id"] == site_id
    refused = client.post(f"{place}/unpublish", headers=admin, json={})
    assert refused.json()["errors"][0]["pointer"] == "/body/reason"
    back = client.post(f"{place}/unpublish", headers=admin, json={"reason": "地址有误"})
    assert back.json()["state"] == "withdrawn"
    assert client.get(f"/v1/sites/{site_id}").status_code == 404
    edited_sql.execute("delete from site where source_code = 'staff'")  # others list this city too


def test_staff_of_one_township_do_not_edit_anothers_site(client, edited, edited_sql, site_id):
    (own,) = edited_sql.execute(
        f"{TOWNSHIP_OF} select id::text from up where kind = 'township'", (site_id,)
    ).fetchone()
    (other,) = edited_sql.execute(
        "select id::text from area where kind = 'township' and id <> %s limit 1", (own,)
    ).fetchone()
    stranger = sign_in(edited[1], Grant("site_staff", "township", other))
    for method, path in (
        ("get", ""), ("post", "/assure"), ("post", "/submit"), ("get", "/history"), ("get", "/closures"),
        ("get", "/qr-sheet"),
    ):  # fmt: skip
        answer = client.request(method, f"/v1/staff/sites/{site_id}{path}", headers=stranger)
        assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed"), path
    neighbour = sign_in(edited[1], Grant("site_staff", "township", own))
    assert client.post(f"/v1/staff/sites/{site_id}/assure", headers=neighbour).status_code == 200
    # A draft they may not even know of.
    edited_sql.execute("update site set published_at = null, withdrawn_at = now() where id = %s", (site_id,))
    assert client.get(f"/v1/staff/sites/{site_id}", headers=stranger).status_code == 404
    assert client.get(f"/v1/staff/sites/{site_id}", headers=neighbour).status_code == 200
    edited_sql.execute("update site set published_at = now(), withdrawn_at = null where id = %s", (site_id,))


def test_what_says_which_site_it_is_takes_the_district(client, admin, clerk, site_id):
    tag = read(client, clerk, site_id).headers["etag"]
    refused = edit(client, clerk, site_id, tag, name="另一个名字", hours="24/7")
    assert (refused.status_code, refused.json()["fields"]) == (403, ["name"])
    assert "名称" in refused.json()["detail"]
    assert edit(client, admin, site_id, tag, name="另一个名字", hours="24/7").status_code == 200


def test_an_operator_that_other_sites_have_is_not_changed_through_a_draft(client, admin, edited, edited_sql):
    operator = {"name": "共用运营单位", "name_en": "Shared", "operating_model": "public"}
    theirs = client.post("/v1/staff/sites", headers=admin, json=DRAFT | {"operator": operator})
    (township,) = edited_sql.execute(
        "select id::text from area where kind = 'township' and name = '中川镇'"
    ).fetchone()
    clerk = sign_in(edited[1], Grant("site_staff", "township", township))
    mine = client.post("/v1/staff/sites", headers=clerk, json=DRAFT | {"operator": operator})
    assert (theirs.status_code, mine.status_code) == (201, 201), mine.text
    changed = operator | {"operating_model": "private"}
    refused = client.post("/v1/staff/sites", headers=clerk, json=DRAFT | {"operator": changed})
    assert (refused.status_code, refused.json()["code"]) == (403, "fields-not-allowed")
    model = "select operating_model from organisation where name = '共用运营单位'"
    assert edited_sql.execute(model).fetchall() == [("public",)]
    assert (
        client.post("/v1/staff/sites", headers=admin, json=DRAFT | {"operator": changed}).status_code == 201
    )
    assert edited_sql.execute(model).fetchall() == [("private",)]
    edited_sql.execute("delete from site where name = %s", (DRAFT["name"],))


def test_confirming_shows_residents_when(client, clerk, site_id):
    before = client.get(f"/v1/sites/{site_id}").json()
    answer = client.post(f"/v1/staff/sites/{site_id}/assure", headers=clerk)
    assert answer.status_code == 200
    after = client.get(f"/v1/sites/{site_id}").json()
    assert datetime.now(UTC) - datetime.fromisoformat(after["assured_at"]) < timedelta(minutes=1)
    assert after["updated_at"] == before["updated_at"]  # nothing else changed
    assert "信息确认于" in client.get(f"/v1/sites/{site_id}/guide").text


def test_going_back_to_an_earlier_version(client, clerk, site_id):
    first = read(client, clerk, site_id)
    assert edit(client, clerk, site_id, first.headers["etag"], hours=None, phones=[]).status_code == 200
    path, version = f"/v1/staff/sites/{site_id}/revert", first.json()["version"]
    assert client.post(path, headers=clerk, json={"version": version}).status_code == 428
    tag = {"If-Match": f'"v{version + 1}"'}
    missing = client.post(path, headers=clerk | tag, json={"version": 999})
    assert (missing.status_code, missing.json()["code"]) == (404, "site-version-not-found")
    back = client.post(path, headers=clerk | tag, json={"version": version, "reason": "误改"})
    assert back.json()["site"] == first.json()["site"]
    assert back.json()["version"] == version + 2


def test_history_comes_page_by_page(client, clerk, site_id):
    for _ in range(4):
        newest = client.post(f"/v1/staff/sites/{site_id}/assure", headers=clerk).json()["version"]
    path, seen, after = f"/v1/staff/sites/{site_id}/history", [], {}
    while True:
        page = client.get(path, params={"limit": 2} | after, headers=clerk).json()
        seen += [one["version"] for one in page["items"]]
        if page["next"] is None:
            break
        after = {"next": page["next"]}
    assert seen == [*range(newest, 0, -1)]
    wrong = client.get(path, params={"next": after["next"][:-2]}, headers=clerk)
    assert wrong.json()["code"] == "invalid-cursor"


def test_long_unconfirmed_sites_are_listed_oldest_first(client, admin, edited_sql):
    path, seen, after = "/v1/staff/sites", [], {}
    while True:
        asked = {"not_assured_for_days": 10, "limit": 60} | after
        page = client.get(path, params=asked, headers=admin).json()
        seen += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        after = {"next": page["next"]}
    wanted = edited_sql.execute(
        "select id::text from site where published_at is not null and status <> 'inactive'"
        " and (assured_at is null or assured_at < now() - interval '10 days')"
        " order by assured_at nulls first, id"
    ).fetchall()
    assert seen == [site for (site,) in wanted]
    assert len(seen) > 60


def test_lists_are_narrowed_to_a_scope(edited, client, edited_sql, admin, site_id):
    clerk = sign_in(edited[1], Grant("site_staff", "site", site_id))
    town = sign_in(edited[1], Grant("site_staff", "township", township := township_id(edited_sql)))
    elder = sign_in(edited[1], Grant("inspector", "category", "elder"))

    def ids(headers, **asked):
        found, after = set(), {}
        while True:
            params = {"limit": 200} | asked | after
            page = client.get("/v1/staff/sites", params=params, headers=headers).json()
            found |= {one["id"] for one in page["items"]}
            if page["next"] is None:
                return found
            after = {"next": page["next"]}

    assert ids(clerk) == {site_id}
    inside = edited_sql.execute(
        f"{BELOW} select s.id::text from site s join below on s.area_id = below.id", (township,)
    ).fetchall()
    assert ids(town) == {site for (site,) in inside}
    assert 1 < len(inside) < 200
    assert ids(elder) == ids(admin, category="elder") > ids(elder, category="meal_point")
    assert ids(clerk, category="clinic") == set()


def township_id(edited_sql):
    """One with some sites and not most of them."""
    (found,) = edited_sql.execute(
        "select id::text from area where kind = 'township' and name = '秦川镇'"
    ).fetchone()
    return found


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"hours": "随便"}, "/body/hours"),
        ({"name": " "}, "/body/name"),
        ({"name": "a\x00"}, "/body/name"),
        ({"features": ["pool_of_stars"]}, "/body/features"),
        ({"location": {"lon": 36.5, "lat": 103.6, "crs": "gcj02"}}, "/body/location"),
        ({"location": {"lon": 103.6, "lat": 36.5}}, "/body/location/crs"),
        ({"location": None}, "/body"),
        ({"geometry": {"type": "Point", "coordinates": [103, 36]}}, "/body"),
        ({"location": None, "geometry": {"type": "Point", "coordinates": [[[]]]}}, "/body/geometry"),
        ({"location": None, "geometry": {"type": "Point", "coordinates": [1e999, 0]}}, "/body/geometry"),
        (
            {
                "location": None,
                "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]},
            },
            "/body/geometry",
        ),
        ({"published_at": "2026-11-24"}, "/body/published_at"),
        ({"makeup_hours": "08:00-09:00," * 30}, "/body/makeup_hours"),
    ],
)
def test_a_draft_that_cannot_be_is_refused_with_its_field(client, admin, wrong, pointer):
    body = json.dumps(DRAFT | wrong)
    answer = client.post(
        "/v1/staff/sites", headers=admin | {"Content-Type": "application/json"}, content=body
    )
    assert answer.status_code == 422, answer.text
    assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]


def test_an_unknown_category_is_named(client, admin):
    answer = client.post("/v1/staff/sites", headers=admin, json=DRAFT | {"category": "spaceport"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown-category")


def test_the_sheet_prints_name_and_code_and_loads_nothing(client, clerk, site_id):
    answer = client.get(f"/v1/staff/sites/{site_id}/qr-sheet", headers=clerk)
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-store"
    assert "style-src 'unsafe-inline'" in answer.headers["content-security-policy"]
    name = read(client, clerk, site_id).json()["site"]["name"]
    assert re.search(rf"<h1[^>]*>{name}</h1>", answer.text)
    assert f"/v1/sites/{site_id}/guide" in answer.text
    assert "@page { size: A4" in answer.text
    assert "尚未发布" not in answer.text
    assert len(re.findall(r"<svg[^>]* viewBox=", answer.text)) == 1
    assert not re.search(r"<(script|img|link)", answer.text)
    assert io.StringIO(answer.text).readline().strip() == "<!doctype html>"


def test_residents_and_strangers_do_not_get_in(client, edited, site_id):
    resident = sign_in(edited[1], kind="resident")
    for headers, status in ({}, 401), (resident, 403):
        assert client.get("/v1/staff/sites", headers=headers).status_code == status
        assert client.get(f"/v1/staff/sites/{site_id}", headers=headers).status_code == status
        assert client.post("/v1/staff/sites", headers=headers, json=DRAFT).status_code == status
        put = client.put(f"/v1/staff/sites/{site_id}", headers=headers | {"If-Match": '"v1"'}, json=DRAFT)
        assert put.status_code == status
