"""Opera on weekend evenings, seat by seat; classes, readings, tours and outings."""

from collections.abc import Iterator

from booking.offerings.input import SeatIn
from geo.sites.input import SiteIn
from seed import hours
from seed.offerings.plan import (
    ALL_DAYS,
    FREE_DAYS,
    MAP,
    REST_DAYS,
    WORKDAYS,
    Bookable,
    aged,
    at_most,
    counted,
    offering,
    weekly,
)

# Halls as drawn from the stage: o a seat, w a wheelchair space, c the seat beside it, a space an aisle.
FRONT, ROW = "wcoo ooooooo oocw", "oooo ooooooo oooo"
BIG_HALL = (FRONT, *[ROW] * 11)
SMALL_HALL = ("wco oooooo ocw", *["ooo oooooo ooo"] * 9)
KINDS = {"o": "standard", "w": "wheelchair", "c": "companion"}


def hall(rows: tuple[str, ...]) -> Iterator[SeatIn]:
    """Seats of a drawn hall, row by row from the stage."""
    for row, drawn in enumerate(rows, start=1):
        number = 0
        for x, sign in enumerate(drawn):
            if sign != " ":
                number += 1
                yield SeatIn.model_validate(
                    {"row": str(row), "number": str(number), "x": x, "kind": KINDS[sign]}
                )


def theatre(site: SiteIn) -> tuple[Bookable, ...]:
    """Opera, and a class that sings it."""
    opera = offering(
        "performance",
        "周末戏曲演出",
        "Weekend opera",
        shape="seated",
        description="惠民票 10 元，60 周岁以上免费。",
        price_fen=1000,
        party_max=6,
        opens_days_before=14,
        closes_minutes_before=0,
        rules={
            "price": [{"rule": "discount", "value": 100, "who": aged(60)}],
            "limits": [at_most(1)],
        },
    )
    rows = BIG_HALL if "文曲" in site.name else SMALL_HALL
    shows = weekly(FREE_DAYS, "19:30-21:00", weekdays=(5, 6, 7), seat_map=MAP)
    (lesson,) = counted(
        "course",
        "戏曲唱腔班",
        "Opera singing class",
        weekly(WORKDAYS, "14:30-16:00", 20, weekdays=(4,)),
        price_fen=0,
        rules={"eligibility": aged(6)},
    )
    return Bookable(opera, (shows,), seats=tuple(hall(rows))), lesson


def reading_room(site: SiteIn) -> tuple[Bookable, ...]:
    """People read together."""
    return counted(
        "event",
        "周末读书会",
        "Weekend reading",
        weekly(FREE_DAYS, "15:00-16:30", 20, weekdays=(6,)),
        price_fen=0,
        party_max=3,
    )


def culture_station(site: SiteIn) -> tuple[Bookable, ...]:
    """Free classes."""
    return counted(
        "course",
        "书法与剪纸班",
        "Calligraphy and paper cutting",
        weekly(REST_DAYS, "14:30-16:00", 24, weekdays=(6,)),
        weekly(WORKDAYS, "14:30-16:00", 24, weekdays=(3,)),
        price_fen=0,
    )


def study_tour(site: SiteIn) -> tuple[Bookable, ...]:
    """For a class of a school."""
    return counted(
        "event",
        "半日研学",
        "Half-day tour",
        weekly(WORKDAYS, "09:00-11:30", 50, weekdays=(2, 3, 4, 5)),
        price_fen=site.services[0].costs[0].amount_fen,
        party_max=50,
        opens_days_before=14,
        cancel_minutes_before=1440,
        description="以班级为单位预约，每批不超过 50 人。",
    )


def farm_park(site: SiteIn) -> tuple[Bookable, ...]:
    """Picking and tasting."""
    return counted(
        "event",
        "周末采摘体验",
        "Pick your own",
        weekly(FREE_DAYS, "10:00-12:00", 60, weekdays=(6, 7)),
        party_max=10,
    )


def scenic_spot(site: SiteIn) -> tuple[Bookable, ...]:
    """A guide shows round. The night market needs no booking."""
    if site.hours == hours.NIGHT_MARKET:
        return ()
    return counted(
        "event",
        "生态观光导览",
        "Guided walk",
        weekly(ALL_DAYS, "10:00-11:30", 20, weekdays=(6, 7)),
        price_fen=0,
        party_max=6,
    )
