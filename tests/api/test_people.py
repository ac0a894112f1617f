"""Persons and delegations over HTTP: a daughter acts for her mother exactly as far as her mother allowed."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from tests.api.residents import RING, id_number, last_code, messages, phone, resident
from tests.api.running import serving
from tests.conftest import create_database, drop_database, url_of

TODAY = datetime.now(UTC).date()  # servers in tests live in the present
NEXT_YEAR = (TODAY + timedelta(days=300)).isoformat()


@pytest.fixture(scope="module")
def place(tmp_path_factory, server_url, template, redis_url):
    """A server on an empty database, and the database's address."""
    name = create_database(server_url, template)
    url = url_of(server_url, name)
    log = tmp_path_factory.mktemp("people") / "log"
    with serving(log, ready=False, database_url=url, redis_url=redis_url, limits="off") as one:
        yield one.url, url
        assert [line for line in one.log() if line["level"] == "ERROR"] == []
    drop_database(server_url, name)


@pytest.fixture
def daughter(place):
    one = resident(*place)
    one.agree("service", "id")
    return one


@pytest.fixture
def mother(place):
    one = resident(*place)
    one.agree("service", "id")
    return one


def for_mother(number, mother_phone, **more):
    return {
        "relation": "child",
        "name": "王秀英",
        "id_number": number,
        "phone": mother_phone,
        "scopes": ["book.meal", "view"],
        "purpose": "帮妈妈订餐",
        "until": NEXT_YEAR,
        **more,
    }


def acting(daughter, place, number=None, mother_phone=None, **more):
    """The mother, as the daughter sees her once the code was entered."""
    number, mother_phone = number or id_number(), mother_phone or phone()
    asked = daughter.call("POST", "/v1/me/people", for_mother(number, mother_phone, **more))
    assert asked.status_code == 201, asked.text
    code = last_code(place[1], mother_phone)
    done = daughter.call("POST", f"/v1/me/people/{asked.json()['id']}/verify", {"code": code})
    assert done.status_code == 200, done.text
    return done.json()


def test_a_daughter_acts_for_her_mother_once_the_code_from_her_phone_is_entered(place, daughter):
    number, mother_phone = id_number(), phone()
    asked = daughter.call("POST", "/v1/me/people", for_mother(number, mother_phone))
    assert asked.status_code == 201
    waiting = asked.json()
    assert (waiting["state"], waiting["name"], waiting["phone"]) == (
        "waiting",
        "王**",
        f"139****{mother_phone[-4:]}",
    )
    assert number not in asked.text
    assert daughter.call("GET", f"/v1/me/people/{waiting['id']}").status_code == 404
    code = last_code(place[1], mother_phone)
    done = daughter.call("POST", f"/v1/me/people/{waiting['id']}/verify", {"code": code})
    assert done.status_code == 200, done.text
    mine = daughter.call("GET", "/v1/me/people").json()["items"]
    assert [(one["state"], one["name"], one["scopes"]) for one in mine] == [
        ("active", "王**", ["book.meal", "view"])
    ]
    assert mine[0]["id"] != waiting["id"]
    assert mine[0]["verification"] == "phone"
    shown = daughter.call("GET", f"/v1/me/people/{mine[0]['id']}")
    assert shown.status_code == 200
    assert number not in shown.text
    assert mother_phone not in shown.text


def test_both_are_told_what_was_done_and_no_name_is_whole(place, daughter):
    mother_phone = phone()
    acting(daughter, place, mother_phone=mother_phone)
    for number in (mother_phone, daughter.phone):
        template, said = messages(place[1], number)[-1]
        assert template == "delegation_granted"
        assert said == {"person": "王**", "scopes": "助餐预约、查看", "until": NEXT_YEAR}


def test_who_passes_a_code_on_is_told_to_whom_how_far_and_until_when(place, daughter):
    mother_phone = phone()
    daughter.call("POST", "/v1/me/people", for_mother(id_number(), mother_phone))
    template, said = messages(place[1], mother_phone)[-1]
    assert template == "code_delegation"
    assert {name: said[name] for name in ("asked_by", "scopes", "until")} == {
        "asked_by": f"139****{daughter.phone[-4:]}",
        "scopes": "助餐预约、查看",
        "until": NEXT_YEAR,
    }


def test_a_wrong_code_is_counted_and_the_sixth_try_fails_with_the_right_one(place, daughter):
    mother_phone = phone()
    asked = daughter.call("POST", "/v1/me/people", for_mother(id_number(), mother_phone)).json()
    path = f"/v1/me/people/{asked['id']}/verify"
    code = last_code(place[1], mother_phone)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for _ in range(5):
        refused = daughter.call("POST", path, {"code": wrong})
        assert (refused.status_code, refused.json()["code"]) == (422, "wrong-code")
    assert daughter.call("POST", path, {"code": code}).status_code == 422


def test_the_answer_does_not_tell_whether_the_person_is_known(place, daughter, mother):
    known = id_number()
    mother.register("王秀英", known)
    answers = [
        daughter.call("POST", "/v1/me/people", for_mother(number, phone())).json()
        for number in (known, id_number())
    ]
    for one in answers:
        del one["id"], one["id_number"], one["phone"]
    assert answers[0] == answers[1]


def test_asking_for_another_code_at_once_does_not_tell_either(place, daughter, mother):
    known = id_number()
    mother.register("王秀英", known)
    answers = []
    for number in (known, id_number()):
        asked = daughter.call("POST", "/v1/me/people", for_mother(number, phone())).json()
        again = daughter.call("POST", f"/v1/me/people/{asked['id']}/code")
        answers.append((again.status_code, again.json()["code"]))
    assert answers == [(429, "code-too-soon")] * 2


def test_the_code_goes_to_the_phone_on_record_and_never_to_the_one_a_stranger_gives(place, daughter, mother):
    number, stranger = id_number(), phone()
    mother.register("王秀英", number)
    asked = daughter.call("POST", "/v1/me/people", for_mother(number, stranger)).json()
    assert messages(place[1], stranger) == []
    code = last_code(place[1], mother.phone)
    assert daughter.call("POST", f"/v1/me/people/{asked['id']}/verify", {"code": code}).status_code == 200


def test_whoever_knows_a_number_but_not_the_name_sends_nobody_a_code(place, daughter, mother):
    number = id_number()
    mother.register("王秀英", number)
    before = len(messages(place[1], mother.phone))
    body = for_mother(number, mother.phone, name="李某某")
    asked = daughter.call("POST", "/v1/me/people", body).json()
    assert len(messages(place[1], mother.phone)) == before
    refused = daughter.call("POST", f"/v1/me/people/{asked['id']}/verify", {"code": "000000"})
    assert refused.json()["code"] == "wrong-code"


def test_the_own_phone_of_the_caller_proves_nothing(daughter):
    refused = daughter.call("POST", "/v1/me/people", for_mother(id_number(), daughter.phone))
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-delegation")
    assert "留空" in refused.json()["detail"]


def test_nobody_elses_request_can_be_settled_or_seen(place, daughter, mother):
    mother_phone = phone()
    asked = daughter.call("POST", "/v1/me/people", for_mother(id_number(), mother_phone)).json()
    code = last_code(place[1], mother_phone)
    assert mother.call("POST", f"/v1/me/people/{asked['id']}/verify", {"code": code}).status_code == 404
    assert mother.call("DELETE", f"/v1/me/people/{asked['id']}").status_code == 404
    assert mother.call("POST", f"/v1/me/people/{asked['id']}/code", {}).status_code == 404


def test_an_id_number_is_taken_only_after_separate_consent(place):
    one = resident(*place)
    one.agree("service")
    refused = one.call("POST", "/v1/me/people", {"relation": "self", "name": "王", "id_number": id_number()})
    assert (refused.status_code, refused.json()["code"]) == (409, "consent-needed")
    assert refused.json()["purpose"] == "id"
    one.agree("id")
    body = {"relation": "self", "name": "王", "id_number": id_number()}
    assert one.call("POST", "/v1/me/people", body).status_code == 201


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (id_number()[:-1] + "?", "format"),
        ("62010219500307002", "length"),
        ("620102500307002", "old_number"),
        ("620102195013070020", "birth_date"),
        ("990102195003070020", "region"),
    ],
)
def test_a_document_number_that_cannot_be_right_is_refused_with_the_reason(daughter, number, reason):
    refused = daughter.call("POST", "/v1/me/people", for_mother(number, phone()))
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-document")
    assert refused.json()["reason"] == reason
    assert [one["pointer"] for one in refused.json()["errors"]] == ["/body/id_number"]
    assert number not in refused.text


def test_a_delegation_ends_with_its_last_day_and_cannot_begin_after_it(place, daughter):
    for until in ((TODAY - timedelta(days=2)).isoformat(), (TODAY + timedelta(days=800)).isoformat()):
        refused = daughter.call("POST", "/v1/me/people", for_mother(id_number(), phone(), until=until))
        assert refused.json()["code"] == "invalid-delegation"
    person = acting(daughter, place)
    with psycopg.connect(place[1]) as connection:
        connection.execute(
            "update delegation set until_on = current_date - 2 where id = %s", (person["delegation_id"],)
        )
    assert daughter.call("GET", f"/v1/me/people/{person['id']}").status_code == 404
    assert daughter.call("GET", "/v1/me/people").json()["items"] == []


def test_revoking_ends_it_at_once_from_either_side_and_both_are_told(place, daughter, mother):
    number = id_number()
    own = mother.register("王秀英", number)
    person = acting(daughter, place, number=number, mother_phone=mother.phone)
    assert person["id"] == own["id"]
    given = mother.call("GET", "/v1/me/delegations").json()["items"]
    assert [(one["direction"], one["state"]) for one in given] == [("given", "active")]
    assert given[0]["grantee"] == f"139****{daughter.phone[-4:]}"
    assert mother.call("DELETE", f"/v1/me/delegations/{given[0]['id']}").status_code == 204
    assert daughter.call("GET", f"/v1/me/people/{person['id']}").status_code == 404
    for one in (mother, daughter):
        assert messages(place[1], one.phone)[-1][0] == "delegation_revoked"
    again = acting_again(daughter, place, number, mother)
    assert daughter.call("DELETE", f"/v1/me/people/{again['id']}").status_code == 204
    assert daughter.call("GET", f"/v1/me/people/{again['id']}").status_code == 404


def acting_again(daughter, place, number, mother):
    with psycopg.connect(place[1]) as connection:
        connection.execute("delete from one_time_code")  # or the next one would be too soon
    return acting(daughter, place, number=number, mother_phone=mother.phone)


def test_a_mother_lets_a_phone_act_for_her_that_has_no_account_yet(place, mother):
    mother.register("王秀英", id_number())
    son_phone = phone()
    body = {"phone": son_phone, "scopes": ["book.clinic"], "relation": "child", "until": NEXT_YEAR}
    offered = mother.call("POST", "/v1/me/delegations", body)
    assert offered.status_code == 201, offered.text
    assert offered.json()["state"] == "pending"
    assert messages(place[1], son_phone)[-1][0] == "delegation_offered"
    son = resident(*place, son_phone)
    received = son.call("GET", "/v1/me/delegations").json()["items"]
    assert [(one["direction"], one["state"], one["person"]) for one in received] == [
        ("received", "pending", "王**")
    ]
    assert son.call("GET", "/v1/me/people").json()["items"] == []
    accepted = son.call("POST", f"/v1/me/delegations/{received[0]['id']}/accept")
    assert accepted.json()["state"] == "active"
    assert [one["scopes"] for one in son.call("GET", "/v1/me/people").json()["items"]] == [["book.clinic"]]
    again = son.call("POST", f"/v1/me/delegations/{received[0]['id']}/accept")
    assert again.status_code == 200


def test_an_offer_is_nobody_elses_to_take(place, mother, daughter):
    mother.register("王秀英", id_number())
    body = {"phone": phone(), "scopes": ["view"], "until": NEXT_YEAR}
    offered = mother.call("POST", "/v1/me/delegations", body).json()
    for path in ("accept", "decline"):
        assert daughter.call("POST", f"/v1/me/delegations/{offered['id']}/{path}").status_code == 404
    assert daughter.call("DELETE", f"/v1/me/delegations/{offered['id']}").status_code == 404


def test_a_declined_offer_is_over(place, mother):
    mother.register("王秀英", id_number())
    son = resident(*place)
    body = {"phone": son.phone, "scopes": ["view"], "until": NEXT_YEAR}
    offered = mother.call("POST", "/v1/me/delegations", body).json()
    assert son.call("POST", f"/v1/me/delegations/{offered['id']}/decline").status_code == 204
    assert son.call("POST", f"/v1/me/delegations/{offered['id']}/accept").status_code == 404
    assert [one["state"] for one in mother.call("GET", "/v1/me/delegations").json()["items"]] == ["declined"]


def test_who_acts_for_somebody_may_not_let_others_act(place, daughter):
    person = acting(daughter, place)
    body = {"phone": phone(), "scopes": ["view"], "until": NEXT_YEAR, "person_id": person["id"]}
    refused = daughter.call("POST", "/v1/me/delegations", body)
    assert (refused.status_code, refused.json()["code"]) == (403, "delegation-insufficient")


def test_a_person_of_ones_own_is_shown_whole_to_oneself(place):
    one, number = resident(*place), id_number(date(1990, 2, 28), sex="male")
    own = one.register("张三丰", number)
    assert (own["name"], own["id_number"], own["phone"]) == ("张三丰", number, one.phone)
    assert (own["birth_on"], own["sex"], own["scopes"]) == ("1990-02-28", "male", ["self"])
    assert own["verification"] == "checksum"
    assert one.call("GET", "/v1/me").json()["person_id"] == own["id"]
    again = one.call("POST", "/v1/me/people", {"relation": "self", "name": "张", "id_number": id_number()})
    assert (again.status_code, again.json()["code"]) == (409, "self-exists")


def test_a_checksum_gives_no_real_name_in_production(place):
    one = resident(*place)
    one.register()
    assert one.call("GET", "/v1/me").json()["assurance"] == "phone"


def test_somebody_known_is_claimed_by_the_phone_on_record_not_by_a_checksum(place, daughter):
    number, mother_phone = id_number(), phone()
    person = acting(daughter, place, number=number, mother_phone=mother_phone)
    thief = resident(*place)
    thief.agree("id")
    body = {"relation": "self", "name": "王秀英", "id_number": number}
    asked = thief.call("POST", "/v1/me/people", body).json()
    refused = thief.call("POST", f"/v1/me/people/{asked['id']}/verify", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "code-needed")
    with psycopg.connect(place[1]) as connection:
        connection.execute("delete from one_time_code")
    mother = resident(*place, mother_phone)
    mother.agree("id")
    asked = mother.call("POST", "/v1/me/people", body).json()
    code = last_code(place[1], mother_phone)
    done = mother.call("POST", f"/v1/me/people/{asked['id']}/verify", {"code": code})
    assert done.status_code == 200, done.text
    assert (done.json()["id"], done.json()["verification"]) == (person["id"], "phone")
    # The daughter goes on: the phone that answered her code is the mother's own.
    assert daughter.call("GET", f"/v1/me/people/{person['id']}").status_code == 200


def test_a_child_of_13_is_registered_by_a_guardian_only(place):
    child = resident(*place)
    child.agree("id")
    born = TODAY.replace(day=1) - timedelta(days=13 * 365)
    body = {"relation": "self", "name": "小宝", "id_number": id_number(born)}
    refused = child.call("POST", "/v1/me/people", body)
    assert (refused.status_code, refused.json()["code"]) == (409, "guardian-needed")


def test_a_guardian_is_confirmed_at_the_desk_and_only_for_a_child(daughter):
    grown = {"relation": "guardian", "name": "王大", "id_number": id_number(date(1999, 1, 1))}
    assert daughter.call("POST", "/v1/me/people", grown).json()["code"] == "not-a-child"
    child = {"relation": "guardian", "name": "小宝", "id_number": id_number(date(TODAY.year - 6, 3, 1))}
    asked = daughter.call("POST", "/v1/me/people", child).json()
    assert asked["until"] == f"{TODAY.year + 12}-02-{29 if (TODAY.year + 12) % 4 == 0 else 28}"
    daughter.register("王小明")
    refused = daughter.call("POST", f"/v1/me/people/{asked['id']}/verify", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "code-needed")


def test_a_passport_needs_the_birth_date_beside_it(daughter):
    body = for_mother("E12345678", phone(), id_kind="passport")
    assert daughter.call("POST", "/v1/me/people", body).json()["code"] == "birth-date-needed"
    body["birth_on"], body["sex"] = "1961-04-05", "female"
    assert daughter.call("POST", "/v1/me/people", body).status_code == 201


def test_requests_that_wait_are_limited_and_can_be_taken_back(daughter):
    asked = [daughter.call("POST", "/v1/me/people", for_mother(id_number(), None)).json() for _ in range(10)]
    refused = daughter.call("POST", "/v1/me/people", for_mother(id_number(), None))
    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-persons")
    assert daughter.call("DELETE", f"/v1/me/people/{asked[0]['id']}").status_code == 204
    assert daughter.call("POST", "/v1/me/people", for_mother(id_number(), None)).status_code == 201


def test_a_request_sent_again_with_its_key_is_made_once(daughter):
    body = for_mother(id_number(), None)
    key = {"Idempotency-Key": str(uuid4())}
    first, second = (daughter.call("POST", "/v1/me/people", body, **key) for _ in range(2))
    assert first.json() == second.json()
    assert len(daughter.call("GET", "/v1/me/people").json()["items"]) == 1


def twice(one, path, body=None):
    """The same request sent twice under one key: what the second is answered."""
    key = {"Idempotency-Key": str(uuid4())}
    first, second = (one.call("POST", path, body, **key) for _ in range(2))
    assert first.is_success, first.text
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert second.headers["Idempotent-Replayed"] == "true"
    return second


def test_what_can_be_done_only_once_is_answered_again_under_its_key(place, daughter, mother):
    """A lost answer: the request is settled, the offer taken up or declined, and asking anew would be a 404."""
    asked = daughter.call("POST", "/v1/me/people", for_mother(id_number(), mother_phone := phone())).json()
    code = last_code(place[1], mother_phone)
    twice(daughter, f"/v1/me/people/{asked['id']}/verify", {"code": code})
    body = {"relation": "self", "name": "王小明", "id_number": id_number(date(1980, 5, 6))}
    asked = daughter.call("POST", "/v1/me/people", body).json()
    own = twice(daughter, f"/v1/me/people/{asked['id']}/verify", {}).json()  # a verifier is asked
    assert own["scopes"] == ["self"]
    for answer in ("accept", "decline"):
        offer = {"phone": mother.phone, "scopes": ["view"], "until": NEXT_YEAR}
        made = daughter.call("POST", "/v1/me/delegations", offer).json()
        twice(mother, f"/v1/me/delegations/{made['id']}/{answer}")
    text = next(
        one for one in mother.call("GET", "/v1/me/consents").json()["texts"] if one["purpose"] == "health"
    )
    twice(mother, "/v1/me/consents", {"purpose": "health", "text_version": text["version"]})


def test_no_connection_is_held_while_a_verifier_is_asked_under_a_key(place, redis_url, tmp_path):
    """With one connection in all, the verifier's look-up would wait for the one that the key holds."""
    with serving(
        tmp_path / "log", ready=False, database_url=place[1], redis_url=redis_url, limits="off", pool_size="1"
    ) as one:
        somebody = resident(one.url, place[1])
        somebody.agree("id")
        body = {"relation": "self", "name": "王小明", "id_number": id_number(date(1980, 5, 6))}
        asked = somebody.call("POST", "/v1/me/people", body).json()
        twice(somebody, f"/v1/me/people/{asked['id']}/verify", {})


def test_what_is_put_away_reads_nobodys_name_phone_or_number(place, daughter):
    number, mother_phone = id_number(), phone()
    acting(daughter, place, number=number, mother_phone=mother_phone)
    with psycopg.connect(place[1]) as connection:
        stored = b"".join(
            bytes(value)
            for row in connection.execute("select name, id_number, phone from person").fetchall()
            for value in row
            if value is not None
        )
        name = connection.execute("select id, name from person order by created_at desc limit 1").fetchone()
    for secret in (number, mother_phone, "王秀英"):
        assert secret.encode() not in stored
    assert RING.decrypt("person.name", name[0], name[1]) == "王秀英"


@pytest.mark.parametrize(
    "body",
    [
        {"relation": "child"},
        {"relation": "child", "name": "\x00", "id_number": "620102195003070022"},
        {"relation": "child", "name": "   ", "id_number": "620102195003070022"},
        {"relation": "boss", "name": "王", "id_number": "620102195003070022"},
        {"relation": "child", "name": "王", "id_number": "620102195003070022", "scopes": ["all"]},
        {"relation": "child", "name": "王", "id_number": "620102195003070022", "extra": 1},
    ],
)
def test_bad_input_is_refused_in_words(daughter, body):
    refused = daughter.call("POST", "/v1/me/people", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-request")
