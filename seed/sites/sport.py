"""Sport and fitness: paths as lines, courts, centres and parks as polygons, fitness points and school venues."""

from collections.abc import Iterator

from shapely.geometry import Point

from geo.sites.input import CostIn, DocumentIn, OperatorIn, ServiceIn, SiteIn
from seed import hours
from seed.places import choose, community, demo_site, dice, spot
from seed.shapes import park, rectangle, walking_path
from seed.sites.education import schools

FREE = CostIn(label="免费", amount_fen=0)
PARKS = OperatorIn(name="兰州新区园林绿化服务中心（演示）", operating_model="public")
SPORT = OperatorIn(name="兰州新区体育服务中心（演示）", operating_model="public")
PATH_LENGTHS_M = (800, 1000, 1200, 1500, 1800, 2000, 2400, 2800, 3200, 3600, 4200, 4800, 5400, 6000)


def sites() -> Iterator[SiteIn]:
    """Paths, courts, fitness points, school venues, sports centres and parks."""
    yield from _paths()
    yield from _courts()
    yield from _fitness_points()
    yield from _school_venues()
    yield from _centres()
    yield from _parks()


def _paths() -> Iterator[SiteIn]:
    random = dice("fitness_path")
    for length_m, place in zip(PATH_LENGTHS_M, choose(random, len(PATH_LENGTHS_M), urban=9), strict=True):
        yield demo_site(
            "fitness_path",
            place,
            random,
            name=f"{place.short_name}健身步道",
            english="Fitness Path",
            geometry=walking_path(spot(place, random), random, length_m=length_m),
            about=f"全长约 {length_m / 1000:.1f} 公里。",
            hours=hours.ALWAYS,
            features=("lighting", "rest_area", "drinking_water", "toilet")[: random.randint(1, 4)],
            accessibility=("step_free", "wheelchair", "tactile_paving")[: random.randint(1, 3)],
            operator=SPORT,
        )


def _courts() -> Iterator[SiteIn]:
    random = dice("court")
    kinds = (
        (("basketball",), 19.0, 32.0),
        (("basketball", "badminton"), 32.0, 40.0),
        (("football",), 45.0, 65.0),
        (("roller_skating", "basketball"), 30.0, 50.0),
    )
    for i, place in enumerate(choose(random, 18, urban=12)):
        games, width_m, length_m = kinds[i % len(kinds)]
        yield demo_site(
            "court",
            place,
            random,
            name=f"{place.name}多功能运动场",
            english="Multi-use Court",
            aliases=(f"{place.short_name}{'足球场' if 'football' in games else '篮球场'}",),
            geometry=rectangle(
                spot(place, random),
                width_m=width_m,
                length_m=length_m,
                bearing_degrees=random.uniform(-15, 15),
            ),
            hours=hours.OUTDOORS[i % 2],
            features=(*games, *(("lighting",) if i % 2 else ())),
            accessibility=("step_free",) if i % 3 else ("step_free", "wheelchair"),
            operator=SPORT,
            services=(ServiceIn(name="场地开放", name_en="Open court", costs=(FREE,)),),
        )


def _fitness_points() -> Iterator[SiteIn]:
    random = dice("fitness_point")
    for i, place in enumerate(choose(random, 30, urban=14)):
        yield demo_site(
            "fitness_point",
            place,
            random,
            name=f"{place.name}健身点",
            english="Fitness Point",
            aliases=(f"{place.short_name}健身广场",),
            hours=hours.ALWAYS if i % 4 else None,
            features=("fitness_equipment", "table_tennis", "children_area")[: 1 + i % 3],
            accessibility=("step_free",),
            operator=OperatorIn(name=f"{place.name}（演示）", operating_model="community"),
        )


def _school_venues() -> Iterator[SiteIn]:
    random = dice("school_venue")
    hosts = [school for school in schools() if school.stage in ("primary", "junior", "senior")]
    for i, school in enumerate(random.sample(hosts, 12)):
        weekend_only = i % 2 == 0
        yield demo_site(
            "school_venue",
            school.place,
            random,
            name=f"{school.name}开放场馆",
            english="School Sports Venue",
            number=2 if school.stage == "senior" else 1,
            hours=hours.SCHOOL_VENUE_WEEKEND if weekend_only else hours.SCHOOL_VENUE,
            # On a make-up workday the school is in lessons: closed, or the evening hours only.
            makeup_hours="off" if weekend_only else hours.SCHOOL_VENUE_MAKEUP,
            features=("running_track", "basketball", "football", "indoor")[: random.randint(2, 4)],
            accessibility=("step_free", "accessible_toilet"),
            operator=OperatorIn(name=f"{school.name}（演示）", operating_model="school_open"),
            services=(
                ServiceIn(
                    name="节假日免费开放",
                    name_en="Free on holidays",
                    minimum_age=6,
                    eligibility="凭身份证登记入校；12 周岁以下须成人陪同。",
                    costs=(FREE,),
                    documents=(DocumentIn(name="身份证"),),
                ),
            ),
        )


def _centres() -> Iterator[SiteIn]:
    random = dice("sports_centre")
    for code, name, size_m in (
        ("101009", "兰州新区体育中心", (180.0, 240.0)),
        ("103001", "文曲全民健身中心", (60.0, 90.0)),
        ("102001", "秦川全民健身中心", (50.0, 80.0)),
    ):
        place = community(code)
        yield demo_site(
            "sports_centre",
            place,
            random,
            name=name,
            english="Sports Centre",
            geometry=rectangle(
                spot(place, random),
                width_m=size_m[0],
                length_m=size_m[1],
                bearing_degrees=random.uniform(-10, 10),
            ),
            hours=hours.SPORTS_CENTRE,
            makeup_hours="09:00-21:30",
            features=("indoor", "swimming", "badminton", "table_tennis", "basketball", "parking"),
            accessibility=("wheelchair", "step_free", "accessible_toilet", "lift", "accessible_parking"),
            languages=("zh", "en"),
            operator=SPORT,
            services=(
                ServiceIn(
                    name="羽毛球场地",
                    name_en="Badminton court",
                    costs=(
                        CostIn(label="平日白天", amount_fen=2000, unit="小时"),
                        CostIn(label="夜间及周末", amount_fen=4000, unit="小时"),
                    ),
                ),
                ServiceIn(
                    name="游泳",
                    name_en="Swimming",
                    minimum_age=6,
                    costs=(
                        CostIn(label="成人", amount_fen=3000, unit="次"),
                        CostIn(label="60 周岁以上", amount_fen=1500, unit="次"),
                    ),
                    documents=(DocumentIn(name="健康承诺书"),),
                ),
            ),
        )


def _parks() -> Iterator[SiteIn]:
    random = dice("city_park")
    names = ("湖滨公园", "中央公园", "市民公园", "生态公园", "口袋公园", "文化公园", "滨水公园", "森林公园")
    for i, (name, place) in enumerate(zip(names, choose(random, len(names), urban=6), strict=True)):
        middle: Point = spot(place, random)
        yield demo_site(
            "city_park",
            place,
            random,
            name=f"{place.short_name}{name}",
            english="Park",
            geometry=park(middle, random, radius_m=60.0 if name == "口袋公园" else random.uniform(140, 420)),
            hours=hours.PARK[i % 2],
            features=("lighting", "toilet", "children_area", "drinking_water", "parking")[
                : random.randint(2, 5)
            ],
            accessibility=("step_free", "wheelchair", "accessible_toilet")[: random.randint(1, 3)],
            operator=PARKS,
        )
