"""Open states kept for many timetables, against working each out anew."""

from datetime import UTC, datetime, timedelta

import orjson
from hypothesis import given
from hypothesis import strategies as st

from geo.calendar.workdays import DayKind, WorkCalendar
from geo.hours.state import Hours
from geo.nearby.open_table import CLOSED_FOR_NOW, OpenTable, state_of
from geo.nearby.rows import Timetable
from tests.geo.cities import CALENDAR, HOURS

START = datetime(2026, 9, 28, 0, 0, tzinfo=UTC)
TIMETABLES = [
    Timetable(Hours(weekly), closed_for_now) for weekly in HOURS for closed_for_now in (False, True)
]
minutes = st.integers(0, 8 * 24 * 60).map(lambda minute: START + timedelta(minutes=minute))


@given(st.lists(minutes, min_size=1, max_size=8), st.booleans())
def test_states_are_those_of_the_hours_at_instants_in_any_order(instants, look_at_all):
    table = OpenTable(TIMETABLES, CALENDAR)
    for at in instants:
        if look_at_all:
            is_open = [state_of(timetable, CALENDAR, at).state == "open" for timetable in TIMETABLES]
            assert table.open_mask(at).tolist() == is_open
        for number, timetable in enumerate(TIMETABLES):
            assert table.json(number, at, at.timestamp()) == orjson.dumps(state_of(timetable, CALENDAR, at))


def test_a_state_ends_to_the_minute():
    table = OpenTable([Timetable(Hours("Mo-Su 08:00-18:00"), False)], CALENDAR)
    closing = datetime(2026, 9, 29, 10, 0, tzinfo=UTC)  # 18:00 in 兰州
    before, after = closing - timedelta(minutes=1), closing
    assert orjson.loads(table.json(0, before, before.timestamp()))["state"] == "open"
    assert orjson.loads(table.json(0, after, after.timestamp()))["state"] == "closed"
    assert table.open_mask(before).tolist() == [True]
    assert table.open_mask(after).tolist() == [False]


def test_timetables_may_be_added_and_a_mask_in_use_stays_as_it_was():
    timetables = [Timetable(Hours("24/7"), False)]
    table = OpenTable(timetables, CALENDAR)
    first = table.open_mask(START)
    timetables.append(Timetable(Hours("24/7"), True))
    assert table.open_mask(START).tolist() == [True, False]
    assert first.tolist() == [True]
    timetables.append(Timetable(Hours(None), False))
    assert orjson.loads(table.json(2, START, START.timestamp()))["reason"] == "no_hours"


def test_closed_for_now_wins_over_hours_and_says_why():
    said = orjson.loads(
        OpenTable([Timetable(Hours("24/7"), True)], CALENDAR).json(0, START, START.timestamp())
    )
    assert said == {"state": "closed", "until": None, "reason": "temporarily_closed"}
    assert CLOSED_FOR_NOW.reason == said["reason"]


def test_the_reason_changes_at_midnight_though_the_state_goes_on():
    days = {datetime(2026, 10, day, tzinfo=UTC).date(): DayKind.holiday for day in range(1, 8)}
    calendar = WorkCalendar(days, frozenset({2026}))
    # Wednesday the 7th is a holiday; on Thursday the site rests as it always does.
    rests_on_thursdays = Timetable(Hours("Mo-We,Fr 08:00-18:00; PH off"), False)
    table = OpenTable([rests_on_thursdays], calendar)
    reasons = []
    for hour in range(0, 36, 6):
        at = datetime(2026, 10, 6, 18, 0, tzinfo=UTC) + timedelta(hours=hour)
        shown = table.json(0, at, at.timestamp())
        assert shown == orjson.dumps(state_of(rests_on_thursdays, calendar, at))
        reasons.append(orjson.loads(shown)["reason"])
    assert {"holiday", None} == set(reasons)
