"""The audit record over HTTP and from the command line; the worker that seals it; who looked at whose data."""

from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pytest

from core.actor import Grant
from core.ids import new_id
from tests.api.people import sign_in, who
from tests.api.running import running, serving, wait_until, xinban

AUDITOR = Grant("auditor", "district")
ENTRY = (
    "insert into audit_entry (id, at, actor, account_id, roles, channel, action, object_kind, object_id, person_id, reason)"
    " values (%s, %s, %s, %s, %s, 'counter', %s, 'person', %s, %s, %s)"
)
PERSON = (
    "insert into person (id, account_id, name, name_blind, created_at)"
    " values (%s, %s, '\\x74'::bytea, '\\x74'::bytea, now())"
)
START = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def audited(tmp_path_factory, server_url, city_template, redis_url):
    """A server of this module's own, and its database's address: others' acts must not count here."""
    from tests.conftest import create_database, drop_database, url_of

    name = create_database(server_url, city_template)
    log = tmp_path_factory.mktemp("audited") / "log"
    with serving(log, database_url=url_of(server_url, name), redis_url=redis_url) as one:
        yield one, url_of(server_url, name)
    drop_database(server_url, name)


@pytest.fixture
def ask(audited):
    server, _ = audited
    with httpx.Client(base_url=server.url, trust_env=False, timeout=15) as client:
        yield client


def enter(
    url, *, at=START, action="person.reveal", account=None, person=None, reason=None, roles="site_staff"
):
    """An entry as the application writes it; its id."""
    entry = new_id()
    with psycopg.connect(url) as connection:
        connection.execute(
            ENTRY, (entry, at, f"account:{account}", account, roles, action, str(person), person, reason)
        )
    return str(entry)


def all_pages(ask, path, headers, **params):
    """Items of all pages, two at a time."""
    items, following = [], None
    while True:
        more = {"next": following} if following else {}
        answer = ask.get(path, headers=headers, params={**params, **more, "limit": 2})
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        following = answer.json()["next"]
        if following is None:
            return items


def test_an_auditor_finds_entries_by_person_account_action_object_and_time(audited, ask):
    _, url = audited
    auditor = sign_in(url, AUDITOR)
    clerk, person = new_id(), new_id()
    revealed = [enter(url, at=START + timedelta(minutes=n), account=clerk, person=person) for n in range(5)]
    read = enter(url, action="person.read", account=clerk, person=new_id())

    def ids(**params):
        return [one["id"] for one in all_pages(ask, "/v1/staff/audit", auditor, **params)]

    def acts(**params):
        return [one for one in ids(**params) if one in {*revealed, read}]

    assert acts(person_id=str(person)) == revealed[::-1]
    assert set(acts(account_id=str(clerk))) == {*revealed, read}
    assert acts(account_id=str(clerk), action="person.read") == [read]
    assert acts(object_kind="person", object_id=str(person)) == revealed[::-1]
    window = {"from": "2026-11-24T02:01:00Z", "to": "2026-11-24T10:03:00+08:00"}
    assert acts(person_id=str(person), **window) == revealed[2:0:-1]
    assert acts(person_id=str(new_id())) == []


def test_every_search_is_on_record_itself(audited, ask):
    _, url = audited
    auditor = sign_in(url, AUDITOR)
    person = str(new_id())
    assert ask.get("/v1/staff/audit", headers=auditor, params={"person_id": person}).json()["items"] == []
    (found,) = ask.get("/v1/staff/audit", headers=auditor, params={"person_id": person}).json()["items"]
    assert (found["action"], found["account_id"]) == ("audit.read", str(who(auditor)))
    assert found["detail"] == {"filters": {"person_id": person}, "found": 0}
    assert found["request_id"]


@pytest.mark.parametrize("role", ["system_admin", "security_admin", "district_admin", "inspector"])
def test_nobody_but_an_auditor_searches_the_record(audited, ask, role):
    _, url = audited
    answer = ask.get("/v1/staff/audit", headers=sign_in(url, Grant(role, "district")))
    assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")


def test_the_record_is_closed_to_who_is_not_signed_in(ask):
    for path in ("/v1/staff/audit", "/v1/me/accesses"):
        assert (ask.get(path).status_code, ask.get(path).json()["code"]) == (401, "not-signed-in")


@pytest.mark.parametrize(
    "params",
    [
        {"person_id": "x"},
        {"from": "yesterday"},
        {"limit": 0},
        {"limit": 201},
        {"object_id": "a\0b"},
        {"actor": "x"},
        {"action": ""},
    ],
)
def test_a_wrong_search_is_told_what_is_wrong(audited, ask, params):
    _, url = audited
    answer = ask.get("/v1/staff/audit", headers=sign_in(url, AUDITOR), params=params)
    assert answer.status_code == 422
    assert answer.json()["errors"]


def test_a_page_of_another_search_is_refused(audited, ask):
    _, url = audited
    auditor = sign_in(url, AUDITOR)
    for _ in range(3):
        enter(url)
    page = ask.get("/v1/staff/audit", headers=auditor, params={"limit": 1}).json()
    answer = ask.get("/v1/staff/audit", headers=auditor, params={"action": "x", "next": page["next"]})
    assert (answer.status_code, answer.json()["code"]) == (404, "invalid-cursor")


@pytest.fixture
def resident(audited):
    """Headers of somebody with a record of their own, and the record's id."""
    _, url = audited
    headers, person = sign_in(url, kind="resident"), new_id()
    with psycopg.connect(url) as connection:
        connection.execute(PERSON, (person, who(headers)))
    return headers, person


def test_a_person_sees_who_looked_at_theirs_in_which_role_where_and_why(audited, ask, resident):
    _, url = audited
    headers, person = resident
    clerk = who(sign_in(url, Grant("site_staff", "district")))
    with psycopg.connect(url) as connection:
        connection.execute("update staff_account set office = '文化社区服务台' where id = %s", (clerk,))
    enter(url, account=clerk, person=person, reason="来电核对")
    (seen,) = ask.get("/v1/me/accesses", headers=headers).json()["items"]
    assert seen == {
        "at": "2026-11-24T10:00:00+08:00",
        "roles": ["site_staff"],
        "role_names": ["站点工作人员"],
        "office": "文化社区服务台",
        "channel": "counter",
        "action": "person.reveal",
        "what_zh": "查看了您的完整信息",
        "what_en": "saw your data unmasked",
        "reason": "来电核对",
    }


def test_who_looked_is_never_named(audited, ask, resident):
    _, url = audited
    headers, person = resident
    clerk = who(sign_in(url, Grant("site_staff", "district")))
    enter(url, account=clerk, person=person)
    assert str(clerk) not in ask.get("/v1/me/accesses", headers=headers).text


def test_a_person_sees_only_what_concerns_them_and_not_their_own_acts(audited, ask, resident):
    _, url = audited
    headers, person = resident
    enter(url, person=new_id())
    enter(url, person=None)
    enter(url, account=who(headers), person=person)
    assert ask.get("/v1/me/accesses", headers=headers).json() == {"items": [], "next": None}


def test_who_looked_is_paged(audited, ask, resident):
    _, url = audited
    headers, person = resident
    for n in range(5):
        enter(url, at=START + timedelta(minutes=n), person=person)
    items = all_pages(ask, "/v1/me/accesses", headers)
    assert [one["at"] for one in items] == [f"2026-11-24T10:0{n}:00+08:00" for n in (4, 3, 2, 1, 0)]


def test_an_account_without_a_person_has_nothing_to_see(audited, ask):
    _, url = audited
    assert ask.get("/v1/me/accesses", headers=sign_in(url, kind="resident")).json()["items"] == []


def test_the_worker_seals_and_says_the_head(database_url, tmp_path, redis_url):
    """Every minute (test_processes.py); asked for here, so as not to wait for it."""
    enter(database_url)
    with running(tmp_path / "log", "worker", database_url=database_url, redis_url=redis_url) as worker:
        with psycopg.connect(database_url) as connection:
            connection.execute(
                "insert into procrastinate_jobs (queue_name, task_name, priority, args)"
                " values ('default', 'seal_audit', 0, '{\"timestamp\": 0}')"
            )
        wait_until(lambda: worker.said("audit record sealed"), "sealed")
        line = next(line for line in worker.log() if line.get("message") == "audit record sealed")
    checked = xinban("audit", "verify", "--head", line["head"], database_url=database_url)
    assert checked.returncode == 0, checked.stderr
    assert f"head: {line['head']}" in checked.stdout


def test_the_command_seals_and_checks_and_ends_with_1_when_something_is_wrong(database_url):
    empty = xinban("audit", "verify", database_url=database_url)
    assert (empty.returncode, "whole" in empty.stdout) == (0, True)
    entries = [enter(database_url) for _ in range(3)]
    sealed = xinban("audit", "seal", database_url=database_url)
    assert "head: 1:" in sealed.stdout
    assert "nothing to seal" in xinban("audit", "seal", database_url=database_url).stdout
    with psycopg.connect(database_url) as connection:
        connection.execute("alter table audit_entry disable trigger user")
        connection.execute("update audit_entry set reason = 'x' where id = %s", (entries[1],))
    checked = xinban("audit", "verify", database_url=database_url)
    assert checked.returncode == 1
    assert f"entry altered: {entries[1]} (1/2)" in checked.stderr
    assert "whole" not in checked.stdout


def test_purging_keeps_what_is_younger_than_the_setting(database_url):
    enter(database_url)
    xinban("audit", "seal", database_url=database_url)
    assert "nothing before" in xinban("audit", "purge", database_url=database_url).stdout
    young = xinban("audit", "purge", "--before", f"{datetime.now(UTC):%Y-%m-%d}", database_url=database_url)
    assert young.returncode == 2
    assert "400 days" in young.stderr
    assert xinban("audit", "purge", database_url=database_url, audit_days="90").returncode == 2


def test_a_server_whose_role_may_change_the_record_serves_and_warns(audited):
    server, _ = audited
    assert server.said("may change the audit record")
    assert httpx.get(server.url + "/readyz", trust_env=False).status_code == 200
