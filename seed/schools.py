"""School districts (招生片区) of the demo city as unions of communities, and groups of schools. All of it is invented."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from geo.districts import GroupKind, Stage
from seed.names import communities, townships
from seed.sites.education import NUMBERED_PRIMARY, School, schools
from seed.tiling import tiling

FIRST_DAY = date(2025, 9, 1)
CHANGE_DAY = date(2026, 9, 1)  # the eleventh primary school opens and takes over part of the first's district

FIRST_PRIMARY = f"620171{NUMBERED_PRIMARY[0]}"
ELEVENTH_PRIMARY = f"620171{NUMBERED_PRIMARY[10]}"
# Multi-school districts (多校划片): the second school's communities join the first's.
JOINED_PRIMARY = {
    f"620171{NUMBERED_PRIMARY[second]}": f"620171{NUMBERED_PRIMARY[first]}"
    for first, second in ((4, 5), (8, 9))
}
SENIOR_DISTRICTS = {"北部": ("620171102", "620171104"), "南部": ("620171101", "620171103")}


@dataclass(frozen=True, slots=True)
class PlannedDistrict:
    """A district before it is stored: communities by code, schools as in the plan of schools."""

    stage: Stage
    name: str
    communities: frozenset[str]
    schools: tuple[School, ...]
    effective_from: date = FIRST_DAY
    effective_to: date | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """A group of schools before it is stored; the first school leads. ``since`` names those that joined later."""

    kind: GroupKind
    name: str
    schools: tuple[str, ...]
    since: tuple[tuple[str, date], ...] = ()


# Names as in seed/sites/education.py, without the district's.
GROUPS: Sequence[PlannedGroup] = (
    PlannedGroup(
        "group",
        "第一小学教育集团",
        ("第一小学", "第四小学", "第十一小学"),
        since=(("第十一小学", CHANGE_DAY),),
    ),
    PlannedGroup(
        "group",
        "第一初级中学教育集团",
        ("第一初级中学", "第四初级中学"),
        since=(("第四初级中学", CHANGE_DAY),),
    ),
    PlannedGroup("group", "第一高级中学教育集团", ("第一高级中学", "秦川高级中学", "第二初级中学")),
    PlannedGroup("urban_rural", "第二小学城乡学校共同体", ("第二小学", "北坪小学", "兔墩小学")),
    PlannedGroup("urban_rural", "第三初级中学城乡学校共同体", ("第三初级中学", "四泉初级中学")),
    PlannedGroup("alliance", "瑞岭学前教育联盟", ("瑞岭雍和郡幼儿园", "瑞利幼儿园", "栖霞幼儿园")),
    PlannedGroup("alliance", "西岔小学教育联盟", ("第九小学", "第十小学", "西岔小学", "五墩小学")),
)


def districts() -> Iterator[PlannedDistrict]:
    """Each stage's districts tile the whole demo city on every day from ``FIRST_DAY`` on."""
    yield from _kindergarten()
    yield from _primary()
    yield from _junior()
    yield from _senior()


def _of(stage: str) -> list[School]:
    return [school for school in schools() if school.stage == stage]


def _in_town(*codes: str) -> frozenset[str]:
    return frozenset(place.code for place in communities() if place.township in codes)


def _short(school: School) -> str:
    return school.name.removeprefix("兰州新区")


def _kindergarten() -> Iterator[PlannedDistrict]:
    for town in townships():
        yield PlannedDistrict(
            "kindergarten",
            f"{town.name}幼儿园片区",
            _in_town(town.code),
            tuple(school for school in _of("kindergarten") if school.place.township == town.code),
        )


def _primary() -> Iterator[PlannedDistrict]:
    by_home = {school.place.code: school for school in _of("primary")}
    owner = tiling().grow({code: code for code in by_home}, [place.code for place in communities()])
    members: dict[str, set[str]] = {}
    for code, home in owner.items():
        members.setdefault(JOINED_PRIMARY.get(home, home), set()).add(code)
    for home, codes in members.items():
        joined = [home, *(second for second, first in JOINED_PRIMARY.items() if first == home)]
        district = PlannedDistrict(
            "primary",
            "、".join(_short(by_home[code]) for code in joined) + "片区",
            frozenset(codes),
            tuple(by_home[code] for code in joined),
            effective_from=CHANGE_DAY if home in (FIRST_PRIMARY, ELEVENTH_PRIMARY) else FIRST_DAY,
            note="多校划片" if len(joined) > 1 else None,
        )
        yield district
    yield PlannedDistrict(
        "primary",
        f"{_short(by_home[FIRST_PRIMARY])}片区",
        frozenset(members[FIRST_PRIMARY] | members[ELEVENTH_PRIMARY]),
        (by_home[FIRST_PRIMARY],),
        effective_to=CHANGE_DAY,
        note="2026 年秋季起拆分，部分社区划入第十一小学",
    )


def _junior() -> Iterator[PlannedDistrict]:
    by_home = {school.place.code: school for school in _of("junior")}
    owner = tiling().grow({code: code for code in by_home}, [place.code for place in communities()])
    for home, school in by_home.items():
        codes = frozenset(code for code, owned in owner.items() if owned == home)
        yield PlannedDistrict("junior", f"{_short(school)}片区", codes, (school,))


def _senior() -> Iterator[PlannedDistrict]:
    for side, towns in SENIOR_DISTRICTS.items():
        yield PlannedDistrict(
            "senior",
            f"{side}高级中学片区",
            _in_town(*towns),
            tuple(school for school in _of("senior") if school.place.township in towns),
        )
