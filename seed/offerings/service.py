"""Appointments at windows, so that nobody stands in line."""

from geo.sites.input import SiteIn
from seed.offerings.plan import WORKDAYS, WORKING, Bookable, at_most, counted, weekly


def service_hall(site: SiteIn) -> tuple[Bookable, ...]:
    """An hour's worth of windows."""
    return counted(
        "advice",
        "窗口预约办理",
        "Appointment at a window",
        weekly(WORKING, "09:00-12:00", 12, slot_minutes=60, weekdays=range(1, 6)),
        weekly(WORKING, "13:30-16:30", 12, slot_minutes=60, weekdays=range(1, 6)),
        price_fen=0,
        closes_minutes_before=10,
        rules={"limits": [at_most(2)]},
    )


def community_service(site: SiteIn) -> tuple[Bookable, ...]:
    """Somebody fills in the forms for older people."""
    return counted(
        "advice",
        "老年人事项代办",
        "Help with forms for older people",
        weekly(WORKDAYS, "09:00-11:00", 6, weekdays=(1, 3, 5)),
        price_fen=0,
        closes_minutes_before=30,
    )
