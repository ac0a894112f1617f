"""Reading published sites into columns for the nearby index.

A million rows pass through here at each start, so PostgreSQL prepares them: each row is one value, a fixed header
(``HEADER``) followed by the part of the answer that never depends on the question, already JSON. Python cuts it there,
joins the parts and reads all headers at once. Opening hours and features repeat a lot and are read once each, found
again by a 64-bit hash.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain, islice
from typing import Any
from uuid import UUID

import numpy as np
import shapely
from numpy.typing import NDArray
from psycopg import Connection
from shapely.geometry.base import BaseGeometry

from geo.hours.state import ClosedTime, Hours, HoursException

HEADER = np.dtype(
    [
        ("id_high", ">u8"),
        ("id_low", ">u8"),
        ("lon", ">f8"),
        ("lat", ">f8"),
        ("category", ">i4"),
        ("timetable", ">i8"),
        ("tags", ">i8"),
        ("shape", ">i4"),
    ]
)
# What COPY BINARY puts before the first row, before each one-column row (int16 count, int32 length), behind the last.
STREAM_HEADER_BYTES = 19
ROW_PREFIX_BYTES = 6
STREAM_END = b"\xff\xff"
BATCH_ROWS = 50_000

# A site with exceptions or closures has a timetable of its own; all others share theirs with every site of equal hours.
TIMETABLE = """hashtextextended(concat_ws(chr(1), s.status, s.zone, coalesce(s.hours, ''), coalesce(s.makeup_hours, ''),
    x.site_id::text), 0)"""
TAGS = "hashtextextended(array_to_string(s.features || s.accessibility, ' '), 0)"

FROM = """from site s
    join category c on c.code = s.category_code
    left join area a on a.id = s.area_id
    left join phone p on p.site_id = s.id and p.position = 0
    left join (
        select site_id from hours_exception union select site_id from site_closure where ended_at is null
    ) x on x.site_id = s.id
    cross join lateral (select case when geometrytype(s.geom) = 'POINT' then s.geom else st_pointonsurface(s.geom) end as point) g
where s.published_at is not null and s.status <> 'inactive'"""

ROWS = f"""select uuid_send(s.id)
    || float8send(st_x(g.point)) || float8send(st_y(g.point))
    || int4send(c.position) || int8send({TIMETABLE}) || int8send({TAGS})
    || int4send((geometrytype(s.geom) <> 'POINT')::int)
    || convert_to('{{"id":"' || s.id || '","name":' || to_json(s.name)
        || ',"category":"' || s.category_code || '","address":' || coalesce(to_json(s.address)::text, 'null')
        || ',"area":' || coalesce(to_json(a.name)::text, 'null')
        || ',"phone":' || coalesce(to_json(p.number)::text, 'null')
        || ',"status":"' || s.status || '","features":' || array_to_json(s.features || s.accessibility)
        || ',"version":' || s.version || ',', 'UTF8')
{FROM}"""

# Distinct over plain columns, whose statistics tell the planner that few are left: it hashes and does not sort.
TIMETABLES = f"""select {TIMETABLE.replace("x.", "s.")}, s.status, s.hours, s.makeup_hours, s.zone, s.site_id
from (select distinct s.status, s.hours, s.makeup_hours, s.zone, x.site_id {FROM}{{only}}) s"""

TAG_SETS = f"""select {TAGS}, s.features || s.accessibility
from (select distinct s.features, s.accessibility {FROM}{{only}}) s"""

SHAPES = f"select s.id, st_asbinary(s.geom) {FROM} and geometrytype(s.geom) <> 'POINT'"

ONLY = " and s.id = any(%(ids)s)"


@dataclass(frozen=True)
class Timetable:
    """When sites of this timetable are open. ``closed_for_now`` overrides the hours."""

    hours: Hours
    closed_for_now: bool


@dataclass(frozen=True)
class Rows:
    """``n`` published sites as columns; ``card[i]`` is ``cards[starts[i]:starts[i + 1]]``, JSON open at its end."""

    header: NDArray[np.void]
    cards: bytes
    starts: NDArray[np.int64]
    timetables: dict[int, Timetable]
    tag_sets: dict[int, frozenset[str]]
    shapes: dict[UUID, BaseGeometry]

    def __len__(self) -> int:
        return len(self.header)


def read_rows(connection: Connection[Any], ids: Sequence[UUID] | None = None) -> Rows:
    """All published sites, or those among ``ids``, as one snapshot of the caller's transaction sees them."""
    parameters = {"ids": list(ids)} if ids is not None else None
    only = ONLY if ids is not None else ""
    header, cards, starts = _read_cards(connection, ROWS + only, parameters)
    timetables = _read_timetables(connection, TIMETABLES.format(only=only), parameters)
    cursor = connection.execute(TAG_SETS.format(only=only), parameters)
    tag_sets = {key: frozenset(tags) for key, tags in cursor.fetchall()}
    cursor = connection.execute(SHAPES + only, parameters)
    found = cursor.fetchall()
    geometries = shapely.from_wkb([wkb for _, wkb in found])
    shapes = {site_id: geometry for (site_id, _), geometry in zip(found, geometries, strict=True)}
    return Rows(header, cards, starts, timetables, tag_sets, shapes)


def _read_cards(
    connection: Connection[Any], query: str, parameters: dict[str, Any] | None
) -> tuple[NDArray[np.void], bytes, NDArray[np.int64]]:
    headers: list[NDArray[np.void]] = [np.zeros(0, HEADER)]
    lengths: list[NDArray[np.int64]] = [np.zeros(1, np.int64)]
    cards: list[bytes] = []
    head = ROW_PREFIX_BYTES + HEADER.itemsize
    with connection.cursor().copy(f"copy ({query}) to stdout (format binary)", parameters) as copy:
        messages: Iterator[Any] = iter(copy)
        first = bytes(next(messages))[STREAM_HEADER_BYTES:]
        messages = chain([first], messages)
        while batch := [bytes(message) for message in islice(messages, BATCH_ROWS)]:
            if batch[-1] == STREAM_END:
                batch.pop()
            headers.append(np.frombuffer(b"".join([row[ROW_PREFIX_BYTES:head] for row in batch]), HEADER))
            lengths.append(np.fromiter(map(len, batch), np.int64, len(batch)) - head)
            cards.append(b"".join([row[head:] for row in batch]))
    return np.concatenate(headers), b"".join(cards), np.cumsum(np.concatenate(lengths))


def _read_timetables(
    connection: Connection[Any], query: str, parameters: dict[str, Any] | None
) -> dict[int, Timetable]:
    cursor = connection.execute(query, parameters)
    found = cursor.fetchall()
    exceptional = [site_id for *_, site_id in found if site_id is not None]
    exceptions: dict[UUID, list[HoursException]] = {}
    closures: dict[UUID, list[ClosedTime]] = {}
    if exceptional:
        cursor = connection.execute(
            "select site_id, on_date, hours, reason from hours_exception where site_id = any(%s) order by on_date",
            (exceptional,),
        )
        on: date
        for site_id, on, hours, reason in cursor.fetchall():
            exceptions.setdefault(site_id, []).append(HoursException(on, hours, reason))
        cursor = connection.execute(
            "select site_id, starts_at, ends_at, for_good from site_closure"
            " where site_id = any(%s) and ended_at is null order by starts_at, id",
            (exceptional,),
        )
        for site_id, starts_at, ends_at, for_good in cursor.fetchall():
            closures.setdefault(site_id, []).append(ClosedTime(starts_at, ends_at, for_good))
    return {
        key: Timetable(
            Hours(
                hours,
                makeup,
                tuple(exceptions.get(site_id, ())),
                zone,
                tuple(closures.get(site_id, ())),
            ),
            closed_for_now=status == "temporarily_closed",
        )
        for key, status, hours, makeup, zone, site_id in found
    }
