"""What a file is, by its content; its name is only a hint. Nothing here opens it with a parser."""

import os
import shlex
import zipfile
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from geo.errors import ImportRefused

HEAD_BYTES = 65_536
# What the zip inside a spreadsheet, KMZ or zipped shapefile may unpack to. A sheet of 100,000 rows is about 60 MB
# and shrinks to a tenth; nothing honest shrinks to a hundredth.
MAX_UNPACKED_BYTES = 512 * 1024 * 1024
MAX_RATIO = 100
RATIO_MATTERS_BYTES = 16 * 1024 * 1024
MAX_ZIP_ENTRIES = 10_000


class Kind(StrEnum):
    """Formats we read."""

    table = "CSV/TSV"
    spreadsheet = "XLSX"
    geojson = "GeoJSON"
    kml = "KML"
    geopackage = "GeoPackage"
    shapefile = "Shapefile"
    flatgeobuf = "FlatGeobuf"
    osm_xml = "OSM XML"
    osm_pbf = "OSM PBF"


SUFFIXES = {
    ".csv": Kind.table,
    ".tsv": Kind.table,
    ".txt": Kind.table,
    ".xlsx": Kind.spreadsheet,
    ".xlsm": Kind.spreadsheet,
    ".xls": Kind.spreadsheet,
    ".et": Kind.spreadsheet,
    ".geojson": Kind.geojson,
    ".json": Kind.geojson,
    ".kml": Kind.kml,
    ".kmz": Kind.kml,
    ".gpkg": Kind.geopackage,
    ".shp": Kind.shapefile,
    ".fgb": Kind.flatgeobuf,
    ".osm": Kind.osm_xml,
    ".pbf": Kind.osm_pbf,
}
_OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def detect_kind(path: Path) -> Kind:
    """The format of `path` by its content. Raises ImportRefused for what cannot be read or is no known format."""
    head = _head(path)
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_zip(path)
    if head.startswith(_OLE2):
        return Kind.spreadsheet
    if head.startswith(b"SQLite format 3\x00"):
        return Kind.geopackage
    if head.startswith(b"fgb\x03"):
        return Kind.flatgeobuf
    if head.startswith(b"\x00\x00\x27\x0a"):
        return Kind.shapefile
    if b"OSMHeader" in head[:64]:
        return Kind.osm_pbf
    return _kind_of_text(head, path)


def _head(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise ImportRefused(
                f"{path.name} 是文件夹，请指定其中的一个文件。",
                f"{path.name} is a folder: name a file in it.",
            )
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError:
        raise ImportRefused(
            f"没有文件 {path}，请检查路径。", f"There is no file {path}: check the path."
        ) from None
    except PermissionError:
        raise ImportRefused(
            f"没有权限读取 {path}，请检查文件权限。",
            f"No permission to read {path}: check the file's permissions.",
        ) from None
    except OSError as error:
        raise ImportRefused(
            f"无法读取 {path}：{os.strerror(error.errno or 0)}。",
            f"{path} cannot be read: {os.strerror(error.errno or 0)}.",
        ) from None
    if not head:
        raise ImportRefused(
            f"{path.name} 是空文件（0 字节），请重新下载或导出。",
            f"{path.name} is empty (0 bytes): download or export it again.",
        )
    return head


def _kind_of_text(head: bytes, path: Path) -> Kind:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    lower = text[:4096].lower()
    if text.startswith((b"{", b"[")):
        return Kind.geojson
    if text.startswith(b"<"):
        if b"<osm" in lower:
            return Kind.osm_xml
        if b"<kml" in lower:
            return Kind.kml
        if b"<html" in lower or b"<!doctype html" in lower or b"<table" in lower:
            raise ImportRefused(
                f"{path.name} 其实是网页，不是数据文件；请用浏览器或表格软件打开，另存为 CSV 或 XLSX。",
                f"{path.name} is a web page, not data: open it and save it as CSV or XLSX.",
            )
        raise _unknown(path)
    if text.startswith(b"%PDF"):
        raise ImportRefused(
            f"{path.name} 是 PDF，不能导入；请向来源单位索取表格文件。",
            f"{path.name} is a PDF and cannot be imported: ask its source for the table.",
        )
    # Further down a NUL spoils one row, not the file.
    if b"\x00" in head.split(b"\n", 1)[0] and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _unknown(path)
    return Kind.table


def _unknown(path: Path) -> ImportRefused:
    return ImportRefused(
        f"认不出 {path.name} 的格式；可导入 CSV、TSV、XLSX、GeoJSON、KML、GeoPackage、Shapefile、FlatGeobuf、OSM。",
        f"The format of {path.name} is not known: CSV, TSV, XLSX, GeoJSON, KML, GeoPackage, Shapefile, FlatGeobuf"
        " and OSM can be imported.",
    )


def _kind_of_zip(path: Path) -> Kind:
    names = check_zip(path)
    lower = [name.lower() for name in names]
    if any(name.startswith("xl/") for name in lower):
        return Kind.spreadsheet
    if any(name.endswith(".kml") for name in lower):
        return Kind.kml
    if any(name.endswith(".shp") for name in lower):
        return Kind.shapefile
    raise ImportRefused(
        f"{path.name} 是压缩包，里面没有可导入的文件；请解压后逐个导入。",
        f"{path.name} is a zip without a file we read: unpack it and import one file at a time.",
    )


def check_zip(path: Path) -> list[str]:
    """The names inside a zip that is whole and unpacks to something reasonable; else ImportRefused.

    The directory's own figures are checked first, then each entry is unpacked once and thrown away: a reader stops
    at the size that the directory declares, so an entry that lies about it fails its checksum here.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            unpacked = sum(entry.file_size for entry in entries)
            packed = max(1, sum(entry.compress_size for entry in entries))
            too_dense = unpacked > RATIO_MATTERS_BYTES and unpacked / packed > MAX_RATIO
            if unpacked > MAX_UNPACKED_BYTES or too_dense or len(entries) > MAX_ZIP_ENTRIES:
                raise ImportRefused(
                    f"{path.name} 解压后有 {unpacked // 1_000_000} MB（压缩前的 {unpacked // packed} 倍），"
                    "疑似压缩炸弹，已拒绝；请另存为 CSV 或拆成几个文件。",
                    f"{path.name} unpacks to {unpacked // 1_000_000} MB ({unpacked // packed} times its size), like a"
                    " zip bomb: save it as CSV or split it.",
                )
            for entry in entries:
                with archive.open(entry) as file:
                    while file.read(1 << 20):
                        pass
            return [entry.filename for entry in entries]
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise ImportRefused(
            f"{path.name} 不完整或已损坏（{type(error).__name__}），请重新下载，或用表格软件打开后另存。",
            f"{path.name} is cut short or damaged ({type(error).__name__}): download it again, or open and save it.",
        ) from None


def suffix_kind(path: Path) -> Kind | None:
    """The format that the file's name promises, or None."""
    return SUFFIXES.get(path.suffix.lower())


def choose_layer(
    path: Path, word_zh: str, word_en: str, names: Sequence[str], wanted: str | None
) -> ImportRefused:
    """What to say of several layers of which none was chosen, or of a choice that is not there.

    `--layer` is named, since there is no mapping yet when one is being guessed.
    """
    option = f"--layer {shlex.quote(names[0])}"
    if wanted is None:
        zh, en = f"{path.name} 有 {len(names)} 个{word_zh}", f"{path.name} has {len(names)} {word_en}s"
    else:
        zh, en = f"{path.name} 没有{word_zh}“{wanted}”", f"{path.name} has no {word_en} “{wanted}”"
    return ImportRefused(
        f"{zh}，可选：{'、'.join(names)}；请加 --layer 名称，例如 {option}（也可写在映射文件的 layer 里）。",
        f"{en}; there are: {', '.join(names)}. Add --layer NAME, such as {option} (or write layer: in the mapping).",
    )


def damaged(path: Path, error: Exception) -> ImportRefused:
    """The refusal of a file that its reader could not get through."""
    return ImportRefused(
        f"{path.name} 不完整或已损坏，请重新下载或导出（{error}）。",
        f"{path.name} is cut short or damaged: download or export it again ({error}).",
    )
