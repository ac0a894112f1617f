"""Reservations as clients send and see them."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from api.params import Day
from api.schemas.base import InstantOut, Out

State = Literal["held", "confirmed", "checked_in", "no_show", "cancelled", "expired"]
Mode = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,29}$")]


class ReservationIn(BaseModel):
    """A slot, or of an interval offering a span. ``hold``: keep the places for a while, then confirm."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    person_id: UUID = Field(description="for whom: oneself, or somebody who delegated (GET /v1/me/people)")
    slot_id: UUID | None = None
    offering_id: UUID | None = Field(None, description="with starts_at and ends_at, in place of slot_id")
    resource_id: UUID | None = Field(None, description="this court or room; without it any that is free")
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    party_size: int = Field(1, ge=1, le=100)
    mode: Mode | None = Field(None, description="one of the offering's modes", examples=["dine_in"])
    seats: list[UUID] = Field([], max_length=100, description="seat ids; none: the best that are free")
    wheelchair: bool = Field(False, description="one of the party needs a wheelchair space")
    hold: bool = False

    @model_validator(mode="after")
    def _names_a_time(self) -> "ReservationIn":
        span = (self.offering_id, self.starts_at, self.ends_at)
        if self.slot_id is None and None in span:
            raise ValueError(
                "请给出 slot_id，或 offering_id、starts_at 和 ends_at / give slot_id, or offering_id with starts_at and ends_at"
            )
        return self


class RescheduleIn(BaseModel):
    """Another slot, another span, or other seats."""

    model_config = ConfigDict(extra="forbid")

    slot_id: UUID | None = None
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    resource_id: UUID | None = None
    seats: list[UUID] = Field([], max_length=100)

    @model_validator(mode="after")
    def _names_a_time(self) -> "RescheduleIn":
        if self.slot_id is None and not self.seats and None in (self.starts_at, self.ends_at):
            raise ValueError(
                "请给出 slot_id，或 starts_at 和 ends_at / give slot_id, or starts_at with ends_at"
            )
        return self


class ReservationsParameters(BaseModel):
    """Query of the list."""

    model_config = ConfigDict(extra="forbid")

    person_id: UUID | None = None
    state: list[State] = Field([], description="repeats; none: all")
    from_: Day | None = Field(None, alias="from", description="first local date")
    limit: int = Field(50, ge=1, le=200)
    next: str | None = None


class SiteBriefOut(Out):
    """Where it is."""

    id: UUID
    name: str
    address: str | None


class SeatOut(Out):
    """A seat as it is written on the chair."""

    id: UUID
    row: str
    number: str
    kind: str


class ResourceBriefOut(Out):
    """A court, a room, a practitioner."""

    id: UUID
    name: str
    role: str


class StepOut(Out):
    """One change: by whom (``booker``: the account that booked), when, through which channel, why."""

    number: int
    at: InstantOut
    state: State
    channel: str
    by: Literal["booker", "other", "staff", "system"]
    why: str


class ReservationOut(Out):
    """``code`` is said at the desk, or its QR shown. ``cancel_until``: later it cannot be moved, and cancelling
    counts as late."""

    id: UUID
    state: State
    state_zh: str
    state_en: str
    code: str
    offering_id: UUID
    kind: str
    title: str
    title_en: str | None
    site: SiteBriefOut
    slot_id: UUID
    person_id: UUID | None
    party_size: int
    mode: str | None
    starts_at: InstantOut
    ends_at: InstantOut
    expires_at: InstantOut | None = Field(description="when a hold ends unless it is confirmed")
    cancel_until: InstantOut
    price_fen: int | None
    price_lines: list[dict[str, Any]] = Field([])
    seats: list[SeatOut] = Field([])
    resources: list[ResourceBriefOut] = Field([])
    channel: str
    created_at: InstantOut
    version: int
    history: list[StepOut] | None = Field(None, description="when one is read by itself")


class ReservationsPage(Out):
    """Newest time first."""

    items: list[ReservationOut]
    next: str | None
