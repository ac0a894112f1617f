"""Complaints and ratings as clients write and see them."""

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from api.params import Cursor, Day, Limit, Parameters
from api.schemas.base import In, InstantOut, LabelOut, Out
from booking.feedback.categories import Category, State
from booking.feedback.levels import TAGS
from core.text import check_storable

STORABLE = AfterValidator(check_storable)
Prose = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), STORABLE]
ServiceName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), STORABLE]
Level = Annotated[
    int,
    Field(
        strict=True, ge=1, le=5, description="1 很不满意, 2 不满意, 3 一般, 4 满意, 5 很满意", examples=[5]
    ),
]


def _check_tag(tag: str) -> str:
    if tag not in TAGS:
        raise ValueError(
            "没有这个标签，可用的见 GET /v1/feedback/options / no such tag; GET /v1/feedback/options lists them"
        )
    return tag


Tag = Annotated[str, StringConstraints(max_length=40), AfterValidator(_check_tag)]


class ComplaintIn(In):
    """What went wrong, where, and for whom."""

    category: Category = Field(description="labels and deadlines at GET /v1/feedback/options")
    text: Prose = Field(examples=["今天中午没有按公布的时间开饭"])
    site_id: UUID | None = Field(None, description="left out when it is about no site")
    person_id: UUID | None = Field(None, description="whom it is about, if not oneself")


class ProseIn(In):
    """What there is to say."""

    text: Prose


class EntryOut(Out):
    """One step, who took it, and what was said."""

    at: InstantOut
    step: Literal["filed", "reply", "reopen", "escalate", "withdraw"]
    taken_by: Literal["resident", "staff", "system"]
    text: str | None


class ComplaintItem(Out):
    """A complaint in a list."""

    id: UUID
    site_id: UUID | None
    site_name: str | None
    category: Category
    category_labels: LabelOut
    state: State
    created_at: InstantOut
    deadline_on: date = Field(description="last day to be answered")
    deadline_basis: Literal["workdays", "calendar_days"] = Field(
        description="calendar_days: the year's holidays are not announced yet, so that nobody can count workdays"
    )
    overdue: bool
    escalated: bool = Field(description="those above the site answer it")
    reopened: bool


class ComplaintOut(ComplaintItem):
    """A complaint with all that happened."""

    text: str | None = Field(description="null once its writer had it erased")
    person_id: UUID | None
    reopen_until: InstantOut | None = Field(description="when it is answered and can be reopened: until then")
    history: list[EntryOut] = Field(description="the earliest first")


class ComplaintPage(Out):
    """The newest first."""

    items: list[ComplaintItem]
    next: str | None


class StaffComplaintOut(ComplaintItem):
    """A complaint as those who answer it read it."""

    text: str | None = Field(description="null once its writer had it erased")
    person_id: UUID | None = Field(description="whom it is about, when registered")
    history: list[EntryOut]


class StaffComplaintPage(Out):
    """Those overdue first, then by deadline: where and until when, not what was written."""

    items: list[ComplaintItem]
    next: str | None


class MyFeedbackParameters(Parameters):
    """Which page of one's own."""

    limit: Limit = 20
    next: Cursor | None = None


class StaffComplaintParameters(Parameters):
    """Which complaints to list."""

    state: State | None = Field(None, description="left out: those to be answered, open or escalated")
    site_id: UUID | None = None
    category: list[Category] = Field([], max_length=10)
    overdue: bool = Field(False, description="only those whose deadline has passed")
    limit: Limit = 50
    next: Cursor | None = None


class _RatingSaid(In):
    """What a rating says."""

    level: Level
    service: ServiceName | None = Field(None, description="name of one of the site's services")
    tags: list[Tag] = Field([], max_length=10)
    text: (
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000), STORABLE]
        | None
    ) = None

    @model_validator(mode="after")
    def _tags_once(self) -> Self:
        self.tags = list(dict.fromkeys(self.tags))
        return self


class RatingIn(_RatingSaid):
    """How content one was with a visit to a site."""

    site_id: UUID
    reservation_id: UUID | None = Field(
        None,
        description="the visit: checked in there within the last 30 days, of oneself or of somebody who delegated",
    )


class RatingChangeIn(_RatingSaid):
    """What one says instead."""


class DeskRatingIn(_RatingSaid):
    """What somebody said at the desk, by telephone, or on a slip of paper."""

    site_id: UUID
    channel: Literal["counter", "phone", "paper"] = "counter"


class SheetIn(In):
    """A sheet on which people ticked."""

    site_id: UUID
    on: Day = Field(description="the day people ticked it")
    counts: dict[Literal["1", "2", "3", "4", "5"], Annotated[int, Field(strict=True, ge=0, le=10_000)]] = (
        Field(description="how many ticked each level", examples=[{"5": 21, "4": 6, "3": 1}])
    )
    sheet_reference: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60), STORABLE
    ] = Field(description="stands on the sheet; a sheet is entered once", examples=["2026-11-24-A3"])
    service: ServiceName | None = None

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not any(self.counts.values()):
            raise ValueError("至少要有一个人评价 / at least one person must have ticked")
        return self


class RatingOut(Out):
    """A rating of one's own."""

    id: UUID
    site_id: UUID
    reservation_id: UUID | None = Field(description="the visit")
    service: str | None
    level: int
    tags: list[str]
    text: str | None
    on: date
    created_at: InstantOut


class RatingPage(Out):
    """The newest first."""

    items: list[RatingOut]
    next: str | None


class EnteredOut(Out):
    """What was entered."""

    id: UUID
    site_id: UUID
    on: date
    count: int


class TotalsOut(Out):
    """How content people were; nothing but the reason while too few said so."""

    count: int | None
    average: float | None = Field(description="mean level, to 0.01", examples=[4.37])
    levels: dict[str, int] | None = Field(
        description="ratings by level", examples=[{"1": 0, "2": 1, "3": 2, "4": 9, "5": 21}]
    )
    reason: Literal["too_few"] | None


class ServiceTotalsOut(TotalsOut):
    """Of one service."""

    service: str


class SiteTotalsOut(TotalsOut):
    """Of a site, and of its services that enough people rated by name."""

    site_id: UUID
    shown_from: int = Field(description="ratings needed before a result is shown")
    services: list[ServiceTotalsOut]


class RemarkOut(Out):
    """What somebody wrote with a rating; of whom it is not said."""

    id: UUID
    level: int
    service: str | None
    tags: list[str]
    text: str | None
    on: date


class RemarkPage(Out):
    """The newest first."""

    items: list[RemarkOut]
    next: str | None


class RemarkParameters(Parameters):
    """Whose remarks."""

    site_id: UUID
    limit: Limit = 50
    next: Cursor | None = None


class MyRatingParameters(MyFeedbackParameters):
    """Which of one's own."""

    site_id: UUID | None = None


class CategoryOptionOut(LabelOut):
    """What a complaint can be about."""

    workdays: int = Field(description="days in which it is answered")


class LevelOut(Out):
    """A level with its labels."""

    level: int
    label_zh: str
    label_en: str


class OptionsOut(Out):
    """All that can be chosen in reports, complaints and ratings."""

    correction_fields: list[LabelOut]
    complaint_categories: list[CategoryOptionOut]
    rating_levels: list[LevelOut]
    rating_tags: list[LabelOut]
    reopen_days: int = Field(description="days after an answer in which a complaint can be reopened, once")
