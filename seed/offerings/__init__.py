"""What can be booked in the demo city: something at every kind of place the app lists, with plain rules."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from geo.sites.input import SiteIn
from seed.offerings import culture, education, elder, health, service, sport, work
from seed.offerings.plan import Bookable

BY_CATEGORY: Mapping[str, Callable[[SiteIn], tuple[Bookable, ...]]] = {
    "meal_point": elder.meals,
    "day_care": elder.day_care,
    "elder_home": elder.elder_home,
    "home_care_station": elder.home_care,
    **dict.fromkeys(health.PLACES, health.clinics),
    "kindergarten": education.kindergarten,
    **dict.fromkeys(("primary_school", "junior_school", "senior_school"), education.school),
    "court": sport.courts,
    "school_venue": sport.courts,
    "sports_centre": sport.sports_centre,
    "fitness_path": sport.fitness_path,
    "fitness_point": sport.fitness_point,
    "city_park": sport.city_park,
    "theatre": culture.theatre,
    "reading_room": culture.reading_room,
    "culture_station": culture.culture_station,
    "study_tour": culture.study_tour,
    "farm_park": culture.farm_park,
    "scenic_spot": culture.scenic_spot,
    "gig_market": work.gig_advice,
    "gig_station": work.gig_advice,
    "training_centre": work.training,
    "job_fair_venue": work.job_fair,
    "labour_arbitration": work.arbitration,
    "service_hall": service.service_hall,
    "community_service": service.community_service,
}

# Sites of each category that offer something, the first in use: enough to try everything, and soon put.
MOST_SITES = 4
MOST_MEAL_POINTS = 20


def bookable_sites(sites: Iterable[SiteIn]) -> Iterator[tuple[SiteIn, tuple[Bookable, ...]]]:
    """Sites with what they offer, in their order."""
    counted: Counter[str] = Counter()
    for site in sites:
        most = MOST_MEAL_POINTS if site.category == "meal_point" else MOST_SITES
        if site.status != "active" or counted[site.category] == most:
            continue
        if offered := BY_CATEGORY[site.category](site):
            counted[site.category] += 1
            yield site, offered
