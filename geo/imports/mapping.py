"""The mapping file: which column of somebody's file means what here. `docs/importing.md` is its reference."""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from geo.errors import ImportRefused

MAX_MAPPING_BYTES = 1_000_000
ANY = "*"  # in a condition: any value that is not empty

# What a column can become. Those in TUPLES take several values (`split` cuts a cell); the rest are one text.
TEXTS = (
    "name",
    "name_en",
    "address",
    "description",
    "url",
    "status",
    "alert",
    "hours",
    "makeup_hours",
    "zone",
    "batch",
    "plaque_number",
    "assured_at",
    "operator",
    "operator_en",
    "operating_model",
    "service",
    "service_en",
    "service_description",
    "minimum_age",
    "maximum_age",
    "eligibility",
    "cost_yuan",
    "cost_unit",
)
TUPLES = ("aliases", "features", "accessibility", "languages", "funding", "phones", "documents")
EXTERNAL = "external_ids."  # external_ids.usci: another register's number


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str | int) else value


_strict = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)
Columns = Annotated[tuple[str, ...], BeforeValidator(_one_or_more), Field(min_length=1)]
When = dict[str, Annotated[tuple[str, ...], BeforeValidator(_one_or_more)]]


class SourceSpec(BaseModel):
    """Where the rows come from."""

    model_config = _strict
    code: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")
    name: str = Field(min_length=1)
    licence: str | None = None
    attribution: str | None = None
    url: str | None = None


class TableSpec(BaseModel):
    """How to read a CSV or XLSX; all can usually be left out."""

    model_config = _strict
    encoding: str | None = None
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    sheet: str | None = None
    header_row: int = Field(1, ge=1, le=1000)
    header_rows: int = Field(1, ge=1, le=5)


class GeometrySpec(BaseModel):
    """Where a table keeps its coordinates: two columns, one column "lon,lat", or WKT."""

    model_config = _strict
    lon: str | None = None
    lat: str | None = None
    pair: str | None = None
    wkt: str | None = None
    as_point: bool = False  # keep a point on the line or surface instead of the shape

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [self.lon is not None or self.lat is not None, self.pair is not None, self.wkt is not None]
        if sum(ways) > 1 or (self.lon is None) != (self.lat is None):
            raise ValueError("写 lon 和 lat，或 pair，或 wkt / give lon and lat, or pair, or wkt")
        return self

    def columns(self) -> list[str]:
        return [name for name in (self.lon, self.lat, self.pair, self.wkt) if name is not None]


class FieldSpec(BaseModel):
    """A value made from columns: the first that is not empty, or a template; then regex, translate, default."""

    model_config = _strict
    column: Columns | None = None
    template: str | None = None
    regex: str | None = None
    translate: dict[str, str] | None = None
    otherwise: str | None = (
        None  # for what `translate` does not list; `keep` keeps it; without it it is reported
    )
    split: str | None = None
    default: str | None = None

    @model_validator(mode="after")
    def _from_somewhere(self) -> Self:
        if self.column is not None and self.template is not None:
            raise ValueError("column 和 template 只能写一个 / give column or template, not both")
        if self.column is None and self.template is None and self.default is None:
            raise ValueError("缺 column、template 或 default / column, template or default is missing")
        if self.otherwise is not None and self.translate is None:
            raise ValueError("otherwise 要和 translate 一起用 / otherwise goes with translate")
        return self

    @field_validator("regex", "split")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"正则表达式有误 / not a regular expression: {error}") from None
        return pattern


class RuleSpec(BaseModel):
    """A row that fulfils all of `when` is of `category`."""

    model_config = _strict
    when: When = Field(min_length=1)
    category: str


class CategorySpec(BaseModel):
    """A category by a column's value, or by the first rule that fits. `otherwise: drop` leaves other rows out."""

    model_config = _strict
    column: str | None = None
    translate: dict[str, str] | None = None
    rules: tuple[RuleSpec, ...] | None = None
    otherwise: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.column is None) == (self.rules is None):
            raise ValueError("写 column 加 translate，或 rules / give column with translate, or rules")
        return self


FieldValue = Annotated[
    FieldSpec, BeforeValidator(lambda value: {"column": value} if isinstance(value, str | list) else value)
]


class Mapping(BaseModel):
    """A whole mapping file."""

    model_config = _strict
    source: SourceSpec
    crs: str | None = None
    table: TableSpec = TableSpec()
    layer: str | None = None
    html: str | None = None
    geometry: GeometrySpec = GeometrySpec()
    within: str | Annotated[tuple[float, float, float, float], Field()] | None = None
    external_id: Columns
    category: str | CategorySpec
    fields: dict[str, FieldValue]
    constants: dict[str, str | tuple[str, ...]] = {}
    drop: tuple[When, ...] = ()

    @field_validator("fields", "constants")
    @classmethod
    def _known_fields(cls, fields: dict[str, Any]) -> dict[str, Any]:
        for name in fields:
            if name not in TEXTS and name not in TUPLES and not name.startswith(EXTERNAL):
                close = difflib.get_close_matches(name, [*TEXTS, *TUPLES], n=2, cutoff=0.5)
                hint = f"，是不是 {' / '.join(close)}" if close else ""
                raise ValueError(f"没有字段 {name}{hint} / no field {name}; see docs/importing.md")
        return fields

    @model_validator(mode="after")
    def _has_name(self) -> Self:
        if "name" not in self.fields and "name" not in self.constants:
            raise ValueError("fields 里缺 name / fields lacks name")
        return self

    def columns(self) -> set[str]:
        """Every column this mapping reads."""
        names = {*self.external_id, *self.geometry.columns()}
        for spec in self.fields.values():
            names.update(spec.column or ())
            names.update(template_columns(spec.template) if spec.template else ())
        for when in self.drop:
            names.update(when)
        if isinstance(self.category, CategorySpec):
            if self.category.column:
                names.add(self.category.column)
            for rule in self.category.rules or ():
                names.update(rule.when)
        return names


def template_columns(template: str) -> list[str]:
    """The names in braces of a template such as `{town}{address}`."""
    return re.findall(r"\{([^{}]+)\}", template)


def load_mapping(path: Path) -> Mapping:
    """Read and check a mapping file. Raises ImportRefused naming each mistake and where it is."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImportRefused(
            f"无法读取映射文件 {path}：{error.strerror}。",
            f"The mapping {path} cannot be read: {error.strerror}.",
        ) from None
    return parse_mapping(parse_yaml(data, str(path)), str(path))


def parse_yaml(data: bytes, name: str) -> Any:
    """What a mapping file says, not yet checked. Raises ImportRefused."""
    if len(data) > MAX_MAPPING_BYTES:
        raise ImportRefused(f"映射文件 {name} 过大。", f"The mapping {name} is too large.")
    try:
        return yaml.safe_load(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ImportRefused(f"映射文件 {name} 须为 UTF-8。", f"The mapping {name} must be UTF-8.") from None
    # A date such as 2026-13-45 is a ValueError, a thousand brackets are a RecursionError.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ImportRefused(
            f"映射文件 {name} 不是合格的 YAML：{error}", f"The mapping {name} is not YAML: {error}"
        ) from None


def parse_mapping(content: Any, name: str = "mapping") -> Mapping:
    """Check what a mapping file holds. Raises ImportRefused naming each mistake and where it is."""
    try:
        return Mapping.model_validate(content)
    except ValidationError as error:
        mistakes = "；".join(_mistake(part) for part in error.errors(include_url=False))
        raise ImportRefused(
            f"映射文件 {name} 有误：{mistakes}。", f"The mapping {name} is wrong: {mistakes}."
        ) from None


def _mistake(error: Any) -> str:
    # Names of union members ("function-before[…]", "CategorySpec") are ours, not the clerk's.
    path = ".".join(
        str(p) for p in error["loc"] if not (str(p).endswith("Spec") or "[" in str(p) or p == "str")
    )
    kinds = {
        "missing": "缺少 / is missing",
        "extra_forbidden": "没有这一项 / is not an entry",
    }
    said = kinds.get(error["type"], error["msg"].removeprefix("Value error, "))
    return f"{path or 'mapping'}: {said}"


def check_columns(mapping: Mapping, columns: Iterable[str] | None) -> None:
    """Raise ImportRefused when the mapping names a column that the file has not, with those that come close."""
    if columns is None:
        return
    there = list(columns)
    unknown = sorted(mapping.columns() - set(there))
    if not unknown:
        return
    said_zh, said_en = [], []
    for name in unknown:
        close = difflib.get_close_matches(name, there, n=3, cutoff=0.5)
        said_zh.append(f"“{name}”" + (f"（是不是 {'、'.join(close)}？）" if close else ""))
        said_en.append(f"“{name}”" + (f" (or {', '.join(close)}?)" if close else ""))
    raise ImportRefused(
        f"文件里没有列 {'、'.join(said_zh)}。文件有这些列：{'、'.join(there)}。",
        f"The file has no column {', '.join(said_en)}. It has: {', '.join(there)}.",
        unknown=unknown,
    )
