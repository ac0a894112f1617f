"""Any file, opened as what it is."""

from dataclasses import replace
from pathlib import Path

from geo.imports.kinds import Kind, detect_kind, suffix_kind
from geo.imports.mapping import Mapping, TableSpec
from geo.imports.report import Finding
from geo.imports.rows import Layer
from geo.imports.tables import open_csv, open_spreadsheet

# What an OSM extract is looked through for when there is no mapping yet.
OSM_KEYS = ("amenity", "healthcare", "leisure", "social_facility", "sport", "tourism", "office")


def open_layer(
    path: Path,
    mapping: Mapping | None = None,
    *,
    encoding: str | None = None,
    layer: str | None = None,
    table: TableSpec | None = None,
) -> Layer:
    """Open `path` by its content, as `mapping` says. Options win over the mapping. Raises ImportRefused."""
    kind = detect_kind(path)
    table = table or (mapping.table if mapping else TableSpec())
    if encoding:
        table = table.model_copy(update={"encoding": encoding})
    layer = layer or (mapping.layer if mapping else None)
    if kind is Kind.table:
        opened = open_csv(path, table)
    elif kind is Kind.spreadsheet:
        opened = open_spreadsheet(path, table.model_copy(update={"sheet": layer}) if layer else table)
    elif kind in (Kind.osm_xml, Kind.osm_pbf):
        from geo.imports.osm import open_osm

        opened = open_osm(path, kind, keys=_osm_keys(mapping))
    else:
        # GDAL and Arrow take 70 MB, which a table does not need.
        from geo.imports.vectors import open_vector

        html = mapping.html if mapping else None
        opened = open_vector(path, kind, layer=layer, html=html, encoding=table.encoding)
    promised = suffix_kind(path)
    if promised is not None and promised is not kind:
        note = Finding(
            "note",
            "other-format",
            f"文件名像 {promised}，内容其实是 {kind}，按内容读取。",
            f"The name says {promised}, the content is {kind}; read as the latter.",
        )
        return replace(opened, findings=[note, *opened.findings])
    return opened


def _osm_keys(mapping: Mapping | None) -> list[str]:
    """The tags that decide the category: only objects that carry one of them are read."""
    if mapping is None:
        return list(OSM_KEYS)
    if isinstance(mapping.category, str):
        return sorted(mapping.columns())
    if mapping.category.column:
        return [mapping.category.column]
    return sorted({key for rule in mapping.category.rules or () for key in rule.when})
