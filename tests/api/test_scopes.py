"""Somebody else's things, by their ids (IDOR): staff of one place at another place, one resident at another's.

``STAFF`` and ``OWN`` hold a well-formed call for every route with an id in its path. It is made by everyone who may do
the action somewhere else, who must be told 403 or 404, and by someone who may do it there, who must not: without that
control a call that fails for another reason would prove nothing. A route that is in no table fails a test.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from api.access import routes_of
from api.app import create_app
from core import clock
from core.actor import Grant
from core.permissions import RULES, SCOPES
from core.settings import Settings
from tests.api.people import sign_in, unlimited_city, who
from tests.api.worlds import REASON, World
from tests.conftest import TEST_RING

Call = Callable[[World], dict[str, Any]]
WHY = {"reason": REASON}
LATER = str((clock.now() + timedelta(days=60)).date())


def nothing(world: World) -> dict[str, Any]:
    return {}


def sending(json: dict[str, Any] | None = None, **headers: str) -> Call:
    return lambda _world: {"json": json, **{name.replace("_", "-"): value for name, value in headers.items()}}


def whole_site(world: World) -> dict[str, Any]:
    shown = world.site()
    return {"json": {**shown["site"], **WHY}, "If-Match": f'"v{shown["version"]}"'}


def earlier_version(world: World) -> dict[str, Any]:
    return {"json": {"version": 1, **WHY}, "If-Match": f'"v{world.site()["version"]}"'}


def new_contact(world: World) -> dict[str, Any]:
    return {"json": {"phone": "13800000002", "home_area": world.there.township, **WHY}, "If-Match": '"v1"'}


# In this order, since the ones in charge do what they are asked.
STAFF: Mapping[str, Call] = {
    "GET /v1/staff/sites/{site_id}": nothing,
    "GET /v1/staff/sites/{site_id}/history": nothing,
    "GET /v1/staff/sites/{site_id}/qr-sheet": nothing,
    "GET /v1/staff/sites/{site_id}/closures": nothing,
    "POST /v1/staff/sites/{site_id}/closures": sending({"from": LATER, **WHY}),
    "DELETE /v1/staff/sites/{site_id}/closures/{closure_id}": nothing,
    "PUT /v1/staff/sites/{site_id}": whole_site,
    "POST /v1/staff/sites/{site_id}/assure": sending(),
    "POST /v1/staff/sites/{site_id}/revert": earlier_version,
    "POST /v1/staff/sites/{site_id}/submit": sending(),
    "POST /v1/staff/sites/{site_id}/return": sending(WHY),
    "POST /v1/staff/sites/{site_id}/unpublish": sending(WHY),
    "POST /v1/staff/sites/{site_id}/publish": sending(),
    "GET /v1/staff/corrections/{correction_id}": nothing,
    "POST /v1/staff/corrections/{correction_id}/contact": sending(WHY),
    "POST /v1/staff/corrections/{correction_id}/accept": sending({"answer": "谢谢"}),
    "POST /v1/staff/corrections/{correction_id}/decline": sending({"answer": "谢谢"}),
    "GET /v1/staff/complaints/{complaint_id}": nothing,
    "POST /v1/staff/complaints/{complaint_id}/reply": sending({"text": "已处理"}),
    "POST /v1/staff/complaints/{complaint_id}/escalate": sending({"text": "请上级处理"}),
    "DELETE /v1/staff/ratings/batch/{sheet_id}": nothing,
    "GET /v1/staff/persons/{person_id}": nothing,
    "PUT /v1/staff/persons/{person_id}/contact": new_contact,
    "POST /v1/staff/persons/{person_id}/reveal": sending({"fields": ["phone"], **WHY}),
    "POST /v1/staff/persons/{person_id}/tags": sending(
        {"tag": "disability", "evidence": "2026-002", "until_on": "2027-01-01"}
    ),
    "POST /v1/staff/persons/{person_id}/tags/{tag_id}/revoke": sending(WHY),
    "POST /v1/staff/delegations/{delegation_id}/revoke": sending(WHY),
}
# Not for a place: a reason each.
NOT_SCOPED: Mapping[str, str] = {
    "/v1/staff/accounts/{staff_id}": "the three administrators act for the whole district (tests/api/test_grants.py)",
    "/v1/staff/imports/{import_id}": "a file may touch any place: a grant within less than the district is refused below",
    "/v1/staff/offerings/": "every call of staff elsewhere is refused in tests/api/test_staff_offerings.py",
    "/v1/staff/templates/": "the same",
    "/v1/staff/slots/": "the same; its waiting list in tests/api/test_waitlist.py",
    "/v1/staff/sites/{site_id}/seats": "the same",
    "/v1/staff/checkins/{reservation_id}": "the desk's acts depend on each other: every call by every role elsewhere in tests/api/test_desk.py",
    "/v1/staff/reservations/{reservation_id}": "the same",
    "/v1/staff/appeals/": "tests/api/test_attendance.py",
    "/v1/staff/outreach/": "tests/api/test_outreach.py",
    "/v1/staff/delegations/{request_id}/witness": "by the home of whom it is about (tests/api/test_staff_persons.py)",
}

OWN: Mapping[str, Call] = {
    "DELETE /v1/me/sessions/{session_id}": nothing,
    "DELETE /v1/me/consents/{consent_id}": nothing,
    "GET /v1/me/people/{own_person_id}": nothing,
    "GET /v1/complaints/{complaint_id}": nothing,
    "POST /v1/complaints/{complaint_id}/withdraw": sending({}),
    "POST /v1/complaints/{complaint_id}/reopen": sending({"text": "还没有处理"}),
    "PUT /v1/ratings/{rating_id}": sending({"level": 1}),
    "GET /v1/corrections/{correction_id}": nothing,
    "DELETE /v1/me/delegations/{delegation_id}": nothing,
    "DELETE /v1/me/identities/{identity_id}": nothing,
}
OWN_ELSEWHERE: Mapping[str, str] = {
    "DELETE /v1/me/people/{person_id}": "gives up what was delegated: there is nothing of one's own to give up",
    "POST /v1/me/people/{person_id}/code": "of a request that waits, found by account (tests/api/test_people.py)",
    "POST /v1/me/people/{person_id}/verify": "of a request that waits, found by account (tests/api/test_people.py)",
    "POST /v1/me/delegations/{delegation_id}/accept": "by the phone it was offered to (tests/api/test_people.py)",
    "POST /v1/me/delegations/{delegation_id}/decline": "by the phone it was offered to (tests/api/test_people.py)",
    "POST /v1/sites/{site_id}/corrections": "anyone may report about any site",
    **dict.fromkeys(
        (
            "GET /v1/reservations/{reservation_id}",
            "GET /v1/reservations/{reservation_id}/qr.svg",
            "GET /v1/reservations/{reservation_id}.ics",
            "POST /v1/reservations/{reservation_id}/confirm",
            "POST /v1/reservations/{reservation_id}/cancel",
            "POST /v1/reservations/{reservation_id}/reschedule",
        ),
        "each as somebody else in tests/api/test_reservations.py",
    ),
    **dict.fromkeys(
        (
            "POST /v1/waitlist/{entry_id}/accept",
            "POST /v1/waitlist/{entry_id}/decline",
            "DELETE /v1/waitlist/{entry_id}",
            "GET /v1/standing-bookings/{standing_id}",
            "DELETE /v1/standing-bookings/{standing_id}",
            "POST /v1/reservations/{reservation_id}/appeal",
        ),
        "as somebody else in tests/api/test_waitlist.py, test_standing.py, test_attendance.py",
    ),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory, server_url, city_template, redis_url):
    with unlimited_city(tmp_path_factory, server_url, city_template, redis_url) as (server, url):
        one = World(server.url, url)
        yield one
        one.client.close()


def with_ids() -> list[tuple[str, str]]:
    """``METHOD /path`` and action of every route that has an id in its path, but for what anyone reads about sites."""
    app = create_app(Settings(keys=TEST_RING))
    return [
        (f"{method} {route.path}", action)
        for route, action in routes_of(app)
        if action not in (None, "locator.read", "offering.read") and "{" in route.path
        for method in sorted(route.methods)
    ]


ACTIONS = dict(with_ids())


def test_every_route_with_an_id_is_in_a_table_or_has_a_reason():
    plain = {route.replace("own_person_id", "person_id") for route in (*STAFF, *OWN, *OWN_ELSEWHERE)}
    missing = [
        route
        for route in ACTIONS
        if route not in plain and not any(route.partition(" ")[2].startswith(path) for path in NOT_SCOPED)
    ]
    assert missing == []
    assert [route for route in STAFF if route not in ACTIONS] == []


def callers(world, action, place):
    """Everyone who holds a role for ``action`` at ``place`` and nowhere else."""
    for role in sorted(RULES[action].roles):
        for scope in SCOPES[role]:
            if scope not in ("own", "district"):
                yield f"{role} of the {scope}", sign_in(world.database_url, place.grant(role, scope))


def try_it(world, route, call, headers):
    method, _, path = route.partition(" ")
    asked = call(world)
    answer = world.ask(headers, method, path.format(**world.ids), asked.pop("json", None), **asked)
    code = (
        answer.json().get("code")
        if answer.headers.get("content-type") == "application/problem+json"
        else None
    )
    return answer.status_code, code


def is_refusal(outcome):
    return outcome[0] in (403, 404)


@pytest.mark.parametrize("route", STAFF)
def test_staff_of_another_place_are_refused_and_those_of_the_place_are_not(world, route):
    action, call = ACTIONS[route], STAFF[route]
    elsewhere = {name: try_it(world, route, call, who_) for name, who_ in callers(world, action, world.here)}
    assert {name: one for name, one in elsewhere.items() if not is_refusal(one)} == {}
    assert len(elsewhere) >= 1
    there = {name: try_it(world, route, call, who_) for name, who_ in callers(world, action, world.there)}
    # Not malformed (400, 422, 428), not refused: done, or in a state that does not allow it.
    assert {one for one in there.values() if one[0] in (200, 201, 204, 409, 410, 412)}, there


@pytest.mark.parametrize("route", OWN)
def test_another_resident_is_refused_and_the_owner_is_not(world, route):
    outcome = try_it(world, route, OWN[route], world.stranger)
    assert outcome[0] == 404, outcome  # as if it did not exist
    # A session of its own: one of the routes ends the owner's first.
    owner = sign_in(world.database_url, kind="resident", assurance="real_name", account_id=who(world.owner))
    mine = try_it(world, route, OWN[route], owner)
    assert mine[0] in (200, 201, 204, 409, 410), mine


# Places and persons that are named in the query or the body.
NAMED: Mapping[str, tuple[str, Call]] = {
    "GET /v1/staff/ratings?site_id={site_id}": ("rating.collect", nothing),
    "POST /v1/staff/ratings": (
        "rating.collect",
        lambda world: {"json": {"site_id": world.there.site, "level": 5}},
    ),
    "POST /v1/staff/ratings/batch": (
        "rating.collect",
        lambda world: {
            "json": {
                "site_id": world.there.site,
                "on": "2026-11-01",
                "counts": {"5": 1},
                "sheet_reference": f"named-{id(world)}",
            }
        },
    ),
}


@pytest.mark.parametrize("route", NAMED)
def test_a_place_named_in_query_or_body_is_asked_too(world, route):
    action, call = NAMED[route]
    elsewhere = {name: try_it(world, route, call, who_) for name, who_ in callers(world, action, world.here)}
    assert {name: one for name, one in elsewhere.items() if not is_refusal(one)} == {}
    there = [try_it(world, route, call, who_) for _, who_ in callers(world, action, world.there)]
    assert any(one[0] in (200, 201, 409) for one in there), there


LISTS: Mapping[str, tuple[str, str]] = {
    "/v1/staff/sites?limit=200": ("site.read", "site_id"),
    "/v1/staff/corrections?limit=200&state={state}": ("correction.handle", "correction_id"),
    "/v1/staff/complaints?limit=200&state={state}": ("complaint.handle", "complaint_id"),
}


@pytest.mark.parametrize("path", LISTS)
def test_a_list_holds_what_is_within_ones_scope_and_nothing_else(world, path):
    action, name = LISTS[path]

    def found(headers):
        states = ("open", "accepted", "declined", "answered", "escalated", "withdrawn", "closed", "reopened")
        ids = set()
        for state in states if "{state}" in path else ("",):
            answer = world.client.get(path.format(state=state), headers=headers)
            if answer.status_code == 200:
                ids |= {one["id"] for one in answer.json()["items"]}
        return ids

    wanted = world.ids[name]
    here = [caller for caller, who_ in callers(world, action, world.here) if wanted in found(who_)]
    there = [caller for caller, who_ in callers(world, action, world.there) if wanted in found(who_)]
    assert here == []
    assert there != []


def test_imports_need_the_whole_district(world):
    for scope in ("township", "category"):
        headers = sign_in(world.database_url, world.here.grant("district_admin", scope))
        assert world.ask(headers, "GET", "/v1/staff/imports").status_code == 403
    assert world.ask(world.admin, "GET", "/v1/staff/imports").status_code == 200


def test_a_grant_of_two_places_reaches_both_and_no_third(world):
    both = sign_in(
        world.database_url, world.here.grant("site_staff", "site"), world.there.grant("site_staff", "site")
    )
    listed = world.client.get("/v1/staff/sites?limit=200", headers=both).json()["items"]
    assert {one["id"] for one in listed} == {world.here.site, world.there.site}


def test_a_scope_that_names_nothing_reaches_nothing(world):
    for scope_id in ("", "%", "null", "00000000-0000-0000-0000-000000000000", "' or true --"):
        for scope in ("site", "township", "category"):
            headers = sign_in(world.database_url, Grant("site_staff", scope, scope_id))
            assert world.client.get("/v1/staff/sites", headers=headers).json()["items"] == []
            assert is_refusal(try_it(world, "GET /v1/staff/sites/{site_id}", nothing, headers))


def test_residents_lists_hold_their_own_things_only(world):
    for path in ("/v1/complaints", "/v1/ratings", "/v1/corrections", "/v1/me/people", "/v1/me/delegations"):
        assert world.client.get(path, headers=world.stranger).json()["items"] == [], path
    sessions = world.client.get("/v1/me/sessions", headers=world.stranger).json()["items"]
    assert len(sessions) == 1
    assert world.client.get("/v1/me", headers=world.stranger).json()["id"] == str(who(world.stranger))
