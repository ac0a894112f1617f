"""Standing bookings as they are sent and answered."""

from datetime import date, time
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema

from api.params import Cursor, Day, Limit, Parameters
from api.schemas.base import In, InstantOut, Out
from core.text import Text

DateState = Literal["booked", "not_booked", "later", "no_slot"]
Weekday = Annotated[int, Field(ge=1, le=7)]
Clock = Annotated[
    Text,
    Field(
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["11:30"], description="local time of the site"
    ),
]


def _once(days: list[int]) -> list[int]:
    return sorted(set(days))


class StandingIn(In):
    """Book each slot of an offering that begins at `starts_at` on these weekdays, from one date to another."""

    offering_id: UUID
    person_id: UUID
    weekdays: Annotated[list[Weekday], AfterValidator(_once)] = Field(
        min_length=1, max_length=7, description="1 Monday … 7 Sunday"
    )
    starts_at: Clock
    from_: Day | None = Field(None, alias="from", description="the first date; today if omitted")
    until: Day = Field(description="the last date, at most a year after the first")
    party_size: int = Field(1, ge=1, le=100)
    mode: Annotated[Text, Field(max_length=40)] | None = None


class StandingParameters(Parameters):
    """Which standing bookings."""

    ended: bool = Field(False, description="also those that ended")
    limit: Limit = 50
    next: Cursor | None = None


class EndParameters(Parameters):
    """How to end one."""

    cancel_future: bool = Field(False, description="cancel what is booked ahead, too")


class StandingDateOut(Out):
    """What became of a date. `later`: it is booked when it opens, at `opens_at` if that is known."""

    on: date
    state: DateState
    reservation_id: UUID | None
    reason: str | None = Field(description="code of why not")
    opens_at: InstantOut | None


class StandingItemOut(Out):
    """A standing booking."""

    # Once.answer writes JSON by itself and names no aliases.
    model_config = ConfigDict(from_attributes=True, serialize_by_alias=True)

    id: UUID
    state: Literal["active", "ended"]
    offering_id: UUID
    title: str
    title_en: str | None
    person_id: UUID
    weekdays: list[int]
    starts_at: Annotated[str, WithJsonSchema({"type": "string", "examples": ["11:30"]})]
    from_: date = Field(serialization_alias="from")
    until: date
    party_size: int
    mode: str | None
    created_at: InstantOut
    ended_at: InstantOut | None


class StandingCounts(Out):
    """How many dates of each kind."""

    booked: int
    not_booked: int
    later: int
    no_slot: int


class StandingOut(StandingItemOut):
    """A standing booking with each of its dates."""

    counts: StandingCounts
    dates: list[StandingDateOut]


class EndedOut(StandingItemOut):
    """One that ended, and what was cancelled with it."""

    cancelled: list[UUID]


class StandingPage(Out):
    """A page of them, newest first."""

    items: list[StandingItemOut]
    next: str | None


def clock_of(text: str) -> time:
    """The time in ``text``."""
    return time.fromisoformat(text)
