"""What is wrong with a request, in words a person understands: (zh, en) for each kind of pydantic error."""

from collections.abc import Mapping
from typing import Any

TEXTS: Mapping[str, str] = {
    "missing": "必须填写",
    "extra_forbidden": "没有这个参数，请检查拼写",
    "finite_number": "必须是有限的数字",
    "float_parsing": "必须是数字",
    "float_type": "必须是数字",
    "int_parsing": "必须是整数",
    "int_from_float": "必须是整数",
    "int_type": "必须是整数",
    "bool_parsing": "必须是 true 或 false",
    "greater_than": "必须大于 {gt}",
    "greater_than_equal": "不能小于 {ge}",
    "less_than": "必须小于 {lt}",
    "less_than_equal": "不能大于 {le}",
    "enum": "只能是：{expected}",
    "literal_error": "只能是：{expected}",
    "string_too_short": "至少 {min_length} 个字符",
    "string_too_long": "最多 {max_length} 个字符",
    "string_pattern_mismatch": "格式应为 {pattern}",
    "too_long": "最多 {max_length} 项",
    "too_short": "至少 {min_length} 个",
    "list_type": "必须是列表",
    "dict_type": "必须是 JSON 对象",
    "model_type": "必须是 JSON 对象",
    "bool_type": "必须是 true 或 false",
    "string_type": "必须是文字",
    "string_unicode": "含有无法保存的字符",
    "json_invalid": "不是有效的 JSON",
    "model_attributes_type": "必须是 JSON 对象",
    "union_tag_not_found": "请填写 {discriminator}",
    "union_tag_invalid": "{discriminator} 只能是：{expected_tags}",
    "uuid_parsing": "不是有效的编号",
    "uuid_type": "必须是编号",
    "date_type": "日期格式应为 2026-11-24",
    "datetime_type": "时间格式应为 2026-11-24T11:30:00+08:00",
    "time_type": "时间格式应为 11:30",
    "time_parsing": "时间格式应为 11:30",
    "date_from_datetime_parsing": "日期格式应为 2026-11-24",
    "date_parsing": "日期格式应为 2026-11-24",
    "datetime_from_date_parsing": "时间格式应为 2026-11-24T11:30:00+08:00",
    "datetime_parsing": "时间格式应为 2026-11-24T11:30:00+08:00",
    "timezone_aware": "时间须带时区，例如 2026-11-24T11:30:00+08:00",
}
EXTRA_ENGLISH = {"extra_forbidden": "There is no such parameter; check the spelling"}


def explain(error: Mapping[str, Any]) -> tuple[str, str]:
    """One pydantic error in Chinese and in English."""
    kind, message = str(error["type"]), str(error["msg"])
    if kind == "value_error":
        # Our own validators say both, as "zh / en".
        zh, _, en = message.removeprefix("Value error, ").partition(" / ")
        return zh, en or zh
    english = EXTRA_ENGLISH.get(kind, message)
    text = TEXTS.get(kind)
    return (text.format(**error.get("ctx", {})) if text else f"无效：{message}", english)
