"""Messages leave: signed, soon, again when the receiver is down, never for ever; and stay unread in the database."""

import asyncio
import hmac
import json
import time
from datetime import timedelta

import psycopg
import pytest

from api.messages import relay
from api.messages.outbox import send_message
from api.messages.relay import WAITS, deliver_messages, relay_once
from api.messages.senders import make_sender
from core import clock
from core.settings import Settings
from tests.api.outside import outside
from tests.api.running import running, serving, wait_until
from tests.api.signing_in import RING, ask_for_code, code_of, try_code
from tests.conftest import TEST_RING, create_database, drop_database, url_of

SECRET = "a secret that both sides know"
PHONE = "+8613800000001"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with outside("text-messages", tmp_path_factory.mktemp("gateway") / "log") as one:
        yield one


def webhook(gateway, path, **more):
    return {"sender": "webhook", "webhook_url": gateway.url + path, "webhook_secret": SECRET, **more}


async def write(database, *, count=1, expires_at=None, now=None):
    """Ids of new messages."""
    async with database.transaction() as session:
        return [
            await send_message(
                session,
                RING,
                phone=PHONE,
                template="code_sign_in",
                parameters={"code": "123456", "minutes": "5"},
                expires_at=expires_at,
                now=now or clock.now(),
            )
            for _ in range(count)
        ]


async def state(database, message):
    async with database.hot() as connection:
        row = await (
            await connection.execute("select state, tries, failure from message where id = %s", (message,))
        ).fetchone()
    return tuple(row)


async def relay_at(database, settings, at):
    """One round of a worker whose clock shows ``at``."""
    sender = make_sender(Settings(**settings))
    try:
        return await relay_once(database, RING, sender, clock=lambda: at)
    finally:
        await sender.close()


def asked_about(gateway, message):
    return [one for one in gateway.asked() if json.loads(one["body"])["id"] == str(message)]


@pytest.fixture(scope="module")
def one(tmp_path_factory, server_url, template, redis_url):
    """A server on a database of this module's own, and what its workers are told."""
    name = create_database(server_url, template)
    settings = {"database_url": url_of(server_url, name), "redis_url": redis_url}
    with serving(tmp_path_factory.mktemp("api") / "log", **settings) as running:
        yield running, settings
    drop_database(server_url, name)


def got(gateway, phone):
    """What the gateway was asked to send to ``phone``."""
    return [one for one in gateway.asked() if json.loads(one["body"])["to"] == f"+86{phone}"]


def test_a_code_reaches_the_phone_within_about_a_second_through_worker_and_webhook(gateway, one, tmp_path):
    api, settings = one
    with running(tmp_path / "log", "worker", **settings, **webhook(gateway, "/ok")) as worker:
        wait_until(lambda: worker.said("worker started"), "the worker")
        began = time.time()
        assert ask_for_code(api.url, "13800000001").status_code == 202
        (message,) = wait_until(lambda: got(gateway, "13800000001"), "the message")
        assert message["at"] - began < 3  # the worker looks twice a second; tests share the machine
        body = json.loads(message["body"])
        assert (body["template"], body["channel"]) == ("code_sign_in", "sms")
        assert body["parameters"]["minutes"] == "5"
        assert try_code(api.url, "13800000001", body["parameters"]["code"]).status_code == 200
        for log in (api, worker):
            assert "13800000001" not in log.log_path.read_text()
            assert body["parameters"]["code"] not in log.log_path.read_text()


async def test_the_receiver_can_check_that_it_is_us(gateway, database):
    (message,) = await write(database)
    await relay_at(database, webhook(gateway, "/ok"), clock.now())
    (asked,) = asked_about(gateway, message)
    headers = asked["headers"]
    assert abs(int(headers["x-xinban-timestamp"]) - time.time()) < 60
    signed = f"{headers['x-xinban-timestamp']}.{asked['body']}".encode()
    expected = hmac.digest(SECRET.encode(), signed, "sha256").hex()
    assert headers["x-xinban-signature"] == f"sha256={expected}"


def test_while_developing_the_worker_logs_the_code(one, tmp_path):
    api, settings = one
    ask_for_code(api.url, "13800000003")
    code = code_of(settings["database_url"], "13800000003")
    with running(tmp_path / "log", "worker", **settings, env="development") as worker:
        wait_until(
            lambda: worker.said(f"message to +8613800000003: code_sign_in code={code}"), "the code in the log"
        )
        assert "13800000003" not in api.log_path.read_text()


def test_in_production_without_a_sender_the_log_says_what_to_do_and_no_code(one, tmp_path):
    api, settings = one
    ask_for_code(api.url, "13800000004")
    with running(tmp_path / "log", "worker", **settings) as worker:
        wait_until(lambda: worker.said("message not sent, will try again"), "the refusal")
        assert worker.said("set XINBAN_SENDER=webhook")
        assert "13800000004" not in worker.log_path.read_text()
        assert code_of(settings["database_url"], "13800000004") not in worker.log_path.read_text()


async def test_a_receiver_that_is_down_is_asked_again_later_and_later(gateway, database):
    now = clock.now()
    (message,) = await write(database, now=now)
    settings = webhook(gateway, "/busy-twice")
    assert await relay_at(database, settings, now) == 1
    assert await state(database, message) == ("waiting", 1, "http-503")
    assert await relay_at(database, settings, now) == 0
    now += timedelta(seconds=WAITS[0])
    await relay_at(database, settings, now)
    assert await state(database, message) == ("waiting", 2, "http-503")
    assert await relay_at(database, settings, now + timedelta(seconds=WAITS[1] - 0.1)) == 0
    await relay_at(database, settings, now + timedelta(seconds=WAITS[1]))
    assert await state(database, message) == ("sent", 3, None)
    assert len(asked_about(gateway, message)) == 3


async def test_after_the_last_try_it_is_given_up_with_a_line_that_names_only_its_id(
    gateway, database, caplog
):
    now = clock.now()
    (message,) = await write(database, now=now)
    for wait in (0, *WAITS):
        now += timedelta(seconds=wait)
        assert await relay_at(database, webhook(gateway, "/down"), now) == 1
    assert await state(database, message) == ("dead", len(WAITS) + 1, "http-503")
    (line,) = [one for one in caplog.records if one.levelname == "ERROR"]
    assert line.message_id == str(message)
    assert PHONE not in caplog.text
    assert "123456" not in caplog.text
    assert await relay_at(database, webhook(gateway, "/down"), now + timedelta(days=1)) == 0


async def test_what_the_receiver_refuses_for_good_is_not_repeated(gateway, database):
    now = clock.now()
    (message,) = await write(database, now=now)
    await relay_at(database, webhook(gateway, "/refuses"), now)
    assert await state(database, message) == ("dead", 1, "http-422")


async def test_a_code_that_came_too_late_is_not_sent(gateway, database):
    now = clock.now()
    (message,) = await write(database, expires_at=now, now=now)
    await relay_at(database, webhook(gateway, "/ok"), now)
    assert await state(database, message) == ("dead", 1, "expired")
    assert asked_about(gateway, message) == []


async def test_a_receiver_that_cannot_be_reached_is_asked_again(database):
    now = clock.now()
    (message,) = await write(database, now=now)
    unreachable = {"sender": "webhook", "webhook_url": "http://127.0.0.1:9/", "webhook_secret": SECRET}
    await relay_at(database, unreachable, now)
    assert await state(database, message) == ("waiting", 1, "ConnectError")


async def test_two_workers_send_each_message_once(gateway, database):
    ids = await write(database, count=60)
    settings = webhook(gateway, "/ok")

    async def drain():
        sent = 0
        while taken := await relay_at(database, settings, clock.now()):
            sent += taken
        return sent

    assert sum(await asyncio.gather(drain(), drain(), drain())) == 60
    assert sorted(len(asked_about(gateway, one)) for one in ids) == [1] * 60


async def test_without_skipping_what_another_took_messages_are_sent_twice(gateway, database, monkeypatch):
    """Negative control of the test above: the query takes the row, but leaves it due for others."""
    monkeypatch.setattr(relay, "LEASE", timedelta(0))
    monkeypatch.setattr(
        relay, "SENT", relay.SENT.replace("set state = 'sent', finished_at = %s,", "set created_at = %s,")
    )
    ids = await write(database, count=5)
    for _ in range(2):
        await relay_at(database, webhook(gateway, "/ok"), clock.now())
    assert sorted(len(asked_about(gateway, one)) for one in ids) == [2] * 5


async def test_a_message_whose_worker_died_is_taken_up_by_another(gateway, database):
    now = clock.now()
    (message,) = await write(database, now=now)
    async with database.hot() as connection:  # taken, and never heard of again
        await connection.execute(relay.TAKE, {"now": now, "until": now + relay.LEASE, "most": 1})
    assert await relay_at(database, webhook(gateway, "/ok"), now + relay.LEASE / 2) == 0
    assert await relay_at(database, webhook(gateway, "/ok"), now + relay.LEASE) == 1
    assert (await state(database, message))[0] == "sent"


async def test_what_was_rolled_back_is_not_sent(database):
    async with database.transaction() as session:
        await send_message(
            session, RING, phone=PHONE, template="code_sign_in", parameters={}, now=clock.now()
        )
        await session.flush()
        await session.rollback()
    async with database.hot() as connection:
        assert await (await connection.execute("select 1 from message")).fetchone() is None


async def test_the_relay_goes_on_when_the_database_was_away(database_url, database, gateway, server_url):
    from tests.api.test_operation import close, reopen

    settings = Settings(
        database_url=database_url, keys=TEST_RING, env="production", **webhook(gateway, "/ok")
    )
    task = asyncio.create_task(deliver_messages(settings))
    try:
        await asyncio.to_thread(close, server_url, database_url)
        await asyncio.sleep(1)
        await asyncio.to_thread(reopen, server_url, database_url)
        with psycopg.connect(database_url) as connection:
            connection.execute("select 1")
        (message,) = await write(database)
        for _ in range(200):
            if (await state(database, message))[0] == "sent":
                break
            await asyncio.sleep(0.1)
        assert (await state(database, message))[0] == "sent"
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_a_webhook_without_address_or_secret_is_said_at_the_start(database_url, tmp_path):
    with running(tmp_path / "log", "worker", database_url=database_url, sender="webhook") as one:
        assert one.process.wait(20) == 2
        assert "XINBAN_WEBHOOK_URL and XINBAN_WEBHOOK_SECRET" in one.log_path.read_text()


async def test_the_outbox_is_read_by_its_index(database):
    async with database.hot() as connection:
        await connection.execute(
            "insert into message (id, channel, template, recipient, parameters, state, finished_at, created_at, next_try_at)"
            " select gen_random_uuid(), 'sms', 't', '', '', 'sent', now(), now(), now() from generate_series(1, 20000)"
        )
        await connection.execute("analyze message")
        now = clock.now()
        rows = await (
            await connection.execute("explain " + relay.TAKE, {"now": now, "until": now, "most": 20})
        ).fetchall()
    assert "message_next_try_at_idx" in "\n".join(row[0] for row in rows)
