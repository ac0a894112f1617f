"""Service halls (政务服务大厅) and community service centres (党群服务中心)."""

from collections.abc import Iterator

from geo.sites.input import CostIn, DocumentIn, OperatorIn, ServiceIn, SiteIn
from seed import hours
from seed.places import choose, community, demo_site, dice, phone

FREE = CostIn(label="免费", amount_fen=0)


def sites() -> Iterator[SiteIn]:
    """Service halls and community service centres."""
    yield from _halls()
    yield from _community_services()


def _halls() -> Iterator[SiteIn]:
    random = dice("service_hall")
    for i, (code, name) in enumerate(
        (
            ("101009", "兰州新区政务服务大厅"),
            ("103001", "西岔园区政务服务分厅"),
            ("102001", "秦川园区政务服务分厅"),
        )
    ):
        yield demo_site(
            "service_hall",
            community(code),
            random,
            name=name,
            english="Service Hall",
            hours=hours.HALL_SATURDAY if i == 0 else hours.HALL,
            makeup_hours=hours.HALL_MAKEUP,
            features=("self_service", "wifi", "drinking_water", "toilet", "parking"),
            accessibility=(
                "wheelchair",
                "step_free",
                "accessible_toilet",
                "lift",
                "low_counter",
                "sign_language",
                "hearing_loop",
                "braille",
            ),
            languages=("zh", "en"),
            operator=OperatorIn(name="兰州新区政务服务管理局（演示）", operating_model="public"),
            phones=(phone(random, "咨询"), phone(random, "投诉")),
            services=(
                ServiceIn(
                    name="社会保障卡业务",
                    name_en="Social security card",
                    costs=(FREE,),
                    documents=(DocumentIn(name="身份证"),),
                ),
                ServiceIn(
                    name="高龄津贴申领",
                    name_en="Allowance for the very old",
                    minimum_age=80,
                    costs=(FREE,),
                    documents=(
                        DocumentIn(name="身份证"),
                        DocumentIn(name="户口簿"),
                        DocumentIn(name="社会保障卡"),
                    ),
                ),
            ),
        )


def _community_services() -> Iterator[SiteIn]:
    random = dice("community_service")
    for i, place in enumerate(choose(random, 38, urban=18)):
        yield demo_site(
            "community_service",
            place,
            random,
            name=f"{place.name}党群服务中心",
            english="Community Service Centre",
            aliases=(f"{place.name}{'居' if place.urban else '村'}委会",),
            hours=hours.COMMUNITY_SERVICE[0 if i % 4 else 1],
            features=("self_service", "wifi", "rest_area", "drinking_water")[: 1 + i % 4],
            accessibility=("step_free", "low_counter", "wheelchair", "large_print")[: 1 + i % 4],
            operator=OperatorIn(name=f"{place.name}（演示）", operating_model="community"),
            services=(
                ServiceIn(
                    name="老年人优待证代办",
                    name_en="Senior card",
                    minimum_age=60,
                    costs=(FREE,),
                    documents=(DocumentIn(name="身份证"), DocumentIn(name="一寸照片")),
                ),
            ),
        )
