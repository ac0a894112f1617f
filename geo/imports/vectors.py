"""GeoJSON, KML, GeoPackage, Shapefile and FlatGeobuf, read by GDAL in record batches."""

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pyproj
import shapely
from pyogrio.errors import DataLayerError, DataSourceError
from pyogrio.raw import open_arrow
from pyproj.exceptions import CRSError

from geo.errors import ImportRefused
from geo.imports.encodings import detect_bytes
from geo.imports.html_attributes import html_attributes
from geo.imports.kinds import HEAD_BYTES, Kind, choose_layer, damaged
from geo.imports.report import Finding
from geo.imports.rows import CHUNK_ROWS, Cells, Chunk, Chunks, Layer, as_text

DRIVERS = {
    Kind.geojson: ("GeoJSON",),
    Kind.kml: ("LIBKML", "KML"),
    Kind.geopackage: ("GPKG",),
    Kind.shapefile: ("ESRI Shapefile",),
    Kind.flatgeobuf: ("FlatGeobuf",),
}
# GDAL would read a GeoPackage ahead in several threads, which takes memory and gains nothing here.
pyogrio.set_gdal_config_options({"OGR_GPKG_NUM_THREADS": "1"})
# GDAL can be asked to run a pipeline or to read other files by a JSON that calls itself so.
_NOT_PLAIN = re.compile(rb'"type"\s*:\s*"gdal_streamed_alg"|"(features|type)"\s*:\s*"(/|http)')
_CRS_MEMBER = re.compile(rb'"crs"\s*:\s*(null|\{[^{}]*(\{[^{}]*\}[^{}]*)?\})')


def open_vector(
    path: Path, kind: Kind, *, layer: str | None, html: str | None, encoding: str | None
) -> Layer:
    """A layer of features. Raises ImportRefused for a damaged file, several layers, or an unknown projection."""
    source = _source(path, kind)
    declared = _geojson_crs(path) if kind is Kind.geojson else None
    names = _layers(source, path, layer, kind)
    try:
        infos = [pyogrio.read_info(source, layer=name, force_feature_count=True) for name in names]
    except (DataSourceError, DataLayerError, UnicodeError) as error:
        raise damaged(path, error) from None
    if infos[0]["driver"] not in DRIVERS[kind]:
        raise ImportRefused(
            f"{path.name} 的内容不是 {kind}（{infos[0]['driver']}），已拒绝。",
            f"{path.name} holds {infos[0]['driver']}, not {kind}: refused.",
        )
    crs = declared or infos[0]["crs"]
    findings: list[Finding] = []
    if kind is Kind.shapefile:
        encoding = encoding or _dbf_encoding(source, path)
        findings.append(
            Finding("note", "encoding", f"属性按 {encoding} 读取。", f"Attributes read as {encoding}.")
        )
    columns = list(dict.fromkeys(name for info in infos for name in info["fields"]))
    if html is not None and html in columns:
        columns += [name for name in _html_columns(source, names[0], html) if name not in columns]

    def chunks() -> Chunks:
        first = 1
        for name in names:
            for chunk in _read(path, source, name, html, encoding if kind is Kind.shapefile else None, first):
                first = chunk.numbers[-1] + 1
                yield chunk

    return Layer(
        kind,
        tuple(columns),
        chunks,
        crs=str(crs) if crs else None,
        total=sum(info["features"] for info in infos),
        findings=findings,
    )


def _source(path: Path, kind: Kind) -> str:
    """The name by which GDAL opens the file as what we found it to be. Relative names are made whole."""
    full = str(path.resolve())
    if kind is Kind.geojson:
        with path.open("rb") as file:
            if _NOT_PLAIN.search(file.read(HEAD_BYTES)):
                raise ImportRefused(
                    f"{path.name} 不是普通的 GeoJSON，已拒绝。", f"{path.name} is no plain GeoJSON: refused."
                )
        return f"GeoJSON:{full}"
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            suffix = ".kml" if kind is Kind.kml else ".shp"
            inner = [name for name in archive.namelist() if name.lower().endswith(suffix)]
        if len(inner) > 1 and kind is Kind.shapefile:
            raise ImportRefused(
                f"压缩包里有 {len(inner)} 个图层（{'、'.join(inner)}），请解压后逐个导入。",
                f"The zip holds {len(inner)} layers ({', '.join(inner)}): unpack it and import one at a time.",
            )
        return f"/vsizip/{full}/{inner[0]}"
    if kind is Kind.shapefile:
        for suffix in (".dbf", ".shx"):
            if not any(path.with_suffix(ending).exists() for ending in (suffix, suffix.upper())):
                raise ImportRefused(
                    f"Shapefile 缺少 {path.with_suffix(suffix).name}，请把同名的 .shp、.shx、.dbf、.prj 放在一起。",
                    f"The shapefile lacks {path.with_suffix(suffix).name}: keep .shp, .shx, .dbf and .prj together.",
                )
    return full


def _geojson_crs(path: Path) -> str | None:
    """EPSG:4326 as RFC 7946 says, or what an old-style `crs` member names. Raises ImportRefused for an unknown one."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        size = file.seek(0, 2)
        file.seek(max(0, size - HEAD_BYTES))
        tail = file.read()
    found = _CRS_MEMBER.search(head) or _CRS_MEMBER.search(tail)
    if found is None or found.group(1) == b"null":
        return "EPSG:4326"
    try:
        member: Any = json.loads(found.group(1))
        name = str(member["properties"].get("name") or member["properties"].get("code"))
    except (ValueError, KeyError, AttributeError, TypeError):
        name = found.group(1).decode(errors="backslashreplace")[:80]
    try:
        crs = pyproj.CRS.from_user_input(name)
    except CRSError:
        raise ImportRefused(
            f"GeoJSON 声明的坐标系“{name}”无法识别；请先转换为 WGS84，或用 --crs 指明。",
            f"The GeoJSON declares a coordinate system “{name}” that is not known: convert it to WGS84, or say --crs.",
            crs=name,
        ) from None
    authority = crs.to_authority()
    return ":".join(authority) if authority else name


def _layers(source: str, path: Path, wanted: str | None, kind: Kind) -> list[str]:
    try:
        layers = pyogrio.list_layers(source)
    except (DataSourceError, DataLayerError, UnicodeError) as error:
        raise damaged(path, error) from None
    with_shapes = [str(name) for name, geometry in layers if geometry is not None]
    if not with_shapes:
        raise ImportRefused(
            f"{path.name} 里没有带坐标的图层。", f"{path.name} has no layer with coordinates."
        )
    if wanted in with_shapes:
        return [wanted]
    # The folders of a KML are one list to its author.
    if wanted is not None or (len(with_shapes) > 1 and kind is not Kind.kml):
        raise choose_layer(path, "图层", "layer", with_shapes, wanted)
    return with_shapes


def _dbf_encoding(source: str, path: Path) -> str:
    """The encoding of a shapefile's text: its .cpg when there is one, else by its bytes. GDAL would take Latin-1."""
    cpg = [path.with_suffix(suffix) for suffix in (".cpg", ".CPG")]
    for file in cpg:
        if file.exists() and (said := file.read_text("ascii", errors="ignore").strip()):
            return {"936": "GB18030", "65001": "UTF-8", "950": "BIG5"}.get(said, said)
    texts = bytearray()
    for chunk in _read(path, source, None, None, "ISO-8859-1", 1):
        for cells in chunk.cells:
            for value in (*cells, *cells.values()):
                texts += value.encode("latin-1", "ignore") + b"\n"
        if len(texts) > 1_000_000:
            break
    return detect_bytes(bytes(texts), path.name).upper()


def _html_columns(source: str, layer: str, html: str) -> list[str]:
    with open_arrow(
        source, layer=layer, columns=[html], read_geometry=False, batch_size=200, use_pyarrow=True
    ) as (
        _,
        reader,
    ):
        batch = next(iter(reader), None)
        values = batch.column(html).to_pylist() if batch is not None else []
    return list(dict.fromkeys(name for value in values for name in html_attributes(value or "")))


def _read(
    path: Path, source: str, layer: str | None, html: str | None, encoding: str | None, first: int
) -> Iterator[Chunk]:
    try:
        with open_arrow(
            source,
            layer=layer,
            encoding=encoding,
            batch_size=CHUNK_ROWS,
            use_pyarrow=True,
            datetime_as_string=True,
        ) as (meta, reader):
            geometry_name = meta["geometry_name"] or "wkb_geometry"
            for batch in reader:
                chunk = _chunk(batch, geometry_name, html, first)
                first += batch.num_rows
                yield chunk
    except (DataSourceError, DataLayerError, UnicodeError, pa.ArrowException) as error:
        raise damaged(path, error) from None


def _chunk(batch: pa.RecordBatch, geometry_name: str, html: str | None, first: int) -> Chunk:
    names = [name for name in batch.schema.names if name != geometry_name]
    columns = [_texts(batch.column(name)) for name in names]
    cells: list[Cells] = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    if not columns:
        cells = [{} for _ in range(batch.num_rows)]
    if html is not None:
        for row in cells:
            for name, value in html_attributes(row.get(html, "")).items():
                row.setdefault(name, value)
    geometries = np.asarray(
        shapely.from_wkb(batch.column(geometry_name).to_numpy(zero_copy_only=False), on_invalid="ignore"),
        dtype=object,
    )
    return Chunk(list(range(first, first + batch.num_rows)), cells, geometries)


def _texts(column: pa.Array) -> list[str]:
    return [as_text(value) for value in column.to_pylist()]
