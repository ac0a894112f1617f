"""Somebody whom no message reaches is told by a person: a task within the scope of who may, done once, on record."""

import pytest
from sqlalchemy import text

from core.actor import Grant
from tests.api.inboxes import telling

PHONE = "+8613900000020"


@pytest.fixture(scope="module")
def world(tmp_path_factory, server_url, template, redis_url):
    log = tmp_path_factory.mktemp("outreach") / "log"
    with telling(log, server_url, template, redis_url) as one:
        yield one


@pytest.fixture(scope="module")
def lunch(world):
    return world.offering(title="午餐", exclusive=False)


@pytest.fixture(scope="module")
def clerk(world):
    return world.staff(Grant("site_staff", "site", str(world.site_id)))


@pytest.fixture
def slot(world, lunch):
    return world.slot(lunch, {"general": 9})


def remind(world, slot, person_id, **more):
    """Have somebody reminded of a slot."""
    said = {
        "starts_at": slot.starts_at.isoformat(),
        "slot_id": str(slot.id),
        "offering_id": str(slot.offering_id),
    }
    world.emit(more.pop("kind", "reservation_reminder"), person_id=person_id, **said, **more)
    world.deliver()


def tasks(world, who, person_id=None, query=""):
    """What somebody sees, about one person."""
    answer = world.call(who, "GET", f"/v1/staff/outreach?limit=200{query}")
    assert answer.status_code == 200, answer.text
    return [one for one in answer.json()["items"] if person_id is None or one["person_id"] == str(person_id)]


def test_who_has_neither_account_nor_phone_is_visited(world, slot, clerk):
    person_id = world.person()
    remind(world, slot, person_id)
    (one,) = tasks(world, clerk, person_id)
    assert (one["kind"], one["reason"], one["state"]) == ("reservation_reminder", "no_way", "open")
    assert (one["person"], one["site"]["name"]) == ("王**", "试验助餐点")
    assert one["text_zh"].startswith("王**约了")
    assert "王秀英" not in str(one)


def test_told_once_however_often_the_event_is_passed_on(world, slot, clerk):
    person_id = world.person()
    remind(world, slot, person_id)
    world.sql("update event set relayed_at = null where person_id = %s", person_id)
    assert world.deliver() == 1
    assert len(tasks(world, clerk, person_id)) == 1


def test_what_does_not_matter_makes_no_task(world, slot, clerk):
    person_id = world.person()
    for kind in ("checked_in", "rating_invited", "waitlist_joined", "reservation_held"):
        remind(world, slot, person_id, kind=kind)
    assert tasks(world, clerk, person_id) == []


def test_no_task_when_somebody_who_acts_for_them_was_told(world, slot, clerk):
    person_id, (daughter,) = world.person(), world.people(1)
    world.delegate(person_id, daughter.account_id)
    remind(world, slot, person_id, account_id=daughter.account_id)
    assert tasks(world, clerk, person_id) == []
    assert len(world.inbox(daughter)["items"]) == 1


def test_no_task_about_what_is_over(world, lunch, clerk):
    person_id, before = world.person(), world.slot(lunch, {"general": 1}, hours=-30)
    remind(world, before, person_id)
    assert tasks(world, clerk, person_id) == []


def test_a_text_message_that_was_given_up_makes_a_task(world, slot, clerk):
    person_id = world.person(PHONE)
    remind(world, slot, person_id)
    assert tasks(world, clerk, person_id) == []
    world.finish_messages("dead")
    world.deliver()
    (one,) = tasks(world, clerk, person_id)
    assert one["reason"] == "undelivered"
    world.deliver()
    assert len(tasks(world, clerk, person_id)) == 1


def test_a_text_message_that_arrived_makes_none(world, slot, clerk):
    person_id = world.person("+8613900000021")
    remind(world, slot, person_id)
    world.finish_messages("sent")
    world.deliver()
    assert tasks(world, clerk, person_id) == []


@pytest.mark.parametrize("was_read", [False, True])
def test_a_text_message_to_an_account_matters_unless_the_inbox_was_read(world, slot, clerk, was_read):
    (who,) = world.people(1)
    world.give_phone(who, f"+861390000003{int(was_read)}")
    remind(world, slot, who.person_id)
    if was_read:
        world.call(who, "POST", "/v1/inbox/read", {"up_to": 1})
    world.finish_messages("dead")
    world.deliver()
    assert len(tasks(world, clerk, who.person_id)) == (0 if was_read else 1)


def test_only_who_may_there_sees_tasks(world, slot, clerk):
    person_id = world.person()
    home, elsewhere = areas(world)
    world.sql("update person set home_area_id = %s where id = %s", home, person_id)
    remind(world, slot, person_id)
    seen = {
        "clerk": clerk,
        "admin": world.staff(Grant("district_admin", "district")),
        "carer where they live": world.staff(Grant("carer", "township", str(home))),
    }
    assert {name: len(tasks(world, who, person_id)) for name, who in seen.items()} == dict.fromkeys(seen, 1)
    others = {
        "carer elsewhere": world.staff(Grant("carer", "township", str(elsewhere))),
        "clerk elsewhere": world.staff(Grant("site_staff", "site", str(elsewhere))),
    }
    assert {name: len(tasks(world, who)) for name, who in others.items()} == dict.fromkeys(others, 0)
    (one,) = tasks(world, clerk, person_id)
    for who in others.values():
        assert (
            world.call(who, "POST", f"/v1/staff/outreach/{one['id']}/done", {"note": "去过了"}).status_code
            == 404
        )
    (resident,) = world.people(1)
    assert world.call(resident, "GET", "/v1/staff/outreach").status_code == 403
    inspector = world.staff(Grant("inspector", "district"))
    assert world.call(inspector, "GET", "/v1/staff/outreach").status_code == 403


def areas(world):
    """Two townships."""
    return world.make(_areas)


async def _areas(rows):
    ids = []
    for name in ("甲镇", "乙镇"):
        found = await rows.session.execute(
            text(
                "insert into area (id, kind, name, geom, valid_from, source_code) values (gen_random_uuid(), 'township', :name,"
                " st_multi(st_geomfromtext('polygon((0 0,0 1,1 1,1 0,0 0))', 4326)), '2020-01-01', 'tests') returning id"
            ),
            {"name": name},
        )
        ids.append(found.scalar_one())
    return ids


def test_a_task_is_done_once_with_a_note(world, slot, clerk):
    person_id = world.person()
    remind(world, slot, person_id)
    (one,) = tasks(world, clerk, person_id)
    path = f"/v1/staff/outreach/{one['id']}/done"
    assert world.call(clerk, "POST", path, {"note": " "}).status_code == 422
    done = world.call(clerk, "POST", path, {"note": "上门告知了本人"})
    assert (done.status_code, done.json()["state"], done.json()["note"]) == (200, "done", "上门告知了本人")
    again = world.call(clerk, "POST", path, {"note": "上门告知了本人"})
    assert (again.status_code, again.json()["code"]) == (409, "outreach-done")
    assert tasks(world, clerk, person_id) == []
    assert tasks(world, clerk, person_id, "&state=done")[0]["note"] == "上门告知了本人"
    assert b"\xe4\xb8\x8a\xe9\x97\xa8" not in world.value(
        "select note from outreach_task where id = %s", one["id"]
    )


def test_each_look_is_on_record(world, slot, clerk):
    person_id = world.person()
    remind(world, slot, person_id)
    (one,) = tasks(world, clerk, person_id)
    world.call(clerk, "POST", f"/v1/staff/outreach/{one['id']}/done", {"note": "打了电话"})
    said = world.sql(
        "select action, detail from audit_entry where person_id = %s and object_kind = 'outreach_task' order by at",
        person_id,
    )
    assert [action for action, _ in said] == ["outreach.handle", "outreach.handle"]
    assert said[0][1]["read"] == ["name", "body"]
    assert said[1][1]["state"] == "done"


def test_tasks_are_paged_the_most_urgent_first(world, lunch, clerk):
    for hours in (5, 3, 4):
        remind(world, world.slot(lunch, {"general": 1}, hours=hours), world.person())
    seen, cursor = [], ""
    while True:
        page = world.call(clerk, "GET", f"/v1/staff/outreach?limit=2{cursor}").json()
        seen += page["items"]
        if page["next"] is None:
            break
        cursor = f"&next={page['next']}"
    assert [one["due_at"] for one in seen] == sorted(one["due_at"] for one in seen)
    assert len({one["id"] for one in seen}) == len(seen) >= 3
    assert world.call(clerk, "GET", "/v1/staff/outreach?next=abcdefgh").status_code == 404
