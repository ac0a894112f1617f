"""Culture and tourism: theatres, reading rooms, culture stations, study-tour places, farms, leisure spots."""

from collections.abc import Iterator

from geo.sites.input import CostIn, OperatorIn, ServiceIn, SiteIn
from seed import hours
from seed.names import townships
from seed.places import choose, community, demo_site, dice, spot
from seed.shapes import park, rectangle
from seed.sites.health import TOWN_SEATS

FREE = CostIn(label="免费", amount_fen=0)
CULTURE = OperatorIn(name="兰州新区文化旅游服务中心（演示）", operating_model="public")


def sites() -> Iterator[SiteIn]:
    """Theatres, reading rooms, culture stations, study-tour places, farms and scenic spots."""
    yield from _theatres()
    yield from _reading_rooms()
    yield from _culture_stations()
    yield from _study_tours()
    yield from _farms()
    yield from _spots()


def _theatres() -> Iterator[SiteIn]:
    random = dice("theatre")
    for code, name, seats in (("103001", "文曲中心社区小剧场", 180), ("101002", "彩虹城百姓小剧场", 120)):
        yield demo_site(
            "theatre",
            community(code),
            random,
            name=name,
            english="Community Theatre",
            about=f"{seats} 座，戏曲演艺、培训、展示、体验、交流。",
            hours=hours.THEATRE,
            makeup_hours="14:00-18:00,19:00-21:30",
            features=("stage", "indoor", "training_room", "parking"),
            accessibility=("wheelchair", "step_free", "accessible_toilet", "hearing_loop", "large_print"),
            operator=CULTURE,
            services=(
                ServiceIn(
                    name="戏曲演出",
                    name_en="Opera",
                    costs=(
                        CostIn(label="惠民票", amount_fen=1000, unit="场"),
                        CostIn(label="60 周岁以上", amount_fen=0, unit="场"),
                    ),
                ),
                ServiceIn(name="戏曲培训", name_en="Opera classes", minimum_age=6, costs=(FREE,)),
            ),
        )


def _reading_rooms() -> Iterator[SiteIn]:
    random = dice("reading_room")
    for i, place in enumerate(choose(random, 8, urban=7)):
        yield demo_site(
            "reading_room",
            place,
            random,
            name=f"{place.short_name}城市书屋",
            english="City Reading Room",
            aliases=(f"{place.short_name}图书室",),
            hours=hours.READING_ROOM[i % 3],
            features=("reading_seats", "wifi", "drinking_water", "children_area", "self_service")[
                : 2 + i % 4
            ],
            accessibility=("step_free", "wheelchair", "large_print", "braille")[: 1 + i % 4],
            operator=CULTURE,
            services=(ServiceIn(name="阅览与借书", name_en="Reading and lending", costs=(FREE,)),),
        )


def _culture_stations() -> Iterator[SiteIn]:
    random = dice("culture_station")
    places = [(town.name, community(TOWN_SEATS[town.code])) for town in townships()]
    places += [("文曲中心社区", community("103001")), ("瑞岭中心社区", community("101012"))]
    for name, place in places:
        yield demo_site(
            "culture_station",
            place,
            random,
            name=f"{name}综合文化站",
            english="Culture Station",
            hours=hours.CULTURE_STATION,
            features=("stage", "training_room", "wifi"),
            accessibility=("step_free", "accessible_toilet"),
            operator=CULTURE,
            services=(ServiceIn(name="公益培训", name_en="Free classes", costs=(FREE,)),),
        )


def _study_tours() -> Iterator[SiteIn]:
    random = dice("study_tour")
    for i, (code, name) in enumerate(
        (
            ("101004", "航空科普研学基地"),
            ("101008", "石化装备工业研学基地"),
            ("101015", "新能源汽车工业研学基地"),
            ("102221", "秦王川农耕文化研学基地"),
            ("103206", "西岔花卉研学基地"),
            ("104202", "红井槽防沙治沙研学基地"),
        )
    ):
        yield demo_site(
            "study_tour",
            community(code),
            random,
            name=name,
            english="Study-tour Place",
            hours=hours.STUDY_TOUR[i % 2],
            features=("indoor", "toilet", "parking", "training_room")[: 2 + i % 3],
            accessibility=("step_free", "accessible_toilet")[: 1 + i % 2],
            languages=("zh", "en"),
            operator=OperatorIn(name=f"{name}运营方（演示）", operating_model="private"),
            services=(
                ServiceIn(
                    name="半日研学",
                    name_en="Half-day tour",
                    minimum_age=7,
                    maximum_age=18,
                    eligibility="以班级为单位预约，每批不超过 50 人。",
                    costs=(CostIn(label="学生", amount_fen=3000 + 500 * i, unit="人"),),
                ),
            ),
        )


def _farms() -> Iterator[SiteIn]:
    random = dice("farm_park")
    for i, place in enumerate(choose(random, 5, urban=0)):
        yield demo_site(
            "farm_park",
            place,
            random,
            name=f"{place.short_name}现代农业示范园",
            english="Demonstration Farm",
            aliases=(f"{place.short_name}田园综合体",) if i % 2 else (),
            geometry=rectangle(
                spot(place, random),
                width_m=random.uniform(180, 400),
                length_m=random.uniform(300, 700),
                bearing_degrees=random.uniform(-30, 30),
            ),
            hours=hours.FARM,
            features=("parking", "toilet", "children_area")[: 1 + i % 3],
            operator=OperatorIn(name=f"{place.short_name}农业合作社（演示）", operating_model="private"),
            services=(
                ServiceIn(name="采摘体验", name_en="Pick your own", costs=(CostIn(label="按斤计价"),)),
            ),
        )


def _spots() -> Iterator[SiteIn]:
    random = dice("scenic_spot")
    for i, (code, name, pattern) in enumerate(
        (
            ("101009", "新区夜市", hours.NIGHT_MARKET),
            ("101011", "栖霞湖休闲区", hours.SCENIC),
            ("103001", "文曲湖湿地", hours.SCENIC),
            ("102221", "秦王川湿地", hours.SCENIC),
            ("104212", "古山避暑营地", hours.SCENIC),
        )
    ):
        place = community(code)
        yield demo_site(
            "scenic_spot",
            place,
            random,
            name=name,
            english="Leisure Spot",
            geometry=park(spot(place, random), random, radius_m=random.uniform(120, 500)),
            hours=pattern,
            features=("toilet", "parking", "rest_area", "charging")[: 1 + i % 4],
            accessibility=("step_free",) if i % 2 else (),
            operator=CULTURE,
        )
