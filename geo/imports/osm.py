"""OpenStreetMap extracts (XML and PBF) read by libosmium: tags as cells, ways and relations as lines and surfaces."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import osmium
import shapely

from geo.imports.kinds import Kind, damaged
from geo.imports.rows import CHUNK_ROWS, Cells, Chunk, Chunks, Layer

# Closed ways that are lines all the same, unless tagged area=yes (wiki.openstreetmap.org/wiki/Area).
LINE_KEYS = ("highway", "barrier", "railway")
ID = "@id"  # node/1, way/2, relation/3: stable as long as the mapper edits instead of redrawing


def open_osm(path: Path, kind: Kind, *, keys: Iterable[str]) -> Layer:
    """Objects that carry any of `keys`. Coordinates are WGS84 by definition. Cut files raise ImportRefused."""
    wanted = sorted(key for key in keys if not key.startswith("@"))

    def chunks() -> Chunks:
        numbers: list[int] = []
        cells: list[Cells] = []
        shapes: list[Any] = []
        for number, (tags, shape) in enumerate(_objects(path, wanted), start=1):
            numbers.append(number)
            cells.append(tags)
            shapes.append(shape)
            if len(cells) == CHUNK_ROWS:
                yield _chunk(numbers, cells, shapes)
                numbers, cells, shapes = [], [], []
        if cells:
            yield _chunk(numbers, cells, shapes)

    return Layer(kind, None, chunks, crs="EPSG:4326")


def _chunk(numbers: list[int], cells: list[Cells], wkbs: list[str | None]) -> Chunk:
    geometries = shapely.from_wkb(np.array(wkbs, dtype=object))
    return Chunk(numbers, cells, np.asarray(geometries, dtype=object))


def _objects(path: Path, keys: list[str]) -> Iterator[tuple[Cells, str | None]]:
    factory = osmium.geom.WKBFactory()
    # One filter says yes to any of its keys; several filters in a row would ask for all.
    by_key = osmium.filter.KeyFilter(*keys) if keys else osmium.filter.EmptyTagFilter()
    processor = osmium.FileProcessor(str(path)).with_locations().with_areas(by_key).with_filter(by_key)
    thing: Any  # a union of five classes that only is_node() and its like tell apart
    try:
        for thing in processor:
            tags: Cells = {tag.k: tag.v for tag in thing.tags}
            if thing.is_node():
                tags[ID] = f"node/{thing.id}"
                yield tags, _wkb(factory.create_point, thing)
            elif thing.is_way():
                if not thing.is_closed() or _is_line(tags):
                    tags[ID] = f"way/{thing.id}"
                    yield tags, _wkb(factory.create_linestring, thing)
            elif thing.is_area() and not (thing.from_way() and _is_line(tags)):
                tags[ID] = f"{'way' if thing.from_way() else 'relation'}/{thing.orig_id()}"
                yield tags, _wkb(factory.create_multipolygon, thing)
    except (RuntimeError, OSError, ValueError) as error:
        raise damaged(path, error) from None


def _is_line(tags: Cells) -> bool:
    return tags.get("area") != "yes" and any(key in tags for key in LINE_KEYS)


def _wkb(create: Any, thing: Any) -> str | None:
    """None when a node of it is missing from the extract or the way has a single point."""
    try:
        return str(create(thing))
    except (RuntimeError, osmium.InvalidLocationError):
        return None
