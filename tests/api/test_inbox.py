"""An inbox: in whose words, in which order, waited for and streamed without losing anything."""

import json
import re
import threading
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import psycopg
import pytest

from api.inbox.reading import BEHIND
from api.inbox.words import WORDS, fill
from api.tasks.telling import INVITE, REMIND, invite_ratings, remind
from booking.events import KINDS
from core import clock
from tests.api.inboxes import Telling, kinds, telling
from tests.api.running import serving, wait_until

ALL = dict.fromkeys(
    (
        "who what when until code address reason alternative dates why".split()  # noqa: SIM905
    ),
    "x",
)


@pytest.fixture(scope="module")
def world(tmp_path_factory, server_url, template, redis_url):
    log = tmp_path_factory.mktemp("inbox") / "log"
    with telling(log, server_url, template, redis_url) as one:
        yield one


@pytest.fixture(scope="module")
def lunch(world):
    """An offering, and slots of it tomorrow and on."""
    return world.offering(title="午餐", title_en="Lunch", exclusive=False)


def in_the_background(work):
    """Its answer, later."""
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    return thread, found


# Words


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_words_in_both_languages(kind):
    said = fill(kind, ALL, ALL)
    assert said.title_zh
    assert said.title_en
    assert said.text_zh
    assert said.text_en
    for text in (said.text_zh, said.text_en):
        assert not re.search(r"[{}]", text)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sentence_that_needs_what_is_not_known_is_left_out(kind):
    said = fill(kind, {"who": "您"}, {"who": "you"})
    assert "{" not in said.text_zh + said.text_en
    assert WORDS[kind].title_zh == said.title_zh


def test_a_booking_is_in_the_inbox_in_plain_words(world, lunch):
    (who,) = world.people(1)
    slot = world.slot(lunch, {"general": 5})
    made = world.book(who, slot)
    world.deliver()
    page = world.inbox(who)
    (one,) = page["items"]
    here = slot.starts_at.astimezone(datetime.fromisoformat(made["starts_at"]).tzinfo)
    weekday = "一二三四五六日"[here.weekday()]
    assert one["kind"] == "reservation_confirmed"
    assert one["title_zh"] == "预约成功"
    assert (
        f"您已约好{here.month}月{here.day}日（周{weekday}）{here:%H:%M} 试验助餐点的午餐。" in one["text_zh"]
    )
    assert made["code"] in one["text_zh"]
    assert "is booked for you" in one["text_en"]
    assert "Lunch" in one["text_en"]
    assert one["subject_id"] == made["id"]
    assert one["data"]["reservation_id"] == made["id"]
    assert one["starts_at"] == made["starts_at"]
    assert one["site"]["name"] == "试验助餐点"
    assert (one["about_me"], one["person"], one["sms"]) == (True, "王**", None)
    assert (page["next"], page["last"], page["unread"]) == (1, 1, 1)


def test_whoever_books_for_somebody_is_told_too_and_sees_the_name_masked(world, lunch):
    mother, daughter = world.people(2)
    world.delegate(mother.person_id, daughter.account_id)
    world.book(daughter, world.slot(lunch, {"general": 5}), mother.person_id)
    world.deliver()
    (hers,) = world.inbox(daughter)["items"]
    (mothers,) = world.inbox(mother)["items"]
    assert hers["text_zh"].startswith("王**已约好")
    assert (hers["about_me"], hers["person_id"]) == (False, str(mother.person_id))
    assert mothers["text_zh"].startswith("您已约好")
    assert hers["id"] == mothers["id"]


def test_whoever_may_no_longer_act_for_somebody_is_told_nothing_of_them(world):
    mother, daughter = world.people(2)
    world.emit("reservation_reminder", person_id=mother.person_id, account_id=daughter.account_id)
    world.deliver()
    assert world.inbox(daughter)["items"] == []
    assert kinds(world.inbox(mother)) == ["reservation_reminder"]


def test_an_inbox_shows_nobody_elses(world):
    one, other = world.people(2)
    world.emit("reservation_reminder", person_id=one.person_id, count=3)
    world.deliver()
    assert len(world.inbox(one)["items"]) == 3
    assert world.inbox(other) == {"items": [], "next": 0, "last": 0, "unread": 0}
    assert world.call({}, "GET", "/v1/inbox").status_code == 401
    assert world.call({}, "GET", "/v1/inbox/stream").status_code == 401


def test_who_is_told_of_an_answer_to_a_complaint_needs_no_person(world):
    (who,) = world.people(1)
    world.emit("complaint_answered", account_id=who.account_id)
    world.deliver()
    (one,) = world.inbox(who)["items"]
    assert (one["kind"], one["person"], one["site"]) == ("complaint_answered", None, None)


def test_an_event_that_cannot_be_told_keeps_no_other_back(world):
    (who,) = world.people(1)
    world.emit("reservation_reminder", person_id=who.person_id, starts_at="not a time")
    world.emit("reservation_reminder", person_id=who.person_id)
    # What is given up is logged by the worker, which is this process.
    assert world.deliver() >= 2
    assert len(world.inbox(who)["items"]) == 1
    assert world.waiting_events() == 0


# Pages and what was read


def test_messages_come_in_order_page_by_page(world):
    (who,) = world.people(1)
    world.emit("reservation_reminder", person_id=who.person_id, count=7)
    world.deliver()
    first = world.inbox(who, limit=4)
    second = world.inbox(who, after=first["next"], limit=4)
    assert [one["number"] for one in first["items"] + second["items"]] == [1, 2, 3, 4, 5, 6, 7]
    assert world.inbox(who, after=7)["next"] == 7
    # A number from another account's inbox is no reason to miss what comes.
    assert world.inbox(who, after=1_000)["next"] == 7


def test_what_was_read_is_no_longer_counted_and_never_becomes_unread(world):
    (who,) = world.people(1)
    assert world.call(who, "POST", "/v1/inbox/read", {"up_to": 5}).json() == {"unread": 0}
    world.emit("reservation_reminder", person_id=who.person_id, count=3)
    world.deliver()
    assert world.inbox(who)["unread"] == 3
    assert world.call(who, "POST", "/v1/inbox/read", {"up_to": 2}).json() == {"unread": 1}
    assert world.call(who, "POST", "/v1/inbox/read", {"up_to": 1}).json() == {"unread": 1}
    assert world.call(who, "POST", "/v1/inbox/read", {"up_to": 99}).json() == {"unread": 0}


def test_a_page_is_read_through_the_index_of_account_and_number(world):
    with psycopg.connect(world.database_url) as connection:
        connection.execute("set local plan_cache_mode = force_generic_plan")
        connection.execute("set local enable_seqscan = off")
        plan = "\n".join(
            row[0]
            for row in connection.execute(
                "explain " + BEHIND, {"account_id": uuid4(), "after": 0, "limit": 50}
            ).fetchall()
        )
    assert "inbox_event_account_id_number_key" in plan
    assert "Sort" not in plan


# Waiting


def test_a_phone_that_waits_is_answered_at_once(world):
    (who,) = world.people(1)
    thread, found = in_the_background(lambda: world.inbox(who, wait=25))
    time.sleep(1)
    assert not found
    world.emit("reservation_reminder", person_id=who.person_id)
    world.deliver()
    told = time.monotonic()
    thread.join(20)
    assert time.monotonic() - told < 1.0
    assert kinds(found[0]) == ["reservation_reminder"]


def test_a_phone_is_answered_though_redis_lost_the_wake(world):
    (who,) = world.people(1)
    thread, found = in_the_background(lambda: world.inbox(who, wait=25))
    time.sleep(0.5)
    world.emit("reservation_reminder", person_id=who.person_id)
    world.deliver(wake=False)
    told = time.monotonic()
    thread.join(20)
    assert time.monotonic() - told < 8
    assert kinds(found[0]) == ["reservation_reminder"]


def test_a_phone_is_answered_while_redis_is_away(world, tmp_path):
    away = "unix:///tmp/xinban-no-such-redis.sock"
    with serving(
        tmp_path / "log",
        ready=False,
        database_url=world.database_url,
        redis_url=away,
    ) as one:
        other = Telling.__new__(Telling)
        other.__dict__.update({**world.__dict__, "server": one})
        (who,) = world.people(1)
        wait_until(lambda: other.call(who, "GET", "/v1/inbox").status_code == 200, "sessions known")
        thread, found = in_the_background(lambda: other.inbox(who, wait=25))
        time.sleep(0.5)
        world.emit("reservation_reminder", person_id=who.person_id)
        world.deliver(wake=False)
        told = time.monotonic()
        thread.join(20)
        assert time.monotonic() - told < 8
        assert kinds(found[0]) == ["reservation_reminder"]


def test_waiting_ends_in_time_with_nothing(world):
    (who,) = world.people(1)
    began = time.monotonic()
    page = world.inbox(who, wait=2)
    assert 1.9 < time.monotonic() - began < 5
    assert page["items"] == []
    assert world.call(who, "GET", "/v1/inbox?wait=26").status_code == 422


def test_phones_that_wait_hold_no_connection_to_the_database(server_url, template, redis_url, tmp_path):
    with telling(tmp_path / "log", server_url, template, redis_url, pool_size="2") as small:
        phones = small.people(40)
        threads = [in_the_background(lambda who=who: small.inbox(who, wait=6)) for who in phones]
        time.sleep(1.5)
        (who,) = small.people(1)
        for _ in range(5):
            began = time.monotonic()
            assert small.inbox(who)["items"] == []
            assert time.monotonic() - began < 2
        small.emit("reservation_reminder", person_id=phones[0].person_id)
        small.deliver()
        for thread, _ in threads:
            thread.join(30)
        assert [len(found[0]["items"]) for _, found in threads] == [1] + [0] * 39


def test_one_account_does_not_wait_everywhere_at_once(world):
    (who,) = world.people(1)
    threads = [
        in_the_background(lambda: world.call(who, "GET", "/v1/inbox?wait=3").status_code) for _ in range(23)
    ]
    for thread, _ in threads:
        thread.join(20)
    assert sorted(found[0] for _, found in threads) == [200] * 20 + [429] * 3


def test_a_server_that_is_told_to_stop_lets_waiting_phones_go(server_url, template, redis_url, tmp_path):
    with telling(tmp_path / "log", server_url, template, redis_url) as one:
        (who,) = one.people(1)
        thread, found = in_the_background(lambda: one.inbox(who, wait=25))
        streamed, _ = in_the_background(lambda: list(read_stream(one, who, seconds=20)))
        time.sleep(1)
        began = time.monotonic()
        assert one.server.stop() == 0
        assert time.monotonic() - began < 8
        thread.join(5)
        streamed.join(5)
        assert found[0]["items"] == []


# Streams


def read_stream(world, who, *, last=None, count=1, seconds=15.0, heartbeats=None):
    """Numbers, and what was told, of the next ``count`` events."""
    headers = {**who.headers, **({} if last is None else {"Last-Event-ID": str(last)})}
    end, number = time.monotonic() + seconds, None
    with (
        httpx.Client(trust_env=False, timeout=seconds) as client,
        client.stream("GET", world.server.url + "/v1/inbox/stream", headers=headers) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        for line in answer.iter_lines():
            if line.startswith("id: "):
                number = int(line[4:])
            elif line.startswith("data: "):
                yield number, json.loads(line[6:])
                count -= 1
            elif line.startswith(":") and heartbeats is not None:
                heartbeats.append(line)
            if count == 0 or time.monotonic() > end:
                return


def test_a_stream_tells_at_once_and_loses_nothing_across_reconnections(world):
    (who,) = world.people(1)
    seen, last = [], 0
    for _ in range(4):
        world.emit("reservation_reminder", person_id=who.person_id, count=3)
        world.deliver()
        found = list(read_stream(world, who, last=last, count=2))
        # What was sent behind the last one that arrived is lost with the connection, and comes again.
        seen += found
        last = found[-1][0]
    seen += list(read_stream(world, who, last=last, count=12 - last))
    assert [number for number, _ in seen] == list(range(1, 13))
    assert all(number == one["number"] for number, one in seen)
    thread, found = in_the_background(lambda: [*read_stream(world, who, last=12, count=1)])
    time.sleep(1)
    world.emit("waitlist_offer", person_id=who.person_id)
    world.deliver()
    told = time.monotonic()
    thread.join(20)
    assert time.monotonic() - told < 1.5
    assert [(number, one["kind"]) for number, one in found[0]] == [(13, "waitlist_offer")]


def test_a_quiet_stream_is_heard_of(world):
    (who,) = world.people(1)
    heartbeats = []
    assert list(read_stream(world, who, seconds=17, heartbeats=heartbeats)) == []
    assert heartbeats


def test_a_stream_ends_with_the_session(world):
    (who,) = world.people(1)
    thread, found = in_the_background(lambda: [*read_stream(world, who, seconds=20)])
    time.sleep(1)
    assert world.call(who, "DELETE", "/v1/auth/tokens").is_success
    ended = time.monotonic()
    thread.join(20)
    assert time.monotonic() - ended < 5
    assert found == [[]]
    assert world.call(who, "GET", "/v1/inbox").status_code == 401


# Text messages


def test_text_messages_go_by_choice(world, lunch):
    (who,) = world.people(1)
    number = "+8613900000010"
    world.give_phone(who, number)
    path = "/v1/me/notifications"
    assert world.call(who, "GET", path).json() == {"sms": "important", "language": "zh-CN"}

    def sent():
        return [one for one in world.messages() if one[0] == number]

    made = world.book(who, world.slot(lunch, {"general": 5}))
    world.deliver()
    assert sent() == []
    said = {name: made[name] for name in ("starts_at",)} | {"reservation_id": made["id"]}
    said |= {"offering_id": made["offering_id"]}
    world.emit("reservation_reminder", person_id=who.person_id, **said)
    world.deliver()
    ((_, template, parameters),) = sent()
    assert template == "reservation_reminder"
    assert (
        parameters.items()
        >= {"who": "您", "what": "午餐", "where": "试验助餐点", "code": made["code"]}.items()
    )
    assert world.call(who, "PUT", path, {"sms": "all", "language": "en"}).status_code == 200
    world.call(who, "POST", f"/v1/reservations/{made['id']}/cancel")
    world.deliver()
    assert [one[1] for one in sent()] == ["reservation_reminder", "reservation_cancelled_en"]
    assert sent()[-1][2]["what"] == "Lunch"
    world.call(who, "PUT", path, {"sms": "none", "language": "en"})
    world.emit("reservation_reminder", person_id=who.person_id)
    world.deliver()
    assert len(sent()) == 2
    assert world.call(who, "GET", path).json() == {"sms": "none", "language": "en"}
    assert world.call(who, "GET", "/v1/me").json()["language"] == "en"


def test_the_inbox_says_what_became_of_a_text_message(world):
    (who,) = world.people(1)
    world.give_phone(who, "+8613900000011")
    for outcome in ("sent", "dead"):
        world.emit("waitlist_offer", person_id=who.person_id)
        world.deliver()
        assert world.inbox(who)["items"][-1]["sms"] == {"to": "me", "state": "waiting"}
        world.finish_messages(outcome)
        assert world.inbox(who)["items"][-1]["sms"] == {"to": "me", "state": outcome}
    # The message itself goes after a day; what became of it stays.
    world.sql("delete from message")
    assert [one["sms"]["state"] for one in world.inbox(who)["items"]] == ["sent", "dead"]


def test_somebody_without_an_account_gets_text_messages_and_whoever_booked_sees_it(world, lunch):
    number = "+8613900000012"
    mother, (daughter,) = world.person(number), world.people(1)
    world.delegate(mother, daughter.account_id)
    world.book(daughter, world.slot(lunch, {"general": 5}), mother)
    world.deliver()
    ((_, template, parameters),) = [one for one in world.messages() if one[0] == number]
    assert (template, parameters["who"]) == ("reservation_confirmed", "您")
    assert world.inbox(daughter)["items"][0]["sms"] == {"to": "person", "state": "waiting"}


def test_what_is_no_longer_so_is_in_no_text_message(world, lunch):
    number = "+8613900000013"
    mother, (daughter,) = world.person(number), world.people(1)
    world.delegate(mother, daughter.account_id)
    made = world.book(daughter, world.slot(lunch, {"general": 5}), mother)
    assert world.call(daughter, "POST", f"/v1/reservations/{made['id']}/cancel").status_code == 200
    world.deliver()
    assert [template for to, template, _ in world.messages() if to == number] == ["reservation_cancelled"]
    assert kinds(world.inbox(daughter)) == ["reservation_confirmed", "reservation_cancelled"]


def test_names_and_phones_are_in_no_log(world):
    text = world.server.log_path.read_text()
    assert "13900000012" not in text
    assert "王秀英" not in text


# By the clock


def booked(world, lunch, who, start, at):
    """A confirmed reservation at ``start`` that was made at ``at``; its id."""
    slot = world.slot(lunch, {"general": 5}, hours=(start - world.start).total_seconds() / 3600)
    made = world.book(who, slot)
    world.sql("update reservation_step set at = %s where reservation_id = %s", at, made["id"])
    return made["id"]


def run(world, work, now):
    async def body(rows):
        return await work(rows.session, now=now)

    return world.make(body)


def reminders(world, reservation_id):
    return world.value(
        "select count(*) from event where subject_id = %s and kind = 'reservation_reminder'", reservation_id
    )


def test_a_reminder_comes_the_evening_before_once_and_again_when_moved(world, lunch):
    (who,) = world.people(1)
    here = clock.now().astimezone(UTC) + timedelta(days=3)
    start = here.replace(hour=3, minute=30, second=0, microsecond=0)  # 11:30 here
    evening = start.replace(hour=10, minute=0) - timedelta(days=1)  # 18:00 here
    one = booked(world, lunch, who, start, clock.now())
    for now, count in ((evening - timedelta(minutes=1), 0), (evening, 1), (evening + timedelta(hours=3), 1)):
        run(world, remind, now)
        assert reminders(world, one) == count
    later = world.slot(lunch, {"general": 5}, hours=(start - world.start).total_seconds() / 3600 + 24)
    moved = world.call(who, "POST", f"/v1/reservations/{one}/reschedule", {"slot_id": str(later.id)})
    assert moved.status_code == 200, moved.text
    run(world, remind, evening + timedelta(hours=3))
    assert reminders(world, one) == 1
    run(world, remind, evening + timedelta(days=1))
    run(world, remind, evening + timedelta(days=1, hours=1))
    assert reminders(world, one) == 2
    world.deliver()
    found = [one for one in world.inbox(who)["items"] if one["kind"] == "reservation_reminder"]
    assert len(found) == 2
    assert "11:30" in found[0]["text_zh"]


def test_what_is_booked_on_the_day_is_reminded_of_two_hours_before(world, lunch):
    (who,) = world.people(1)
    start = (clock.now() + timedelta(days=3)).replace(hour=3, minute=30, second=0, microsecond=0)
    early = booked(world, lunch, who, start, start - timedelta(hours=4))
    late = booked(world, lunch, who, start, start - timedelta(hours=1))
    run(world, remind, start - timedelta(hours=2, minutes=1))
    assert (reminders(world, early), reminders(world, late)) == (0, 0)
    for now in (start - timedelta(hours=2), start - timedelta(minutes=5)):
        run(world, remind, now)
        assert (reminders(world, early), reminders(world, late)) == (1, 0)


def test_nobody_is_reminded_of_what_is_cancelled_or_closed(world, lunch):
    (who,) = world.people(1)
    start = (clock.now() + timedelta(days=3)).replace(hour=3, minute=30, second=0, microsecond=0)
    one = booked(world, lunch, who, start, clock.now())
    other = booked(world, lunch, who, start + timedelta(hours=2), clock.now())
    world.call(who, "POST", f"/v1/reservations/{one}/cancel")
    world.sql(
        "update slot set state = 'closed', closed_reason = '停水', closed_at = now() where id ="
        " (select slot_id from reservation where id = %s)",
        other,
    )
    run(world, remind, start - timedelta(hours=10))
    assert (reminders(world, one), reminders(world, other)) == (0, 0)


@pytest.mark.parametrize(
    ("statement", "index"), [(REMIND, "reservation_live_idx"), (INVITE, "event_relayed_at_idx")]
)
def test_what_is_due_is_found_through_an_index(world, statement, index):
    now = clock.now()
    with psycopg.connect(world.database_url) as connection:
        connection.execute("set local enable_seqscan = off")
        said = re.sub(r"(?<![:\w]):(\w+)", r"%(\1)s", statement.text)
        rows = connection.execute(
            "explain " + said, {"now": now, "until": now, "since": now, "came": now, "most": 10}
        ).fetchall()
    plan = "\n".join(row[0] for row in rows)
    assert index in plan
    assert "event_dedupe_key" in plan


def test_who_came_is_asked_once_how_it_was(world, lunch):
    (who,) = world.people(1)
    made = world.book(who, world.slot(lunch, {"general": 5}))
    world.sql("update reservation set state = 'checked_in' where id = %s", made["id"])
    world.emit("checked_in", person_id=who.person_id, subject_id=made["id"], reservation_id=made["id"])
    world.deliver()
    end = datetime.fromisoformat(made["ends_at"])
    for later, count in (
        (timedelta(hours=-1), 0),
        (timedelta(hours=1), 0),
        (timedelta(hours=2, minutes=1), 1),
        (timedelta(hours=3), 1),
    ):
        run(world, invite_ratings, end + later)
        asked = "select count(*) from event where subject_id = %s and kind = 'rating_invited'"
        assert world.value(asked, made["id"]) == count
    world.deliver()
    assert kinds(world.inbox(who))[-1] == "rating_invited"


def test_a_name_that_no_key_opens_keeps_no_other_back(world):
    other, who = world.people(2)
    # A worker of before a rotation cannot read it; it waits for one that can.
    world.sql(
        "update person set name = convert_to('t9', 'UTF8') || '\\x00ff'::bytea where id = %s", other.person_id
    )
    for one in (other, who):
        world.emit("reservation_reminder", person_id=one.person_id)
    world.deliver()
    assert kinds(world.inbox(who)) == ["reservation_reminder"]
    waiting = "select count(*) from event where person_id = %s and relayed_at is null"
    assert world.value(waiting, other.person_id) == 1


def test_waiting_lasts_longer_than_any_other_request(world):
    (who,) = world.people(1)
    began = time.monotonic()
    assert world.inbox(who, wait=12)["items"] == []
    assert time.monotonic() - began > 11.9
