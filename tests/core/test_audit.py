"""The audit record: nothing recorded is lost, and whatever is done to it afterwards is found."""

import asyncio
import hashlib
import os
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url, select

from api.migrate import migrate
from core.actor import Actor, Grant
from core.audit import AuditEntry, AuditSeal, record
from core.audit.checking import check
from core.audit.purging import purge_before
from core.audit.sealing import NOTHING, entries_of, seal_all, seal_batch, seal_digest
from core.database import Database
from core.ids import new_id
from core.keyring import KeyRing
from core.settings import Settings

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=500)
CLERK = Actor(name="account:1", channel="web", account_id=new_id(), grants=(Grant("site_staff", "district"),))


async def write(database, entries=1, *, now=NOW, **said):
    async with database.transaction() as session:
        for _ in range(entries):
            await record(
                session,
                CLERK,
                **{
                    "action": "person.read",
                    "object_kind": "person",
                    "person_ids": [new_id()],
                    "now": now,
                    **said,
                },
            )


async def checked(database, ring, **options):
    async with database.transaction() as session:
        return await check(session, ring, progress=lambda _: None, now=NOW, **options)


async def findings(database, ring, **options):
    """In English, ids and numbers as they are."""
    return [en for _, en in (await checked(database, ring, **options)).findings]


async def sealed(database, ring, *, batches=3, entries=4):
    """Some batches; the ids of all entries in the order they are sealed in."""
    for _ in range(batches):
        await write(database, entries)
        await seal_all(database, ring, now=NOW)
    async with database.transaction() as session:
        seals = await session.scalars(select(AuditSeal).order_by(AuditSeal.number))
        return [entry_id for seal in seals for entry_id, _ in entries_of(seal)]


async def tamper(url, *statements):
    """As the owner of the tables, who can take the guards away."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        for table in ("audit_entry", "audit_seal"):
            await connection.execute(f"alter table {table} disable trigger user")
        for statement, *parameters in statements:
            await connection.execute(statement, parameters)
        for table in ("audit_entry", "audit_seal"):
            await connection.execute(f"alter table {table} enable trigger user")


async def test_an_entry_says_who_did_what_about_whom_and_why(database):
    person = new_id()
    await write(
        database, person_ids=[person], reason="来电询问", object_id=person, detail={"fields": ["phone"]}
    )
    async with database.transaction() as session:
        (one,) = await session.scalars(select(AuditEntry))
    assert (one.actor, one.roles, one.channel, one.action) == (
        "account:1",
        "site_staff",
        "web",
        "person.read",
    )
    assert (one.person_id, one.object_id, one.reason, one.at) == (person, str(person), "来电询问", NOW)
    assert one.detail == {"fields": ["phone"]}


async def test_an_act_about_several_persons_is_found_by_each_of_them(database):
    people = [new_id() for _ in range(3)]
    await write(database, person_ids=people)
    async with database.transaction() as session:
        assert set(await session.scalars(select(AuditEntry.person_id))) == set(people)


async def test_what_was_rolled_back_was_not_recorded(database, ring):
    try:
        async with database.transaction() as session:
            await record(session, CLERK, action="a", object_kind="b", now=NOW)
            raise LookupError
    except LookupError:
        pass
    assert await seal_all(database, ring, now=NOW) is None


async def test_a_whole_record_has_no_findings_and_a_head_to_note(database, ring):
    await sealed(database, ring)
    await write(database, 2)
    whole = await checked(database, ring)
    assert whole.findings == []
    assert (whole.seals, whole.entries, whole.pending) == (3, 12, 2)
    assert whole.head.startswith("3:")


async def test_an_empty_record_is_whole(database, ring):
    empty = await checked(database, ring)
    assert (empty.findings, empty.seals, empty.head) == ([], 0, None)


async def test_a_seal_is_made_as_documented(database, ring):
    """By hand: SHA-256 over a mark, the seal before, number, microseconds and the content's SHA-256."""
    await sealed(database, ring, batches=2)
    async with database.transaction() as session:
        first, second = await session.scalars(select(AuditSeal).order_by(AuditSeal.number))
    content = hashlib.sha256(second.content).digest()
    microseconds = int(NOW.timestamp()) * 1_000_000
    by_hand = (
        b"xinban audit seal 1" + first.digest + bytes(7) + b"\2" + microseconds.to_bytes(8, "big") + content
    )
    assert first.previous == NOTHING
    assert second.previous == first.digest
    assert second.digest == seal_digest(second) == hashlib.sha256(by_hand).digest()


async def test_an_entry_committed_late_is_sealed_in_a_later_batch(database, ring):
    async with database.transaction() as late:
        await record(late, CLERK, action="late", object_kind="x", now=NOW)
        await write(database, 3)
        assert (await seal_all(database, ring, now=NOW)).number == 1
        # Younger entries are sealed while the older one is still open, and it must not be forgotten.
        await write(database, 3)
        assert (await seal_all(database, ring, now=NOW)).number == 2
        assert (await checked(database, ring)).findings == []
    assert (await checked(database, ring)).pending == 1
    assert (await seal_all(database, ring, now=NOW)).number == 3
    whole = await checked(database, ring)
    assert (whole.findings, whole.entries, whole.pending) == ([], 7, 0)


async def test_sealing_by_the_youngest_id_would_have_lost_it(database, ring):
    """Negative control of the test above: what is sealed is bounded by id instead of by what is pending."""
    async with database.transaction() as late:
        await record(late, CLERK, action="late", object_kind="x", now=NOW)
        await write(database, 3)
        async with database.transaction() as session:
            bound = max(await session.scalars(select(AuditEntry.id)))
    async with database.transaction() as session:
        assert (await session.scalars(select(AuditEntry).where(AuditEntry.id > bound))).all() == []
        assert len((await session.scalars(select(AuditEntry))).all()) == 4


async def test_two_that_seal_at_once_make_one_chain(database, ring):

    await write(database, 40)
    async with database.transaction() as session:
        first = await seal_batch(session, ring, limit=10, now=NOW)
        # The second one comes while the first is not committed: it leaves the work to it.
        assert await asyncio.wait_for(seal_all(database, ring, now=NOW), 10) is None
    assert first.number == 1
    await asyncio.gather(*(seal_all(database, ring, now=NOW) for _ in range(4)))
    whole = await checked(database, ring)
    assert (whole.findings, whole.entries, whole.pending) == ([], 40, 0)


async def test_a_removed_entry_is_found_and_named(database, database_url, ring):
    ids = await sealed(database, ring)
    await tamper(database_url, ("delete from audit_entry where id = %s", ids[5]))
    assert await findings(database, ring) == [f"entry removed: {ids[5]} (2/2)"]


@pytest.mark.parametrize(
    "change",
    [
        "reason = 'other'",
        "person_id = gen_random_uuid()",
        "at = at - interval '1 microsecond'",
        "actor = 'account:2'",
        "detail = '{}'",
        "roles = null",
    ],
)
async def test_an_altered_entry_is_found_and_named(database, database_url, ring, change):
    ids = await sealed(database, ring)
    await tamper(database_url, (f"update audit_entry set {change} where id = %s", ids[0]))
    assert await findings(database, ring) == [f"entry altered: {ids[0]} (1/1)"]


async def test_two_entries_that_changed_places_are_found(database, database_url, ring):
    one, other, *_ = await sealed(database, ring)
    spare = new_id()
    swap = "update audit_entry set id = %s where id = %s"
    await tamper(database_url, (swap, spare, one), (swap, one, other), (swap, other, spare))
    assert await findings(database, ring) == [f"entry altered: {one} (1/1)", f"entry altered: {other} (1/2)"]


async def test_an_entry_added_past_the_application_is_found(database, database_url, ring):
    await sealed(database, ring)
    added = new_id()
    await tamper(
        database_url,
        (
            "insert into audit_entry (id, at, actor, channel, action, object_kind) values (%s, now(), 'x', 'web', 'y', 'z')",
            added,
        ),
    )
    (found,) = await findings(database, ring)
    assert f"entry in no seal: {added}" in found


async def test_an_entry_that_was_removed_before_its_seal_is_found(database, database_url, ring):
    await write(database, 2)
    async with database.transaction() as session:
        first, _ = await session.scalars(select(AuditEntry.id).order_by(AuditEntry.id))
    await tamper(database_url, ("delete from audit_entry where id = %s", first))
    assert await findings(database, ring) == [f"entry removed before it was sealed: {first}"]
    # Sealing goes on, and does not cover it up.
    await seal_all(database, ring, now=NOW)
    assert await findings(database, ring) == [f"entry removed: {first} (1/1)"]


async def test_an_entry_taken_out_of_the_queue_is_found(database, database_url, ring):
    await write(database, 1)
    await tamper(database_url, ("delete from audit_pending",))
    (found,) = await findings(database, ring)
    assert "entry in no seal" in found


async def test_a_removed_seal_is_found_and_named(database, database_url, ring):
    await sealed(database, ring)
    await tamper(database_url, ("delete from audit_seal where number = 2",))
    found = await findings(database, ring)
    assert found[0] == "seal 2 was removed"
    assert len([one for one in found if "entry in no seal" in one]) == 4


async def test_removed_first_seals_are_found(database, database_url, ring):
    await sealed(database, ring)
    await tamper(
        database_url,
        ("delete from audit_seal where number <= 2",),
        ("delete from audit_entry where id not in (select id from audit_entry order by id desc limit 4)",),
    )
    assert await findings(database, ring) == ["seal 1–2 was removed"]


async def test_swapped_seals_are_found(database, database_url, ring):
    await sealed(database, ring)
    await tamper(
        database_url,
        ("update audit_seal set number = 9 where number = 2",),
        ("update audit_seal set number = 2 where number = 3",),
        ("update audit_seal set number = 3 where number = 9",),
    )
    found = await findings(database, ring)
    assert any("seal 2 does not follow" in one for one in found)
    assert any("seal 3 does not follow" in one for one in found)
    assert any("seal 2 was altered" in one for one in found)


async def test_an_altered_seal_is_found(database, database_url, ring):
    await sealed(database, ring)
    await tamper(
        database_url, ("update audit_seal set sealed_at = sealed_at - interval '1 day' where number = 2",)
    )
    assert await findings(database, ring) == ["seal 2 was altered"]


async def cut_off(database, database_url, ring):
    """Remove the last batch with all that belongs to it; the head that was noted before."""
    ids = await sealed(database, ring)
    head = (await checked(database, ring)).head
    await tamper(
        database_url,
        ("delete from audit_entry where id = any(%s)", ids[8:]),
        ("delete from audit_seal where number = 3",),
    )
    return head


async def test_a_record_whose_end_was_cut_off_is_found_by_a_noted_head(database, database_url, ring):
    head = await cut_off(database, database_url, ring)
    (found,) = await findings(database, ring, head=head)
    assert "is not in the chain" in found
    # The digest alone, as somebody may have noted it.
    assert await findings(database, ring, head=head.partition(":")[2]) != []


async def test_without_a_noted_head_it_looks_whole(database, database_url, ring):
    """Negative control of the test above; hence the advice to note the head elsewhere."""
    await cut_off(database, database_url, ring)
    assert await findings(database, ring) == []


async def test_an_old_head_stays_valid_while_the_chain_grows(database, ring):
    await sealed(database, ring)
    head = (await checked(database, ring)).head
    await sealed(database, ring)
    assert await findings(database, ring, head=head) == []


async def forge(database, database_url, ring):
    """Alter an entry and make every seal anew, as far as one can who has the database alone."""
    ids = await sealed(database, ring)
    await tamper(
        database_url,
        ("update audit_entry set reason = 'forged' where id = %s", ids[0]),
        ("delete from audit_seal",),
        ("insert into audit_pending select id from audit_entry",),
    )
    await seal_all(database, ring, now=NOW)


async def test_a_chain_made_anew_without_the_keys_is_found(database, database_url, ring):
    await forge(database, database_url, KeyRing.parse("t2:aes:" + "RkZG" * 10 + "RkY="))
    assert await findings(database, ring) == ["seal 1 was not made with key t2"]


async def test_a_chain_made_anew_with_the_keys_looks_whole(database, database_url, ring):
    """Negative control of the test above."""
    await forge(database, database_url, ring)
    assert await findings(database, ring) == []


async def test_seals_of_a_key_that_is_gone_are_told_and_their_chain_is_checked(database, ring):
    await sealed(database, KeyRing([ring.keys["t1"]]))
    await write(database)
    await seal_all(database, ring, now=NOW)
    whole = await checked(database, KeyRing([ring.current]))
    assert (whole.findings, whole.unknown_keys) == ([], {"t1": 3})


async def test_old_batches_are_purged_and_the_chain_stays(database, ring):
    for now in (LONG_AGO, LONG_AGO + timedelta(days=1), NOW):
        await write(database, 5, now=now)
        await seal_all(database, ring, now=now)
    head = (await checked(database, ring)).head
    async with database.transaction() as session:
        done = await purge_before(session, CLERK, before=NOW - timedelta(days=400), now=NOW)
    assert done == (10, 2)
    await seal_all(database, ring, now=NOW)
    whole = await checked(database, ring, head=head)
    assert (whole.findings, whole.purged_through, whole.entries) == ([], 2, 6)
    async with database.transaction() as session:
        assert await purge_before(session, CLERK, before=NOW - timedelta(days=400), now=NOW) == (0, None)


async def test_nothing_younger_than_six_months_can_be_purged(database, ring):
    async with database.transaction() as session:
        with pytest.raises(ValueError, match="183 days"):
            await purge_before(session, CLERK, before=NOW - timedelta(days=182), now=NOW)


async def test_entries_removed_under_a_pretended_purge_are_found(database, database_url, ring):
    ids = await sealed(database, ring)
    await write(database, action="audit.purge", object_kind="audit_seal", object_id="3", person_ids=[])
    await tamper(database_url, ("delete from audit_entry where id = any(%s)", ids))
    found = await findings(database, ring)
    assert found == [f"seal {number} was purged before its time" for number in (1, 2, 3)]


async def test_a_pretended_purge_of_the_future_hides_nothing(database, database_url, ring):
    ids = await sealed(database, ring)
    await write(database, action="audit.purge", object_kind="audit_seal", object_id="3", person_ids=[])
    await tamper(
        database_url,
        ("update audit_entry set at = at + interval '4 years' where action = 'audit.purge'",),
        ("delete from audit_entry where id = any(%s)", ids),
    )
    found = await findings(database, ring)
    assert "is dated in the future" in found[0]
    assert found[1:4] == [f"seal {number} was purged before its time" for number in (1, 2, 3)]


CHANGES = [
    "update audit_entry set reason = 'other'",
    "delete from audit_entry",
    "truncate audit_entry",
    "update audit_seal set sealed_at = now()",
    "delete from audit_seal",
    "truncate audit_seal",
]


@pytest.fixture
def application_url(database_url):
    """The database as an application sees it that is not the owner of its tables."""
    role = f"xinban_test_app_{os.getpid()}"
    url = make_url(database_url).set(username=role, password="of-the-tests")  # noqa: S106
    migrate(database_url, application_url=url.render_as_string(False))
    yield url.render_as_string(False)
    with psycopg.connect(database_url) as connection:
        connection.execute(sql.SQL("drop owned by {}").format(sql.Identifier(role)))
        connection.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


async def refusal(url, *statements):
    """What PostgreSQL says to the first of these statements that it refuses; nothing stays of them."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        try:
            for statement in statements:
                await connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege as error:
            return str(error)
        finally:
            await connection.rollback()
    return None


async def test_the_application_cannot_change_the_record(database, application_url, ring):
    await sealed(database, ring, batches=1)
    for change in CHANGES:
        assert "permission denied" in (await refusal(application_url, change) or ""), change
    assert await findings(database, ring) == []


async def test_the_application_cannot_take_the_guards_away(application_url):
    for change in (
        "alter table audit_entry disable trigger user",
        "drop table audit_entry",
        "set local xinban.audit_purge = 'on'; delete from audit_entry",
        "set session_replication_role = 'replica'",
    ):
        assert await refusal(application_url, change), change


async def test_where_one_role_does_everything_a_trigger_refuses(database, database_url, ring):
    await sealed(database, ring, batches=1)
    for change in CHANGES:
        assert "append-only" in (await refusal(database_url, change) or ""), change


@pytest.mark.parametrize("change", CHANGES)
async def test_the_owner_who_takes_the_guards_away_is_found(database, database_url, ring, change):
    """Negative control of the two tests above: the change itself is possible, and only the check tells."""
    await sealed(database, ring, batches=1)
    await tamper(database_url, (change,))
    assert await findings(database, ring) != []


async def test_the_application_records_seals_and_checks_and_cannot_purge(application_url, ring):
    async with Database(Settings(database_url=application_url)) as database:
        await write(database, 3)
        assert (await seal_all(database, ring, now=NOW)).number == 1
        assert await findings(database, ring) == []
        await write(database, now=LONG_AGO)
        await seal_all(database, ring, now=LONG_AGO)
        with pytest.raises(Exception, match="permission denied"):
            async with database.transaction() as session:
                await purge_before(session, CLERK, before=NOW - timedelta(days=400), now=NOW)


async def test_the_application_reads_and_writes_every_other_table(database_url, application_url):
    async with await psycopg.AsyncConnection.connect(application_url) as connection:
        rows = await (
            await connection.execute(
                "select relname, has_table_privilege(oid, 'select') and has_table_privilege(oid, 'insert')"
                " and has_table_privilege(oid, 'update') and has_table_privilege(oid, 'delete')"
                " from pg_class where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p')"
            )
        ).fetchall()
        await connection.execute("select nextval('procrastinate_jobs_id_seq')")
    unlike = {name for name, everything in rows if not everything}
    records = {"audit_entry", "audit_seal", "audit_pending", "allocation", "reservation_step"}
    assert unlike == {*records, "alembic_version", "spatial_ref_sys"}


async def test_tables_made_later_are_the_applications_too_but_not_a_second_audit_record(
    database_url, application_url
):
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute("create table later (id int)")
    migrate(database_url, application_url=application_url)
    async with await psycopg.AsyncConnection.connect(application_url) as connection:
        await connection.execute("insert into later values (1)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("delete from audit_entry")


def test_ids_in_a_seal_are_ids():
    seal = AuditSeal(content=new_id().bytes + NOTHING)
    ((entry_id, digest),) = entries_of(seal)
    assert isinstance(entry_id, UUID)
    assert digest == NOTHING
