"""What can be booked, over HTTP: lists, rules in words, slots for anyone and for a person, and sites with a place."""

from datetime import timedelta

import pytest

from booking.availability.free_sites import AHEAD
from tests.api.bookable import BookableCity
from tests.api.running import wait_until


@pytest.fixture(scope="module")
def city(edited):
    server, database_url = edited
    with BookableCity(server.url, database_url) as city:
        yield city


def get(city, path, **params):
    answer = city.client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_offerings_are_listed_page_by_page_and_nearest_first(city):
    made = {str(city.offering().id) for _ in range(3)}
    site = get(city, "/v1/offerings", kind="meal", limit=1)["items"][0]["site"]["id"]
    seen, cursor = [], None
    while True:
        page = get(city, "/v1/offerings", site_id=site, limit=2, **({"next": cursor} if cursor else {}))
        seen += [one["id"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen))
    near = {"lon": 103.615, "lat": 36.482, "crs": "gcj02"}
    page = get(city, "/v1/offerings", limit=2, **near)
    following = get(city, "/v1/offerings", limit=200, next=page["next"], **near)
    distances = [one["distance_m"] for one in page["items"] + following["items"]]
    assert distances == sorted(distances)
    assert made <= {one["id"] for one in page["items"] + following["items"]} | set(seen)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"lon": 103.6}, "crs-missing"),
        ({"next": "nonsense"}, "invalid-cursor"),
        ({"kind": "supply"}, "invalid-request"),
        ({"surprise": 1}, "invalid-request"),
    ],
)
def test_what_cannot_be_listed_is_refused(city, params, code):
    answer = city.client.get("/v1/offerings", params=params)
    assert answer.json()["code"] == code, answer.text


def test_rules_are_said_in_words(city):
    offering = city.offering(
        closes_minutes_before=90,
        rules={
            "eligibility": [{"rule": "min_age", "value": 60}],
            "limits": [{"per": "day", "most": 1, "scope": "kind"}],
        },
    )
    answer = city.client.get(f"/v1/offerings/{offering.id}")
    said = [one["zh"] for one in answer.json()["rules_in_words"]]
    assert said == ["提前 7 天起可预约", "开始前 90 分钟截止", "年满 60 周岁", "同类项目每天最多 1 次"]
    again = city.client.get(f"/v1/offerings/{offering.id}", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_slots_show_what_is_left_and_why_one_cannot_be_booked(city):
    offering = city.offering()
    slot, wang = city.slot({"general": 1}, offering), city.caller()
    path = f"/v1/offerings/{offering.id}/slots"
    (one,) = get(city, path)["items"]
    assert (one["id"], one["places_left"], one["bookable"]["ok"]) == (str(slot.id), 1, True)
    assert wang.book(slot.id).status_code == 201
    (one,) = get(city, path)["items"]
    assert (one["places_left"], one["bookable"]) == (
        0,
        {
            "ok": False,
            "reason_code": "waitlist",
            "reason_zh": "名额已满，可候补",
            "reason_en": "no place left; one can wait for one",
        },
    )
    mine = wang.call("GET", f"{path}?person_id={wang.person_id}")
    assert mine.json()["items"][0]["bookable"]["reason_code"] == "busy"
    assert mine.headers["Cache-Control"] == "no-store"
    assert city.client.get(path, params={"person_id": str(wang.person_id)}).status_code == 401
    assert city.caller().call("GET", f"{path}?person_id={wang.person_id}").status_code == 404
    assert city.client.get(path, params={"from": "2026-01-01", "to": "2026-12-31"}).status_code == 422


def test_a_court_shows_its_free_spans(city):
    offering = city.offering(shape="interval", kind="venue")
    window = city.slot(None, offering, minutes=120)
    court = city.make(lambda world: world.resource(offering, "1号场"))
    wang = city.caller()
    path = f"/v1/offerings/{offering.id}/slots"
    booked = wang.post(
        "/v1/reservations",
        {
            "person_id": str(wang.person_id),
            "offering_id": str(offering.id),
            "resource_id": str(court.id),
            "starts_at": window.starts_at.isoformat(),
            "ends_at": (window.starts_at + timedelta(hours=1)).isoformat(),
        },
    )
    assert booked.status_code == 201, booked.text
    (one,) = get(city, path)["items"]
    assert [(span["name"], span["starts_at"], span["ends_at"]) for span in one["free"]] == [
        ("1号场", booked.json()["ends_at"], one["ends_at"])
    ]


def test_nearby_keeps_sites_with_a_place_within_seconds(city):
    city.slot({"general": 1})
    kept = {"lon": 103.615, "lat": 36.482, "crs": "gcj02", "bookable": "true", "limit": 200}
    everything = {**kept, "bookable": "false"}

    def found(params):
        return [one["id"] for one in get(city, "/v1/sites/nearby", **params)["items"]]

    site = city.make(lambda world: _site(world))
    wait_until(lambda: site in found(kept), "the site is bookable", 10)
    bookable = found(kept)
    shown = [one for one in found(everything) if one in bookable]  # the nearest of all
    assert shown == bookable[: len(shown)]
    words = found({**kept, "q": "没有这样的地方"})
    assert words == []
    assert timedelta(days=7) == AHEAD


async def _site(world):
    return str(world.site_id)
