"""Care for older people: meal points (老年助餐点), day care, elder homes, home care stations."""

from collections.abc import Iterator
from random import Random

from geo.sites.input import CostIn, DocumentIn, OperatorIn, ServiceIn, SiteIn
from seed import hours
from seed.names import Community, communities, townships
from seed.places import choose, demo_site, dice, phone

ID_CARD = DocumentIn(name="身份证", note="首次登记时出示原件")
SOCIAL_CARD = DocumentIn(name="社会保障卡")
ENTITLEMENT = DocumentIn(name="低保、特困或重度残疾证明", note="享受补贴时出示")

MEAL_FUNDING = (
    ("财政补助", "个人付费"),
    ("财政补助", "福利彩票公益金", "个人付费"),
    ("运营主体自筹", "个人付费"),
    ("财政补助", "社会捐赠", "个人付费"),
    ("村集体收入", "财政补助", "个人付费"),
)
CATERERS = ("惠民餐饮", "新区颐和膳食", "陇上家宴", "康乐配餐")
PROPERTY_MANAGERS = ("彩虹物业", "瑞岭物业", "新城物业")


def sites() -> Iterator[SiteIn]:
    """Meal points, day care, elder homes and home care stations."""
    yield from _meal_points()
    yield from _day_care()
    yield from _elder_homes()
    yield from _home_care_stations()


def _meal_points() -> Iterator[SiteIn]:
    random = dice("meal_point")
    urban = [place for place in communities() if place.urban]
    villages = choose(random, 22, urban=0)
    for i, place in enumerate([*urban, *villages]):
        yield _meal_point(random, i, place)


def _meal_point(random: Random, i: int, place: Community) -> SiteIn:
    town = {town.code: town.name for town in townships()}[place.township]
    model = ("market_canteen", "property_canteen")[i % 2] if place.urban else "market_canteen"
    if model == "market_canteen":
        name, operator = f"{place.name}老年助餐点", f"兰州新区{CATERERS[i % len(CATERERS)]}（演示）"
    else:
        name = f"{place.short_name}小区食堂老年助餐点"
        operator = f"兰州新区{PROPERTY_MANAGERS[i % len(PROPERTY_MANAGERS)]}（演示）"
    first = i < 24
    features = ["dine_in", "takeaway"]
    if random.random() < 0.6:
        features.append("meal_delivery")
    if random.random() < 0.25:
        features.append("halal")
    if random.random() < 0.5:
        features.append("soft_food")
    lunch_fen = random.choice((800, 1000, 1200))
    services = [_meal("午餐", "Lunch", lunch_fen), _meal("晚餐", "Dinner", lunch_fen - 200)]
    if "meal_delivery" in features:
        services.append(
            ServiceIn(
                name="送餐上门",
                name_en="Meal delivery",
                minimum_age=60,
                eligibility="行动不便的 60 周岁以上居民；须提前一日 16:00 前预订。",
                costs=(CostIn(label="送餐费", amount_fen=200, unit="次"),),
                documents=(ID_CARD,),
            )
        )
    pattern = hours.MEALS[i % 2 if place.urban else random.randrange(len(hours.MEALS))]
    if "17:00" not in pattern:
        del services[1]
    return demo_site(
        "meal_point",
        place,
        random,
        name=name,
        english="Elderly Meal Point",
        aliases=(f"{place.short_name}长者食堂", f"{place.short_name}社区食堂"),
        about=f"{town}老年助餐服务点，凭身份证登记后享受分龄补贴。",
        hours=pattern,
        makeup_hours=hours.MEALS_MAKEUP if i % 5 == 0 else None,
        features=tuple(features),
        accessibility=_access(
            random, "step_free", "wheelchair", "handrails", "accessible_toilet", "large_print"
        ),
        batch="第一批" if first else "第二批",
        plaque_number=f"兰新助餐演示{2025 if first else 2026}-{i + 1:03d}",
        funding=MEAL_FUNDING[i % len(MEAL_FUNDING)] if place.urban else MEAL_FUNDING[-1],
        operator=OperatorIn.model_validate({"name": operator, "operating_model": model}),
        services=tuple(services),
    )


def _meal(name: str, name_en: str, full_fen: int) -> ServiceIn:
    return ServiceIn(
        name=name,
        name_en=name_en,
        minimum_age=60,
        eligibility="60 周岁以上居民；其他居民按市场价就餐。",
        costs=(
            CostIn(label="60—79 周岁", amount_fen=full_fen, unit="餐"),
            CostIn(label="80 周岁以上", amount_fen=full_fen - 200, unit="餐"),
            CostIn(label="特困、低保老年人", amount_fen=200, unit="餐"),
        ),
        documents=(ID_CARD, SOCIAL_CARD, ENTITLEMENT),
    )


def _day_care() -> Iterator[SiteIn]:
    random = dice("day_care")
    for i, place in enumerate(choose(random, 24, urban=12)):
        yield demo_site(
            "day_care",
            place,
            random,
            name=f"{place.name}老年人日间照料中心",
            english="Day Care Centre",
            aliases=(f"{place.short_name}日照中心",),
            hours=hours.DAY_CARE[i % 2],
            features=("dine_in", "rest_area", "rehabilitation")[: 2 + i % 2],
            accessibility=_access(
                random, "step_free", "wheelchair", "accessible_toilet", "handrails", "hearing_loop"
            ),
            funding=("财政补助", "福利彩票公益金"),
            operator=OperatorIn(name=f"{place.name}（演示）", operating_model="community"),
            services=(
                ServiceIn(
                    name="日间照料",
                    name_en="Day care",
                    minimum_age=60,
                    eligibility="生活能够自理或半自理的老年人。",
                    costs=(
                        CostIn(label="日托", amount_fen=3000, unit="日"),
                        CostIn(label="月托", amount_fen=60000, unit="月"),
                    ),
                    documents=(ID_CARD, DocumentIn(name="近三个月体检报告")),
                ),
                ServiceIn(
                    name="文娱活动",
                    name_en="Activities",
                    minimum_age=55,
                    costs=(CostIn(label="免费", amount_fen=0),),
                ),
            ),
        )


def _elder_homes() -> Iterator[SiteIn]:
    random = dice("elder_home")
    titles = ("颐养院", "敬老院", "老年公寓", "养护中心")
    for i, place in enumerate(choose(random, 8, urban=4)):
        yield demo_site(
            "elder_home",
            place,
            random,
            name=f"{place.short_name}{titles[i % len(titles)]}",
            english="Elder Home",
            aliases=(f"{place.short_name}养老院",),
            about=f"床位 {random.randrange(60, 240, 10)} 张。",
            hours=hours.ELDER_HOME_VISITS,
            features=("beds", "rehabilitation", "dine_in", "medical_insurance")[: 3 + i % 2],
            accessibility=("step_free", "wheelchair", "accessible_toilet", "lift", "handrails"),
            operator=OperatorIn.model_validate(
                {
                    "name": f"{place.short_name}养老服务有限公司（演示）",
                    "operating_model": ("public", "public_private", "private")[i % 3],
                }
            ),
            phones=(phone(random, "咨询"), phone(random, "探视预约")),
            services=(
                ServiceIn(
                    name="机构养老",
                    name_en="Residential care",
                    minimum_age=60,
                    costs=(
                        CostIn(label="自理", amount_fen=150000 + 10000 * i, unit="月"),
                        CostIn(label="失能护理", amount_fen=320000 + 10000 * i, unit="月"),
                    ),
                    documents=(ID_CARD, SOCIAL_CARD, DocumentIn(name="老年人能力评估报告")),
                ),
            ),
        )


def _home_care_stations() -> Iterator[SiteIn]:
    random = dice("home_care_station")
    helps = (("助餐", 0), ("助浴", 6000), ("助洁", 4000), ("助急", 0), ("助医", 3000))
    for place in choose(random, 14, urban=9):
        yield demo_site(
            "home_care_station",
            place,
            random,
            name=f"{place.name}居家养老服务站",
            english="Home Care Station",
            hours=hours.HOME_CARE,
            features=("meal_delivery", "bathing"),
            accessibility=_access(random, "step_free", "wheelchair", "low_counter"),
            operator=OperatorIn(name="兰州新区居家养老服务中心（演示）", operating_model="public_private"),
            services=tuple(
                ServiceIn(
                    name=f"上门{name}",
                    minimum_age=60,
                    eligibility="经济困难及特殊老年人免费；其他老年人自费。",
                    costs=(CostIn(label="自费", amount_fen=fen, unit="次"),),
                    documents=(ID_CARD,),
                )
                for name, fen in helps
            ),
        )


def _access(random: Random, *codes: str) -> tuple[str, ...]:
    """The first always, each other with two chances in three."""
    return (codes[0], *(code for code in codes[1:] if random.random() < 0.66))
