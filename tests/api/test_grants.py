"""Three administrators over HTTP: one makes accounts, one gives rights, one reads; and rights hold within seconds."""

import secrets
import time
from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pyotp
import pytest

from core import clock
from core.actor import Grant
from tests.api.clerks import PASSWORD
from tests.api.people import sign_in, unlimited_city, who
from tests.api.running import wait_until

SYSTEM_ADMIN = Grant("system_admin", "district")
SECURITY_ADMIN = Grant("security_admin", "district")
AUDITOR = Grant("auditor", "district")
REASON = {"reason": "2026 年第 12 号通知"}
SOME_ID = "01900000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def unlimited(tmp_path_factory, server_url, city_template, redis_url):
    with unlimited_city(tmp_path_factory, server_url, city_template, redis_url) as both:
        yield both


@pytest.fixture
def call(unlimited):
    """``call(headers, method, path, **json)``: status and body."""
    server, _ = unlimited
    with httpx.Client(base_url=server.url, trust_env=False, timeout=20) as client:

        def one(headers, method, path, **json):
            send = {"json": json} if method in ("POST", "PUT") else {"params": json}
            answer = client.request(method, path, headers=headers, **send)
            return answer.status_code, answer.json() if answer.content else None

        yield one


@pytest.fixture
def database(unlimited):
    return unlimited[1]


@pytest.fixture
def admins(database):
    return {grant.role: sign_in(database, grant) for grant in (SYSTEM_ADMIN, SECURITY_ADMIN, AUDITOR)}


@pytest.fixture
def site_id(database):
    with psycopg.connect(database) as connection:
        return str(connection.execute("select id from site order by name limit 1").fetchone()[0])


def name():
    return f"desk-{time.time_ns()}"


def test_an_account_is_made_enrolled_granted_and_signs_in(call, admins, site_id):
    username = name()
    status, made = call(
        admins["system_admin"], "POST", "/v1/staff/accounts", username=username, office="文化社区"
    )
    assert status == 201
    token = made["enrolment_token"]
    status, begun = call({}, "POST", "/v1/auth/enrolments", token=token, password=PASSWORD)
    assert status == 200
    assert begun["uri"].startswith("otpauth://totp/")
    totp = pyotp.TOTP(begun["secret"])
    code = totp.at(datetime.now(UTC) - timedelta(seconds=30))  # leaves the present one to sign in with
    status, done = call({}, "POST", "/v1/auth/enrolments/confirm", token=token, code=code)
    assert status == 200
    assert len(done["recovery_codes"]) == 10
    assert done["device_key"]

    status, given = call(
        admins["security_admin"],
        "POST",
        f"/v1/staff/accounts/{made['id']}/grants",
        role="site_staff",
        scope="site",
        scope_id=site_id,
        **REASON,
    )
    assert status == 201
    assert given["items"][0]["role_name"] == "站点工作人员"

    sign = {"grant": "password", "username": username.upper(), "password": PASSWORD}
    status, refused = call({}, "POST", "/v1/auth/tokens", **sign)
    assert (status, refused["code"]) == (401, "second-factor-needed")
    status, tokens = call({}, "POST", "/v1/auth/tokens", **sign, totp=totp.now())
    assert status == 200
    assert tokens["device_key"]
    status, me = call({"Authorization": f"Bearer {tokens['access_token']}"}, "GET", "/v1/staff/me")
    assert status == 200
    assert [(one["role"], one["scope_name"], one["scope_id"]) for one in me["grants"]] == [
        ("site_staff", "站点", site_id)
    ]
    assert me["grants"][0]["place"]
    status, _ = call({}, "POST", "/v1/auth/tokens", **sign, recovery_code=done["recovery_codes"][0])
    assert status == 200
    # A key keeps no tokens of a password: it would hold a connection while the password is hashed.
    key, code = {"Idempotency-Key": secrets.token_hex(8)}, done["recovery_codes"][1]
    told = [call(key, "POST", "/v1/auth/tokens", **sign, recovery_code=code)[0] for _ in range(2)]
    assert told == [200, 401]


def test_a_wrong_password_over_http_is_counted_and_answered_401(call, admins):
    username = name()
    call(admins["system_admin"], "POST", "/v1/staff/accounts", username=username)
    told = [
        call(
            {},
            "POST",
            "/v1/auth/tokens",
            grant="password",
            username=username,
            password=PASSWORD,
            totp="123456",
        )
        for _ in range(6)
    ]
    assert [status for status, _ in told] == [401] * 5 + [429]
    assert told[0][1]["code"] == "wrong-password"
    assert told[5][1]["code"] == "too-many-tries"
    assert told[5][1]["retry_after_seconds"] == pytest.approx(60, abs=5)


def test_a_role_given_or_taken_counts_within_five_seconds_and_is_on_record(call, admins, database):
    clerk = sign_in(database, Grant("carer", "township", SOME_ID))
    path = f"/v1/staff/accounts/{who(clerk)}/grants"
    assert call(clerk, "GET", "/v1/staff/me")[0] == 200
    status, given = call(
        admins["security_admin"], "POST", path, role="district_admin", scope="district", **REASON
    )
    assert status == 201
    began = time.monotonic()
    wait_until(lambda: call(clerk, "GET", "/v1/staff/me")[0] == 401, "the old token is refused", 5)
    assert time.monotonic() - began < 5

    grant_id = next(one["id"] for one in given["items"] if one["role"] == "district_admin")
    status, left = call(admins["security_admin"], "DELETE", f"{path}/{grant_id}", **REASON)
    assert status == 200
    assert [one["role"] for one in left["items"]] == ["carer"]
    assert call(admins["security_admin"], "DELETE", f"{path}/{grant_id}", **REASON)[0] == 404
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "select actor, detail->'given'->>0, detail->'taken'->>0, reason from audit_entry"
            " where action = 'grant.manage' and object_id = %s order by id",
            (str(who(clerk)),),
        ).fetchall()
    security = f"account:{who(admins['security_admin'])}"
    assert rows == [
        (security, "district_admin", None, REASON["reason"]),
        (security, None, "district_admin", REASON["reason"]),
    ]


def test_whoever_signs_in_again_right_after_a_change_is_let_in(call, admins, database):
    """Tokens made after the change are good, though those of the seconds before it are not."""
    username = name()
    _, made = call(admins["system_admin"], "POST", "/v1/staff/accounts", username=username)
    _, begun = call({}, "POST", "/v1/auth/enrolments", token=made["enrolment_token"], password=PASSWORD)
    totp = pyotp.TOTP(begun["secret"])
    call({}, "POST", "/v1/auth/enrolments/confirm", token=made["enrolment_token"], code=totp.now())
    after = datetime.now(UTC) + timedelta(seconds=30)
    _, tokens = call(
        {},
        "POST",
        "/v1/auth/tokens",
        grant="password",
        username=username,
        password=PASSWORD,
        totp=totp.at(after),
    )
    call(
        admins["security_admin"],
        "POST",
        f"/v1/staff/accounts/{made['id']}/grants",
        role="inspector",
        scope="district",
        **REASON,
    )
    status, fresh = call(
        {}, "POST", "/v1/auth/tokens", grant="refresh", refresh_token=tokens["refresh_token"]
    )
    assert status == 200
    time.sleep(2)  # every process has read of the change by now
    headers = {"Authorization": f"Bearer {fresh['access_token']}"}
    status, me = call(headers, "GET", "/v1/staff/me")
    assert (status, [one["role"] for one in me["grants"]]) == (200, ["inspector"])
    assert call({"Authorization": f"Bearer {tokens['access_token']}"}, "GET", "/v1/staff/me")[0] == 401


def test_a_locked_account_is_out_within_five_seconds_and_back_when_unlocked(call, admins, database):
    clerk = sign_in(database, Grant("inspector", "district"))
    path = f"/v1/staff/accounts/{who(clerk)}"
    status, shown = call(admins["system_admin"], "POST", f"{path}/lock", **REASON)
    assert (status, shown["state"]) == (200, "locked")
    wait_until(lambda: call(clerk, "GET", "/v1/staff/me")[0] == 401, "signed out", 5)
    status, shown = call(admins["system_admin"], "POST", f"{path}/unlock", **REASON)
    assert (status, shown["state"]) == (200, "active")


def test_staff_change_their_password_and_every_other_device_is_out(call, admins):
    username, new = name(), "four other unrelated words"
    made = call(admins["system_admin"], "POST", "/v1/staff/accounts", username=username)[1]
    token = made["enrolment_token"]
    begun = call({}, "POST", "/v1/auth/enrolments", token=token, password=PASSWORD)[1]
    code = pyotp.TOTP(begun["secret"]).now()
    done = call({}, "POST", "/v1/auth/enrolments/confirm", token=token, code=code)[1]
    sign = {"grant": "password", "username": username}
    devices = []
    for code in done["recovery_codes"][:2]:
        status, tokens = call({}, "POST", "/v1/auth/tokens", **sign, password=PASSWORD, recovery_code=code)
        assert status == 200
        devices.append({"Authorization": f"Bearer {tokens['access_token']}"})
    here, elsewhere = devices
    path = "/v1/me/password"
    status, refused = call(here, "POST", path, current="four wrong unrelated words", new=new)
    assert (status, refused["code"]) == (422, "current-password-wrong")
    status, refused = call(here, "POST", path, current=PASSWORD, new="short")
    assert (status, refused["code"]) == (422, "weak-password")
    assert call(here, "POST", path, current=PASSWORD, new=new) == (204, None)
    wait_until(lambda: call(elsewhere, "GET", "/v1/me/sessions")[0] == 401, "signed out", 5)
    status, left = call(here, "GET", "/v1/me/sessions")
    assert (status, [one["current"] for one in left["items"]]) == (200, [True])
    code = done["recovery_codes"][2]
    assert call({}, "POST", "/v1/auth/tokens", **sign, password=new, recovery_code=code)[0] == 200


def test_a_resident_has_no_password_to_change(call, database):
    resident = sign_in(database, kind="resident")
    status, refused = call(resident, "POST", "/v1/me/password", current="x", new=PASSWORD)
    assert (status, refused["code"]) == (409, "no-password")


def test_locking_again_under_its_key_does_not_lock_anew(call, admins, database):
    """The answer got lost, and meanwhile a colleague unlocked."""
    path = f"/v1/staff/accounts/{who(sign_in(database, Grant('inspector', 'district')))}"
    keyed = admins["system_admin"] | {"Idempotency-Key": secrets.token_hex(8)}
    assert call(keyed, "POST", f"{path}/lock", **REASON)[1]["state"] == "locked"
    assert call(admins["system_admin"], "POST", f"{path}/unlock", **REASON)[1]["state"] == "active"
    assert call(keyed, "POST", f"{path}/lock", **REASON)[1]["state"] == "locked"  # as it was answered
    assert call(admins["system_admin"], "GET", path)[1]["state"] == "active"


def test_nobody_changes_their_own_rights_or_account(call, admins):
    security, system = admins["security_admin"], admins["system_admin"]
    own = f"/v1/staff/accounts/{who(security)}/grants"
    status, refused = call(security, "POST", own, role="district_admin", scope="district", **REASON)
    assert (status, refused["code"]) == (403, "own-account")
    status, refused = call(security, "DELETE", f"{own}/{SOME_ID}", **REASON)
    assert (status, refused["code"]) == (403, "own-account")
    for act in ("lock", "unlock", "reset-second-factor"):
        status, refused = call(system, "POST", f"/v1/staff/accounts/{who(system)}/{act}", **REASON)
        assert (status, refused["code"]) == (403, "own-account")


def test_nobody_holds_two_of_the_three_administrators_roles(call, admins):
    path = f"/v1/staff/accounts/{who(admins['auditor'])}/grants"
    for role in ("system_admin", "security_admin"):
        status, refused = call(admins["security_admin"], "POST", path, role=role, scope="district", **REASON)
        assert (status, refused["code"]) == (409, "roles-separated")


def test_the_system_administrator_cannot_become_another_administrator(call, admins, database):
    for role in ("security_admin", "auditor"):
        path = f"/v1/staff/accounts/{who(admins[role])}/reset-second-factor"
        status, refused = call(admins["system_admin"], "POST", path, **REASON)
        assert (status, refused["code"]) == (403, "protected-account")
    clerk = sign_in(database, Grant("carer", "township", SOME_ID))
    path = f"/v1/staff/accounts/{who(clerk)}/reset-second-factor"
    status, link = call(admins["system_admin"], "POST", path, **REASON)
    assert status == 200
    assert link["enrolment_token"]


@pytest.mark.parametrize(
    ("grant", "code"),
    [
        ({"role": "resident", "scope": "own"}, "invalid-grant"),
        ({"role": "seeker", "scope": "own"}, "invalid-grant"),  # residents' roles are not for staff
        ({"role": "site_staff", "scope": "district"}, "invalid-grant"),
        ({"role": "auditor", "scope": "township", "scope_id": SOME_ID}, "invalid-grant"),
        ({"role": "site_staff", "scope": "site"}, "invalid-grant"),
        ({"role": "site_staff", "scope": "site", "scope_id": SOME_ID}, "invalid-grant"),
        ({"role": "site_staff", "scope": "site", "scope_id": "meal_point"}, "invalid-grant"),
        ({"role": "site_staff", "scope": "category", "scope_id": "no_such"}, "invalid-grant"),
        ({"role": "inspector", "scope": "district", "scope_id": SOME_ID}, "invalid-grant"),
        ({"role": "inspector", "scope": "district", "ends_on": "2020-01-01"}, "invalid-grant"),
        ({"role": "mayor", "scope": "district"}, "invalid-request"),
    ],
)
def test_a_grant_that_makes_no_sense_is_refused(call, admins, database, grant, code):
    clerk = sign_in(database)
    status, refused = call(
        admins["security_admin"], "POST", f"/v1/staff/accounts/{who(clerk)}/grants", **grant, **REASON
    )
    assert (status, refused["code"]) == (422, code)


def test_a_role_is_not_given_twice_and_ends_with_its_last_day(call, admins, database):
    clerk = sign_in(database)
    path = f"/v1/staff/accounts/{who(clerk)}/grants"
    today = clock.now().astimezone().date()
    wanted = {"role": "inspector", "scope": "district", "ends_on": str(today + timedelta(days=1))}
    assert call(admins["security_admin"], "POST", path, **wanted, **REASON)[0] == 201
    status, refused = call(admins["security_admin"], "POST", path, **wanted, **REASON)
    assert (status, refused["code"]) == (409, "grant-held")
    with psycopg.connect(database) as connection:
        connection.execute(
            "update role_grant set ends_on = %s where account_id = %s",
            (today - timedelta(days=2), who(clerk)),
        )
    assert call(admins["auditor"], "GET", path)[1]["items"] == []
    assert call(admins["security_admin"], "POST", path, **wanted, **REASON)[0] == 201  # again, from today


def test_accounts_are_listed_by_name_page_by_page_and_found_by_part_of_it(call, admins):
    stem = name()
    for number in range(5):
        call(admins["system_admin"], "POST", "/v1/staff/accounts", username=f"{stem}-{number}")
    _, first = call(admins["auditor"], "GET", "/v1/staff/accounts", q=stem, limit=3)
    _, second = call(admins["auditor"], "GET", "/v1/staff/accounts", q=stem, limit=3, next=first["next"])
    names = [one["username"] for one in first["items"] + second["items"]]
    assert names == [f"{stem}-{number}" for number in range(5)]
    assert second["next"] is None
    assert (
        call(admins["auditor"], "GET", "/v1/staff/accounts", q="else", limit=3, next=first["next"])[0] == 404
    )
    status, taken = call(admins["system_admin"], "POST", "/v1/staff/accounts", username=names[0])
    assert (status, taken["code"]) == (409, "username-taken")
    assert call(admins["system_admin"], "POST", "/v1/staff/accounts", username="Zhang San")[0] == 422


def test_a_grant_of_staff_means_nothing_on_a_residents_account_and_the_reverse(database):
    """Rows that somebody wrote by hand: an account acts only as what its kind can be."""
    import asyncio

    from api.identity.grants import grants_of
    from booking.people.models import Account
    from core.database import Database
    from core.settings import Settings

    resident = who(sign_in(database, AUDITOR, Grant("seeker", "own"), kind="resident"))
    staff = who(sign_in(database, AUDITOR, Grant("seeker", "own")))

    async def read(account_id):
        async with Database(Settings(database_url=database)) as doors, doors.transaction() as session:
            account = await session.get_one(Account, account_id)
            return await grants_of(session, account=account, now=clock.now())

    assert asyncio.run(read(resident)) == (Grant("resident", "own"), Grant("seeker", "own"))
    assert asyncio.run(read(staff)) == (AUDITOR,)
