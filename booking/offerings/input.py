"""What staff say of an offering, a template, a seat map: one form for the API, the demo city and tests.

Validated here, so that a clerk reads which field is wrong; the database's CHECKs are the last guard.
"""

import re
from collections.abc import Sequence
from datetime import date, time
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from core.text import check_storable
from geo.calendar.workdays import DayKind

MOST_PLACES = 20_000  # of one tier in one slot; moves of the ledger are 16 bits
MOST_SLOTS_A_DAY = 288
DAY_MINUTES = 1440
MOST_RULES_BYTES = 20_000
CLOCK = re.compile(r"^([01]\d|2[0-3]):[0-5]\d$")
STORABLE = AfterValidator(check_storable)

Kind = Literal["meal", "clinic", "venue", "performance", "course", "event", "advice", "supply"]
Shape = Literal["counted", "seated", "interval"]
Authority = Literal["owned", "allotted", "external"]


def _read_clock(said: Any) -> Any:
    if isinstance(said, time):
        return said
    if not isinstance(said, str) or not CLOCK.match(said):
        raise ValueError("时间写作 07:30 / a time of day looks like 07:30")
    return time.fromisoformat(said)


def _read_date(said: Any) -> Any:
    if isinstance(said, str) and not re.match(r"^\d{4}-\d\d-\d\d$", said):
        raise ValueError("日期写作 2026-11-24 / a date looks like 2026-11-24")
    return said


def _check_unique(said: Sequence[Any]) -> Sequence[Any]:
    if len(set(said)) < len(said):
        raise ValueError("有重复 / named twice")
    return said


def _check_rules(said: dict[str, Any]) -> dict[str, Any]:
    """What JSONB can keep; what it means is read by ``booking.rules.reading``."""
    try:
        text = orjson.dumps(said)
    except (TypeError, ValueError):
        raise ValueError("含有无法保存的内容 / holds what cannot be stored") from None
    if len(text) > MOST_RULES_BYTES or b"\\u0000" in text:
        raise ValueError("规则太长或含有无法保存的字符 / too long, or holds what cannot be stored")
    return said


Clock = Annotated[
    time,
    BeforeValidator(_read_clock),
    PlainSerializer(lambda at: f"{at:%H:%M}", when_used="json"),
    WithJsonSchema({"type": "string", "pattern": CLOCK.pattern, "examples": ["07:30"]}),
]
Day = Annotated[
    date,
    BeforeValidator(_read_date),
    Field(ge=date(2000, 1, 1), le=date(2200, 12, 31)),
    WithJsonSchema({"type": "string", "format": "date"}),
]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), STORABLE]
Prose = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=5000), STORABLE]
Url = Annotated[str, StringConstraints(pattern=r"^https?://\S+$", max_length=500), STORABLE]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,29}$")]
MapName = Annotated[
    str,
    StringConstraints(pattern=r"^[^@\s]{1,60}$"),
    STORABLE,
    Field(description="of the hall", examples=["main"]),
]
Places = Annotated[int, Field(strict=True, ge=0, le=MOST_PLACES)]
Minutes = Annotated[int, Field(strict=True, ge=0, le=100_000)]
Weekday = Annotated[int, Field(strict=True, ge=1, le=7)]
strict = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class OfferingIn(BaseModel):
    """An offering, whole: what is left out has its default. Times are by the clock of the site."""

    model_config = strict

    kind: Kind
    shape: Shape = "counted"
    capacity_authority: Authority = Field(
        "owned",
        description="`allotted`: places another system lends; `external`: booked there, shown and linked here",
    )
    external_url: Url | None = None
    title: Title = Field(examples=["午餐"])
    title_en: Title | None = None
    description: Prose | None = None
    opens_days_before: int = Field(7, strict=True, ge=0, le=366)
    opens_at: Clock | None = Field(None, description="when on that day; null: as soon as there is a slot")
    closes_minutes_before: Minutes = 0
    cancel_minutes_before: Minutes = 0
    modes: Annotated[tuple[Code, ...], Field(max_length=10), AfterValidator(_check_unique)] = ()
    party_max: int = Field(1, strict=True, ge=1, le=100)
    hold_seconds: int = Field(300, strict=True, ge=30, le=86_400)
    offer_minutes: int = Field(30, strict=True, ge=1, le=10_080)
    exclusive: bool = Field(True, description="whoever holds a place is busy meanwhile")
    assurance: Literal["none", "phone", "real_name"] = "phone"
    price_fen: int | None = Field(None, strict=True, ge=0, le=100_000_000)
    rules: Annotated[dict[str, Any], AfterValidator(_check_rules)] = Field(
        default_factory=dict,
        description="eligibility, tiers, limits, price, waitlist, attendance (docs/offerings.md)",
    )
    granularity_minutes: int | None = Field(None, strict=True, ge=5, le=DAY_MINUTES)
    shortest_minutes: int | None = Field(None, strict=True, ge=5, le=DAY_MINUTES)
    longest_minutes: int | None = Field(None, strict=True, ge=5, le=DAY_MINUTES)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        lengths = (self.granularity_minutes, self.shortest_minutes, self.longest_minutes)
        if self.shape == "interval":
            granularity, shortest, longest = lengths
            if granularity is None or shortest is None or longest is None:
                raise ValueError(
                    "按时长预约需填写 granularity_minutes、shortest_minutes、longest_minutes / "
                    "an interval offering needs granularity_minutes, shortest_minutes and longest_minutes"
                )
            if not granularity <= shortest <= longest or shortest % granularity or longest % granularity:
                raise ValueError(
                    "最短和最长时间应为 granularity_minutes 的整数倍，且最短不超过最长 / "
                    "shortest and longest are multiples of granularity_minutes, shortest not above longest"
                )
        elif any(one is not None for one in lengths):
            raise ValueError(
                "只有按时长预约（interval）才有这些时长 / only interval offerings have granularity and lengths"
            )
        if (self.capacity_authority == "external") != (self.external_url is not None):
            raise ValueError(
                "external_url 仅在、且必须在 capacity_authority 为 external 时填写 / "
                "external_url goes with capacity_authority external, and with no other"
            )
        if self.capacity_authority == "allotted" and self.shape != "counted":
            raise ValueError("借入号源只能按人数预约（counted）/ allotted places are counted")
        if self.kind == "supply" and (self.shape, self.capacity_authority) != ("counted", "owned"):
            raise ValueError("配套资源（supply）只能是自有、按人数（counted）/ a supply is owned and counted")
        return self


class NeedIn(BaseModel):
    """A supply offering of which a slot at the same time is taken along."""

    model_config = strict

    offering_id: UUID
    per: Literal["person", "booking"] = "person"
    modes: Annotated[tuple[Code, ...], Field(max_length=10)] = Field(
        (), description="only these; none named: all"
    )


class TemplateIn(BaseModel):
    """A weekly pattern, whole."""

    model_config = strict

    weekdays: Annotated[
        tuple[Weekday, ...], Field(min_length=1, max_length=7), AfterValidator(_check_unique)
    ] = Field(
        (1, 2, 3, 4, 5, 6, 7),
        description="1 Monday … 7 Sunday; make-up workdays count whatever their weekday",
    )
    day_kinds: Annotated[
        tuple[DayKind, ...], Field(min_length=1, max_length=4), AfterValidator(_check_unique)
    ] = Field(
        description="a date of a year not announced yet counts only if all it may turn out to be is named"
    )
    starts_at: Clock
    ends_at: Clock = Field(description="the next day when not later than starts_at")
    slot_minutes: int | None = Field(None, strict=True, ge=5, le=DAY_MINUTES)
    places: Annotated[dict[Code, Places], Field(max_length=20)] = Field(
        default_factory=dict, examples=[{"general": 40, "elder": 10}]
    )
    release_minutes: Annotated[dict[Code, Minutes], Field(max_length=20)] = Field(
        default_factory=dict, description="how long before the start what is left of a tier is everyone's"
    )
    seat_map: MapName | None = None
    needs: Annotated[tuple[NeedIn, ...], Field(max_length=10)] = ()
    valid_from: Day
    valid_until: Day | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.valid_until is not None and self.valid_until < self.valid_from:
            raise ValueError("valid_until 不能早于 valid_from / valid_until is before valid_from")
        if self.slot_minutes is not None and self.slot_minutes > self.length_minutes:
            raise ValueError("slot_minutes 超过了整段时间 / slot_minutes is longer than the whole time")
        for tier in self.release_minutes:
            if tier == "general" or tier not in self.places:
                raise ValueError(
                    f"release_minutes：{tier} 不是 places 中的保留名额 / release_minutes: {tier} is no reserved tier of places"
                )
        if len({one.offering_id for one in self.needs}) < len(self.needs):
            raise ValueError("needs 有重复 / needs names an offering twice")
        return self

    @property
    def length_minutes(self) -> int:
        """From starts_at to ends_at."""
        return length_minutes(self.starts_at, self.ends_at)


def length_minutes(starts_at: time, ends_at: time) -> int:
    """Minutes from one time of day to the next such; a whole day when they are the same."""
    start, end = starts_at.hour * 60 + starts_at.minute, ends_at.hour * 60 + ends_at.minute
    return (end - start - 1) % DAY_MINUTES + 1


class SeatIn(BaseModel):
    """A seat; ``x`` counts along the row, with a gap where people cannot sit side by side."""

    model_config = strict

    row: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20), STORABLE]
    number: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20), STORABLE]
    x: int = Field(strict=True, ge=0, le=1000)
    kind: Literal["standard", "wheelchair", "companion"] = "standard"


class ResourceIn(BaseModel):
    """A court, a room, a practitioner. A booking takes one of each ``role`` the offering has."""

    model_config = strict

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), STORABLE]
    name_en: (
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), STORABLE]
        | None
    ) = None
    role: Code = "place"
    status: Literal["active", "inactive"] = "active"
