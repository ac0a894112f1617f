"""Reservations in the calendar of a phone: a file, and a feed whose address is its permission."""

from datetime import timedelta

import pytest
from icalendar import Calendar

from tests.api.inboxes import telling


@pytest.fixture(scope="module")
def world(tmp_path_factory, server_url, template, redis_url):
    log = tmp_path_factory.mktemp("calendars") / "log"
    with telling(log, server_url, template, redis_url) as one:
        one.sql("update site set address = '文化路 1 号'")
        yield one


@pytest.fixture(scope="module")
def lunch(world):
    return world.offering(title="午餐", exclusive=False)


def events(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert "private" in answer.headers["cache-control"]
    return list(Calendar.from_ical(answer.content).walk("VEVENT"))


def feed(world, who):
    answer = world.call(who, "POST", "/v1/me/calendar")
    assert answer.status_code == 201, answer.text
    return answer.json()


def read(world, token, **more):
    return world.call({}, "GET", f"/v1/calendar.ics?token={token}", **more)


def test_a_reservation_as_a_file(world, lunch):
    (who,) = world.people(1)
    slot = world.slot(lunch, {"general": 5})
    made = world.book(who, slot)
    answer = world.call(who, "GET", f"/v1/reservations/{made['id']}.ics")
    (one,) = events(answer)
    assert str(one["uid"]) == f"{made['id']}@reservation.xinban"
    assert (one["sequence"], str(one["status"]), str(one["summary"])) == (1, "CONFIRMED", "午餐")
    assert (one["dtstart"].dt, one["dtend"].dt) == (slot.starts_at, slot.ends_at)
    assert str(one["location"]) == "试验助餐点，文化路 1 号"
    assert (one["geo"].latitude, one["geo"].longitude) == (36.5, 103.6)
    assert made["code"] in str(one["description"])
    (alarm,) = one.walk("VALARM")
    assert alarm["trigger"].dt == timedelta(hours=-1)
    assert f'filename="{made["id"]}.ics"' in answer.headers["content-disposition"]


def test_a_cancelled_one_takes_itself_out_of_the_calendar(world, lunch):
    (who,) = world.people(1)
    made = world.book(who, world.slot(lunch, {"general": 5}))
    assert world.call(who, "POST", f"/v1/reservations/{made['id']}/cancel").status_code == 200
    (one,) = events(world.call(who, "GET", f"/v1/reservations/{made['id']}.ics"))
    assert (str(one["uid"]), one["sequence"], str(one["status"])) == (
        f"{made['id']}@reservation.xinban",
        2,
        "CANCELLED",
    )
    assert one.walk("VALARM") == []


def test_nobody_elses_reservation_is_shown(world, lunch):
    who, other = world.people(2)
    made = world.book(who, world.slot(lunch, {"general": 5}))
    path = f"/v1/reservations/{made['id']}.ics"
    assert world.call(other, "GET", path).status_code == 404
    assert world.call({}, "GET", path).status_code == 401
    assert world.call(who, "GET", "/v1/reservations/none.ics").status_code == 422
    assert world.call(who, "GET", f"/v1/reservations/{made['id']}").json()["id"] == made["id"]


def test_a_feed_shows_mine_and_those_of_who_delegated_with_names_masked(world, lunch):
    mother, daughter, other = world.people(3)
    world.delegate(mother.person_id, daughter.account_id)
    mine = world.book(daughter, world.slot(lunch, {"general": 5}))
    hers = world.book(mother, world.slot(lunch, {"general": 5}, hours=2))
    world.book(other, world.slot(lunch, {"general": 5}))
    said = feed(world, daughter)
    assert said["url"].endswith(f"/v1/calendar.ics?token={said['token']}")
    found = events(read(world, said["token"]))
    assert [str(one["uid"]).partition("@")[0] for one in found] == [mine["id"], hers["id"]]
    assert [str(one["summary"]) for one in found] == ["午餐", "午餐（王**）"]


def test_a_feed_begins_a_month_ago(world, lunch):
    (who,) = world.people(1)
    made = [world.book(who, world.slot(lunch, {"general": 5}, hours=hours)) for hours in (1, 2)]
    for days, one in zip((31, 29), made, strict=True):
        world.sql(
            "update reservation set starts_at = now() - make_interval(days => %s),"
            " ends_at = now() - make_interval(days => %s) + interval '1 hour' where id = %s",
            days,
            days,
            one["id"],
        )
    (one,) = events(read(world, feed(world, who)["token"]))
    assert str(one["uid"]).startswith(made[1]["id"])


def test_a_feed_that_has_not_changed_is_not_sent_again(world, lunch):
    (who,) = world.people(1)
    made = world.book(who, world.slot(lunch, {"general": 5}))
    token = feed(world, who)["token"]
    tag = read(world, token).headers["etag"]
    assert read(world, token, headers={"If-None-Match": tag}).status_code == 304
    world.call(who, "POST", f"/v1/reservations/{made['id']}/cancel")
    assert read(world, token, headers={"If-None-Match": tag}).status_code == 200


def test_a_new_address_ends_the_old_one_and_both_can_be_ended(world):
    (who,) = world.people(1)
    old = feed(world, who)["token"]
    new = feed(world, who)["token"]
    assert read(world, old).status_code == 404
    assert read(world, new).status_code == 200
    assert world.call(who, "DELETE", "/v1/me/calendar").status_code == 204
    assert read(world, new).json()["code"] == "calendar-not-found"
    assert world.call(who, "DELETE", "/v1/me/calendar").status_code == 404


def test_the_secret_is_kept_as_a_digest_and_in_no_log(world):
    (who,) = world.people(1)
    token = feed(world, who)["token"]
    read(world, token)
    digest = world.value("select digest from calendar_feed where account_id = %s", who.account_id)
    assert token.encode() not in digest
    assert token not in world.server.log_path.read_text()
    assert world.call({}, "GET", "/v1/calendar.ics?token=" + "A" * 43).status_code == 404
    assert world.call({}, "GET", "/v1/calendar.ics").status_code == 422


def test_a_locked_account_has_no_feed(world):
    (who,) = world.people(1)
    token = feed(world, who)["token"]
    world.sql("update account set state = 'locked' where id = %s", who.account_id)
    assert read(world, token).status_code == 404
