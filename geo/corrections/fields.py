"""What a report can be about, and the states it goes through."""

from collections.abc import Mapping
from typing import Literal

Field = Literal[
    "name", "address", "location", "hours", "phone", "closed", "services", "fees", "accessibility", "other"
]
State = Literal["open", "accepted", "declined"]
Verdict = Literal["accepted", "declined"]

LABELS: Mapping[Field, tuple[str, str]] = {
    "name": ("名称不对", "wrong name"),
    "address": ("地址不对", "wrong address"),
    "location": ("地图位置不对", "wrong place on the map"),
    "hours": ("开放时间不对", "wrong opening hours"),
    "phone": ("电话打不通或不对", "wrong phone number"),
    "closed": ("已经停办或搬走", "closed or moved away"),
    "services": ("服务内容不对", "wrong services"),
    "fees": ("收费不对", "wrong prices"),
    "accessibility": ("设施或无障碍信息不对", "wrong facilities or accessibility"),
    "other": ("其他", "something else"),
}
# A report is answered once; whoever is not content reports again.
STEPS: Mapping[State, frozenset[Verdict]] = {
    "open": frozenset({"accepted", "declined"}),
    "accepted": frozenset(),
    "declined": frozenset(),
}
STATE_LABELS: Mapping[State, tuple[str, str]] = {
    "open": ("等待处理", "waiting"),
    "accepted": ("已采纳", "accepted"),
    "declined": ("未采纳", "declined"),
}
