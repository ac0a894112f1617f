"""What tests of the nearby index ask, and PostGIS as the truth about the answers.

Order may differ only where PostGIS' distances do not: by 1 mm between points, 0.1 m where a line or polygon is in it.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import pytest

from geo.nearby.index import build_index, patch_index, sites_to_read
from geo.nearby.lookup import INFINITE, Filters
from geo.nearby.rows import read_rows
from tests.geo.cities import CALENDAR, is_open

POINT_M, SHAPE_M = 0.001, 0.1

ORACLE = """
select s.id, st_distance(s.geom::geography, st_setsrid(st_makepoint(%(lon)s, %(lat)s), 4326)::geography) as metres
from site s
where s.published_at is not null and s.status <> 'inactive' and s.category_code = any(%(categories)s)
  and s.features || s.accessibility @> %(tags)s
order by metres, s.id
"""


@dataclass(frozen=True)
class Asked:
    lon: float
    lat: float
    categories: tuple[str, ...] = ()
    tags: frozenset[str] = frozenset()
    open_at: datetime | None = None
    radius_m: float = INFINITE


def index_of(connection, tree, calendar=CALENDAR):
    return build_index(read_rows(connection), tree.ancestors(), calendar, shifted=False)


def patched(connection, index, ids):
    """As the feed does it: what changed, with some that changed before."""
    kept, wanted = sites_to_read(index, ids)
    rows = read_rows(connection, list(wanted))
    return patch_index(index, list(ids), rows, index.tables.calendar, kept=kept, shifted=False)


def page_of(index, tree, asked, limit, after=None):
    filters = Filters(
        categories=tuple(tree.number(code) for code in asked.categories),
        open_at=asked.open_at,
        tags=asked.tags,
        radius_m=asked.radius_m,
    )
    return index.nearby(asked.lon, asked.lat, filters, limit=limit, after=after, table=index.tables.now)


def pages(index, tree, asked, limit):
    after, everything = None, []
    while page := page_of(index, tree, asked, limit, after):
        assert len(page) <= limit
        everything += page
        after = page[-1].key
        if len(page) < limit:
            break
    return everything


def id_of(found):
    return UUID(int=found.id_high << 64 | found.id_low)


def check(connection, tree, city, asked, found):
    """``found`` is all that PostGIS finds, in its order, at its distances."""
    by_id = {site.id: site for site in city}
    parameters = {
        "lon": asked.lon,
        "lat": asked.lat,
        "categories": tree.below(asked.categories) if asked.categories else list(tree.nodes),
        "tags": list(asked.tags),
    }
    truth = {
        site_id: metres
        for site_id, metres in connection.execute(ORACLE, parameters).fetchall()
        if asked.open_at is None or is_open(by_id[site_id], asked.open_at)
    }
    slack = {
        site_id: POINT_M if by_id[site_id].geometry.geom_type == "Point" else SHAPE_M for site_id in truth
    }
    ids = [id_of(one) for one in found]
    assert len(set(ids)) == len(ids)
    at_one_spot = {}
    furthest = {POINT_M: 0.0, SHAPE_M: 0.0}  # among those before, by PostGIS
    for site_id, one in zip(ids, found, strict=True):
        metres = truth.pop(site_id)
        assert one.distance_m == pytest.approx(metres, abs=slack[site_id])
        assert one.distance_m <= asked.radius_m
        for kind, furthest_m in furthest.items():
            assert furthest_m - metres <= max(kind, slack[site_id])
        furthest[slack[site_id]] = max(furthest[slack[site_id]], metres)
        assert one.distance_m == at_one_spot.setdefault(by_id[site_id].geometry.wkb, one.distance_m)
    for site_id, metres in truth.items():
        assert metres > asked.radius_m - slack[site_id], f"{site_id} is missing"
    keys = [one.key for one in found]
    assert keys == sorted(keys)
