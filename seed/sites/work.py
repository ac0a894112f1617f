"""Work: gig markets (零工市场) and stations (零工驿站), training, job fairs, labour arbitration."""

from collections.abc import Iterator

from geo.sites.input import CostIn, DocumentIn, OperatorIn, ServiceIn, SiteIn
from seed import hours
from seed.places import choose, community, demo_site, dice

FREE = CostIn(label="免费", amount_fen=0)
ID_CARD = DocumentIn(name="身份证")
EMPLOYMENT = OperatorIn(name="兰州新区就业服务中心（演示）", operating_model="public")


def sites() -> Iterator[SiteIn]:
    """Gig markets and stations, training centres, job fairs and arbitration."""
    yield from _gigs()
    yield from _training()
    yield from _fairs()
    yield from _arbitration()


def _gigs() -> Iterator[SiteIn]:
    random = dice("gigs")
    register = ServiceIn(
        name="零工求职登记",
        name_en="Seeker registration",
        minimum_age=16,
        eligibility="16 周岁以上、有劳动能力者；没有手机也可由窗口代办。",
        costs=(FREE,),
        documents=(ID_CARD,),
    )
    post = ServiceIn(
        name="用工发布",
        name_en="Post a gig",
        costs=(FREE,),
        documents=(DocumentIn(name="用工主体信用承诺书"),),
    )
    for code, name in (("101010", "兰州新区零工市场"), ("103003", "西岔零工市场")):
        yield demo_site(
            "gig_market",
            community(code),
            random,
            name=name,
            english="Gig Market",
            aliases=("马路劳务市场",),
            hours=hours.GIG_MARKET,
            features=(
                "rest_area",
                "drinking_water",
                "toilet",
                "job_interviews",
                "livestream",
                "self_service",
            ),
            accessibility=("step_free", "low_counter", "accessible_toilet"),
            operator=EMPLOYMENT,
            services=(register, post),
        )
    for i, place in enumerate(choose(random, 14, urban=11)):
        yield demo_site(
            "gig_station",
            place,
            random,
            name=f"{place.short_name}零工驿站",
            english="Gig Station",
            hours=hours.GIG_STATION[i % 3],
            features=("rest_area", "drinking_water", "charging", "wifi")[: 2 + i % 3],
            accessibility=("step_free", "low_counter")[: 1 + i % 2],
            operator=EMPLOYMENT,
            services=(register,),
        )


def _training() -> Iterator[SiteIn]:
    random = dice("training_centre")
    trades = ("养老护理", "电工焊工", "中式面点", "叉车与无人机", "家政服务", "电子商务")
    for i, (trade, place) in enumerate(zip(trades, choose(random, len(trades), urban=5), strict=True)):
        yield demo_site(
            "training_centre",
            place,
            random,
            name=f"{place.short_name}{trade}职业技能培训学校",
            english="Vocational Training Centre",
            hours=hours.TRAINING,
            makeup_hours=hours.TRAINING_MAKEUP,
            features=("training_room", "wifi", "parking")[: 1 + i % 3],
            accessibility=("step_free", "lift")[: 1 + i % 2],
            operator=OperatorIn(name=f"{place.short_name}{trade}培训学校（演示）", operating_model="private"),
            services=(
                ServiceIn(
                    name=f"{trade}培训班",
                    minimum_age=16,
                    maximum_age=60,
                    costs=(
                        CostIn(label="补贴对象免费", amount_fen=0, unit="期"),
                        CostIn(label="其他学员", amount_fen=80000 + 10000 * i, unit="期"),
                    ),
                    documents=(ID_CARD, DocumentIn(name="就业创业证", note="申请补贴时出示")),
                ),
            ),
        )


def _fairs() -> Iterator[SiteIn]:
    random = dice("job_fair_venue")
    for code, name in (
        ("101009", "人力资源市场招聘大厅"),
        ("101004", "综合保税区招聘广场"),
        ("103001", "文曲广场招聘会场"),
    ):
        yield demo_site(
            "job_fair_venue",
            community(code),
            random,
            name=name,
            english="Job Fair Venue",
            hours=hours.HALL,
            makeup_hours=hours.HALL_MAKEUP,
            features=("job_interviews", "livestream", "wifi", "parking"),
            accessibility=("step_free", "wheelchair"),
            operator=EMPLOYMENT,
        )


def _arbitration() -> Iterator[SiteIn]:
    random = dice("labour_arbitration")
    for code, name in (("101009", "兰州新区劳动人事争议仲裁院"), ("103001", "西岔劳动争议速裁庭")):
        yield demo_site(
            "labour_arbitration",
            community(code),
            random,
            name=name,
            english="Labour Arbitration",
            hours=hours.OFFICE,
            features=("self_service",),
            accessibility=("step_free", "low_counter", "sign_language", "large_print"),
            operator=OperatorIn(name="兰州新区劳动人事争议仲裁委员会（演示）", operating_model="public"),
            services=(
                ServiceIn(
                    name="农民工工资争议速裁",
                    name_en="Fast lane for unpaid wages",
                    costs=(FREE,),
                    documents=(
                        ID_CARD,
                        DocumentIn(name="仲裁申请书"),
                        DocumentIn(name="劳动关系证据", note="可容缺受理"),
                    ),
                ),
            ),
        )
