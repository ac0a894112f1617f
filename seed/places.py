"""What every invented site has in common: where in a community it stands, an address, a phone, a mark."""

from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

from pypinyin import lazy_pinyin
from shapely.geometry import Point
from shapely.geometry.base import BaseGeometry

from geo.sites.input import OperatorIn, PhoneIn, SiteIn
from seed.names import DISTRICT_NAME, Community, communities, townships
from seed.shapes import place_by
from seed.tiling import tiling

MARK = "合成演示数据，并非真实机构。Synthetic demo data, not a real place."
ASSURED_AT = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
STREETS = tuple(f"{way}{number}路" for way in ("经", "纬") for number in "一二三四五六七八九")


def dice(label: str) -> Random:
    """Chance that falls alike at every run, and for each label apart: one category more moves no other."""
    return Random(f"xinban demo city {label}")  # noqa: S311  nothing here is a secret


def community(code: str) -> Community:
    """By the last six digits of its code: township and community."""
    return {place.code: place for place in communities()}[f"620171{code}"]


def choose(random: Random, count: int, *, urban: int) -> list[Community]:
    """``count`` communities, ``urban`` of them urban, none twice while there are others."""
    towns = [place for place in communities() if place.urban]
    villages = [place for place in communities() if not place.urban]
    return _deal(random, towns, urban) + _deal(random, villages, count - urban)


def _deal(random: Random, pack: Sequence[Community], count: int) -> list[Community]:
    dealt: list[Community] = []
    while len(dealt) < count:
        dealt += random.sample(pack, min(len(pack), count - len(dealt)))
    return dealt


def spot(place: Community, random: Random, *, spread_m: float | None = None) -> Point:
    """A point in the community, denser towards its middle."""
    cell = tiling().cells[place.code]
    spread_m = spread_m or (260.0 if place.urban else 420.0)
    to_degrees = place_by(place.lon, place.lat)
    for _ in range(200):
        point = Point(to_degrees((random.gauss(0, spread_m), random.gauss(0, spread_m))))
        if cell.contains(point):
            return point
    raise ValueError(f"{place.name} is too small for a spread of {spread_m} m")


def latin(name: str) -> str:
    """Pinyin of a place name as one word: 彩虹城 is Caihongcheng."""
    return "".join(lazy_pinyin(name)).capitalize()


def address(place: Community, random: Random) -> str:
    """兰州新区中川镇彩虹城社区纬三路12号, or 兰州新区秦川镇炮台村二社36号."""
    town = {town.code: town.name for town in townships()}[place.township]
    if place.urban:
        return f"{DISTRICT_NAME}{town}{place.name}{random.choice(STREETS)}{random.randint(1, 980)}号"
    return f"{DISTRICT_NAME}{town}{place.name}{random.choice('一二三四五六')}社{random.randint(1, 120)}号"


def phone(random: Random, label: str | None = None) -> PhoneIn:
    """An invented number, recognisable by its 555."""
    return PhoneIn(number=f"0931-555-{random.randint(0, 9999):04d}", label=label)


def demo_site(
    category: str,
    place: Community,
    random: Random,
    *,
    name: str,
    english: str,
    name_en: str | None = None,
    number: int = 1,
    geometry: BaseGeometry | None = None,
    operator: OperatorIn | None = None,
    about: str = "",
    **more: Any,
) -> SiteIn:
    """A site of ``category`` in a community; ``number`` tells several of one category there apart.

    ``english`` says what it is, after the community's name in pinyin, unless ``name_en`` says all of it.
    ``more`` goes to SiteIn as it is. The external id depends on category, community and number only.
    """
    return SiteIn(
        external_id=f"{category}-{place.code}-{number}",
        category=category,
        name=name,
        name_en=name_en or f"{latin(place.short_name)} {english}",
        geometry=spot(place, random) if geometry is None else geometry,
        address=more.pop("address", None) or address(place, random),
        description=f"{about}{MARK}",
        languages=more.pop("languages", ("zh", "en") if random.random() < 0.12 else ("zh",)),
        assured_at=ASSURED_AT,
        operator=operator,
        phones=more.pop("phones", None) or (phone(random),),
        **more,
    )
