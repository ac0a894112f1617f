"""What we hold of people: shown to them whole, erased when they say so, and gone when its time is over."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

import api.tables
from api.privacy.erasure import erase_account
from api.privacy.holdings import ELSEWHERE, HOLDINGS
from api.privacy.purge import BATCH, PurgeIncomplete, purge
from api.privacy.retention import RETENTION, as_table
from booking.people.models import Person
from booking.people.persons import set_name
from core import clock
from core.actor import SYSTEM
from core.ids import new_id
from core.keyring import Key, KeyRing
from tests.api.residents import RING, id_number, last_code, messages, phone, resident
from tests.api.running import ROOT, serving, xinban
from tests.api.test_me import eventually
from tests.conftest import create_database, drop_database, url_of

NAMES = iter("芬芳芸英华珍")  # nobody's name is another's
NEXT_YEAR = (datetime.now(UTC).date() + timedelta(days=300)).isoformat()


@pytest.fixture(scope="module")
def place(tmp_path_factory, server_url, template, redis_url):
    """A server on an empty database, and the database's address."""
    name = create_database(server_url, template)
    url = url_of(server_url, name)
    log = tmp_path_factory.mktemp("privacy") / "log"
    with serving(log, ready=False, database_url=url, redis_url=redis_url, limits="off") as one:
        yield one.url, url
        assert [line for line in one.log() if line["level"] == "ERROR"] == []
    drop_database(server_url, name)


def dump(database_url: str) -> str:
    """Every value of every table of ours, in text and in hex."""
    parts = []
    with psycopg.connect(database_url) as connection:
        for table in api.tables.METADATA.sorted_tables:
            query = sql.SQL("select t::text from {} t").format(sql.Identifier(table.name))
            parts += [row[0] for row in connection.execute(query)]
    return "\n".join(parts)


@pytest.fixture
def family(place):
    """A mother with a person of her own, a daughter who acts for her, and an aunt who was offered to."""
    mother, daughter = resident(*place), resident(*place)
    number, name = id_number(), f"孙淑{next(NAMES)}"
    own = mother.register(name, number)
    daughter.agree("id")
    body = {
        "relation": "child",
        "name": name,
        "id_number": number,
        "phone": mother.phone,
        "scopes": ["book.all"],
        "purpose": f"帮{name}订餐",
        "until": NEXT_YEAR,
    }
    asked = daughter.call("POST", "/v1/me/people", body).json()
    code = last_code(place[1], mother.phone)
    assert daughter.call("POST", f"/v1/me/people/{asked['id']}/verify", {"code": code}).status_code == 200
    return mother, daughter, own, number


def test_an_export_holds_everything_and_nobody_elses_name(place, family):
    mother, daughter, own, number = family
    answer = mother.call("GET", "/v1/me/export")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(answer.json()["held"]) == {one.table for one in HOLDINGS}
    held = {table: said["rows"] for table, said in answer.json()["held"].items()}
    assert held["person"][0]["name"] == own["name"]
    assert held["person"][0]["id_number"] == number
    assert held["account"][0]["phone"] == f"+86{mother.phone}"
    assert held["delegation"][0]["purpose"] == f"帮{own['name']}订餐"
    assert len(held["consent"]) >= 2
    assert {row["action"] for row in held["audit_entry"]} >= {"person.claim", "delegation.accept"}
    assert daughter.phone not in answer.text
    assert "_blind" not in answer.text
    other = daughter.call("GET", "/v1/me/export")
    assert number not in other.text
    assert "person" in other.json()["held"]
    assert other.json()["held"]["person"]["rows"] == []


def test_erasure_needs_to_be_said_twice(family):
    mother = family[0]
    for path in ("/v1/me", "/v1/me?confirm=yes"):
        assert mother.call("DELETE", path).status_code == 422
    assert mother.call("GET", "/v1/me").status_code == 200


def test_erasure_leaves_nothing_that_identifies_and_says_what_it_keeps(place, family):
    mother, daughter, own, number = family
    aunt = phone()
    offer = {"phone": aunt, "scopes": ["view"], "until": NEXT_YEAR}
    assert mother.call("POST", "/v1/me/delegations", offer).status_code == 201
    blinds = [
        RING.blind(field, value).hex()
        for field, value in (
            ("account.phone", f"+86{mother.phone}"),
            ("person.phone", f"+86{mother.phone}"),
            ("person.name", own["name"]),
            ("person.id_number", number),
            ("one_time_code.phone", f"+86{mother.phone}"),
            ("delegation.grantee_phone", f"+86{aunt}"),
        )
    ]
    before = dump(place[1])
    assert all(blind in before for blind in blinds)
    erased = mother.call("DELETE", "/v1/me?confirm=erase")
    assert erased.status_code == 200, erased.text
    assert len(erased.json()["kept"]) >= 5
    assert all(one["reason"] for one in erased.json()["kept"])
    after = dump(place[1])
    assert [blind for blind in blinds if blind in after] == []
    with psycopg.connect(place[1]) as connection:
        row = connection.execute(
            "select name, id_number, phone, birth_on, account_id, erased_at is not null from person where id = %s",
            (own["id"],),
        ).fetchone()
        account = connection.execute(
            "select state, phone from account where id = %s", (mother.account_id,)
        ).fetchone()
        purposes = connection.execute(
            "select count(*) from delegation where person_id = %s and purpose is not null", (own["id"],)
        ).fetchone()
    assert (row, account, purposes) == ((None, None, None, None, None, True), ("erased", None), (0,))
    # The daughter is told, and acts no more; the mother's sessions end within seconds.
    assert messages(place[1], daughter.phone)[-1][0] == "delegation_revoked"
    assert daughter.call("GET", f"/v1/me/people/{own['id']}").status_code == 404
    eventually(lambda: mother.call("GET", "/v1/me").status_code == 401)
    again = resident(*place, mother.phone)
    assert again.call("GET", "/v1/me").json()["person_id"] is None


def test_who_acted_for_others_and_erases_themselves_acts_for_nobody(place, family):
    mother, daughter, own, _ = family
    assert daughter.call("DELETE", "/v1/me?confirm=erase").status_code == 200
    given = mother.call("GET", "/v1/me/delegations").json()["items"]
    assert [one["state"] for one in given] == ["revoked"]
    assert given[0]["grantee"] is None
    assert messages(place[1], mother.phone)[-1][0] == "delegation_revoked"
    assert mother.call("GET", f"/v1/me/people/{own['id']}").status_code == 200


def test_what_was_offered_to_the_phone_of_who_leaves_is_declined_and_its_phone_forgotten(place, family):
    mother = family[0]
    aunt = resident(*place)
    offer = {"phone": aunt.phone, "scopes": ["view"], "until": NEXT_YEAR}
    made = mother.call("POST", "/v1/me/delegations", offer).json()
    blind = RING.blind("delegation.grantee_phone", f"+86{aunt.phone}").hex()
    assert blind in dump(place[1])
    assert aunt.call("DELETE", "/v1/me?confirm=erase").status_code == 200
    assert blind not in dump(place[1])
    given = mother.call("GET", "/v1/me/delegations").json()["items"]
    assert [one["state"] for one in given if one["id"] == made["id"]] == ["declined"]
    assert messages(place[1], mother.phone)[-1][0] == "delegation_declined"


def test_every_table_with_something_of_people_is_named():
    named = {one.table for one in HOLDINGS} | set(ELSEWHERE)
    for table in api.tables.METADATA.sorted_tables:
        refers = any(
            key.target_fullname.partition(".")[0] in ("account", "person")
            for column in table.columns
            for key in column.foreign_keys
        ) or any(column.name in ("account_id", "person_id") for column in table.columns)
        encrypted = any("encrypted" in column.info for column in table.columns)
        if refers or encrypted:
            assert table.name in named, f"{table.name}: add it to api/privacy/holdings.py"


def test_erasure_empties_or_deletes_every_encrypted_column_of_a_holding():
    for holding in HOLDINGS:
        if holding.erase in ("delete", "person", "account"):
            continue
        table = api.tables.METADATA.tables[holding.table]
        kept = {column.name for column in table.columns if "encrypted" in column.info} - set(holding.blank)
        assert kept == set(), holding.table


def test_the_page_on_privacy_shows_the_table_that_the_purge_obeys():
    assert as_table() in Path(ROOT / "docs/privacy.md").read_text()


async def test_the_purge_removes_what_is_past_its_time_and_nothing_else(database, ring):
    now = clock.now()
    async with database.transaction() as session:
        connection = await session.connection()
        for name, days in (("old", 15), ("young", 13)):
            account = new_id()
            await connection.exec_driver_sql(
                "insert into account (id, kind, created_at) values (%s, 'resident', %s)", (account, now)
            )
            await connection.exec_driver_sql(
                "insert into person_request (id, account_id, relation, name, id_kind, id_number, id_number_blind,"
                " requested_at) values (%s, %s, 'self', %s, 'id_card', ''::bytea, ''::bytea, %s)",
                (new_id(), account, name.encode(), now - timedelta(days=days)),
            )
    counted = {
        one.kind.name: one.rows async for one in purge(database, SYSTEM, ring=ring, dry_run=True, now=now)
    }
    assert counted["requests"] == 1
    removed = {one.kind.name: one.rows async for one in purge(database, SYSTEM, ring=ring, now=now)}
    assert removed == counted
    async with database.transaction() as session:
        left = await (await session.connection()).exec_driver_sql("select name from person_request")
        assert [bytes(row[0]) for row in left] == [b"young"]
    again = {one.kind.name: one.rows async for one in purge(database, SYSTEM, ring=ring, now=now)}
    assert set(again.values()) == {0}


async def test_the_purge_goes_on_until_all_is_gone(database, ring):
    now = clock.now()
    async with database.transaction() as session:
        connection = await session.connection()
        account = new_id()
        await connection.exec_driver_sql(
            "insert into account (id, kind, created_at) values (%s, 'resident', %s)", (account, now)
        )
        await connection.exec_driver_sql(
            "insert into person_request (id, account_id, relation, name, id_kind, id_number, id_number_blind,"
            " requested_at) select gen_random_uuid(), %s, 'self', '', 'id_card', '', '', %s"
            " from generate_series(1, %s)",
            (account, now - timedelta(days=20), BATCH + 5),
        )
    removed = {one.kind.name: one.rows async for one in purge(database, SYSTEM, ring=ring, now=now)}
    assert removed["requests"] == BATCH + 5


async def test_the_last_session_of_an_account_stays_for_it_tells_that_the_account_is_used(database, ring):
    now, account = clock.now(), new_id()
    async with database.transaction() as session:
        connection = await session.connection()
        await connection.exec_driver_sql(
            "insert into account (id, kind, created_at) values (%s, 'resident', %s)", (account, now)
        )
        for days in (500, 400, 300):
            at = now - timedelta(days=days)
            await connection.exec_driver_sql(
                "insert into account_session (id, account_id, channel, refresh_digest, created_at, seen_at, expires_at)"
                " values (%s, %s, 'app', '', %s, %s, %s)",
                (new_id(), account, at, at, at + timedelta(days=30)),
            )
    removed = {one.kind.name: one.rows async for one in purge(database, SYSTEM, ring=ring, now=now)}
    assert removed["sessions"] == 2
    async with database.transaction() as session:
        left = await (await session.connection()).exec_driver_sql("select seen_at from account_session")
        assert [(now - row[0]).days for row in left] == [300]


async def test_sessions_of_an_erased_account_go_to_the_last(database, ring):
    now, account = clock.now(), new_id()
    async with database.transaction() as session:
        connection = await session.connection()
        await connection.exec_driver_sql(
            "insert into account (id, kind, state, created_at, erased_at) values (%s, 'resident', 'erased', %s, %s)",
            (account, now, now),
        )
        for days in (100, 91, 89):
            at = now - timedelta(days=days)
            await connection.exec_driver_sql(
                "insert into account_session (id, account_id, channel, refresh_digest, created_at, seen_at, expires_at,"
                " ended_at, end_reason) values (%s, %s, 'app', '', %s, %s, %s, %s, 'erased')",
                (new_id(), account, at, at, now, at),
            )
    removed = {one.kind.name: one.rows async for one in purge(database, SYSTEM, ring=ring, now=now)}
    assert removed["sessions"] == 2
    later = now + timedelta(days=2)
    removed = {one.kind.name: one.rows async for one in purge(database, SYSTEM, ring=ring, now=later)}
    assert removed["sessions"] == 1


async def test_two_who_act_for_each_other_leave_at_once(database, ring):
    now = clock.now()
    accounts, persons = [new_id(), new_id()], [new_id(), new_id()]
    async with database.transaction() as session:
        connection = await session.connection()
        for account, person in zip(accounts, persons, strict=True):
            await connection.exec_driver_sql(
                "insert into account (id, kind, created_at) values (%s, 'resident', %s)", (account, now)
            )
            one = Person(id=person, account_id=account, created_at=now)
            set_name(ring, one, "王秀英")
            session.add(one)
            await session.flush()
        for account, person in zip(accounts, reversed(persons), strict=True):
            await connection.exec_driver_sql(
                "insert into delegation (id, person_id, grantee_id, relation, scopes, until_on, state, offered_at)"
                " values (%s, %s, %s, 'spouse', '{view}', %s, 'active', %s)",
                (new_id(), person, account, now.date() + timedelta(days=30), now),
            )

    async def leave(account) -> None:
        async with database.transaction() as session:
            await erase_account(session, SYSTEM, ring=ring, account_id=account, now=now)

    await asyncio.gather(*(leave(account) for account in accounts))
    async with database.transaction() as session:
        states = await (await session.connection()).exec_driver_sql("select distinct state from delegation")
        assert [row[0] for row in states] == ["revoked"]


async def test_an_account_unused_for_three_years_is_erased_and_a_used_one_is_not(database, ring):
    now = clock.now()
    long_ago = now - timedelta(days=3 * 366 + 1)
    accounts = {"unused": new_id(), "locked": new_id(), "used": new_id()}
    async with database.transaction() as session:
        connection = await session.connection()
        for name, account in accounts.items():
            await connection.exec_driver_sql(
                "insert into account (id, kind, state, created_at) values (%s, 'resident', %s, %s)",
                (account, "locked" if name == "locked" else "active", long_ago),
            )
            seen = now if name == "used" else long_ago
            await connection.exec_driver_sql(
                "insert into account_session (id, account_id, channel, refresh_digest, created_at, seen_at, expires_at)"
                " values (%s, %s, 'app', '', %s, %s, %s)",
                (new_id(), account, long_ago, seen, now + timedelta(days=1)),
            )
    removed = {one.kind.name: one.rows async for one in purge(database, SYSTEM, ring=ring, now=now)}
    assert removed["accounts"] == 2
    async with database.transaction() as session:
        states = await (await session.connection()).exec_driver_sql("select id, state from account")
        assert dict(row for row in states.all()) == {
            accounts["unused"]: "erased",
            accounts["locked"]: "erased",
            accounts["used"]: "active",
        }


async def test_an_elder_whom_a_daughter_acts_for_is_in_use_though_she_never_signs_in(database, ring):
    now = clock.now()
    long_ago = now - timedelta(days=4 * 366)
    elder, daughter, person = new_id(), new_id(), new_id()
    async with database.transaction() as session:
        connection = await session.connection()
        for account, created_at in ((elder, long_ago), (daughter, now)):
            await connection.exec_driver_sql(
                "insert into account (id, kind, created_at) values (%s, 'resident', %s)",
                (account, created_at),
            )
        one = Person(id=person, account_id=elder, created_at=long_ago)
        set_name(ring, one, "王秀英")
        session.add(one)
        await session.flush()
        await connection.exec_driver_sql(
            "insert into delegation (id, person_id, grantee_id, relation, scopes, until_on, state, offered_at)"
            " values (%s, %s, %s, 'child', '{view}', %s, 'active', %s)",
            (new_id(), person, daughter, now.date() + timedelta(days=30), now),
        )

    async def erased():
        removed = {one.kind.name: one.rows async for one in purge(database, SYSTEM, ring=ring, now=now)}
        return removed["accounts"]

    assert await erased() == 0
    async with database.transaction() as session:
        await (await session.connection()).exec_driver_sql("delete from delegation")
    assert await erased() == 1


async def test_one_who_cannot_be_erased_holds_up_nobody_else(database, ring):
    now = clock.now()
    long_ago = now - timedelta(days=4 * 366)
    stuck, other = sorted((new_id(), new_id()))
    lost = KeyRing([Key.create("lost", "aes")])
    async with database.transaction() as session:
        connection = await session.connection()
        for account in (stuck, other):
            await connection.exec_driver_sql(
                "insert into account (id, kind, created_at) values (%s, 'resident', %s)", (account, long_ago)
            )
        await connection.exec_driver_sql(
            "update account set phone = %s, phone_blind = '\\x01' where id = %s",
            (lost.encrypt("account.phone", stuck, "+8613800000000"), stuck),
        )
        person = Person(id=new_id(), account_id=stuck, created_at=long_ago)
        set_name(ring, person, "王秀英")
        session.add(person)
        await session.flush()
        await connection.exec_driver_sql(
            "update person set name = %s", (lost.encrypt("person.name", person.id, "王"),)
        )
    kinds = []
    with pytest.raises(PurgeIncomplete, match="1 accounts or persons"):
        kinds += [one.kind.name async for one in purge(database, SYSTEM, ring=ring, now=now)]
    async with database.transaction() as session:
        states = await (await session.connection()).exec_driver_sql("select id, state from account")
        assert dict(row for row in states.all()) == {stuck: "active", other: "erased"}


def test_every_rule_of_the_table_is_sql_that_runs_and_names_a_table(database_url):
    known = set(api.tables.METADATA.tables)
    with psycopg.connect(database_url) as connection:
        for one in RETENTION:
            if one.over is not None:
                assert one.table in known
                connection.execute(
                    re.sub(r":now\b", "now()", f"select count(*) from {one.table} where {one.over}")
                )


def test_the_command_counts_and_touches_nothing(database_url, redis_url):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "200")
        done = xinban("privacy", "purge", "--dry-run", database_url=database_url, redis_url=redis_url)
    assert done.returncode == 0, done.stderr
    assert "代办申请" in done.stdout
    assert json.dumps(done.stdout)  # no control characters break a terminal
