"""Advice at gig stations, classes at training centres, fairs, and a lawyer's half hour."""

from geo.sites.input import SiteIn
from seed.offerings.plan import REST_DAYS, WORKDAYS, WORKING, Bookable, aged, at_most, counted, weekly


def gig_advice(site: SiteIn) -> tuple[Bookable, ...]:
    """Somebody sits down with one seeker at a time."""
    return counted(
        "advice",
        "求职与政策咨询",
        "Advice on work and policies",
        weekly(WORKING, "09:00-11:00", 2, slot_minutes=60),
        price_fen=0,
        closes_minutes_before=30,
        rules={"eligibility": aged(16), "limits": [at_most(1)]},
    )


def training(site: SiteIn) -> tuple[Bookable, ...]:
    """The first lesson of the trade, open to all who may take the course."""
    service = site.services[0]
    return counted(
        "course",
        f"{service.name}试听",
        "Trial lesson",
        weekly(REST_DAYS, "09:30-11:30", 30, weekdays=(6,)),
        weekly(WORKDAYS, "14:30-17:00", 30, weekdays=(2,)),
        price_fen=0,
        rules={"eligibility": aged(16, 60)},
    )


def job_fair(site: SiteIn) -> tuple[Bookable, ...]:
    """Employers with their posts, on Fridays."""
    return counted(
        "event",
        "周五招聘会",
        "Friday job fair",
        weekly(WORKDAYS, "09:30-11:30", 200, weekdays=(5,)),
        price_fen=0,
        closes_minutes_before=0,
        rules={"eligibility": aged(16)},
    )


def arbitration(site: SiteIn) -> tuple[Bookable, ...]:
    """Half an hour with somebody who knows the law."""
    return counted(
        "advice",
        "劳动维权咨询",
        "Advice on labour disputes",
        weekly(WORKDAYS, "09:00-11:30", 1, slot_minutes=30, weekdays=(2, 4)),
        price_fen=0,
        rules={"limits": [at_most(1)]},
    )
