"""Keys are replaced while the service runs: nothing is lost, nothing is left under the old key, nobody waits."""

import asyncio
import re
import signal
from datetime import UTC, datetime
from itertools import count

import psycopg
import pytest
from sqlalchemy import LargeBinary, func, insert, select, update

from api.tables import METADATA
from booking.people.models import Account
from core.ids import new_id
from core.keyring import Key, KeyRing
from core.rotation import count_by_key, count_left, encrypted_columns, rotate
from tests.api.running import running, xinban
from tests.conftest import TEST_RING

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
FIELD = "account.phone"
# Bytes that hold no personal data: digests and blind indexes of what is not stored, or only for minutes.
DIGESTS = {
    "account_session.refresh_digest",
    "account_session.family_digest",
    "audit_seal.content",
    "audit_seal.digest",
    "audit_seal.mac",
    "audit_seal.previous",
    "calendar_feed.digest",
    "correction.receipt_digest",
    "correction.reporter_blind",
    "enrolment.digest",
    "kept_answer.key_blind",
    "kept_answer.request_blind",
    "one_time_code.digest",
    "one_time_code.phone_blind",
    "recovery_code.digest",
    "sign_in_try.bucket",
    "site.import_digest",
    "staff_invitation.digest",
}
numbers = count(13_000_000_000)


@pytest.fixture(scope="module")
def column():
    return next(one for one in encrypted_columns(METADATA) if one.name == FIELD)


@pytest.fixture(scope="module")
def old(ring):
    """What was there before the current key: only its second key."""
    return KeyRing([ring.keys["t1"]])


def account(ring, phone, **more):
    row = new_id()
    return {
        "id": row,
        "kind": "resident",
        "created_at": NOW,
        "phone": ring.encrypt(FIELD, row, phone),
        "phone_blind": ring.blind(FIELD, phone),
        **more,
    }


async def fill(database, ring, rows):
    """Accounts under ``ring``; id → phone."""
    made = {}
    values = []
    for _ in range(rows):
        phone = f"+86{next(numbers)}"
        values.append(account(ring, phone))
        made[values[-1]["id"]] = phone
    async with database.transaction() as session:
        await session.execute(insert(Account), values)
    return made


async def phones(database, ring, *, found_under=None):
    """id → phone of all accounts, each also looked up by its blind index under the current key."""
    async with database.transaction() as session:
        rows = (await session.execute(select(Account.id, Account.phone, Account.phone_blind))).all()
    found = {}
    for row_id, phone, blind in rows:
        found[row_id] = ring.decrypt(FIELD, row_id, phone)
        if found_under is not None:
            assert blind == found_under.blind(FIELD, found[row_id])
    return found


async def left(database, ring, column):
    async with database.transaction() as session:
        return await count_left(session, ring, column)


def binary_columns():
    """``table.column`` of every column of bytes, and whether it is encrypted or the blind index of one that is."""
    declared = {column for one in encrypted_columns(METADATA) for column in (one.column, one.blind)}
    return {
        f"{table.name}.{column.name}": column in declared
        for table in METADATA.sorted_tables
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }


def test_every_column_of_bytes_is_encrypted_or_known_to_hold_no_personal_data():
    undeclared = {name for name, declared in binary_columns().items() if not declared}
    assert undeclared - DIGESTS == set()


def test_no_table_of_the_database_has_bytes_that_no_model_declares(database_url):
    with psycopg.connect(database_url) as connection:
        there = connection.execute(
            "select table_name || '.' || column_name from information_schema.columns"
            " where data_type = 'bytea' and table_schema = current_schema()"
            " and table_name not like 'procrastinate%'"
        ).fetchall()
    assert {name for (name,) in there} <= {*binary_columns()}


async def test_a_rotation_brings_every_value_and_its_index_under_the_current_key(database, ring, old, column):
    made = await fill(database, old, 1_234)
    done = []
    rotated = await rotate(database, ring, column, progress=done.append)
    assert rotated.rows == sum(done) == 1_234
    assert rotated.refused == {}
    # The old key is no longer needed.
    only_new = KeyRing([ring.current])
    assert await phones(database, only_new, found_under=ring) == made
    async with database.transaction() as session:
        assert await count_by_key(session, column) == {"t2": 1_234}
        assert await session.scalar(select(func.max(Account.version))) == 1


async def test_a_rotation_with_nothing_to_do_changes_nothing(database, ring, column):
    await fill(database, ring, 10)
    before = await raw(database)
    assert (await rotate(database, ring, column, progress=lambda _: None)).rows == 0
    assert await raw(database) == before


async def raw(database):
    async with database.transaction() as session:
        return {
            tuple(row)
            for row in await session.execute(select(Account.id, Account.phone, Account.phone_blind))
        }


async def write_meanwhile(database, old, made, stop):
    """Change and add rows with the old ring, as a process does that was not restarted yet."""
    while not stop.is_set():
        row = list(made)[next(numbers) % len(made)]
        phone = f"+86{next(numbers)}"
        async with database.transaction() as session:
            await session.execute(
                update(Account)
                .where(Account.id == row)
                .values(phone=old.encrypt(FIELD, row, phone), phone_blind=old.blind(FIELD, phone))
            )
            new = account(old, f"+86{next(numbers)}")
            await session.execute(insert(Account), [new])
        made[row] = phone
        made[new["id"]] = old.decrypt(FIELD, new["id"], new["phone"])


async def test_what_is_written_during_a_rotation_is_kept(database, ring, old, column):
    made = await fill(database, old, 3_000)
    stop = asyncio.Event()
    writers = [asyncio.create_task(write_meanwhile(database, old, made, stop)) for _ in range(3)]
    rotated = await rotate(database, ring, column, progress=lambda _: None)
    stop.set()
    await asyncio.gather(*writers)
    assert rotated.rows >= 3_000
    assert await phones(database, ring) == made
    # What came after the last walk is found by the next rotation.
    await rotate(database, ring, column, progress=lambda _: None)
    assert await left(database, ring, column) == 0
    assert await phones(database, ring, found_under=ring) == made


async def test_a_rotation_that_reads_first_and_writes_later_would_lose_what_was_written(database, ring, old):
    """Negative control of the test above: the same writer, and a rotation without lock and condition."""
    made = await fill(database, old, 50)
    async with database.transaction() as session:
        read = (await session.execute(select(Account.id, Account.phone))).all()
    stop = asyncio.Event()
    writer = asyncio.create_task(write_meanwhile(database, old, made, stop))
    await asyncio.sleep(0.2)
    stop.set()
    await writer
    async with database.transaction() as session:
        for row, value in read:
            phone = ring.encrypt(FIELD, row, old.decrypt(FIELD, row, value))
            await session.execute(update(Account).where(Account.id == row).values(phone=phone))
    assert await phones(database, ring) != made


async def test_nobody_waits_for_a_rotation_and_it_waits_for_nobody(database, ring, old, column):
    """A row that somebody holds is passed over, and done once it is free."""
    made = await fill(database, old, 20)
    held = next(iter(made))
    async with database.transaction() as session:
        await session.execute(select(Account.id).where(Account.id == held).with_for_update())
        rotated = await asyncio.wait_for(rotate(database, ring, column, progress=lambda _: None), 20)
        assert (rotated.rows, rotated.held) == (19, 1)
    assert (await rotate(database, ring, column, progress=lambda _: None)).rows == 1
    assert await phones(database, ring, found_under=ring) == made


async def test_two_rotations_at_once_do_each_row_once(database, ring, old, column):
    made = await fill(database, old, 2_000)
    both = await asyncio.gather(*(rotate(database, ring, column, progress=lambda _: None) for _ in range(2)))
    assert sum(one.rows for one in both) == 2_000
    assert await phones(database, ring, found_under=ring) == made


async def test_a_value_that_two_rows_have_is_told_and_the_others_are_done(database, ring, old, column):
    """Two processes with different current keys wrote the same phone at once: the index could not see it."""
    made = await fill(database, old, 600)
    twice = account(ring, made[list(made)[300]])
    async with database.transaction() as session:
        await session.execute(insert(Account), [twice])
    rotated = await rotate(database, ring, column, progress=lambda _: None)
    assert list(rotated.refused) == [list(made)[300]]
    assert "another row" in rotated.refused[list(made)[300]]
    assert rotated.rows == 599


async def test_a_value_that_no_key_opens_is_told_and_the_others_are_done(database, ring, old, column):
    foreign = KeyRing([Key.create("lost", "aes")])
    made = await fill(database, foreign, 1)
    await fill(database, old, 5)
    rotated = await rotate(database, ring, column, progress=lambda _: None)
    assert rotated.rows == 5
    assert list(rotated.refused) == list(made)
    assert "'lost' is not in the ring" in rotated.refused[next(iter(made))]


async def test_a_killed_rotation_is_finished_by_the_next_one(
    database, database_url, ring, old, column, tmp_path
):
    made = await fill(database, old, 20_000)
    with running(tmp_path / "log", "keys", "rotate", database_url=database_url) as one:
        while await left(database, ring, column) == 20_000:
            assert one.process.poll() is None, one.log_path.read_text()
            await asyncio.sleep(0.02)
        one.stop(signal.SIGKILL)
    assert 0 < await left(database, ring, column) < 20_000
    assert await phones(database, ring) == made
    again = await asyncio.to_thread(xinban, "keys", "rotate", database_url=database_url)
    assert again.returncode == 0, again.stderr
    assert await phones(database, KeyRing([ring.current]), found_under=ring) == made


async def test_the_list_shows_what_each_key_still_encrypts_and_which_one_is_missing(
    database, database_url, ring, old
):
    await fill(database, old, 3)
    await fill(database, ring, 2)
    shown = await asyncio.to_thread(xinban, "keys", "list", database_url=database_url)
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"account.phone *│ *2 │ *3", shown.stdout), shown.stdout
    only_new = TEST_RING.split()[0]
    shown = await asyncio.to_thread(xinban, "keys", "list", database_url=database_url, keys=only_new)
    assert shown.returncode == 1
    assert "missing" in shown.stdout
    assert "QUFB" not in shown.stdout + shown.stderr


def test_keys_are_created_once_and_added_to(tmp_path):
    path = tmp_path / "keys"
    made = xinban("keys", "create", str(path), "--suite", "gm")
    assert made.returncode == 0, made.stderr
    first = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert xinban("keys", "create", str(path)).returncode == 1
    assert xinban("keys", "create", str(path), "--if-missing").returncode == 0
    assert path.read_text() == first
    assert xinban("keys", "add", str(path)).returncode == 0
    assert [line.split(":")[1] for line in path.read_text().splitlines() if ":" in line[:12]] == ["gm", "gm"]
    secrets = [line.split(":")[2] for line in path.read_text().splitlines()[1:]]
    assert not any(secret in made.stdout + made.stderr for secret in secrets)


def test_a_key_without_a_file_is_printed_alone(monkeypatch):
    made = xinban("keys", "create")
    assert KeyRing.parse(made.stdout).current.suite == "aes"
    assert made.stdout.count("\n") == 1


@pytest.mark.parametrize("command", [("serve",), ("worker",), ("keys", "list")])
def test_without_keys_nothing_starts_and_one_sentence_says_what_to_do(command, database_url):
    ended = xinban(*command, database_url=database_url, keys="", keys_file="", keys_command="")
    assert ended.returncode == 2
    assert "xinban keys create" in ended.stderr
    assert ended.stderr.count("\n") == 1
