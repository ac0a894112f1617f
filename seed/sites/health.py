"""Hospitals and primary care (基层医疗机构)."""

from collections.abc import Iterator
from random import Random

from geo.sites.input import CostIn, DocumentIn, OperatorIn, ServiceIn, SiteIn
from seed import hours
from seed.names import DISTRICT_NAME_EN, Community, townships
from seed.places import choose, community, demo_site, dice, phone

CARD = DocumentIn(name="医保电子凭证或社会保障卡")
REFERRAL = DocumentIn(name="转诊单", note="由基层首诊转来时出示")
FULL_ACCESS = ("wheelchair", "step_free", "accessible_toilet", "lift", "low_counter", "accessible_parking")
# The middle of each town, for what there is one of.
TOWN_SEATS = {"620171101": "101010", "620171102": "102001", "620171103": "103206", "620171104": "104201"}


def sites() -> Iterator[SiteIn]:
    """Hospitals and clinics of every level."""
    yield from _hospitals()
    yield from _township_centres()
    yield from _community_health()
    yield from _village_clinics()


def _hospitals() -> Iterator[SiteIn]:
    random = dice("hospitals")
    for level, code, name, english in (
        ("tertiary", "101009", "兰州新区第一人民医院", "First People's Hospital"),
        ("tertiary", "103001", "兰州新区中心医院", "Central Hospital"),
        ("secondary", "101012", "兰州新区第二人民医院", "Second People's Hospital"),
        ("secondary", "102001", "兰州新区中医医院", "Hospital of Chinese Medicine"),
        ("secondary", "103003", "兰州新区妇幼保健院", "Maternal and Child Hospital"),
        ("secondary", "101005", "兰州新区康复医院", "Rehabilitation Hospital"),
    ):
        place = community(code)
        fee = 1000 if level == "tertiary" else 600
        yield demo_site(
            f"hospital_{level}",
            place,
            random,
            name=name,
            name_en=f"{DISTRICT_NAME_EN} {english}",
            english=english,
            hours=hours.ALWAYS,
            features=("emergency", "medical_insurance", "pharmacy", "self_service", "parking"),
            accessibility=(*FULL_ACCESS, "sign_language", "braille"),
            languages=("zh", "en"),
            operator=OperatorIn(name=f"{name}（演示）", operating_model="public"),
            phones=(phone(random, "总机"), phone(random, "急诊")),
            external_ids={"medical_institution": f"DEMO-{place.code[6:]}-{level[0].upper()}"},
            services=(
                ServiceIn(
                    name="门诊",
                    name_en="Outpatient clinic",
                    costs=(
                        CostIn(label="普通门诊", amount_fen=fee, unit="次"),
                        CostIn(label="专家门诊", amount_fen=fee * 3, unit="次"),
                    ),
                    documents=(DocumentIn(name="身份证"), CARD, REFERRAL),
                ),
                ServiceIn(
                    name="急诊",
                    name_en="Emergency",
                    costs=(CostIn(label="急诊", amount_fen=fee * 2, unit="次"),),
                ),
            ),
        )


def _township_centres() -> Iterator[SiteIn]:
    random = dice("township_health_centre")
    for town in townships():
        place = community(TOWN_SEATS[town.code])
        yield _clinic(
            random,
            "township_health_centre",
            place,
            f"{town.name}卫生院",
            "Township Health Centre",
            pattern=hours.CLINIC[1],
            features=("medical_insurance", "pharmacy", "vaccination", "tcm", "emergency"),
            name_en=f"{town.name_en} Township Health Centre",
        )


def _community_health() -> Iterator[SiteIn]:
    random = dice("community_health")
    places = choose(random, 15, urban=15)
    for i, place in enumerate(places):
        centre = i < 5
        yield _clinic(
            random,
            "community_health_centre" if centre else "community_health_station",
            place,
            f"{place.name}卫生服务{'中心' if centre else '站'}",
            "Community Health " + ("Centre" if centre else "Station"),
            pattern=hours.CLINIC[0],
            features=("medical_insurance", "pharmacy", "vaccination", "tcm")[: 4 if centre else 2],
            makeup_hours=hours.CLINIC_MAKEUP if i % 2 == 0 else None,
        )


def _village_clinics() -> Iterator[SiteIn]:
    random = dice("village_clinic")
    for i, place in enumerate(choose(random, 40, urban=0)):
        yield _clinic(
            random,
            "village_clinic",
            place,
            f"{place.name}卫生室",
            "Village Clinic",
            pattern=hours.VILLAGE_CLINIC[i % 2],
            features=("medical_insurance", "pharmacy") if i % 3 else ("pharmacy",),
        )


def _clinic(
    random: Random,
    category: str,
    place: Community,
    name: str,
    english: str,
    *,
    pattern: str,
    features: tuple[str, ...],
    makeup_hours: str | None = None,
    name_en: str | None = None,
) -> SiteIn:
    return demo_site(
        category,
        place,
        random,
        name=name,
        name_en=name_en,
        english=english,
        hours=pattern,
        makeup_hours=makeup_hours,
        features=features,
        accessibility=("step_free", "wheelchair", "accessible_toilet")[: random.randint(1, 3)],
        operator=OperatorIn(name=f"{name}（演示）", operating_model="public"),
        external_ids={"medical_institution": f"DEMO-{place.code[6:]}"},
        services=(
            ServiceIn(
                name="全科门诊",
                name_en="General practice",
                costs=(CostIn(label="一般诊疗费", amount_fen=800, unit="次"),),
                documents=(CARD,),
            ),
            ServiceIn(
                name="老年人健康体检",
                name_en="Health check for older people",
                minimum_age=65,
                costs=(CostIn(label="每年一次免费", amount_fen=0, unit="次"),),
                documents=(DocumentIn(name="身份证"),),
            ),
        ),
    )
