"""Bookable for older people: lunch and dinner, an afternoon in day care, a look at a home, a carer's first visit."""

from geo.calendar.workdays import DayKind
from geo.sites.input import SiteIn
from seed import hours
from seed.offerings.plan import (
    ALL_DAYS,
    REST_DAYS,
    WORKING,
    Bookable,
    aged,
    at_most,
    counted,
    offering,
    weekly,
)

MODES = ("dine_in", "pick_up")
PRICES = "按年龄和补贴收费，以助餐点公示为准。Priced by age and subsidy, as the meal point shows."


def meals(site: SiteIn) -> tuple[Bookable, ...]:
    """Lunch, and dinner where there is one, on the days on which the meal point opens."""
    every_day, saturdays = site.hours == hours.MEALS[1], site.hours == hours.MEALS[2]
    kinds: tuple[DayKind, ...] = ALL_DAYS if every_day else WORKING
    dinner_kinds = kinds
    if site.makeup_hours is not None:  # then it says lunch alone
        dinner_kinds = tuple(kind for kind in kinds if kind is not DayKind.makeup_workday)
    weekdays = (1, 2, 3, 4, 5, 6, 7) if every_day else (1, 2, 3, 4, 5)
    found = []
    for title, title_en, times, places, days in (
        ("午餐", "Lunch", "11:00-13:00", 40, kinds),
        ("晚餐", "Dinner", "17:00-18:30", 24, dinner_kinds),
    ):
        if title == "晚餐" and "17:00" not in (site.hours or ""):
            continue
        templates = [weekly(days, times, places, weekdays=weekdays)]
        if saturdays:
            templates.append(weekly(REST_DAYS, times, places, weekdays=(6,)))
        content = offering(
            "meal",
            title,
            title_en,
            description=PRICES,
            modes=MODES,
            party_max=4,
            rules={"limits": [at_most(1)]},
        )
        found.append(Bookable(content, templates))
    return tuple(found)


def day_care(site: SiteIn) -> tuple[Bookable, ...]:
    """Singing, chess, exercise after the midday rest."""
    return counted(
        "event",
        "文娱活动",
        "Afternoon activities",
        weekly(WORKING, "14:30-16:30", 20, weekdays=(2, 4)),
        description="唱歌、棋牌、手指操。",
        price_fen=0,
        rules={"eligibility": aged(55)},
    )


def elder_home(site: SiteIn) -> tuple[Bookable, ...]:
    """Families come to see the place and ask."""
    return counted(
        "advice",
        "参观与入住咨询",
        "Visit and advice on moving in",
        weekly(ALL_DAYS, "15:00-16:30", 4, weekdays=(3, 6)),
        price_fen=0,
        party_max=4,
    )


def home_care(site: SiteIn) -> tuple[Bookable, ...]:
    """What help at home somebody needs is talked over first."""
    return counted(
        "advice",
        "上门服务需求登记",
        "First talk about help at home",
        weekly(WORKING, "09:00-11:00", 4, slot_minutes=60, weekdays=(1, 3, 5)),
        price_fen=0,
    )
