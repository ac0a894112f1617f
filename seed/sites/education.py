"""Schools and kindergartens. ``schools()`` is the plan of them; seed/schools.py refers to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from geo.sites.input import CostIn, DocumentIn, OperatorIn, ServiceIn, SiteIn
from seed import hours
from seed.names import Community
from seed.places import choose, community, demo_site, dice

NUMERALS = ("一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一")
# Urban communities with a numbered primary school, in the order of the numbers. The eleventh is a neighbour of the
# first: it opened in 2026 and took over part of its district.
NUMBERED_PRIMARY = (
    "101002",
    "101003",
    "101006",
    "101009",
    "101010",
    "101012",
    "101014",
    "102001",
    "103001",
    "103003",
    "101005",
)
NUMBERED_JUNIOR = ("101008", "103002", "101011", "101004")
VILLAGE_PRIMARY = (
    "101202",
    "101207",
    "101209",
    "101213",
    "101219",
    "102202",
    "102208",
    "102214",
    "102219",
    "102221",
    "103206",
    "103209",
    "103215",
    "104201",
    "104211",
)
VILLAGE_JUNIOR = ("101214", "102207", "102215", "103208", "104206")


@dataclass(frozen=True, slots=True)
class School:
    """A school of the demo city; ``stage`` is also the stage of the district that leads to it."""

    stage: str
    name: str
    place: Community
    name_en: str | None = None
    boarding: bool = False

    @property
    def category(self) -> str:
        return "kindergarten" if self.stage == "kindergarten" else f"{self.stage}_school"

    @property
    def external_id(self) -> str:
        return f"{self.category}-{self.place.code}-1"


@cache
def schools() -> tuple[School, ...]:
    """Every school, by stage: kindergartens, primary, junior, senior."""
    return (*_kindergartens(), *_primary(), *_junior(), *_senior())


def sites() -> Iterator[SiteIn]:
    """Kindergartens and schools."""
    random = dice("schools")
    for school in schools():
        kindergarten = school.stage == "kindergarten"
        fee = (
            CostIn(label="保教费", amount_fen=45000, unit="月")
            if kindergarten
            else CostIn(label="义务教育免学费", amount_fen=0)
        )
        if school.stage == "senior":
            fee = CostIn(label="学费", amount_fen=80000, unit="学期")
        yield demo_site(
            school.category,
            school.place,
            random,
            name=school.name,
            name_en=school.name_en,
            english={
                "kindergarten": "Kindergarten",
                "primary": "Primary School",
                "junior": "Junior Middle School",
                "senior": "Senior Middle School",
            }[school.stage],
            hours=hours.KINDERGARTEN
            if kindergarten
            else hours.BOARDING_SCHOOL
            if school.boarding
            else hours.SCHOOL,
            features=("boarding",)
            if school.boarding
            else ("after_school", "school_bus")[: random.randint(1, 2)],
            accessibility=("step_free", "accessible_toilet", "lift")[: random.randint(1, 3)],
            operator=OperatorIn(
                name=f"{school.name}（演示）",
                operating_model="private" if kindergarten and random.random() < 0.3 else "public",
            ),
            services=(
                ServiceIn(
                    name="新生入学" if not kindergarten else "新生入园",
                    name_en="Enrolment",
                    minimum_age={"kindergarten": 3, "primary": 6, "junior": 11, "senior": 14}[school.stage],
                    maximum_age={"kindergarten": 6, "primary": 13, "junior": 17, "senior": 20}[school.stage],
                    eligibility="按招生片区就近入学；随迁子女凭居住证。",
                    costs=(fee,),
                    documents=(
                        DocumentIn(name="户口簿"),
                        DocumentIn(name="不动产权证书或租房合同"),
                        DocumentIn(name="预防接种证"),
                    ),
                ),
            ),
        )


def _kindergartens() -> Iterator[School]:
    yield School("kindergarten", "兰州新区瑞岭雍和郡幼儿园", community("101012"))
    for place in choose(dice("kindergarten"), 24, urban=14):
        if place.code != community("101012").code:
            yield School(
                "kindergarten", f"兰州新区{place.short_name if place.urban else place.name}幼儿园", place
            )


def _primary() -> Iterator[School]:
    for number, (numeral, code) in enumerate(zip(NUMERALS, NUMBERED_PRIMARY, strict=True), start=1):
        yield School("primary", f"兰州新区第{numeral}小学", community(code), f"No. {number} Primary School")
    for code in VILLAGE_PRIMARY:
        yield School("primary", f"兰州新区{community(code).short_name}小学", community(code))


def _junior() -> Iterator[School]:
    for number, code in enumerate(NUMBERED_JUNIOR, start=1):
        name = f"兰州新区第{NUMERALS[number - 1]}初级中学"
        yield School("junior", name, community(code), f"No. {number} Junior Middle School")
    for code in VILLAGE_JUNIOR:
        yield School(
            "junior", f"兰州新区{community(code).short_name}初级中学", community(code), boarding=True
        )


def _senior() -> Iterator[School]:
    for code, name, name_en in (
        ("103002", "第一高级中学", "No. 1 Senior Middle School"),
        ("101007", "第二高级中学", "No. 2 Senior Middle School"),
        ("102001", "秦川高级中学", "Qinchuan Senior Middle School"),
        ("104206", "上川高级中学", "Shangchuan Senior Middle School"),
    ):
        yield School("senior", f"兰州新区{name}", community(code), name_en, boarding=True)
