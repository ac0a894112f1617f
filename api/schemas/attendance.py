"""Places that stayed empty, and appeals about them, as they are sent and answered."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from api.params import Cursor, Limit, Parameters
from api.schemas.base import In, InstantOut, Out
from core.text import Text

MarkKind = Literal["no_show", "late_cancel"]
AppealState = Literal["open", "waived", "upheld"]


def _said(text: str) -> str:
    """Raises ValueError when nothing is left."""
    text = text.strip()
    if not text:
        raise ValueError("请填写 / must not be empty")
    return text


Words = Annotated[Text, Field(min_length=2, max_length=1000), AfterValidator(_said)]


class AppealIn(In):
    """Why the place stayed empty."""

    text: Words


class AnswerIn(In):
    """What the person is answered."""

    answer: Words


class MarkOut(Out):
    """A place that stayed empty."""

    reservation_id: UUID
    person_id: UUID
    offering_id: UUID
    kind: MarkKind
    at: InstantOut
    counts: bool = Field(description="no longer, once it faded, was waived, or while an appeal is open")
    fades_at: InstantOut
    appeal_state: AppealState | None
    answer: str | None


class BlockedOut(Out):
    """Where a person stands with an offering in which they left places empty."""

    person_id: UUID
    offering_id: UUID
    title: str
    counting: int
    most: int | None = Field(description="as many pause booking; null: never")
    within_days: int
    spared: bool = Field(description="people of this age are never paused")
    blocked_until: InstantOut | None


class AttendanceOut(Out):
    """One's own marks and those of people who delegated, newest first, and what they mean."""

    items: list[MarkOut]
    standings: list[BlockedOut]


class AppealedOut(Out):
    """An appeal that was made."""

    id: UUID
    reservation_id: UUID
    state: AppealState
    appealed_at: InstantOut


class AppealsParameters(Parameters):
    """Which appeals."""

    state: AppealState = "open"
    site_id: UUID | None = None
    limit: Limit = 50
    next: Cursor | None = None


class StaffAppealOut(Out):
    """An appeal, for whoever decides."""

    id: UUID
    state: AppealState
    kind: MarkKind
    site_id: UUID
    offering_id: UUID
    title: str
    reservation_id: UUID
    starts_at: InstantOut
    person_id: UUID
    name: str = Field(description="masked")
    marked_at: InstantOut
    appealed_at: InstantOut
    text: str | None
    answer: str | None
    decided_at: InstantOut | None


class StaffAppealsPage(Out):
    """A page of them, the longest waiting first."""

    items: list[StaffAppealOut]
    next: str | None
