"""Files for import tests: real ones from the folder beside the project, and small ones made on the spot."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from geo.categories import category_file
from geo.imports.build import build_chunk
from geo.imports.fields import compile_mapping
from geo.imports.mapping import check_columns, load_mapping, parse_mapping
from geo.imports.places import choose_crs, place, projection
from geo.imports.readers import open_layer
from geo.imports.report import Report
from geo.sites.input import SiteIn

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared" / "data"
MAPPINGS = ROOT / "tests" / "mappings"

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(),
    reason=f"the real files are not here: no folder {SHARED.parent.name}/{SHARED.name} beside the project",
)

CATEGORIES = tuple(node.code for node in category_file())
# Real file -> its mapping under tests/mappings, rows read, sites made.
REAL = {  # of an OSM extract only what carries a tag that decides the category is read
    "peers/taiwan/taipei_day_care.csv": ("taipei_day_care", 14, 14),
    "peers/taiwan/taipei_elder_homes_beds.csv": ("taipei_elder_homes", 94, 94),
    "peers/taiwan/taipei_districts.geojson": ("taipei_districts", 12, 12),
    "peers/singapore/EldercareServices.geojson": ("singapore_eldercare", 133, 133),
    "peers/singapore/CommunityClubs.geojson": ("singapore_community_clubs", 125, 125),
    "peers/singapore/Parks.geojson": ("singapore_parks", 430, 430),
    "osm/bupt_beijing_wgs84.osm.pbf": ("osm_sport", 385, 115),
    "osm/bupt_beijing_wgs84.osm": ("osm_sport", 385, 115),
    "osm/guixi_jiangxi_wgs84.osm.pbf": ("osm_sport", 192, 11),
}


def mapping_of(**changes: Any) -> dict[str, Any]:
    """A mapping for `write_csv`'s columns, with changes."""
    return {
        "source": {"code": "test", "name": "测试"},
        "crs": "wgs84",
        "geometry": {"lon": "经度", "lat": "纬度"},
        "external_id": "编号",
        "category": "meal_point",
        "fields": {"name": "名称"},
    } | changes


def write_csv(
    path: Path,
    rows: Iterable[Sequence[object]],
    header: Sequence[str] = ("编号", "名称", "经度", "纬度"),
    encoding: str = "utf-8",
) -> Path:
    """A comma-separated file without quotes, which the tests' cells do not need."""
    lines = [",".join(map(str, row)) for row in (header, *rows)]
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


def write_geojson(
    path: Path, features: Iterable[tuple[dict[str, Any], dict[str, Any]]], **members: Any
) -> Path:
    """A FeatureCollection of (geometry, properties)."""
    listed = [{"type": "Feature", "geometry": geometry, "properties": said} for geometry, said in features]
    path.write_text(
        json.dumps({"type": "FeatureCollection", **members, "features": listed}, ensure_ascii=False)
    )
    return path


def read(
    path: Path, mapping: Mapping[str, Any] | Path, *, crs: str | None = None, encoding: str | None = None
) -> tuple[list[SiteIn], Report]:
    """A file's sites and report, without a database."""
    parsed = load_mapping(mapping) if isinstance(mapping, Path) else parse_mapping(mapping)
    layer = open_layer(path, parsed, encoding=encoding)
    check_columns(parsed, layer.columns)
    report = Report()
    name, note = choose_crs(layer.kind, layer.crs, crs, parsed.crs)
    if note is not None:
        report.add(note)
    compiled = compile_mapping(parsed, CATEGORIES)
    sites: list[SiteIn] = []
    seen: dict[str, int] = {}
    for chunk in layer.chunks():
        placed = place(chunk, parsed.geometry, projection(name, gcj02_enabled=True))
        built = build_chunk(compiled, chunk, placed, report, seen=seen, zone="Asia/Shanghai")
        sites += [site for _, _, site in built]
    for finding in layer.findings:
        report.reject(finding) if finding.severity == "rejected" else report.add(finding)
    return sites, report


def codes(report: Report, severity: str | None = None) -> list[str]:
    """Codes of the findings, in order."""
    return [finding.code for finding in report.findings if severity in (None, finding.severity)]
