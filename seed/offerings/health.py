"""Clinic sessions, morning and afternoon, with as many places as doctors can see."""

from geo.calendar.workdays import DayKind
from geo.sites.input import SiteIn
from seed import hours
from seed.offerings.plan import ALL_DAYS, WORKING, Bookable, at_most, counted, weekly

PLACES = {
    "hospital_tertiary": 120,
    "hospital_secondary": 80,
    "township_health_centre": 30,
    "community_health_centre": 40,
    "community_health_station": 16,
    "village_clinic": 8,
}
MORNING, AFTERNOON = "08:30-11:00", "15:00-17:00"


def clinics(site: SiteIn) -> tuple[Bookable, ...]:
    """General practice; at hospitals the outpatient clinic."""
    service = site.services[0]
    places = PLACES[site.category]
    kinds: tuple[DayKind, ...] = WORKING
    weekdays = range(1, 6)
    if site.hours in (hours.CLINIC[1], hours.VILLAGE_CLINIC[0]):  # every day of the year
        kinds, weekdays = ALL_DAYS, range(1, 8)
    templates = [weekly(kinds, times, places, weekdays=weekdays) for times in (MORNING, AFTERNOON)]
    return counted(
        "clinic",
        service.name,
        service.name_en or service.name,
        *templates,
        assurance="real_name",
        price_fen=service.costs[0].amount_fen,
        closes_minutes_before=30,
        description="按时段就诊，请带医保电子凭证或社会保障卡。",
        rules={"limits": [at_most(2, scope="kind")]},
    )
