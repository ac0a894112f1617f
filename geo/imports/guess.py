"""A first mapping file from the names of a file's columns, for the clerk to correct."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from geo.imports.headers import HeaderElsewhere
from geo.imports.html_attributes import html_attributes
from geo.imports.kinds import Kind
from geo.imports.mapping import TableSpec
from geo.imports.readers import open_layer
from geo.imports.rows import Cells, Layer

# field -> column names it goes by, in lower case without spaces, the likeliest first.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "name": (
        "名称", "名稱", "机构名称", "機構名稱", "機關名稱", "机关名称", "单位名称", "單位名稱", "站点名称", "点位名称", "设施名称",
        "場館名稱", "学校名称", "學校名稱", "服务点名称", "name", "name:zh", "title", "title_zh", "sitename", "facility",
    ),
    "name_en": ("英文名称", "英文名稱", "name:en", "name_en", "nameen"),
    "aliases": ("别名", "別名", "简称", "簡稱", "alt_name", "alias", "aliases", "old_name", "short_name"),
    "address": (
        "地址", "详细地址", "詳細地址", "机构地址", "機構地址", "所在地址", "联系地址", "聯絡地址", "位置", "address", "addr",
        "addr:full", "addressstreetname", "street", "location",
    ),
    "phones": (
        "电话", "電話", "联系电话", "聯絡電話", "联系方式", "连络电话", "服务电话", "手机", "固定电话", "phone", "telephone",
        "tel", "contact:phone", "contact", "mobile",
    ),
    "url": ("网址", "網址", "网站", "網站", "hyperlink", "url", "website", "contact:website", "link"),
    "hours": (
        "开放时间", "開放時間", "营业时间", "營業時間", "服务时间", "服務時間", "门诊时间", "看診時間", "opening_hours",
        "openinghours", "hours", "opentime",
    ),
    "operator": ("运营主体", "運營主體", "运营单位", "主办单位", "营办机构", "法人", "operator", "organisation", "organization"),
    "description": ("简介", "簡介", "说明", "說明", "备注", "備註", "介绍", "remark", "note", "desc"),
    "plaque_number": ("牌匾编号", "挂牌编号", "牌号"),
    "batch": ("批次", "batch"),
    "minimum_age": ("最小年龄", "最低年龄", "minimum_age", "min_age"),
    "maximum_age": ("最大年龄", "最高年龄", "maximum_age", "max_age"),
    "assured_at": ("核实日期", "更新日期", "更新時間", "更新时间", "fmel_upd_d", "updated", "check_date", "modified"),
}  # fmt: skip
ID_NAMES = (
    "编号", "編號", "序号", "序號", "机构代码", "機構代碼", "机构编码", "统一社会信用代码", "代码", "代碼", "id", "@id", "uid",
    "uuid", "code", "objectid", "inc_crc", "fid", "osm_id", "no",
)  # fmt: skip
LON_NAMES = (
    "经度",
    "經度",
    "lon",
    "lng",
    "longitude",
    "long",
    "x",
    "x坐标",
    "经度(lng)",
    "point_x",
    "座標x",
    "坐标x",
)
LAT_NAMES = ("纬度", "緯度", "lat", "latitude", "y", "y坐标", "纬度(lat)", "point_y", "座標y", "坐标y")
PAIR_NAMES = ("坐标", "座標", "经纬度", "經緯度", "lnglat", "lonlat", "location", "coordinates")
WKT_NAMES = ("wkt", "geom", "geometry", "the_geom")
CATEGORY_NAMES = ("类别", "類別", "类型", "類型", "机构类型", "设施类型", "category", "type", "kind")
SAMPLE = 200  # rows looked at
TRIES = 3  # a title above the header, then a header of two lines


def guess_mapping(
    path: Path,
    *,
    encoding: str | None = None,
    layer: str | None = None,
    crs: str | None = None,
    source_code: str | None = None,
) -> str:
    """A mapping file for `path` as YAML text, with comments on what only a person can know. Raises ImportRefused.

    What is known already, such as `crs`, is written as it is.
    """
    opened, table = _open(path, encoding, layer)
    sample = next(opened.chunks(), None)
    cells = sample.cells[:SAMPLE] if sample else []
    columns = (
        list(opened.columns) if opened.columns is not None else sorted({key for row in cells for key in row})
    )
    html = _html_column(columns, cells)
    if html is not None:
        columns += [name for row in cells for name in html_attributes(row.get(html, ""))]
        columns = list(dict.fromkeys(columns))
    if opened.kind in (Kind.osm_xml, Kind.osm_pbf):
        return _osm(path, source_code)
    lines = [
        "# 自动猜测的映射，请逐项核对。A guessed mapping: check every line. See docs/importing.md.",
        *_source(path, source_code),
    ]
    if layer:
        lines.append(f"layer: {_quoted(layer)}")
    lines += _table(table, encoding)
    called = _called(columns, table.header_rows > 1)
    return "\n".join([*lines, *_crs(opened, crs), *_columns(opened, columns, called, html, cells)]) + "\n"


def _open(path: Path, encoding: str | None, layer: str | None) -> tuple[Layer, TableSpec]:
    """The file, and where its header is: there is no mapping yet in which a person could say so."""
    table = TableSpec()
    for _ in range(TRIES):
        try:
            return open_layer(path, encoding=encoding, layer=layer, table=table), table
        except HeaderElsewhere as error:
            table = TableSpec(**error.table)
    return open_layer(path, encoding=encoding, layer=layer, table=table), table


def _source(path: Path, code: str | None) -> list[str]:
    made = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-") or "source"
    comment = "" if code else "  # 来源代码，以后不要改 / never change it later"
    return [
        "source:",
        f"  code: {_quoted(code or made)}{comment}",
        f"  name: {_quoted(path.stem)}  # 来源单位和数据名称",
        "  licence: null",
    ]


def _table(table: TableSpec, encoding: str | None) -> list[str]:
    said: dict[str, Any] = table.model_dump(exclude_defaults=True)
    if encoding:
        said["encoding"] = encoding
    lines = [f"  {name}: {_quoted(value)}" for name, value in said.items()]
    return ["table:  # 表头的位置 / where the header is", *lines] if lines else []


def _crs(opened: Layer, crs: str | None) -> list[str]:
    if crs is not None:
        return [f"crs: {_quoted(crs)}"]
    if opened.kind in (Kind.table, Kind.spreadsheet):
        return [
            "# 坐标系请问来源单位：wgs84、cgcs2000、gcj02（高德、腾讯）、bd09（百度）或 EPSG:编号 / ask the source",
            "crs: null",
        ]
    if opened.crs is None:
        return ["crs: null  # 文件没有说明坐标系，请问来源单位 / the file does not say: ask the source"]
    return []


def _columns(
    opened: Layer, columns: list[str], called: dict[str, str], html: str | None, cells: list[Cells]
) -> list[str]:
    identifier = _find(called, ID_NAMES)
    fields = _fields(called)
    lines = []
    if html is not None:
        lines.append(
            f"html: {_quoted(html)}  # 属性在这一列的 HTML 表格里 / attributes are in its HTML table"
        )
    coordinates: list[str] = []
    if opened.kind in (Kind.table, Kind.spreadsheet):
        line, coordinates = _geometry(called)
        lines.append(line)
    if identifier:
        lines.append(f"external_id: {_quoted(identifier)}")
    else:
        known = fields.get("name") or (columns[0] if columns else "name")
        lines.append(f"external_id: [{_quoted(known)}]  # 没找到编号列 / no number found")
    lines += _category(called, cells)
    lines.append("fields:")
    lines += [f"  {field}: {_quoted(column)}" for field, column in fields.items()]
    if "name" not in fields:
        lines.append(
            f"  name: {_quoted(columns[0] if columns else 'name')}  # 没找到名称列 / no name column found"
        )
    used = {*fields.values(), *coordinates, identifier, html, _find(called, CATEGORY_NAMES)}
    unused = [column for column in columns if column not in used]
    if unused:
        lines.append(f"# 没有用到的列 / columns not used: {', '.join(unused)}")
    return lines


def _geometry(called: dict[str, str]) -> tuple[str, list[str]]:
    """The line that says where coordinates are, and the columns it names."""
    lon, lat, pair, wkt = (_find(called, names) for names in (LON_NAMES, LAT_NAMES, PAIR_NAMES, WKT_NAMES))
    if lon and lat:
        return f"geometry: {{lon: {_quoted(lon)}, lat: {_quoted(lat)}}}", [lon, lat]
    if pair:
        return f"geometry: {{pair: {_quoted(pair)}}}  # 一列“经度,纬度” / one column lon,lat", [pair]
    if wkt:
        return f"geometry: {{wkt: {_quoted(wkt)}}}", [wkt]
    return (
        "geometry: {lon: 经度, lat: 纬度}  # 没找到坐标列，请改成实际列名 / not found: name the columns",
        [],
    )


def _category(called: dict[str, str], cells: list[Cells]) -> list[str]:
    comment = "# 类别代码见 geo/data/categories.csv / category codes"
    column = _find(called, CATEGORY_NAMES)
    values = list(dict.fromkeys(row.get(column, "") for row in cells if row.get(column))) if column else []
    if not column or not 1 < len(values) <= 30:
        return [comment, "category: community_service"]
    lines = [comment, "category:", f"  column: {_quoted(column)}", "  translate:"]
    return [*lines, *(f"    {_quoted(value)}: drop" for value in values), "  otherwise: drop"]


def _fields(called: dict[str, str]) -> dict[str, str]:
    """field -> column; a column serves one field."""
    found: dict[str, str] = {}
    for field, names in SYNONYMS.items():
        free = {name: column for name, column in called.items() if column not in found.values()}
        column = _find(free, names)
        if column:
            found[field] = column
    return found


def _called(columns: Iterable[str], joined: bool) -> dict[str, str]:
    """What a column may be called -> its name. Of `Name` and `NAME` the latter: `Name` is KML's own.

    A header of two lines is `joined` into names such as 坐标-经度 and 名称-name: either part may be the one.
    """
    plain: dict[str, str] = {}
    parts: dict[str, str] = {}
    for column in columns:
        said = re.sub(r"[\s　]", "", column).lower()
        plain[said] = column
        if joined:
            parts.update(dict.fromkeys(said.split("-"), column))
    return parts | plain


def _find(called: dict[str, str], names: Iterable[str]) -> str | None:
    """The column with the likeliest of `names`."""
    return next((called[name] for name in names if name in called), None)


def _html_column(columns: list[str], cells: list[Cells]) -> str | None:
    for column in columns:
        if any("<td" in row.get(column, "").lower() and html_attributes(row[column]) for row in cells[:20]):
            return column
    return None


def _quoted(text: object) -> str:
    """`text` as a YAML scalar, quoted only when it must be (yes, 1, a: b)."""
    return yaml.safe_dump(text, allow_unicode=True, width=10_000, default_flow_style=True).splitlines()[0]


def _osm(path: Path, source_code: str | None) -> str:
    code = source_code or re.sub(r"[^a-z0-9]+", "-", path.name.split(".")[0].lower()).strip("-") or "osm"
    return f"""# 自动猜测的映射，请逐项核对。A guessed mapping: check every line. See docs/importing.md.
source:
  code: osm-{code}
  name: OpenStreetMap
  licence: ODbL 1.0
  attribution: © OpenStreetMap contributors
  url: https://www.openstreetmap.org/copyright
external_id: '@id'
# 第一条符合的规则生效 / the first rule that fits decides
category:
  rules:
    - {{when: {{leisure: fitness_station}}, category: fitness_point}}
    - {{when: {{leisure: pitch}}, category: court}}
    - {{when: {{leisure: park}}, category: city_park}}
    - {{when: {{amenity: hospital}}, category: hospital_secondary}}
    - {{when: {{amenity: [clinic, doctors]}}, category: clinic}}
    - {{when: {{amenity: kindergarten}}, category: kindergarten}}
    - {{when: {{amenity: theatre}}, category: theatre}}
    - {{when: {{amenity: library}}, category: reading_room}}
    - {{when: {{amenity: townhall}}, category: service_hall}}
    - {{when: {{social_facility: '*'}}, category: day_care}}
  otherwise: drop
fields:
  name: {{column: ['name:zh', name], default: 未命名}}
  name_en: 'name:en'
  aliases: {{column: alt_name, split: ';'}}
  address: {{template: '{{addr:street}}{{addr:housenumber}}'}}
  phones: {{column: [phone, 'contact:phone'], split: ';'}}
  url: [website, 'contact:website']
  hours: opening_hours
"""
