"""Rows to sites. A row is refused when what makes it a site is missing: number, category, name, place, or a status
or time zone that would say something false. Anything else that cannot be read is left out, with a warning.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from geo.imports.fields import DROP, Compiled, Untranslated
from geo.imports.mapping import EXTERNAL, TUPLES
from geo.imports.places import Placed
from geo.imports.report import Finding, Report
from geo.imports.rows import Cells, Chunk
from geo.imports.values import read_age, read_date, read_phone, read_price, suggest_date, suggest_hours
from geo.sites.input import CostIn, DocumentIn, OperatorIn, PhoneIn, ServiceIn, SiteIn

NEEDED = ("external_id", "category", "name", "geometry", "status", "zone")
SERVICE = (
    "service",
    "service_en",
    "service_description",
    "minimum_age",
    "maximum_age",
    "eligibility",
    "cost_yuan",
)
DEFAULT_ZONE = SiteIn.model_fields["zone"].default
CONTACT = ("operator", "operator_en", "operating_model")
# A source that has a column for it says with an empty cell that there is none, and what was there is taken away.
EMPTIED = ("alert",)

Warn = Callable[..., None]  # (field, code, value, zh, en, do_zh="", do_en="")
Built = tuple[int, int, SiteIn]  # index in the chunk, row number, site


def build_chunk(
    compiled: Compiled, chunk: Chunk, placed: Placed, report: Report, *, seen: dict[str, int], zone: str
) -> list[Built]:
    """The sites of a chunk. Refused rows and warnings go to `report`; `seen` remembers numbers across chunks.

    `zone` is that of rows that name none.
    """
    built = []
    for i, (number, cells) in enumerate(zip(chunk.numbers, chunk.cells, strict=True)):
        report.counts["read"] += 1
        if compiled.dropped(cells):
            report.counts["dropped"] += 1
            continue
        outcome = _build_row(compiled, cells, number, i, placed, seen, zone)
        if outcome is None:
            report.counts["dropped"] += 1
            continue
        site, findings = outcome
        if site is None:
            report.reject(*findings)
            continue
        for finding in findings:
            report.add(finding)
        seen[site.external_id] = number
        built.append((i, number, site))
    return built


def _build_row(
    compiled: Compiled, cells: Cells, number: int, i: int, placed: Placed, seen: dict[str, int], zone: str
) -> tuple[SiteIn | None, list[Finding]] | None:
    """The site, or None with the reasons; None alone when the row is of no category that is wanted."""
    refused: list[Finding] = []
    category = _category(compiled, cells, number, refused)
    if category == DROP:
        return None
    findings: list[Finding] = []

    def warn(field: str, code: str, value: str, zh: str, en: str, do_zh: str = "", do_en: str = "") -> None:
        column = compiled.columns.get(field, field)
        findings.append(Finding("warning", code, zh, en, number, column, value, do_zh, do_en))

    said = _fields(compiled, cells, warn, zone)
    said["external_id"] = compiled.external_id(cells)
    said["category"] = category
    if (finding := placed.findings.get(i)) is not None:
        (refused if finding.severity == "rejected" else findings).append(finding)
    said["geometry"] = placed.geometries[i]
    if not said["external_id"]:
        column = compiled.mapping.external_id[0]
        refused.append(_refusal("no-id", number, column, "", "编号是空的，无法再次认出这一行。",
                                "Its number is empty, so the row could not be found again.",
                                "请补上编号，或在映射文件的 external_id 改用几列。",
                                "Add it, or name several columns as external_id in the mapping."))  # fmt: skip
    elif (first := seen.get(said["external_id"])) is not None:
        column = compiled.mapping.external_id[0]
        refused.append(_refusal("duplicate-id", number, column, said["external_id"],
                                f"编号与第 {first} 行相同。", f"Its number is that of row {first}.",
                                "请核对是否重复记录；不重复则换一列或几列作 external_id。",
                                "Check whether the row is doubled; if not, use other columns as external_id."))  # fmt: skip
    if not said.get("name"):
        refused.append(_refusal("no-name", number, compiled.columns.get("name", "name"), "",
                                "名称是空的。", "The name is empty.", "请补上名称。", "Add it."))  # fmt: skip
    if refused:
        return None, refused
    return _validated(compiled, said, number, findings, warn)


def _refusal(
    code: str, row: int, column: str | None, value: str, zh: str, en: str, do_zh: str = "", do_en: str = ""
) -> Finding:
    return Finding("rejected", code, zh, en, row, column, value, do_zh, do_en)


def _category(compiled: Compiled, cells: Cells, number: int, refused: list[Finding]) -> str:
    spec = compiled.mapping.category
    column = None if isinstance(spec, str) else spec.column
    try:
        category = compiled.category(cells)
        value = category
    except Untranslated as error:
        category, value = "", error.value
    if category and (category == DROP or category in compiled.categories):
        return category
    refused.append(_refusal("unknown-category", number, column, value,
                            "认不出属于哪个类别。", "Its category is not known.",
                            "请在映射文件的 category 里补上这个值，或写 otherwise: drop 略过这类行。",
                            "Add the value under category in the mapping, or otherwise: drop to leave such rows out."))  # fmt: skip
    return ""


def _fields(compiled: Compiled, cells: Cells, warn: Warn, zone: str) -> dict[str, Any]:
    """Keyword arguments of SiteIn but for number, category and place; what is empty is left out, but for EMPTIED."""
    texts: dict[str, Any] = dict(compiled.constants)
    emptied: dict[str, Any] = {}
    for name, get in compiled.getters:
        try:
            text = get(cells)
        except Untranslated as error:
            warn(name, "untranslated", error.value, "映射文件的 translate 没有这个值，已略过。",
                 "The mapping's translate does not list this value; left out.",
                 "请补到 translate，或写 otherwise。", "Add it to translate, or give otherwise.")  # fmt: skip
            continue
        if text:
            texts[name] = text
        elif name in EMPTIED and name not in texts:
            emptied[name] = None
    said: dict[str, Any] = {**emptied}
    external = {}
    value: Any
    for name, value in texts.items():
        if name in TUPLES:
            if isinstance(value, str):
                value = tuple(part for text in compiled.splits[name].split(value) if (part := text.strip()))
            if name == "phones":
                said["phones"] = _phones(value, warn)
            elif name != "documents":
                said[name] = tuple(dict.fromkeys(value))
            else:
                said[name] = value
        elif name == "assured_at":
            if (moment := _date(value, texts.get("zone", zone), warn)) is not None:
                said["assured_at"] = moment
        elif name.startswith(EXTERNAL):
            external[name.removeprefix(EXTERNAL)] = value
        elif name not in SERVICE and name not in CONTACT and name != "cost_unit":
            said[name] = value
    if "zone" not in said and zone != DEFAULT_ZONE:
        said["zone"] = zone
    if external:
        said["external_ids"] = external
    if "operator" in texts:
        said["operator"] = _operator(texts, warn)
    documents = said.pop("documents", ())
    if documents or any(name in texts for name in SERVICE):
        _service(texts, documents, said, warn)
    return said


def _phones(texts: tuple[str, ...], warn: Warn) -> tuple[PhoneIn, ...]:
    phones = []
    for text in texts:
        read = read_phone(text)
        if read.number is None:
            warn("phones", "bad-phone", text, "电话无法识别，已略过。", "The phone number cannot be read; left out.",
                 "多个号码请用“、”分开；表格里请把电话列设为文本。",
                 "Put “、” between numbers; format the column as text.")  # fmt: skip
            continue
        if read.restored is not None:
            warn("phones", "lost-zero", text, "电话可能缺了开头的 0，已按原样保留。",
                 "The phone number may lack its leading zero; kept as it is.",
                 f"是不是 {read.restored}？请把电话列设为文本后更正。", f"Perhaps {read.restored}?")  # fmt: skip
        phones.append(PhoneIn(number=read.number, extension=read.extension, label=read.label))
    return tuple(dict.fromkeys(phones))


def _date(text: str, zone: str, warn: Warn) -> datetime | None:
    try:
        moment = read_date(text, zone)
    except (KeyError, ValueError):  # an unknown zone is refused by SiteIn, with words
        return None
    if moment is None:
        hint = suggest_date(text)
        warn("assured_at", "bad-date", text, "不是日期，已略过。", "Is no date; left out.",
             f"是不是 {hint}？" if hint else "请写成 2026-11-24。",
             f"Perhaps {hint}?" if hint else "Write it as 2026-11-24.")  # fmt: skip
    return moment


def _operator(texts: dict[str, Any], warn: Warn) -> OperatorIn | None:
    said = {
        "name": texts["operator"],
        "name_en": texts.get("operator_en"),
        "operating_model": texts.get("operating_model"),
    }
    try:
        return OperatorIn(**said)
    except ValidationError as error:
        field = (
            "operating_model"
            if any("operating_model" in part["loc"] for part in error.errors())
            else "operator"
        )
        warn(field, "bad-operator", str(said["operating_model"] or said["name"]),
             "运营主体或运营模式无效，已略过。", "The operator or its model is not valid; left out.",
             "运营模式请用 translate 换成 public、private 等代码。", "Translate the model to public, private, …")  # fmt: skip
        return None


def _service(texts: dict[str, Any], documents: tuple[str, ...], said: dict[str, Any], warn: Warn) -> None:
    service: dict[str, Any] = {
        "name": texts.get("service") or said.get("name"),
        "name_en": texts.get("service_en"),
        "description": texts.get("service_description"),
        "eligibility": texts.get("eligibility"),
        "documents": tuple(DocumentIn(name=name[:300]) for name in documents),
    }
    for field in ("minimum_age", "maximum_age"):
        if field in texts:
            service[field] = read_age(texts[field])
            if service[field] is None:
                warn(
                    field,
                    "bad-age",
                    texts[field],
                    "不是 0 到 150 的年龄，已略过。",
                    "Is no age from 0 to 150; left out.",
                )
    if "cost_yuan" in texts:
        amount = read_price(texts["cost_yuan"])
        if amount is None:
            warn(
                "cost_yuan",
                "bad-price",
                texts["cost_yuan"],
                "不是价格，已按“请询问”保存。",
                "Is no price; kept as “ask”.",
            )
        service["costs"] = (CostIn(label="收费", amount_fen=amount, unit=texts.get("cost_unit")),)
    try:
        said["services"] = (ServiceIn(**service),)
    except ValidationError as error:
        for part in error.errors():
            field = str(part["loc"][0]) if part["loc"] else "minimum_age"
            warn(field, "bad-service", str(texts.get(field, "")), f"服务信息有误，已略过：{_zh(part)}",
                 f"The service is not valid; left out: {_en(part)}")  # fmt: skip


def _validated(
    compiled: Compiled, said: dict[str, Any], number: int, findings: list[Finding], warn: Warn
) -> tuple[SiteIn | None, list[Finding]]:
    """SiteIn, after leaving out optional fields that it refuses. Each round removes at least one field."""
    while True:
        try:
            return SiteIn(**said), findings
        except ValidationError as error:
            parts = error.errors(include_url=False)
        refused = [
            _refusal("invalid", number, compiled.columns.get(str(part["loc"][0]), str(part["loc"][0])),
                     str(part["input"])[:200], _zh(part), _en(part))
            for part in parts if part["loc"][0] in NEEDED
        ]  # fmt: skip
        if refused:
            return None, refused
        for part in parts:
            _leave_out(said, str(part["loc"][0]), part, warn)


def _leave_out(said: dict[str, Any], field: str, part: Any, warn: Warn) -> None:
    value = said.pop(field, None)
    if value is None:  # a second complaint about a field that is gone already
        return
    if field in ("hours", "makeup_hours"):
        label = "开放时间" if field == "hours" else "调休上班日开放时间"
        prose = f"{label}：{value}"
        said["description"] = f"{said['description']}\n{prose}" if said.get("description") else prose
        hint = suggest_hours(str(value))
        warn(field, "prose-hours", str(value), "开放时间不是可计算的格式，已写入简介。",
             "The hours cannot be computed with; kept in the description.",
             f"是不是 {hint}？" if hint else "请写成 Mo-Fr 08:30-17:30 这样的格式（docs/hours.md）。",
             f"Perhaps {hint}?" if hint else "Write them like Mo-Fr 08:30-17:30 (docs/hours.md).")  # fmt: skip
        return
    if isinstance(value, tuple) and len(part["loc"]) > 1 and isinstance(part["loc"][1], int):
        kept = tuple(item for i, item in enumerate(value) if i != part["loc"][1])
        if kept:
            said[field] = kept
    warn(field, "invalid", str(part["input"]), f"{_zh(part)}；已略过。", f"{_en(part)}; left out.")


_ZH = {
    "string_too_long": "文字太长",
    "string_too_short": "文字太短",
    "string_pattern_mismatch": "格式不对",
    "literal_error": "不是可选的值",
    "too_long": "项目太多",
}


def _zh(part: Any) -> str:
    if part["type"] == "value_error":
        return str(part["msg"]).removeprefix("Value error, ").split(" / ")[0]
    limit = next((str(v) for k, v in part.get("ctx", {}).items() if k in ("max_length", "expected")), "")
    return _ZH.get(part["type"], "数值无效") + (f"（{limit}）" if limit else "")


def _en(part: Any) -> str:
    return str(part["msg"]).removeprefix("Value error, ").split(" / ")[-1]
