"""Whether a set of special days is a whole year's announcement of the State Council (国务院办公厅节假日安排).

Sources: 《全国年节及纪念日放假办法》 as revised in 2007 (seven festivals from 2008, four before), 2013 and 2024.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from geo.calendar.workdays import DayKind

# Chinese name -> what the names in files contain.
FESTIVALS: Final[Mapping[str, tuple[str, ...]]] = {
    "元旦": ("元旦", "New Year's Day"),
    "春节": ("春节", "Spring Festival"),
    "清明": ("清明", "Tomb"),
    "劳动节": ("劳动节", "五一", "Labour", "Labor"),
    "端午": ("端午", "Dragon Boat"),
    "中秋": ("中秋", "Mid-autumn", "Mid-Autumn"),
    "国庆节": ("国庆", "National Day"),
}
BEFORE_2008: Final = frozenset({"元旦", "春节", "劳动节", "国庆节"})
FIXED: Final[Mapping[str, tuple[int, int]]] = {"元旦": (1, 1), "劳动节": (5, 1), "国庆节": (10, 1)}
LONGEST_PLAIN_NATIONAL_DAY: Final = (
    7  # more days than this: 中秋 falls into it (2020) and may have no name of its own
)


def announced_years(
    days: Mapping[date, DayKind], names: Mapping[date, str], *, every_day: bool, whole: bool
) -> tuple[frozenset[int], dict[int, tuple[str, str]]]:
    """The years these days announce; and for each other year they touch, what is missing (zh, en).

    `every_day`: the file lists ordinary days too, so a year needs all of its days, and 1 January, 1 May and
    1 October as holidays (a bare table of weekdays announces nothing). Otherwise it needs its statutory festivals
    by name. `whole` is False when something in the file could not be read: then it announces no year.
    """
    announced, missing = set(), {}
    for year in sorted({on.year for on in days}):
        if not whole:
            missing[year] = ("请先改正文件中的问题", "correct the problems in the file first")
        elif every_day:
            if lack := _lacking_days(year, days):
                missing[year] = lack
        elif lost := _lacking_festivals(year, days, names):
            missing[year] = (
                f"缺少{'、'.join(lost)}",
                f"no holiday named {', '.join(FESTIVALS[it][1] for it in lost)}",
            )
        if year not in missing:
            announced.add(year)
    return frozenset(announced), missing


def _lacking_days(year: int, days: Mapping[date, DayKind]) -> tuple[str, str] | None:
    first = date(year, 1, 1)
    every = [first + timedelta(days=index) for index in range((date(year, 12, 31) - first).days + 1)]
    absent = [on for on in every if on not in days]
    if absent:
        return (
            f"缺 {len(absent)} 天，首个是 {absent[0]}",
            f"{len(absent)} days are missing, the first is {absent[0]}",
        )
    plain = [
        name for name, (month, day) in FIXED.items() if days[date(year, month, day)] is not DayKind.holiday
    ]
    if plain:
        return (
            f"{'、'.join(plain)}不是假日",
            f"not a holiday: {', '.join(FESTIVALS[name][1] for name in plain)}",
        )
    return None


def _lacking_festivals(year: int, days: Mapping[date, DayKind], names: Mapping[date, str]) -> list[str]:
    of_year = {
        on: names.get(on, "") for on, kind in days.items() if on.year == year and kind is DayKind.holiday
    }
    lost = []
    for festival, words in FESTIVALS.items():
        if year < 2008 and festival not in BEFORE_2008:
            continue
        named = [on for on, name in of_year.items() if any(word in name for word in words)]
        fixed = FIXED.get(festival)
        if not named or (fixed is not None and date(year, *fixed) not in of_year):
            lost.append(festival)
    if "中秋" in lost and "国庆节" not in lost:
        national = sum("国庆" in name or "National" in name for name in of_year.values())
        if national > LONGEST_PLAIN_NATIONAL_DAY:
            lost.remove("中秋")
    return lost
