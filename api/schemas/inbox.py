"""Messages, how to be told, tasks to tell somebody, calendar feeds."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from api.params import Cursor, Limit, Parameters
from api.schemas.base import In, InstantOut, Out
from booking.events import Kind
from core.text import check_storable

LONGEST_WAIT = 25
# PostgreSQL's integer.
HIGHEST = 2_147_483_647
Number = Annotated[int, Field(ge=0, le=HIGHEST, examples=[41])]
Sms = Literal["all", "important", "none"]
Language = Literal["zh-CN", "en"]
Note = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=2, max_length=500),
    AfterValidator(check_storable),
    Field(examples=["上门告知了本人"]),
]


class InboxParameters(Parameters):
    """From where on, and how long to wait when there is nothing."""

    after: Number = Field(0, description="number of the last message known; `next` of the answer before")
    wait: int = Field(
        0, ge=0, le=LONGEST_WAIT, description="seconds to wait for something new; the answer comes with it"
    )
    limit: Limit = 50


class StreamParameters(Parameters):
    """From where on, for a first connection; `Last-Event-ID` counts more."""

    after: Number = 0


class SiteNameOut(Out):
    """Where."""

    id: UUID
    name: str


class SmsOut(Out):
    """What became of the text message about the same: `me` or the `person` it is about, who has no inbox."""

    to: Literal["me", "person"]
    state: Literal["waiting", "sent", "dead"]


class ItemOut(Out):
    """One message. `person` is masked, and null about none. `data`: ids and codes of what it is about, by kind."""

    number: int
    id: UUID
    kind: Kind
    at: InstantOut
    title_zh: str
    title_en: str
    text_zh: str
    text_en: str
    subject_id: UUID
    person_id: UUID | None
    person: str | None = Field(examples=["王**"])
    about_me: bool
    site: SiteNameOut | None
    starts_at: InstantOut | None
    ends_at: InstantOut | None
    data: dict[str, Any]
    sms: SmsOut | None


class InboxOut(Out):
    """Messages in the order of their numbers. Ask again with `after` = `next`; `last` is the highest number there is."""

    items: list[ItemOut]
    next: int
    last: int
    unread: int


class ReadIn(In):
    """All up to this number."""

    up_to: Number


class UnreadOut(Out):
    """How many are left."""

    unread: int


class NotificationsIn(In):
    """Text messages about `all`, what is `important` (reminders, offers, closures), or `none`; their language."""

    sms: Sms
    language: Language = "zh-CN"


class NotificationsOut(Out):
    """What was chosen."""

    sms: Sms
    language: str


class FeedOut(Out):
    """The calendar's secret address, shown once: whoever has it can read your reservations."""

    url: str
    token: str


class OutreachParameters(Parameters):
    """Which tasks."""

    state: Literal["open", "done"] = "open"
    site_id: UUID | None = None
    limit: Limit = 50
    next: Cursor | None = None


class TaskOut(Out):
    """Somebody to be told. `reason`: `no_way` (neither account nor phone), `undelivered`."""

    id: UUID
    kind: Kind
    reason: Literal["no_way", "undelivered"]
    state: Literal["open", "done"]
    person_id: UUID
    person: str = Field(examples=["王**"])
    home_area_id: UUID | None
    site: SiteNameOut | None
    title_zh: str
    title_en: str
    text_zh: str
    text_en: str
    due_at: InstantOut
    created_at: InstantOut
    done_at: InstantOut | None
    note: str | None


class TaskPage(Out):
    """The most urgent first."""

    items: list[TaskOut]
    next: str | None


class TaskDoneIn(In):
    """How they were told; name nobody."""

    note: Note


class CalendarParameters(Parameters):
    """The secret of the address."""

    token: Annotated[str, Field(min_length=20, max_length=100, pattern="^[A-Za-z0-9_-]+$")]
