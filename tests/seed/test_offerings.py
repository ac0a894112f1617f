"""What can be booked in the demo city: everywhere the app lists, when the place is open, in halls as described."""

from bisect import bisect
from collections import Counter
from datetime import date, timedelta
from operator import itemgetter
from zoneinfo import ZoneInfo

import pytest

from booking.offerings.define import check_rules
from booking.offerings.patterns import Pattern, counts_on, windows_on
from geo.calendar.workdays import DayKind, Term, WorkCalendar
from geo.hours.state import Hours, day_intervals
from seed.names import read_rows
from seed.offerings import MOST_MEAL_POINTS, MOST_SITES, bookable_sites
from seed.sites import demo_sites

ZONE = ZoneInfo("Asia/Shanghai")
YEAR = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]


@pytest.fixture(scope="module")
def offered():
    """Sites with what they offer."""
    return list(bookable_sites(demo_sites()))


@pytest.fixture(scope="module")
def calendar():
    """2026 as announced, with the demo's terms."""
    special = read_rows("geo", "cn_special_days.csv")
    return WorkCalendar(
        {date.fromisoformat(row["on_date"]): DayKind(row["kind"]) for row in special},
        frozenset({2026}),
        tuple(
            Term(
                row["name"],
                row["kind"],
                date.fromisoformat(row["starts_on"]),
                date.fromisoformat(row["ends_on"]),
            )
            for row in read_rows("seed", "terms.csv")
        ),
    )


def pattern_of(template):
    return Pattern(
        frozenset(template.weekdays),
        frozenset(template.day_kinds),
        template.starts_at,
        template.ends_at,
        template.slot_minutes,
        template.valid_from,
        template.valid_until,
    )


def windows_of(template, calendar):
    """All slots of 2026."""
    pattern = pattern_of(template)
    return [
        window
        for on in YEAR
        if counts_on(pattern, calendar, on) == "yes"
        for window in windows_on(pattern, ZONE, on)
    ]


def open_hours(weekly, makeup, calendar):
    """(from, until) of each time in 2026 at which such hours are open."""
    hours = Hours(weekly, makeup=makeup)
    spans = []
    for on in YEAR:
        for one in day_intervals(hours, calendar, on).intervals:
            if one.state != "open":
                continue
            if spans and spans[-1][1] >= one.starts_at:
                spans[-1] = (spans[-1][0], one.ends_at)
            else:
                spans.append((one.starts_at, one.ends_at))
    return spans


def test_every_kind_of_place_offers_something_at_a_few_sites(offered):
    categories = {site.category for site in demo_sites()}
    counts = Counter(site.category for site, _ in offered)
    assert set(counts) == categories
    assert counts.pop("meal_point") == MOST_MEAL_POINTS
    assert max(counts.values()) == MOST_SITES
    assert all(site.status == "active" for site, _ in offered)


def test_rules_are_read_and_each_title_is_once_at_a_site(offered):
    for site, bookables in offered:
        titles = [one.content.title for one in bookables]
        assert len(set(titles)) == len(titles), site.name
        for one in bookables:
            check_rules(one.content)
            assert one.content.title_en
            assert one.templates
            assert (one.content.shape == "interval") == bool(one.resources)
            assert (one.content.shape == "seated") == bool(one.seats)


def test_slots_lie_within_the_opening_hours_on_every_day_of_the_year(offered, calendar):
    known = {}
    for site, bookables in offered:
        if site.hours is None:  # some fitness points do not say
            continue
        hours = (site.hours, site.makeup_hours)
        spans = known[hours] = known.get(hours) or open_hours(*hours, calendar)
        for one in bookables:
            made = [window for template in one.templates for window in windows_of(template, calendar)]
            assert made, (site.name, one.content.title)
            for window in made:
                start, end = spans[bisect(spans, window.starts_at, key=itemgetter(0)) - 1]
                assert start <= window.starts_at, (site.name, one.content.title, window.on)
                assert window.ends_at <= end, (site.name, one.content.title, window.on)


def test_school_venues_and_courts_are_booked_on_days_off_alone(offered, calendar):
    for site, bookables in offered:
        if site.category not in ("school_venue", "court"):
            continue
        (venue,) = bookables
        assert (venue.content.shortest_minutes, venue.content.longest_minutes) == (60, 120)
        assert len(venue.resources) >= 2
        for template in venue.templates:
            kinds = {calendar.kind(window.on) for window in windows_of(template, calendar)}
            assert kinds == {DayKind.rest_day, DayKind.holiday}


def test_lunch_is_served_on_make_up_workdays(offered, calendar):
    for site, bookables in offered:
        if site.category == "meal_point":
            lunch = bookables[0]
            days = {window.on for one in lunch.templates for window in windows_of(one, calendar)}
            assert lunch.content.modes == ("dine_in", "pick_up")
            assert date(2026, 2, 14) in days, site.name


def test_halls_have_as_many_seats_as_they_say_and_room_for_wheelchairs(offered):
    halls = {site.name: (site, one.seats) for site, some in offered for one in some if one.seats}
    assert len(halls) == 2
    for site, seats in halls.values():
        assert f"{len(seats)} 座" in site.description
        kinds = Counter(seat.kind for seat in seats)
        assert kinds["wheelchair"] == kinds["companion"] == 2
        beside = {(seat.row, seat.x): seat.kind for seat in seats}
        for (row, x), kind in beside.items():
            if kind == "wheelchair":
                assert "companion" in (beside.get((row, x - 1)), beside.get((row, x + 1)))
    assert max(int(seat.row) for _, seats in halls.values() for seat in seats) == 12
