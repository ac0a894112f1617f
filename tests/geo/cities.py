"""Small cities for tests of the nearby index: random ones, and how any of them gets into a database."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import shapely
from hypothesis import strategies as st
from psycopg import Connection
from shapely import affinity
from shapely.geometry.base import BaseGeometry

from geo.calendar.workdays import DayKind, WorkCalendar
from geo.hours.state import Hours, HoursException, open_state

MIDDLE_LON, MIDDLE_LAT = 103.6, 36.5
DEGREE_M = 100_000.0  # roughly; only sets the scale of a city

CALENDAR = WorkCalendar({date(2026, 10, 1): DayKind.holiday}, frozenset({2026}), ())
INSTANTS = [
    datetime(2026, 9, 29, 2, 0, tzinfo=UTC),  # Tuesday, 10:00 in 兰州
    datetime(2026, 9, 29, 15, 30, tzinfo=UTC),  # 23:30
    datetime(2026, 10, 1, 2, 0, tzinfo=UTC),  # a holiday
    datetime(2027, 1, 1, 2, 0, tzinfo=UTC),  # in a year not announced
]
HOURS = [None, "24/7", "Mo-Fr 08:00-18:00; PH off", "Mo-Su 22:00-26:00", "Sa,Su 09:00-12:00"]
CATEGORIES = ["meal_point", "day_care", "clinic", "village_clinic", "fitness_path", "city_park"]
PARENTS = ["elder", "health", "sport", "park"]
TAGS = ["wheelchair", "toilet", "dine_in"]
DRAFT = "draft"  # a status of ours: active but not published


@dataclass(frozen=True)
class CitySite:
    """What these tests vary of a site."""

    id: UUID
    geometry: BaseGeometry
    category: str = "meal_point"
    status: str = "active"
    hours: str | None = "24/7"
    closed_on: date | None = None
    features: Sequence[str] = ()
    name: str = "站"
    phones: Sequence[str] = field(default=())


INSERT_SITES = """
insert into site (id, category_code, name, geom, status, hours, features, accessibility, source_code, external_id,
    published_at, created_at, updated_at)
select id, category, name, st_geomfromewkt('SRID=4326;' || wkt), status, hours, features[2:], features[:1], 'city',
    id, case when published then now() end, now(), now()
from jsonb_to_recordset(%s) as r (
    id uuid, category text, name text, wkt text, status text, hours text, features text[], published boolean)
"""


def insert_sites(connection: Connection[Any], sites: Sequence[CitySite]) -> None:
    """Write ``sites`` with their phones and exceptions, by the plainest SQL."""
    connection.execute("insert into source (code, name) values ('city', 'city') on conflict do nothing")
    rows = [
        {
            "id": str(site.id),
            "category": site.category,
            "name": site.name,
            "wkt": shapely.to_wkt(site.geometry, rounding_precision=-1),
            "status": "active" if site.status == DRAFT else site.status,
            "hours": site.hours,
            "features": list(site.features),
            "published": site.status != DRAFT,
        }
        for site in sites
    ]
    connection.execute(INSERT_SITES, (json.dumps(rows),))
    exceptions = [(site.id, site.closed_on, "off", "停电") for site in sites if site.closed_on]
    phones = [(site.id, i, number) for site in sites for i, number in enumerate(site.phones)]
    with connection.cursor() as cursor:
        cursor.executemany("insert into hours_exception values (%s, %s, %s, %s)", exceptions)
        cursor.executemany("insert into phone (site_id, position, number) values (%s, %s, %s)", phones)


def is_open(site: CitySite, at: datetime) -> bool:
    """Whether ``site`` is open, asked of geo.hours alone."""
    exceptions = (HoursException(site.closed_on, "off", "停电"),) if site.closed_on else ()
    state = open_state(Hours(site.hours, None, exceptions), CALENDAR, at).state
    return site.status != "temporarily_closed" and state == "open"


scales = st.sampled_from([0.003, 0.05, 0.5, 10.0])  # half the city's width in degrees: 300 m to 1,000 km
lattice = st.integers(-8, 8)  # few places, so that many sites share one


@st.composite
def spots(draw: st.DrawFn, scale: float) -> tuple[float, float]:
    """A place of the city: on the lattice, so that ties occur, or anywhere."""
    if draw(st.booleans()):
        return (MIDDLE_LON + draw(lattice) * scale / 8, MIDDLE_LAT + draw(lattice) * scale / 8)
    offsets = st.floats(-1, 1, allow_subnormal=False)
    return (MIDDLE_LON + draw(offsets) * scale, MIDDLE_LAT + draw(offsets) * scale)


@st.composite
def stars(draw: st.DrawFn, scale: float) -> BaseGeometry:
    """A polygon around a middle, with or without a hole; valid by the way it is made."""
    x, y = draw(spots(scale))
    size = scale * draw(st.sampled_from([0.01, 0.2, 1.0]))
    corners = draw(st.integers(3, 7))
    reach = [draw(st.floats(0.4, 1.0)) * size for _ in range(corners)]
    disc = shapely.get_coordinates(shapely.Point(0, 0).buffer(1.0, quad_segs=64))[:256]
    outline = [
        (disc[i * 256 // corners][0] * far, disc[i * 256 // corners][1] * far) for i, far in enumerate(reach)
    ]
    shell = shapely.Polygon(outline)
    if draw(st.booleans()):
        hole = affinity.scale(shell, 0.1, 0.1, origin=(0, 0))
        shell = shapely.Polygon(outline, [hole.exterior.coords])
    return affinity.translate(shell, x, y)


@st.composite
def lines(draw: st.DrawFn, scale: float) -> BaseGeometry:
    points = draw(st.lists(spots(scale), min_size=2, max_size=4, unique=True))
    return shapely.LineString(points)


@st.composite
def geometries(draw: st.DrawFn, scale: float) -> BaseGeometry:
    kind = draw(st.sampled_from(["point"] * 5 + ["line", "lines", "polygon", "polygons"]))
    if kind == "point":
        return shapely.Point(draw(spots(scale)))
    if kind == "line":
        return draw(lines(scale))
    if kind == "lines":
        return shapely.MultiLineString([draw(lines(scale)), draw(lines(scale))])
    if kind == "polygon":
        return draw(stars(scale))
    first, second = draw(stars(scale)), draw(stars(scale))
    west, east = shapely.total_bounds(first)[2], shapely.total_bounds(second)[0]
    apart = affinity.translate(second, west - east + 0.01 * scale, 0)
    return shapely.MultiPolygon([first, apart])


@st.composite
def sites(draw: st.DrawFn, scale: float) -> CitySite:
    return CitySite(
        # Ids that differ in one half only, to order and to find.
        id=UUID(int=draw(st.integers(0, 40)) << 64 | draw(st.integers(0, 3)) | 0x7 << 76),
        geometry=draw(geometries(scale)),
        category=draw(st.sampled_from(CATEGORIES)),
        status=draw(st.sampled_from(["active"] * 5 + ["temporarily_closed", "inactive", DRAFT])),
        hours=draw(st.sampled_from(HOURS)),
        closed_on=draw(st.sampled_from([None, None, None, date(2026, 9, 29)])),
        features=draw(st.lists(st.sampled_from(TAGS), max_size=3, unique=True)),
    )


@st.composite
def cities(draw: st.DrawFn) -> tuple[float, list[CitySite]]:
    """A scale and up to 40 sites."""
    scale = draw(scales)
    return scale, draw(st.lists(sites(scale), max_size=40, unique_by=lambda site: site.id))


@st.composite
def positions(draw: st.DrawFn, scale: float, city: Sequence[CitySite]) -> tuple[float, float]:
    """Where somebody asks: anywhere, or exactly on a site, an outline's vertex or its border."""
    if not city or draw(st.booleans()):
        return draw(spots(scale * draw(st.sampled_from([1.0, 3.0]))))
    geometry = draw(st.sampled_from(city)).geometry
    where = draw(st.sampled_from(["vertex", "inside", "border"]))
    if where == "vertex":
        point = shapely.Point(draw(st.sampled_from(shapely.get_coordinates(geometry).tolist())))
    elif where == "inside":
        point = shapely.point_on_surface(geometry)
    else:
        outline = geometry.boundary if geometry.geom_type.endswith("Polygon") else geometry
        point = shapely.line_interpolate_point(outline, 0.3, normalized=True) if outline.length else geometry
    return point.x, point.y


def big_city(seed, size, *, shapes):
    """Clusters, repeated places, and few sites that are rare."""
    rng = random.Random(seed)
    middles = [(103.6 + rng.uniform(-0.2, 0.2), 36.5 + rng.uniform(-0.2, 0.2)) for _ in range(8)]
    city = []
    for i in range(size):
        x, y = rng.choice(middles)
        x, y = x + rng.gauss(0, 0.01), y + rng.gauss(0, 0.01)
        if rng.random() < 0.2:
            x, y = round(x, 2), round(y, 2)
        geometry = shapely.Point(x, y)
        if rng.random() < shapes:
            geometry = (
                geometry.buffer(rng.choice([0.001, 0.05]))
                if i % 2
                else shapely.LineString([(x, y), (x + 0.02, y + 0.01), (x + 0.02, y)])
            )
        city.append(
            CitySite(
                UUID(int=rng.getrandbits(128)),
                geometry,
                category=rng.choice(CATEGORIES),
                hours=HOURS[2] if rng.random() < 0.99 else "24/7",
                features=["wheelchair"] if rng.random() < 0.01 else [],
            )
        )
    return city
