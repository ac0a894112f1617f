"""The answer of GET /v1/sites/nearby: its JSON, its cursors, its coordinate systems and its instants."""

from base64 import urlsafe_b64decode
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID

import orjson
import psycopg
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidCursor
from core.paging import encode_cursor
from geo.categories import read_categories
from geo.crs import Crs, from_wgs84, to_wgs84
from geo.errors import UnknownCategory
from geo.nearby.geodesy import WGS84
from geo.nearby.index import build_index
from geo.nearby.page import NearbyQuestion, _fingerprint, nearby
from geo.nearby.rows import read_rows
from tests.geo.cities import CALENDAR, CitySite, insert_sites
from tests.geo.grid import line, places

NOW = datetime(2026, 9, 29, 2, 0, 42, tzinfo=UTC)  # a Tuesday, 10:00 in 兰州
DAY_HOURS = "Mo-Su 08:00-18:00"

DRAWN = places("""
    a . x . . c . l
    . . . . . . . .
    . b . . . . . m
""")
CITY = [
    CitySite(UUID(int=1), shapely.Point(DRAWN["a"]), hours=DAY_HOURS, phones=["0931-8251234", "110"]),
    CitySite(
        UUID(int=2), shapely.Point(DRAWN["b"]), category="village_clinic", hours=None, name='"卫生"\\室\u2028'
    ),
    CitySite(
        UUID(int=3), shapely.Point(DRAWN["c"]), status="temporarily_closed", features=["wheelchair", "toilet"]
    ),
    CitySite(UUID(int=4), line(DRAWN, "lm"), category="fitness_path", closed_on=date(2026, 9, 29)),
]


@pytest.fixture(scope="module")
def city(shared_database_url):
    """The index over CITY and the category tree; the database is left as it was."""
    with psycopg.connect(shared_database_url) as connection:
        connection.execute(
            "insert into source (code, name) values ('city', 'city')",
        )
        connection.execute(
            "insert into area (id, kind, name, valid_from, source_code)"
            " values (%s, 'township', '中川镇', '2020-01-01', 'city')",
            (UUID(int=50),),
        )
        insert_sites(connection, CITY)
        connection.execute(
            "update site set area_id = %s, address = '纬一路 1 号', version = 3 where id = %s",
            (UUID(int=50), UUID(int=1)),
        )
        tree = read_categories(connection)
        index = build_index(read_rows(connection), tree.ancestors(), CALENDAR, shifted=True)
        connection.rollback()
    return index, tree


ASKED = NearbyQuestion(*DRAWN["x"], Crs.wgs84)


def ask(city, question=ASKED, now=NOW):
    return orjson.loads(nearby(*city, question, now=now))


def numbers(answer):
    return [UUID(item["id"]).int for item in answer["items"]]


def test_an_item_has_exactly_the_members_of_the_contract(city):
    answer = ask(city)
    assert set(answer) == {"items", "next", "crs"}
    assert answer["next"] is None
    assert answer["crs"] == "wgs84"
    assert numbers(answer) == [1, 2, 3, 4]
    lon, lat = DRAWN["a"]
    assert answer["items"][0] == {
        "id": "00000000-0000-0000-0000-000000000001",
        "name": "站",
        "category": "meal_point",
        "location": {"lon": round(lon, 7), "lat": round(lat, 7)},
        "distance_m": 200.0,
        "address": "纬一路 1 号",
        "area": "中川镇",
        "phone": "0931-8251234",
        "status": "active",
        "open": {"state": "open", "until": "2026-09-29T18:00:00+08:00", "reason": None},
        "features": [],
        "version": 3,
    }
    assert {frozenset(item) for item in answer["items"]} == {frozenset(answer["items"][0])}


def test_what_is_not_known_is_null_and_names_survive_json(city):
    clinic = ask(city)["items"][1]
    assert clinic["name"] == '"卫生"\\室\u2028'
    assert [clinic[name] for name in ("address", "area", "phone")] == [None, None, None]
    assert clinic["open"] == {"state": "unknown", "until": None, "reason": "no_hours"}


def test_the_first_features_are_facilities_then_accessibility(city):
    closed = ask(city)["items"][2]
    assert (closed["status"], closed["features"]) == ("temporarily_closed", ["toilet", "wheelchair"])
    assert closed["open"] == {"state": "closed", "until": None, "reason": "temporarily_closed"}


def test_a_line_is_located_where_it_is_nearest(city):
    item = ask(city)["items"][-1]
    assert item["distance_m"] == 500.0
    assert (item["location"]["lon"], item["location"]["lat"]) == pytest.approx(DRAWN["l"], abs=1e-5)
    assert item["open"]["reason"] == "exception"


@pytest.mark.parametrize("crs", list(Crs))
def test_places_come_back_in_the_system_of_the_question(city, crs):
    lon, lat = from_wgs84(crs, *DRAWN["x"])
    answer = ask(city, replace(ASKED, lon=lon, lat=lat, crs=crs))
    assert answer["crs"] == crs.value
    plain = ask(city)
    for item, expected in zip(answer["items"], plain["items"], strict=True):
        assert item["distance_m"] == expected["distance_m"]
        back = to_wgs84(crs, item["location"]["lon"], item["location"]["lat"])
        _, _, apart_m = WGS84.inv(*back, expected["location"]["lon"], expected["location"]["lat"])
        assert apart_m < 0.03  # seven decimals


@pytest.mark.parametrize(
    ("open_at", "expected"),
    [
        (None, [1, 2, 3, 4]),
        ("now", [1]),
        (datetime(2026, 9, 29, 15, 0, tzinfo=UTC), []),
        (datetime(2026, 9, 30, 15, 0, tzinfo=UTC), [4]),
        (datetime(2026, 9, 30, 2, 0, tzinfo=UTC), [1, 4]),
    ],
)
def test_open_at_keeps_what_is_open_then(city, open_at, expected):
    answer = ask(city, replace(ASKED, open_at=open_at))
    assert numbers(answer) == expected
    assert {item["open"]["state"] for item in answer["items"]} <= (
        {"open"} if open_at else {"open", "closed", "unknown"}
    )


def test_radius_tags_and_categories_narrow(city):
    assert numbers(ask(city, replace(ASKED, radius_m=250.0))) == [1, 2]
    assert numbers(ask(city, replace(ASKED, tags=frozenset({"toilet", "wheelchair"})))) == [3]
    assert numbers(ask(city, replace(ASKED, categories=("health", "sport")))) == [2, 4]
    assert numbers(ask(city, replace(ASKED, text="站", ids=[UUID(int=4), UUID(int=2)]))) == [2, 4]
    with pytest.raises(UnknownCategory):
        ask(city, replace(ASKED, categories=("nonsense",)))


def test_pages_follow_each_other_and_the_last_says_so(city):
    seen, question = [], replace(ASKED, limit=1)
    while True:
        answer = ask(city, question)
        seen += numbers(answer)
        if answer["next"] is None:
            break
        question = replace(question, cursor=answer["next"])
    assert seen == [1, 2, 3, 4]


def test_a_page_asked_after_closing_time_still_belongs_to_its_first_page(city):
    question = replace(ASKED, open_at="now", limit=1)
    opening = datetime(2026, 9, 30, 2, 0, tzinfo=UTC)
    first = ask(city, question, now=opening)
    assert numbers(first) == [1]
    late = opening + timedelta(days=10)
    second = ask(city, replace(question, cursor=first["next"]), now=late)
    assert numbers(second) == [4]


def test_a_cursor_is_refused_under_other_filters(city):
    asked = replace(ASKED, limit=1)
    cursor = ask(city, asked)["next"]
    others = [
        {"lon": asked.lon + 1e-6},
        {"crs": Crs.gcj02},
        {"categories": ("elder",)},
        {"radius_m": 100.0},
        {"open_at": "now"},
        {"tags": frozenset({"toilet"})},
        {"text": "站", "ids": [UUID(int=1)]},
    ]
    for other in others:
        with pytest.raises(InvalidCursor):
            ask(city, replace(asked, cursor=cursor, **other))
    by_text = replace(asked, text="站", ids=[UUID(int=1), UUID(int=2)])
    cursor = ask(city, by_text)["next"]
    with pytest.raises(InvalidCursor):
        ask(city, replace(by_text, cursor=cursor, text="点"))


def test_the_size_of_a_page_may_change_between_pages(city):
    cursor = ask(city, replace(ASKED, limit=1))["next"]
    assert numbers(ask(city, replace(ASKED, limit=3, cursor=cursor))) == [2, 3, 4]


@given(st.data())
def test_a_tampered_cursor_is_refused(city, data):
    asked = replace(ASKED, limit=1)
    cursor = ask(city, asked)["next"]
    i = data.draw(st.integers(0, len(cursor) - 1))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \u00e9"
    letter = data.draw(st.sampled_from(letters))
    changed = data.draw(st.sampled_from([cursor[:i], cursor[:i] + letter + cursor[i + 1 :], cursor + letter]))
    if _decoded(changed) != _decoded(cursor):
        with pytest.raises(InvalidCursor):
            ask(city, replace(asked, cursor=changed))


def _decoded(cursor):
    """What a cursor's letters mean: the last one has bits to spare."""
    try:
        return urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    except ValueError:
        return None


@pytest.mark.parametrize(
    "key",
    [
        [],
        [1.0],
        [1.0, "x", 1],
        ["far", str(UUID(int=1)), 1],
        [None, str(UUID(int=1)), 1],
        [1.0, 5, 1],
        [1.0, str(UUID(int=1)), "noon"],
        [1.0, str(UUID(int=1)), 1e30],
        [1.0, str(UUID(int=1)), -(10**17)],
        ["nan", str(UUID(int=1)), 1],
        ["inf", str(UUID(int=1)), 1],
    ],
)
def test_a_made_up_cursor_with_a_right_checksum_is_refused(city, key):
    with pytest.raises(InvalidCursor):
        ask(city, replace(ASKED, cursor=encode_cursor(_fingerprint(ASKED), key)))


@pytest.mark.parametrize("distance_m", [-5.0, 0.0, 1e300])
@pytest.mark.parametrize("stamp", [0, -(10**10), 253402300000])
def test_a_cursor_to_the_ends_of_time_and_space_is_answered(city, distance_m, stamp):
    question = replace(ASKED, open_at="now")
    cursor = encode_cursor(_fingerprint(question), [distance_m, str(UUID(int=1)), stamp])
    ask(city, replace(question, cursor=cursor))


@pytest.mark.parametrize("hours", [-12, 0, 14])
def test_nothing_is_known_to_be_open_at_the_ends_of_time(city, hours):
    zone = timezone(timedelta(hours=hours))
    for open_at in (datetime(1, 1, 1, tzinfo=zone), datetime(9999, 12, 31, 23, 59, tzinfo=zone)):
        assert ask(city, replace(ASKED, open_at=open_at))["items"] == []
