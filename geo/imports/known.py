"""What the database knows that an import is compared with: the expected area, sites of other sources."""

import unicodedata
from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz
from shapely.geometry.base import BaseGeometry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from core.database import driver_connection
from geo.areas import find_area, find_area_shape
from geo.imports.checks import METRES_PER_DEGREE
from geo.imports.report import Finding
from geo.sites.input import SiteIn

DUPLICATE_WITHIN_M = 150.0
DUPLICATE_SIMILARITY = 85.0  # rapidfuzz ratio, 0-100: 中川社区老年助餐点 and 中川社区助餐点 have 88
MOST_NEIGHBOURS = 50
LANDMARK_WITHIN_M = 2_000.0  # gcj02 and bd09 are off by at most 1.3 km

# Each row looks up site_geom_idx once, by a box in degrees: a geography look-up per row takes seven times as long
# (183 against 26 microseconds). The limit bounds a row that stands in a crowd.
NEIGHBOURS = """
select i.n, s.id, s.name
from unnest(%(n)s::int[], %(west)s::float8[], %(south)s::float8[], %(east)s::float8[], %(north)s::float8[])
    as i (n, west, south, east, north)
cross join lateral (
    select id, name from site
    where geom && st_makeenvelope(i.west, i.south, i.east, i.north, 4326) and source_code <> %(source)s
    limit %(limit)s
) s
"""

# Only for those whose names are alike.
DISTANCES = """
select i.n, s.id, s.name, s.source_code, s.external_id,
       st_distance(s.geom::geography, st_setsrid(st_makepoint(i.lon, i.lat), 4326)::geography) as distance_m
from unnest(%(n)s::int[], %(id)s::uuid[], %(lon)s::float8[], %(lat)s::float8[]) as i (n, id, lon, lat)
join site s on s.id = i.id
order by i.n, distance_m, s.id
"""

# One scan over names; each row meets the nearest site that is called exactly the same.
LANDMARKS = """
select distinct on (i.n) i.n, st_x(p.point), st_y(p.point)
from unnest(%(n)s::int[], %(name)s::text[], %(lon)s::float8[], %(lat)s::float8[]) as i (n, name, lon, lat)
join site s on s.name = i.name and s.source_code <> %(source)s
cross join lateral (select st_pointonsurface(s.geom) as point) p
cross join lateral (
    select st_distance(p.point::geography, st_setsrid(st_makepoint(i.lon, i.lat), 4326)::geography) as distance_m) d
where d.distance_m < %(within_m)s
order by i.n, d.distance_m
"""


async def find_expected_area(
    session: AsyncSession, actor: Actor, *, code: str, on: date
) -> tuple[str, BaseGeometry] | None:
    """Name and shape of the area that any code system calls `code` on a day; None when it has no shape here."""
    area = await find_area(session, actor, code=code, on=on)
    if area is None:
        return None
    shape = await find_area_shape(session, actor, area_id=area.id, on=on)
    return None if shape is None else (area.name, shape)


async def has_other_sources(session: AsyncSession, actor: Actor, *, source_code: str) -> bool:
    """Whether there is any site to compare with."""
    query = text("select exists (select from site where source_code <> :source)")
    return bool(await session.scalar(query, {"source": source_code}))


async def find_duplicates(
    session: AsyncSession,
    actor: Actor,
    *,
    source_code: str,
    sites: Sequence[SiteIn],
    numbers: Sequence[int],
    lon: NDArray[np.float64],
    lat: NDArray[np.float64],
) -> list[Finding]:
    """Rows that may be a site another source has already: close by and called much the same. Never merged."""
    connection = await driver_connection(session)
    north = np.full(len(lat), DUPLICATE_WITHIN_M / METRES_PER_DEGREE * 1.01)  # the Earth is no sphere
    east = north / np.maximum(np.cos(np.radians(lat)), 0.01)
    box = {
        "n": list(range(len(sites))),
        "west": (lon - east).tolist(),
        "south": (lat - north).tolist(),
        "east": (lon + east).tolist(),
        "north": (lat + north).tolist(),
        "source": source_code,
        "limit": MOST_NEIGHBOURS,
    }
    plain = [_plain(site.name) for site in sites]
    alike = {}
    for n, site_id, name in await (await connection.execute(NEIGHBOURS, box)).fetchall():
        similarity = fuzz.ratio(plain[n], _plain(name), score_cutoff=DUPLICATE_SIMILARITY)
        if similarity:
            alike[n, site_id] = similarity
    if not alike:
        return []
    chosen = [n for n, _ in alike]
    pairs = {
        "n": chosen,
        "id": [site_id for _, site_id in alike],
        "lon": lon[chosen].tolist(),
        "lat": lat[chosen].tolist(),
    }
    return [
        Finding(
            "warning",
            "likely-duplicate",
            f"{distance_m:.0f} 米外已有“{name}”（来源 {source}，编号 {external_id}），名称相似 {alike[n, site_id]:.0f}%。",
            f"{distance_m:.0f} m away there is “{name}” ({source}, {external_id}), {alike[n, site_id]:.0f} % alike.",
            numbers[n],
            None,
            sites[n].name,
            "可能是同一处；两条都会保留，请核对后停用其中一条。",
            "Perhaps the same place: both are kept; check, and retire one.",
        )
        for n, site_id, name, source, external_id, distance_m in await (
            await connection.execute(DISTANCES, pairs)
        ).fetchall()
        if distance_m <= DUPLICATE_WITHIN_M
    ]


async def find_landmarks(
    session: AsyncSession,
    actor: Actor,
    *,
    source_code: str,
    names: Sequence[str],
    lon: NDArray[np.float64],
    lat: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Indices of rows that have a namesake of another source within 2 km, and its lon, lat as columns."""
    connection = await driver_connection(session)
    parameters = {
        "n": list(range(len(names))),
        "name": list(names),
        "lon": lon.tolist(),
        "lat": lat.tolist(),
        "source": source_code,
        "within_m": LANDMARK_WITHIN_M,
    }
    rows = await (await connection.execute(LANDMARKS, parameters)).fetchall()
    indices = np.array([row[0] for row in rows], dtype=np.int64)
    return indices, np.array([row[1:] for row in rows], dtype=np.float64).reshape(-1, 2)


def _plain(name: str) -> str:
    """For comparing: full-width forms, case and white space say nothing."""
    if not unicodedata.is_normalized("NFKC", name):
        name = unicodedata.normalize("NFKC", name)
    return "".join(name.casefold().split())
