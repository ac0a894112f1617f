"""What is near me and open now? Answered from memory, written as JSON without building objects.

The answer of a request is mostly text that was prepared when the index was loaded; here it gets the place in the
caller's coordinate system, the distance and the open state.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import orjson

from core.errors import InvalidCursor
from core.paging import decode_cursor, encode_cursor
from geo.categories import CategoryTree
from geo.crs import Crs, from_wgs84, to_wgs84
from geo.nearby.index import Index
from geo.nearby.lookup import INFINITE, Filters, Found, Key
from geo.nearby.open_table import OpenTable
from geo.nearby.segment import Chosen

LOW_HALF = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class NearbyQuestion:
    """A checked request. ``open_at``: keep only sites open now or at that instant; None filters nothing.

    ``ids`` keeps only those sites, which were found by ``text``; ``bookable`` only those, where there is a free place.
    ``cursor`` is the ``next`` of the page before.
    """

    lon: float
    lat: float
    crs: Crs
    categories: tuple[str, ...] = ()
    radius_m: float | None = None
    open_at: datetime | Literal["now"] | None = None
    tags: frozenset[str] = frozenset()
    text: str | None = None
    bookable: Chosen | None = None
    ids: Sequence[UUID] | None = None
    limit: int = 20
    cursor: str | None = None


def nearby(index: Index, tree: CategoryTree, question: NearbyQuestion, *, now: datetime) -> bytes:
    """The page as JSON: ``items``, ``next``, ``crs``. Raises UnknownCategory, InvalidCursor.

    Open states are those at ``open_at``, else at ``now``. A cursor carries the instant its first page was asked at,
    so that a site which closes meanwhile does not shift the pages.
    """
    lon, lat = to_wgs84(question.crs, question.lon, question.lat)
    fingerprint = _fingerprint(question)
    after: Key | None = None
    instant = question.open_at if isinstance(question.open_at, datetime) else now
    if question.cursor is not None:
        after, instant = _read_cursor(fingerprint, question.cursor)
    instant = instant.replace(second=0, microsecond=0)  # hours are to the minute
    is_now = abs((instant - now).total_seconds()) < 60
    table = index.tables.now if is_now else index.tables.at(instant)
    filters = Filters(
        categories=tuple([tree.number(code) for code in question.categories]),
        open_at=instant if question.open_at is not None else None,
        tags=question.tags,
        ids=tuple(question.ids) if question.ids is not None else None,
        among=question.bookable,
        radius_m=INFINITE if question.radius_m is None else question.radius_m,
    )
    # One more than asked tells whether there is a next page.
    found = index.nearby(lon, lat, filters, limit=question.limit + 1, after=after, table=table)
    cursor = b"null"
    if len(found) > question.limit:
        found.pop()
        cursor = b'"%s"' % _write_cursor(fingerprint, found[-1].key, instant)
    items = b",".join(_items(found, question.crs, table, instant))
    return b'{"items":[%s],"next":%s,"crs":"%s"}' % (items, cursor, question.crs.value.encode())


def site_cards(index: Index, ids: Sequence[UUID], crs: Crs, *, now: datetime) -> dict[UUID, bytes]:
    """Those of ``ids`` that are published, as lists show them: JSON open at its end, for the caller to add to.

    A line or polygon stands where ``ST_PointOnSurface`` puts it, as in lists from the database.
    """
    instant = now.replace(second=0, microsecond=0)
    stamp, table = instant.timestamp(), index.tables.now
    cards = {}
    for segment in index.segments:
        for row in segment.rows_of(ids).tolist():
            if not segment.alive[row]:
                continue
            lon, lat = segment.lon_lat[crs][row].tolist()
            site_id = UUID(int=(int(segment.id_high[row]) << 64) | int(segment.id_low[row]))
            cards[site_id] = b'%s"location":{"lon":%.7f,"lat":%.7f},"open":%s' % (
                segment.card(row),
                lon,
                lat,
                table.json(segment.timetable.item(row), instant, stamp),
            )
    return cards


def _items(found: Sequence[Found], crs: Crs, table: OpenTable, instant: datetime) -> Iterator[bytes]:
    stamp = instant.timestamp()
    for distance_m, _, _, row, segment, at in found:
        if at is None:
            places = segment.lon_lat[crs]
            lon, lat = places.item(row, 0), places.item(row, 1)
        else:
            lon, lat = from_wgs84(crs, *at)
        yield b'%s"location":{"lon":%.7f,"lat":%.7f},"distance_m":%.1f,"open":%s}' % (
            segment.card(row),
            lon,
            lat,
            distance_m,
            table.json(segment.timetable.item(row), instant, stamp),
        )


def _write_cursor(fingerprint: bytes, key: Key, instant: datetime) -> bytes:
    distance_m, id_high, id_low = key
    site_id = str(UUID(int=(id_high << 64) | id_low))
    return encode_cursor(fingerprint, [distance_m, site_id, int(instant.timestamp())]).encode()


def _read_cursor(fingerprint: bytes, cursor: str) -> tuple[Key, datetime]:
    """The last key shown and the instant of the first page. Raises InvalidCursor."""
    key = decode_cursor(fingerprint, cursor)
    try:
        distance_m, site_id, stamp = key
        number = UUID(site_id).int
        if not math.isfinite(distance_m):
            raise ValueError("no distance")
        return (float(distance_m), number >> 64, number & LOW_HALF), datetime.fromtimestamp(stamp, UTC)
    except (TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        # Its checksum is right, so somebody took the trouble to make it up.
        raise InvalidCursor(
            "翻页标记无效，请从第一页重新查询。", "This cursor is not valid; start again without `next`."
        ) from error


def _fingerprint(question: NearbyQuestion) -> bytes:
    """What a cursor belongs to: everything asked but the page."""
    return orjson.dumps(
        [
            question.lon,
            question.lat,
            question.crs,
            sorted(question.categories),
            question.radius_m,
            question.open_at,
            sorted(question.tags),
            question.text,
            question.bookable is not None,
        ]
    )
