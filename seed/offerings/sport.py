"""Courts and halls from … to …, on days off where they are a school's; walks and classes elsewhere."""

from booking.offerings.input import ResourceIn
from geo.sites.input import SiteIn
from seed import hours
from seed.offerings.plan import ALL_DAYS, FREE_DAYS, Bookable, aged, at_most, counted, offering, weekly

GAMES = {
    "basketball": ("篮球场", "Basketball"),
    "badminton": ("羽毛球场", "Badminton"),
    "football": ("足球场", "Football"),
    "roller_skating": ("轮滑场", "Roller skating"),
    "running_track": ("田径场", "Running track"),
    "indoor": ("室内馆", "Indoor hall"),
}


def courts(site: SiteIn) -> tuple[Bookable, ...]:
    """One or two hours on rest days and holidays; on other days one simply comes."""
    windows: tuple[str, ...] = ("08:00-20:00",)
    if site.hours == hours.SCHOOL_VENUE:
        windows = ("08:00-12:00", "14:00-20:00")
    elif site.hours == hours.SCHOOL_VENUE_WEEKEND:
        windows = ("08:00-18:00",)
    content = offering(
        "venue",
        "场地预约",
        "Court",
        shape="interval",
        description="休息日和法定节假日开放预约，每次 1 至 2 小时。",
        price_fen=0,
        party_max=12,
        closes_minutes_before=0,
        granularity_minutes=30,
        shortest_minutes=60,
        longest_minutes=120,
        rules={"limits": [at_most(1)], "eligibility": aged(12)},
    )
    games = [game for game in site.features if game in GAMES]
    # Two to play on at once, whatever the game: half a court each where there is one.
    named = [(GAMES[game][0], GAMES[game][1]) for game in games]
    resources = [
        ResourceIn(name=f"{at}号场（{zh}）", name_en=f"No. {at} ({en})")
        for at, (zh, en) in enumerate(named if len(named) > 1 else named * 2, start=1)
    ]
    return (Bookable(content, [weekly(FREE_DAYS, window) for window in windows], resources),)


def sports_centre(site: SiteIn) -> tuple[Bookable, ...]:
    """Badminton on any day, by the hour."""
    content = offering(
        "venue",
        "羽毛球场地",
        "Badminton court",
        shape="interval",
        description="平日白天 20 元/小时，夜间及周末 40 元/小时。",
        party_max=6,
        closes_minutes_before=0,
        granularity_minutes=60,
        shortest_minutes=60,
        longest_minutes=120,
        rules={"limits": [at_most(1)]},
    )
    resources = [ResourceIn(name=f"{at}号场", name_en=f"Court {at}") for at in range(1, 7)]
    return (Bookable(content, [weekly(ALL_DAYS, "09:00-21:00")], resources),)


def fitness_path(site: SiteIn) -> tuple[Bookable, ...]:
    """A walk with others; alone one needs no booking."""
    return counted(
        "event",
        "周末健步走",
        "Weekend walk",
        weekly(FREE_DAYS, "09:00-10:30", 30, weekdays=(6,)),
        price_fen=0,
        party_max=4,
    )


def fitness_point(site: SiteIn) -> tuple[Bookable, ...]:
    """How the machines are used."""
    return counted(
        "course",
        "健身器材使用指导",
        "How to use the machines",
        weekly(FREE_DAYS, "10:00-11:00", 10, weekdays=(7,)),
        price_fen=0,
    )


def city_park(site: SiteIn) -> tuple[Bookable, ...]:
    """Tai chi in the morning."""
    return counted(
        "course",
        "太极晨练班",
        "Tai chi",
        weekly(FREE_DAYS, "08:00-09:00", 25, weekdays=(6, 7)),
        price_fen=0,
    )
