"""Many invented sites for benchmarks: spread like a city's, named apart, written by the domain's own bulk function."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import islice

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from core.actor import SYSTEM
from core.database import Database
from geo.sites.input import OperatorIn, PhoneIn, SiteIn
from geo.sites.store import PutCounts, put_sites, put_source, settle
from seed import hours
from seed.names import communities, outline, townships
from seed.places import STREETS
from seed.shapes import M_PER_DEGREE

SOURCE = "synthetic-scale"
SOURCE_NAME = "synthetic benchmark 合成压测数据"
CHUNK = 5_000  # sites a call of put_sites; each chunk is a transaction of its own
DESCRIPTION = "合成压测数据。Synthetic benchmark data."

Report = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class ScaleKind:
    """A category with its share of all sites, the word its names end in, its hours and its features."""

    category: str
    share: float
    word: str
    patterns: tuple[str | None, ...]
    features: tuple[str, ...] = ()
    shape: str = "point"


# Lines and polygons are 5 % of the whole; among points the everyday ones are the many.
KINDS = (
    ScaleKind(
        "meal_point", 0.12, "老年助餐点", hours.MEALS, ("dine_in", "takeaway", "meal_delivery", "halal")
    ),
    ScaleKind("day_care", 0.05, "日间照料中心", hours.DAY_CARE, ("rest_area", "rehabilitation")),
    ScaleKind("elder_home", 0.02, "养老院", (hours.ELDER_HOME_VISITS,), ("beds", "medical_insurance")),
    ScaleKind("home_care_station", 0.05, "居家养老服务站", (hours.HOME_CARE,), ("bathing", "meal_delivery")),
    ScaleKind("hospital_tertiary", 0.002, "人民医院", (hours.ALWAYS,), ("emergency", "medical_insurance")),
    ScaleKind("hospital_secondary", 0.005, "医院", (hours.ALWAYS,), ("emergency", "medical_insurance")),
    ScaleKind("township_health_centre", 0.008, "卫生院", (hours.CLINIC[1],), ("pharmacy", "vaccination")),
    ScaleKind("community_health_centre", 0.015, "社区卫生服务中心", (hours.CLINIC[0],), ("pharmacy", "tcm")),
    ScaleKind(
        "community_health_station", 0.04, "卫生服务站", hours.CLINIC, ("pharmacy", "medical_insurance")
    ),
    ScaleKind("village_clinic", 0.08, "卫生室", hours.VILLAGE_CLINIC, ("pharmacy",)),
    ScaleKind("kindergarten", 0.05, "幼儿园", (hours.KINDERGARTEN,), ("after_school",)),
    ScaleKind("primary_school", 0.035, "小学", (hours.SCHOOL,), ("after_school", "school_bus")),
    ScaleKind("junior_school", 0.015, "初级中学", (hours.SCHOOL, hours.BOARDING_SCHOOL), ("boarding",)),
    ScaleKind("senior_school", 0.005, "高级中学", (hours.BOARDING_SCHOOL,), ("boarding",)),
    ScaleKind("fitness_path", 0.015, "健身步道", (hours.ALWAYS,), ("lighting", "rest_area"), "line"),
    ScaleKind(
        "court", 0.02, "多功能运动场", hours.OUTDOORS, ("basketball", "football", "lighting"), "polygon"
    ),
    ScaleKind("fitness_point", 0.13, "健身点", (hours.ALWAYS, None), ("fitness_equipment",)),
    ScaleKind(
        "school_venue", 0.02, "开放场馆", (hours.SCHOOL_VENUE, hours.SCHOOL_VENUE_WEEKEND), ("indoor",)
    ),
    ScaleKind("sports_centre", 0.002, "体育馆", (hours.SPORTS_CENTRE,), ("swimming", "badminton"), "polygon"),
    ScaleKind("theatre", 0.003, "小剧场", (hours.THEATRE,), ("stage",)),
    ScaleKind("reading_room", 0.03, "城市书屋", hours.READING_ROOM, ("reading_seats", "wifi")),
    ScaleKind("culture_station", 0.02, "综合文化站", (hours.CULTURE_STATION,), ("training_room",)),
    ScaleKind("study_tour", 0.01, "研学基地", hours.STUDY_TOUR, ("parking",)),
    ScaleKind("farm_park", 0.003, "农业示范园", (hours.FARM,), ("parking", "toilet"), "polygon"),
    ScaleKind("scenic_spot", 0.003, "休闲园", (hours.SCENIC, hours.NIGHT_MARKET), ("toilet",), "polygon"),
    ScaleKind("gig_market", 0.004, "零工市场", (hours.GIG_MARKET,), ("rest_area", "job_interviews")),
    ScaleKind("gig_station", 0.07, "零工驿站", hours.GIG_STATION, ("rest_area", "drinking_water")),
    ScaleKind("training_centre", 0.02, "职业技能培训学校", (hours.TRAINING,), ("training_room",)),
    ScaleKind("job_fair_venue", 0.006, "招聘会场", (hours.HALL,), ("livestream",)),
    ScaleKind("labour_arbitration", 0.002, "劳动争议调解中心", (hours.OFFICE,)),
    ScaleKind("service_hall", 0.015, "政务服务大厅", (hours.HALL, hours.HALL_SATURDAY), ("self_service",)),
    ScaleKind("community_service", 0.12, "党群服务中心", hours.COMMUNITY_SERVICE, ("wifi", "self_service")),
    ScaleKind("city_park", 0.007, "公园", hours.PARK, ("toilet", "lighting", "parking"), "polygon"),
)
ACCESSIBILITY = (
    (),
    ("step_free",),
    ("step_free", "wheelchair"),
    ("step_free", "wheelchair", "accessible_toilet"),
)
PHONES = tuple((PhoneIn(number=f"0931-555-{number:04d}"),) for number in range(0, 10_000, 7))
SIDE_M = {"court": 25.0, "sports_centre": 70.0, "city_park": 180.0, "farm_park": 260.0, "scenic_spot": 200.0}


def _say_nothing(_: int) -> None:
    pass


async def seed_scale(
    database: Database, *, count: int, now: datetime, report: Report = _say_nothing
) -> PutCounts:
    """Put ``count`` sites of the source ``synthetic-scale``; the same ones at every call. ``report`` hears how many
    are done after each chunk. The demo city's categories must be there; its areas need not.
    """
    async with database.transaction() as session:
        await put_source(session, SYSTEM, code=SOURCE, name=SOURCE_NAME, licence="CC0-1.0")
    counts = PutCounts(created=0, changed=0, unchanged=0)
    ahead = asyncio.create_task(_chunk(0, count))
    try:
        for start in range(0, count, CHUNK):
            sites = await ahead
            # The next chunk is made while the server works on this one.
            ahead = asyncio.create_task(_chunk(start + CHUNK, count))
            async with database.transaction() as session:
                counts += await put_sites(session, SYSTEM, source_code=SOURCE, sites=sites, now=now)
            report(start + len(sites))
        async with database.transaction() as session:
            await settle(session, SYSTEM)
    finally:
        ahead.cancel()
    return counts


async def _chunk(start: int, count: int) -> list[SiteIn]:
    return await asyncio.to_thread(lambda: list(scale_sites(start, min(count, start + CHUNK))))


def scale_sites(start: int, stop: int) -> Iterator[SiteIn]:
    """Sites number ``start`` to before ``stop`` of one endless list: at most ``CHUNK``, from a multiple of it."""
    # A whole chunk is always drawn: a shorter one would fall differently.
    n = CHUNK
    dice = np.random.Generator(np.random.PCG64([620171, start]))
    shares = np.array([kind.share for kind in KINDS])
    kinds = dice.choice(len(KINDS), size=n, p=shares / shares.sum())
    places = communities()
    # Towns draw six times as many sites as villages.
    weights = np.array([6.0 if place.urban else 1.0 for place in places])
    homes = dice.choice(len(places), size=n, p=weights / weights.sum())
    lon, lat = _spread(dice, homes)
    shapes = _shapes(dice, kinds, lon, lat)
    street = dice.integers(0, len(STREETS), size=n)
    door = dice.integers(1, 1000, size=n)
    more = dice.integers(0, 2**31, size=n)
    towns = {town.code: town.name for town in townships()}
    draws = zip(kinds.tolist(), homes.tolist(), street.tolist(), door.tolist(), more.tolist(), strict=True)
    for i, (k, home, street_i, door_i, extra) in enumerate(islice(draws, max(0, stop - start))):
        kind, place = KINDS[k], places[home]
        where = f"{STREETS[street_i]}{door_i}号"
        # Checking a million sites that differ in name and place only would take longer than writing them.
        yield _template(k, extra % len(kind.patterns)).model_copy(
            update={
                "external_id": str(start + i),
                "name": f"{place.name}{where}{kind.word}",
                "geometry": shapes[i],
                "address": f"兰州新区{towns[place.township]}{place.name}{where}",
                "status": "active" if extra % 97 else "temporarily_closed",
                "features": kind.features[: 1 + extra % 4],
                "accessibility": ACCESSIBILITY[extra % len(ACCESSIBILITY)],
                "phones": PHONES[extra % len(PHONES)],
                "operator": _operator(f"{place.name}{kind.word}运营方"),
            }
        )


@cache
def _template(kind: int, pattern: int) -> SiteIn:
    """A checked site with all that many have in common."""
    return SiteIn(
        external_id="0",
        category=KINDS[kind].category,
        name=KINDS[kind].word,
        geometry=shapely.Point(0, 0),
        description=DESCRIPTION,
        hours=KINDS[kind].patterns[pattern],
        languages=("zh",),
    )


@cache
def _operator(name: str) -> OperatorIn:
    return OperatorIn(name=name, operating_model="public")


def _spread(
    dice: np.random.Generator, homes: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Degrees around each site's community, denser in its middle; what falls outside the district falls again."""
    places = communities()
    middle = np.array([(place.lon, place.lat) for place in places])[homes]
    spread_m = np.array([420.0 if place.urban else 800.0 for place in places])[homes]
    border = Polygon(outline())
    shapely.prepare(border)
    per_lon = M_PER_DEGREE * np.cos(np.radians(middle[:, 1]))
    lon, lat = middle[:, 0].copy(), middle[:, 1].copy()
    again = np.ones(len(homes), dtype=bool)
    while again.any():
        offsets = dice.normal(size=(int(again.sum()), 2)) * spread_m[again, None]
        lon[again] = middle[again, 0] + offsets[:, 0] / per_lon[again]
        lat[again] = middle[again, 1] + offsets[:, 1] / M_PER_DEGREE
        again = ~shapely.contains_xy(border, lon, lat)
    return lon.round(6), lat.round(6)


def _shapes(
    dice: np.random.Generator, kinds: NDArray[np.int64], lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> NDArray[np.object_]:
    """Points; for the kinds that are not, lines of seven turns and upright rectangles around the point."""
    shapes = np.asarray(shapely.points(lon, lat), dtype=object)
    degree_lon = M_PER_DEGREE * np.cos(np.radians(lat))
    for k, kind in enumerate(KINDS):
        rows = np.flatnonzero(kinds == k)
        if kind.shape == "line":
            legs_m = dice.uniform(-260, 260, size=(len(rows), 8, 2)) + dice.uniform(
                -90, 90, size=(len(rows), 1, 2)
            )
            legs_m[:, 0] = 0
            east, north = np.moveaxis(legs_m.cumsum(axis=1), 2, 0)
            x = lon[rows, None] + east / degree_lon[rows, None]
            y = lat[rows, None] + north / M_PER_DEGREE
            shapes[rows] = shapely.linestrings(np.stack([x, y], axis=2).round(6))
        elif kind.shape == "polygon":
            side_m = SIDE_M[kind.category] * dice.uniform(0.7, 1.6, size=(len(rows), 2))
            x, y = side_m[:, 0] / degree_lon[rows] / 2, side_m[:, 1] / M_PER_DEGREE / 2
            shapes[rows] = shapely.box(
                (lon[rows] - x).round(6),
                (lat[rows] - y).round(6),
                (lon[rows] + x).round(6),
                (lat[rows] + y).round(6),
            )
    return shapes
