"""What complaints can be about, how soon each is answered, and the steps a complaint goes through: all as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Category = Literal[
    "service",
    "hours",
    "fees",
    "food_safety",
    "facility_safety",
    "accessibility",
    "eligibility",
    "wages",
    "privacy",
    "other",
]
State = Literal["open", "escalated", "replied", "withdrawn"]
Step = Literal["reply", "reopen", "escalate", "withdraw"]


@dataclass(frozen=True)
class ComplaintCategory:
    """``workdays``: on how many workdays after the day of the complaint an answer is still in time.

    What can harm somebody tomorrow is answered by the next workday; five workdays are what hotlines such as 12345
    promise for most else. An operator who promises other days changes them here.
    """

    label_zh: str
    label_en: str
    workdays: int


CATEGORIES: Mapping[Category, ComplaintCategory] = {
    "service": ComplaintCategory("服务态度或质量", "how people were served", 5),
    "hours": ComplaintCategory("没有按公布的时间开放", "not open as announced", 3),
    "fees": ComplaintCategory("收费", "charges", 5),
    "food_safety": ComplaintCategory("食品安全", "food safety", 1),
    "facility_safety": ComplaintCategory("设施安全隐患", "an unsafe facility", 1),
    "accessibility": ComplaintCategory("无障碍与适老", "accessibility", 5),
    "eligibility": ComplaintCategory("资格审核或名额分配", "who is entitled, who got a place", 5),
    "wages": ComplaintCategory("零工用工与工资", "work and wages", 3),
    "privacy": ComplaintCategory("个人信息保护", "personal data", 5),
    "other": ComplaintCategory("其他", "something else", 5),
}

# Which step leads from which state where. What is missing here is refused.
STEPS: Mapping[tuple[Step, State], State] = {
    ("reply", "open"): "replied",
    ("reply", "escalated"): "replied",
    ("escalate", "open"): "escalated",
    ("reopen", "replied"): "open",  # or "escalated" when it had been before: it does not come down again
    ("withdraw", "open"): "withdrawn",
    ("withdraw", "escalated"): "withdrawn",
}
UNANSWERED: tuple[State, ...] = ("open", "escalated")
STATE_LABELS: Mapping[State, tuple[str, str]] = {
    "open": ("办理中", "being worked on"),
    "escalated": ("已上报，由上级办理", "escalated, with those above"),
    "replied": ("已答复", "answered"),
    "withdrawn": ("已撤回", "withdrawn"),
}
# Counted from the answer; a complaint is reopened once.
REOPEN_DAYS = 15
