"""Standing bookings over HTTP, and the worker that goes on with them."""

import asyncio
from datetime import timedelta

import psycopg
import pytest

from api.tasks.queues import book_standing
from core import clock
from core.database import Database
from core.settings import Settings
from tests.api.bookable import BookableCity
from tests.api.worlds import RING

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def city(edited):
    server, database_url = edited
    with BookableCity(server.url, database_url) as city:
        yield city


def noon(days):
    """11:30 here, so many days from now."""
    return (clock.now() + days * DAY).replace(hour=3, minute=30, second=0, microsecond=0)


@pytest.fixture
def lunch(city):
    """An offering with slots on the next days: two open, the fourth day's not yet."""
    offering = city.offering()
    for days in (2, 3):
        city.slot({"general": 5}, offering, noon(days))
    later = city.slot({"general": 5}, offering, noon(5), opens_at=noon(4))
    return offering, later


def ask(who, offering, key=None, **more):
    body = {
        "offering_id": str(offering.id),
        "person_id": str(who.person_id),
        "weekdays": [1, 2, 3, 4, 5, 6, 7],
        "starts_at": "11:30",
        "from": noon(2).date().isoformat(),
        "until": noon(6).date().isoformat(),
        **more,
    }
    return who.post("/v1/standing-bookings", body, key)


def test_one_request_answers_what_became_of_each_date(city, lunch):
    offering, _ = lunch
    wang = city.caller()
    answer = ask(wang, offering, "standing-once-1")
    assert answer.status_code == 201, answer.text
    one = answer.json()
    assert one["counts"] == {"booked": 2, "not_booked": 0, "later": 2, "no_slot": 1}
    assert [date["state"] for date in one["dates"]] == ["booked", "booked", "no_slot", "later", "later"]
    assert (one["from"], one["starts_at"]) == (noon(2).date().isoformat(), "11:30")
    assert one["dates"][3]["opens_at"] is not None
    assert one["dates"][4]["opens_at"] is None
    booked = wang.call("GET", f"/v1/reservations/{one['dates'][0]['reservation_id']}").json()
    assert booked["state"] == "confirmed"
    again = ask(wang, offering, "standing-once-1")
    assert again.content == answer.content
    assert wang.call("GET", f"/v1/standing-bookings/{one['id']}").json() == one
    item = {name: one[name] for name in one if name not in ("dates", "counts")}
    assert wang.call("GET", "/v1/standing-bookings").json() == {"items": [item], "next": None}


def test_the_worker_books_a_date_once_it_opens(city, lunch):
    offering, later = lunch
    wang = city.caller()
    one = ask(wang, offering).json()
    with psycopg.connect(city.database_url) as connection:
        connection.execute("update slot set opens_at = now() - interval '1 s' where id = %s", (later.id,))

    async def run() -> int:
        async with Database(Settings(database_url=city.database_url)) as database:
            return await book_standing(database, RING, now=clock.now())

    assert asyncio.run(run()) == 1
    shown = wang.call("GET", f"/v1/standing-bookings/{one['id']}").json()
    assert shown["counts"] == {"booked": 3, "not_booked": 0, "later": 1, "no_slot": 1}
    assert asyncio.run(run()) == 0


def test_ending_it_may_cancel_what_is_ahead(city, lunch):
    offering, _ = lunch
    wang = city.caller()
    one = ask(wang, offering).json()
    ended = wang.call("DELETE", f"/v1/standing-bookings/{one['id']}")
    assert (ended.status_code, ended.json()["state"], ended.json()["cancelled"]) == (200, "ended", [])
    ended = wang.call("DELETE", f"/v1/standing-bookings/{one['id']}?cancel_future=true")
    booked = [date["reservation_id"] for date in one["dates"] if date["reservation_id"]]
    assert ended.json()["cancelled"] == booked
    assert wang.call("GET", f"/v1/reservations/{booked[0]}").json()["state"] == "cancelled"
    assert wang.call("GET", "/v1/standing-bookings").json()["items"] == []
    assert len(wang.call("GET", "/v1/standing-bookings?ended=true").json()["items"]) == 1


def test_what_cannot_be_is_refused_and_named(city, lunch):
    offering, _ = lunch
    wang, stranger = city.caller(), city.caller()
    assert ask(wang, offering, weekdays=[]).status_code == 422
    assert ask(wang, offering, weekdays=[8]).status_code == 422
    assert ask(wang, offering, starts_at="25:00").status_code == 422
    late = ask(wang, offering, until=noon(800).date().isoformat()).json()
    assert (late["code"], late["errors"][0]["pointer"]) == ("invalid-standing", "/body/until")
    assert ask(wang, offering, person_id=str(stranger.person_id)).json()["code"] == "person-not-found"
    one = ask(wang, offering).json()
    assert ask(wang, offering).json()["code"] == "standing-exists"
    for method in ("GET", "DELETE"):
        answer = stranger.call(method, f"/v1/standing-bookings/{one['id']}")
        assert (answer.status_code, answer.json()["code"]) == (404, "standing-not-found")
