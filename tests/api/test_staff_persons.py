"""Persons at the desk: found by those who serve them, masked, revealed with a reason, tagged, witnessed; all on record."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from core.actor import Grant
from tests.api.people import sign_in, who
from tests.api.residents import id_number, last_code, phone, resident
from tests.api.running import ask, serving
from tests.conftest import create_database, drop_database, url_of

TODAY = datetime.now(UTC).date()
NEXT_YEAR = (TODAY + timedelta(days=300)).isoformat()
CONSENTS = ["service", "id"]


@pytest.fixture(scope="module")
def place(tmp_path_factory, server_url, city_template, redis_url):
    """A server on a demo city of this file's own, and the database's address."""
    name = create_database(server_url, city_template)
    url = url_of(server_url, name)
    log = tmp_path_factory.mktemp("staff") / "log"
    with serving(log, database_url=url, redis_url=redis_url, limits="off") as one:
        yield one.url, url
        assert [line for line in one.log() if line["level"] == "ERROR"] == []
    drop_database(server_url, name)


@pytest.fixture(scope="module")
def towns(place):
    """Two townships, and a community below the first."""
    with psycopg.connect(place[1]) as connection:
        rows = connection.execute(
            """
            select distinct on (t.id) t.id, c.id from area t join area c on c.parent_id = t.id
            where t.kind = 'township' order by t.id, c.id
            """
        ).fetchall()
    return {"here": rows[0][0], "below": rows[0][1], "there": rows[1][0]}


class Staff:
    """Somebody at work."""

    def __init__(self, place, *grants):
        self.url, self.headers = place[0], sign_in(place[1], *grants)

    @property
    def account_id(self):
        return who(self.headers)

    def call(self, method, path, body=None, **headers):
        return ask(method, self.url + path, json=body, headers={**self.headers, **headers}, timeout=15)


@pytest.fixture(scope="module")
def clerk(place, towns):
    """Serves a township."""
    return Staff(place, Grant("site_staff", "township", str(towns["here"])))


@pytest.fixture(scope="module")
def desk(place):
    """Serves a site's desk."""
    with psycopg.connect(place[1]) as connection:
        site = connection.execute("select id from site limit 1").fetchone()[0]
    return Staff(place, Grant("site_staff", "site", str(site)))


@pytest.fixture(scope="module")
def admin(place):
    return Staff(place, Grant("district_admin", "district"))


def registered(admin, home, **more):
    """Somebody registered at the desk; what was sent and what was answered."""
    sent = {
        "name": "李桂兰",
        "id_number": id_number(date(1944, 8, 1)),
        "phone": phone(),
        "home_area": str(home),
        "consents": CONSENTS,
        **more,
    }
    made = admin.call("POST", "/v1/staff/persons", sent)
    assert made.status_code == 201, made.text
    return sent, made.json()


def record(place, **wanted):
    """Entries of the audit record, oldest first."""
    clauses = " and ".join(f"{name} = %s" for name in wanted)
    with psycopg.connect(place[1]) as connection:
        return connection.execute(
            f"select action, reason, detail from audit_entry where {clauses} order by at, id",
            [*wanted.values()],
        ).fetchall()


def test_somebody_without_a_phone_is_registered_at_the_desk_and_shown_masked(place, admin, towns):
    sent, made = registered(admin, towns["here"], phone=None)
    assert (made["name"], made["phone"], made["verification"]) == ("李**", None, "desk")
    assert made["id_number"] == f"620***********{sent['id_number'][-4:]}"
    assert made["age"] == TODAY.year - 1944 - (date(TODAY.year, 8, 1) > TODAY)
    again = admin.call("POST", "/v1/staff/persons", sent)
    assert (again.status_code, again.json()["code"]) == (409, "person-exists")
    with psycopg.connect(place[1]) as connection:
        consents = connection.execute(
            "select purpose, how, recorded_by from consent where person_id = %s order by purpose",
            (made["id"],),
        ).fetchall()
    assert consents == [("id", "desk", admin.account_id), ("service", "desk", admin.account_id)]


def test_nobody_is_registered_without_both_papers_signed(admin, towns):
    body = {"name": "李", "id_number": id_number(), "home_area": str(towns["here"]), "consents": ["service"]}
    refused = admin.call("POST", "/v1/staff/persons", body)
    assert (refused.status_code, refused.json()["code"], refused.json()["missing"]) == (
        409,
        "consent-needed",
        ["id"],
    )


def test_staff_of_a_township_see_who_lives_in_it_and_nobody_else(admin, clerk, towns):
    sent, inside = registered(admin, towns["below"])
    others, outside = registered(admin, towns["there"])
    for sought in ({"id_number": sent["id_number"]}, {"phone": sent["phone"]}, {"name": sent["name"]}):
        found = clerk.call("POST", "/v1/staff/persons/search", sought).json()["items"]
        assert inside["id"] in [one["id"] for one in found]
        assert outside["id"] not in [one["id"] for one in found]
    assert clerk.call("POST", "/v1/staff/persons/search", {"phone": others["phone"]}).json()["items"] == []
    assert clerk.call("GET", f"/v1/staff/persons/{inside['id']}").status_code == 200
    reason = {"fields": ["phone"], "reason": "核对电话"}
    for method, path, body in (
        ("GET", "", None),
        ("POST", "/reveal", reason),
        ("PUT", "/contact", {"phone": None, "reason": "换号"}),
    ):
        refused = clerk.call(method, f"/v1/staff/persons/{outside['id']}{path}", body, **{"If-Match": '"v1"'})
        assert (refused.status_code, refused.json()["code"]) == (404, "person-not-found")


def test_a_desk_finds_by_exact_number_only_and_may_open_whom_it_found(place, admin, desk, towns):
    sent, made = registered(admin, towns["there"])
    path = f"/v1/staff/persons/{made['id']}"
    assert desk.call("GET", path).status_code == 404
    assert desk.call("POST", "/v1/staff/persons/search", {"name": sent["name"]}).json()["items"] == []
    found = desk.call("POST", "/v1/staff/persons/search", {"id_number": sent["id_number"].lower()})
    assert [one["id"] for one in found.json()["items"]] == [made["id"]]
    assert desk.call("GET", path).status_code == 200
    with psycopg.connect(place[1]) as connection:
        connection.execute("set session_replication_role = replica")  # the record takes no edits
        connection.execute(
            "update audit_entry set at = at - interval '11 hours' where person_id = %s and account_id = %s",
            (made["id"], desk.account_id),
        )
    assert desk.call("GET", path).status_code == 404


def test_each_look_is_on_record_with_who_whom_and_why(place, admin, clerk, towns):
    sent, made = registered(admin, towns["here"])
    clerk.call("POST", "/v1/staff/persons/search", {"phone": sent["phone"]})
    clerk.call("GET", f"/v1/staff/persons/{made['id']}")
    shown = clerk.call(
        "POST",
        f"/v1/staff/persons/{made['id']}/reveal",
        {"fields": ["name", "id_number"], "reason": "办理助餐补贴"},
    )
    assert shown.json() == {
        "id": made["id"],
        "name": sent["name"],
        "id_number": sent["id_number"],
        "phone": None,
        "birth_on": None,
        "evidence": None,
    }
    seen = record(place, person_id=made["id"], account_id=clerk.account_id)
    assert [(action, reason) for action, reason, _ in seen] == [
        ("person.find", None),
        ("person.read", None),
        ("person.reveal", "办理助餐补贴"),
    ]
    assert seen[2][2] == {"fields": ["id_number", "name"]}


def test_a_search_that_finds_nobody_is_on_record_too(place, clerk):
    before = len(record(place, account_id=clerk.account_id, action="person.find"))
    assert clerk.call("POST", "/v1/staff/persons/search", {"phone": phone()}).json()["items"] == []
    assert len(record(place, account_id=clerk.account_id, action="person.find")) == before + 1


def test_nothing_is_revealed_without_a_reason_and_nothing_that_was_not_asked_for(admin, towns):
    _, made = registered(admin, towns["here"])
    path = f"/v1/staff/persons/{made['id']}/reveal"
    for body in (
        {"fields": ["phone"]},
        {"fields": ["phone"], "reason": " "},
        {"fields": [], "reason": "核对"},
    ):
        assert admin.call("POST", path, body).status_code == 422


def test_a_search_names_exactly_one_thing(admin):
    for body in ({}, {"phone": "13800000001", "name": "李"}):
        refused = admin.call("POST", "/v1/staff/persons/search", body)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid-request")


def test_a_phone_is_corrected_with_the_version_that_was_read(admin, towns):
    _, made = registered(admin, towns["here"])
    path, other = f"/v1/staff/persons/{made['id']}", phone()
    body = {"phone": other, "home_area": str(towns["below"]), "reason": "换了手机号"}
    assert admin.call("PUT", f"{path}/contact", body).status_code == 428
    tag = admin.call("GET", path).headers["ETag"]
    changed = admin.call("PUT", f"{path}/contact", body, **{"If-Match": tag})
    assert (changed.status_code, changed.json()["phone"]) == (200, f"139****{other[-4:]}")
    late = admin.call("PUT", f"{path}/contact", body, **{"If-Match": tag})
    assert (late.status_code, late.json()["code"]) == (412, "person-changed")


def test_a_tag_is_granted_on_evidence_ends_by_itself_and_can_be_taken_back(admin, towns):
    _, made = registered(admin, towns["here"])
    path = f"/v1/staff/persons/{made['id']}"
    body = {"tag": "low_income", "evidence": "低保证 6201-0042", "until_on": NEXT_YEAR}
    granted = admin.call("POST", f"{path}/tags", body)
    assert granted.status_code == 201, granted.text
    assert (granted.json()["title_zh"], granted.json()["counts"]) == ("经济困难", True)
    assert "0042" not in granted.text
    assert admin.call("POST", f"{path}/tags", body).json()["code"] == "tag-held"
    shown = admin.call("POST", f"{path}/reveal", {"fields": ["evidence"], "reason": "复核"}).json()
    assert [one["evidence"] for one in shown["evidence"]] == ["低保证 6201-0042"]
    revoked = admin.call("POST", f"{path}/tags/{granted.json()['id']}/revoke", {"reason": "已脱贫"})
    assert (revoked.json()["counts"], revoked.json()["revoke_reason"]) == (False, "已脱贫")
    assert [one["counts"] for one in admin.call("GET", path).json()["tags"]] == [False]
    assert admin.call("POST", f"{path}/tags", body).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        {"tag": "rich", "evidence": "x"},
        {"tag": "low_income", "evidence": "x"},
        {"tag": "low_income", "evidence": "x", "until_on": "2020-01-01"},
        {"tag": "low_income", "evidence": "x", "until_on": (TODAY + timedelta(days=800)).isoformat()},
    ],
)
def test_a_tag_that_cannot_be_is_refused_in_words(admin, towns, body):
    _, made = registered(admin, towns["here"])
    refused = admin.call("POST", f"/v1/staff/persons/{made['id']}/tags", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-tag")


def test_a_tag_is_not_for_site_staff_to_grant(clerk):
    body = {"tag": "low_income", "evidence": "x", "until_on": NEXT_YEAR}
    assert clerk.call("POST", f"/v1/staff/persons/{uuid4()}/tags", body).status_code == 403


def request_for(daughter, number, home=None, **more):
    daughter.agree("id")
    body = {
        "relation": "child",
        "name": "李桂兰",
        "id_number": number,
        "scopes": ["book.all"],
        "until": NEXT_YEAR,
        "home_area": None if home is None else str(home),
        **more,
    }
    asked = daughter.call("POST", "/v1/me/people", body)
    assert asked.status_code == 201, asked.text
    return asked.json()


def test_a_delegation_of_somebody_without_a_phone_is_witnessed_at_the_desk(place, admin, desk, towns):
    daughter, number = resident(*place), id_number(date(1941, 2, 3))
    asked = request_for(daughter, number, towns["here"])
    found = desk.call("POST", "/v1/staff/persons/search", {"id_number": number}).json()
    assert found["items"] == []
    assert [(one["id"], one["name"], one["asked_by"]) for one in found["waiting"]] == [
        (asked["id"], "李**", f"139****{daughter.phone[-4:]}")
    ]
    body = {"how": "desk", "reason": "老人没有手机", "witness": "社区王主任"}
    done = desk.call("POST", f"/v1/staff/delegations/{asked['id']}/witness", body)
    assert done.status_code == 200, done.text
    assert (done.json()["delegation"]["way"], done.json()["person"]["verification"]) == ("desk", "desk")
    assert [one["scopes"] for one in daughter.call("GET", "/v1/me/people").json()["items"]] == [["book.all"]]
    again = desk.call("POST", f"/v1/staff/delegations/{asked['id']}/witness", body)
    assert again.status_code == 404
    with psycopg.connect(place[1]) as connection:
        kept = connection.execute(
            "select reason, witness, witnessed_by from delegation where id = %s",
            (done.json()["delegation"]["id"],),
        ).fetchone()
    assert kept[2] == desk.account_id
    assert "王主任".encode() not in kept[1]
    assert "delegation.witness" in [
        action for action, _, _ in record(place, person_id=done.json()["person"]["id"])
    ]


def test_staff_end_a_delegation_for_somebody_who_has_no_account(place, admin, clerk, desk, towns):
    daughter, number = resident(*place), id_number(date(1941, 2, 3))
    asked = request_for(daughter, number, towns["there"])
    body = {"how": "desk", "reason": "老人没有手机", "witness": "社区王主任"}
    done = admin.call("POST", f"/v1/staff/delegations/{asked['id']}/witness", body).json()
    path = f"/v1/staff/delegations/{done['delegation']['id']}/revoke"
    reason = {"reason": "老人到窗口要求撤销"}
    for other in (clerk, desk):
        assert other.call("POST", path, reason).status_code == 404
    ended = admin.call("POST", path, reason)
    assert (ended.status_code, ended.json()["state"]) == (200, "revoked")
    assert daughter.call("GET", f"/v1/me/people/{done['person']['id']}").status_code == 404
    assert ("delegation.revoke", "老人到窗口要求撤销") in [
        (action, why) for action, why, _ in record(place, person_id=done["person"]["id"])
    ]
    assert admin.call("POST", path, reason).json()["state"] == "revoked"


def test_what_staff_send_again_under_its_key_is_done_once(place, admin, towns):
    def twice(path, body):
        key = {"Idempotency-Key": str(uuid4())}
        first, second = (admin.call("POST", path, body, **key) for _ in range(2))
        assert first.is_success, first.text
        assert (second.status_code, second.content) == (first.status_code, first.content)
        assert second.headers["Idempotent-Replayed"] == "true"
        return second.json()

    asked = request_for(resident(*place), id_number(date(1941, 2, 3)), towns["there"])
    body = {"how": "desk", "reason": "老人没有手机", "witness": "社区王主任"}
    done = twice(f"/v1/staff/delegations/{asked['id']}/witness", body)
    twice(f"/v1/staff/delegations/{done['delegation']['id']}/revoke", {"reason": "老人要求撤销"})
    person = f"/v1/staff/persons/{done['person']['id']}"
    tag = twice(f"{person}/tags", {"tag": "low_income", "evidence": "6201-0042", "until_on": NEXT_YEAR})
    twice(f"{person}/tags/{tag['id']}/revoke", {"reason": "已脱贫"})


def test_a_call_back_of_another_township_settles_nothing(place, clerk, towns):
    asked = request_for(resident(*place), id_number(date(1941, 2, 3)), towns["there"])
    body = {"how": "callback", "reason": "收不到短信", "witness": "同事小李"}
    refused = clerk.call("POST", f"/v1/staff/delegations/{asked['id']}/witness", body)
    assert (refused.status_code, refused.json()["code"]) == (403, "outside-scope")
    asked = request_for(resident(*place), id_number(date(1941, 2, 3)), towns["below"])
    done = clerk.call("POST", f"/v1/staff/delegations/{asked['id']}/witness", body)
    assert (done.status_code, done.json()["person"]["verification"]) == (200, "phone")


def test_a_guardian_is_confirmed_at_the_desk_and_until_the_child_is_18(place, desk):
    parent, born = resident(*place), date(TODAY.year - 6, 3, 1)
    parent.agree("id")
    child = {"relation": "guardian", "name": "李小宝", "id_number": id_number(born)}
    asked = parent.call("POST", "/v1/me/people", child).json()
    body = {"how": "callback", "reason": "孩子没有手机", "witness": "户口本"}
    refused = desk.call("POST", f"/v1/staff/delegations/{asked['id']}/witness", body)
    assert refused.json()["code"] == "invalid-delegation"
    done = desk.call("POST", f"/v1/staff/delegations/{asked['id']}/witness", {**body, "how": "desk"})
    assert done.status_code == 200, done.text
    person = done.json()["person"]
    assert (
        parent.call("GET", f"/v1/me/people/{person['id']}")
        .json()["until"]
        .startswith(f"{TODAY.year + 12}-02-2")
    )
    with psycopg.connect(place[1]) as connection:
        how = connection.execute(
            "select distinct how from consent where person_id = %s", (person["id"],)
        ).fetchall()
    assert how == [("guardian",)]


def test_what_a_guardian_lets_others_do_is_theirs_to_see_to_limit_and_to_end(place, desk):
    parent, aunt = resident(*place), resident(*place)
    parent.agree("id")
    born = date(TODAY.year - 17, TODAY.month, 1) - timedelta(days=200)
    child = {"relation": "guardian", "name": "李大宝", "id_number": id_number(born)}
    asked = parent.call("POST", "/v1/me/people", child).json()
    body = {"how": "desk", "reason": "户口本", "witness": "同事小李"}
    person = desk.call("POST", f"/v1/staff/delegations/{asked['id']}/witness", body).json()["person"]
    held = parent.call("GET", f"/v1/me/people/{person['id']}").json()
    offer = {"phone": aunt.phone, "scopes": ["view"], "until": held["until"], "person_id": person["id"]}
    adult = (date.fromisoformat(held["until"]) + timedelta(days=1)).isoformat()
    refused = parent.call("POST", "/v1/me/delegations", offer | {"until": adult})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-delegation")

    def given():
        items = parent.call("GET", "/v1/me/delegations").json()["items"]
        return [(one["id"], one["state"]) for one in items if one["direction"] == "given"]

    ended = []
    for _ in range(2):
        offered = parent.call("POST", "/v1/me/delegations", offer).json()["id"]
        assert aunt.call("POST", f"/v1/me/delegations/{offered}/accept").status_code == 200
        assert (offered, "active") in given()
        assert aunt.call("GET", f"/v1/me/people/{person['id']}").status_code == 200
        # The first is ended by itself, the second with the guardianship.
        which = held["delegation_id"] if ended else offered
        assert parent.call("DELETE", f"/v1/me/delegations/{which}").status_code == 204
        assert aunt.call("GET", f"/v1/me/people/{person['id']}").status_code == 404
        ended.append(offered)
    assert resident(*place).call("DELETE", f"/v1/me/delegations/{ended[0]}").status_code == 404


def test_requests_of_another_township_are_not_shown(place, desk, clerk, towns):
    number = id_number(date(1941, 5, 6))
    asked = request_for(resident(*place), number, towns["there"])

    def waiting(staff):
        found = staff.call("POST", "/v1/staff/persons/search", {"id_number": number}).json()
        return [one["id"] for one in found["waiting"]]

    assert waiting(clerk) == []
    assert waiting(desk) == [asked["id"]]


def test_that_somebody_is_registered_already_is_told_on_record(place, desk):
    number = id_number(date(1944, 5, 6))
    body = {"name": "李桂兰", "id_number": number, "consents": CONSENTS}
    person = desk.call("POST", "/v1/staff/persons", body).json()["id"]
    again = desk.call("POST", "/v1/staff/persons", body)
    assert (again.status_code, again.json()["code"]) == (409, "person-exists")
    with psycopg.connect(place[1]) as connection:
        told = connection.execute(
            "select detail from audit_entry where action = 'person.register' and person_id = %s order by at",
            (person,),
        ).fetchall()
    assert [one["refused"] for (one,) in told if "refused" in one] == ["person-exists"]


def test_a_document_that_another_account_holds_is_moved_at_the_desk(place, desk):
    number = id_number(date(1970, 1, 2))
    squatter, owner = resident(*place), resident(*place)
    squatter.register("李桂兰", number)
    owner.agree("id")
    asked = owner.call(
        "POST", "/v1/me/people", {"relation": "self", "name": "李桂兰", "id_number": number}
    ).json()
    refused = owner.call("POST", f"/v1/me/people/{asked['id']}/verify", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "code-needed")
    body = {"how": "desk", "reason": "本人持身份证", "witness": "同事小李"}
    assert desk.call("POST", f"/v1/staff/delegations/{asked['id']}/witness", body).status_code == 200
    with psycopg.connect(place[1]) as connection:
        holder = connection.execute(
            "select account_id, (select assurance from account a where a.id = account_id) from person"
            " where account_id in (%s, %s)",
            (squatter.account_id, owner.account_id),
        ).fetchall()
    assert holder == [(owner.account_id, "real_name")]


def test_staff_do_not_witness_their_own_request(place, towns):
    both = Staff(place, Grant("site_staff", "township", str(towns["here"])))
    texts = both.call("GET", "/v1/me/consents").json()["texts"]
    version = next(one["version"] for one in texts if one["purpose"] == "id")
    both.call("POST", "/v1/me/consents", {"purpose": "id", "text_version": version})
    asked = both.call(
        "POST",
        "/v1/me/people",
        {
            "relation": "child",
            "name": "李桂兰",
            "id_number": id_number(),
            "scopes": ["view"],
            "until": NEXT_YEAR,
            "home_area": str(towns["here"]),
        },
    ).json()
    body = {"how": "desk", "reason": "没有手机", "witness": "同事"}
    refused = both.call("POST", f"/v1/staff/delegations/{asked['id']}/witness", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-delegation")


def test_somebody_registered_at_the_desk_finds_themselves_by_their_phone(place, admin, towns):
    sent, made = registered(admin, towns["here"])
    elder = resident(*place, sent["phone"])
    elder.agree("id")
    body = {"relation": "self", "name": sent["name"], "id_number": sent["id_number"]}
    asked = elder.call("POST", "/v1/me/people", body).json()
    code = last_code(place[1], sent["phone"])
    done = elder.call("POST", f"/v1/me/people/{asked['id']}/verify", {"code": code})
    assert (done.status_code, done.json()["id"], done.json()["verification"]) == (200, made["id"], "desk")


def test_auditors_and_inspectors_see_no_persons(place):
    for role in ("auditor", "inspector", "system_admin", "security_admin"):
        other = Staff(place, Grant(role, "district"))
        assert other.call("POST", "/v1/staff/persons/search", {"phone": phone()}).status_code == 403
        assert other.call("GET", f"/v1/staff/persons/{uuid4()}").status_code == 403
