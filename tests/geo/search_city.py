"""A city for tests of search: few words to say what a site is, and a big one whose every address begins alike."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import shapely
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import SYSTEM
from geo.sites.input import SiteIn
from geo.sites.store import put_sites, put_source

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
HERE = (103.60, 36.50)  # lon, lat; sites are placed in kilometres from here
KM_LON, KM_LAT = 1 / 89.6, 1 / 111.0  # degrees, near enough


def a_site(name: str, *, east_km: float = 0.0, north_km: float = 0.0, **more: Any) -> SiteIn:
    """A meal point at HERE unless said otherwise; its external id is its name."""
    said: dict[str, Any] = {"external_id": name, "category": "meal_point", **more}
    at = shapely.Point(HERE[0] + east_km * KM_LON, HERE[1] + north_km * KM_LAT)
    return SiteIn(name=name, geometry=at, **said)


async def put(
    session: AsyncSession, sites: Sequence[SiteIn], *, publish: bool = True, source: str = "test"
) -> None:
    await put_source(session, SYSTEM, code=source, name=source)
    await put_sites(session, SYSTEM, source_code=source, sites=sites, now=NOW, publish=publish)


def big_city(count: int) -> list[SiteIn]:
    """``count`` sites on a square grid 200 m apart: of each 100, 60 meal points, 3 reading rooms, 2 paths, clinics."""
    template = a_site("template")
    side = int(count**0.5) + 1
    sites = []
    for i in range(count):
        kind, category = (
            ("老年助餐点", "meal_point")
            if i % 100 < 60
            else ("城市书屋", "reading_room")
            if i % 100 < 63
            else ("健身步道", "fitness_path")
            if i % 100 < 65
            else ("卫生室", "village_clinic")
        )
        lon = HERE[0] + (i % side - side / 2) * 0.2 * KM_LON
        lat = HERE[1] + (i // side - side / 2) * 0.2 * KM_LAT
        sites.append(
            template.model_copy(
                update={
                    "external_id": str(i),
                    "name": f"第{i}社区{kind}",
                    "category": category,
                    "address": f"兰州新区中川镇纬{i % 9 + 1}路{i}号",
                    "geometry": shapely.Point(lon, lat),
                }
            )
        )
    return sites


def a_quarter(name: str, count: int, *, east_km: float) -> list[SiteIn]:
    """``count`` courts in a row of 1 km, ``east_km`` from HERE."""
    template = a_site("template", category="court")
    return [
        template.model_copy(
            update={
                "external_id": f"{name}{i}",
                "name": f"{name}第{i}运动场",
                "geometry": shapely.Point(HERE[0] + (east_km + i / count) * KM_LON, HERE[1]),
            }
        )
        for i in range(count)
    ]
