"""What staff send and get about offerings and weekly templates. Names are part of the contract (/openapi.json)."""

from datetime import date
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from api.params import Cursor, Limit, Parameters
from api.schemas.base import InstantOut, Out
from booking.offerings.input import Clock, Kind, NeedIn, OfferingIn, TemplateIn

Status = Literal["draft", "active", "paused", "ended"]


class NewOfferingIn(OfferingIn):
    """An offering of a site."""

    site_id: UUID


class OfferingsParameters(Parameters):
    """Which offerings to list; those within your scope."""

    site_id: UUID | None = None
    status: Status | None = None
    kind: Kind | None = None
    limit: Limit = 50
    next: Cursor | None = None


class OfferingOut(Out):
    """An offering as staff see it; `version` is what an edit names in `If-Match`."""

    id: UUID
    site_id: UUID
    kind: Kind
    shape: Literal["counted", "seated", "interval"]
    capacity_authority: Literal["owned", "allotted", "external"]
    external_url: str | None
    status: Status
    title: str
    title_en: str | None
    description: str | None
    opens_days_before: int
    opens_at: Clock | None
    closes_minutes_before: int
    cancel_minutes_before: int
    modes: list[str]
    party_max: int
    hold_seconds: int
    offer_minutes: int
    exclusive: bool
    assurance: Literal["none", "phone", "real_name"]
    price_fen: int | None
    rules: dict[str, Any]
    granularity_minutes: int | None
    shortest_minutes: int | None
    longest_minutes: int | None
    version: int
    created_at: InstantOut
    updated_at: InstantOut


class OfferingPage(Out):
    """In the order they were defined."""

    items: list[OfferingOut]
    next: str | None


class MisfitOut(Out):
    """A booked slot that no longer fits: keep it, or close it and say where people go."""

    slot_id: UUID
    on_date: date
    starts_at: InstantOut
    ends_at: InstantOut
    people: int
    why: Literal["time", "places"] = Field(description="places: more are taken than the template has now")


class SlotChanges(Out):
    """What a change did to the slots ahead."""

    made: int = 0
    taken_away: int = Field(0, description="nobody had booked them")
    brought_back: int = 0
    do_not_fit: list[MisfitOut] = Field(default_factory=list)


class OfferingStepOut(OfferingOut):
    """An offering with what became of its slots."""

    slots: SlotChanges


class TemplateOut(Out):
    """A weekly template."""

    id: UUID
    offering_id: UUID
    weekdays: list[int]
    day_kinds: list[Literal["workday", "rest_day", "holiday", "makeup_workday"]]
    starts_at: Clock
    ends_at: Clock
    slot_minutes: int | None
    places: dict[str, int]
    release_minutes: dict[str, int]
    seat_map: str | None
    needs: list[NeedIn]
    valid_from: date
    valid_until: date | None
    ended_at: InstantOut | None
    version: int


class TemplateChangedOut(TemplateOut):
    """A template with what its change did to the slots ahead."""

    slots: SlotChanges


class TemplatesParameters(Parameters):
    """A page of templates."""

    limit: Limit = 50
    next: Cursor | None = None


class TemplatePage(Out):
    """In the order they were made; those that ended too."""

    items: list[TemplateOut]
    next: str | None


class TemplateBody(TemplateIn):
    """A weekly pattern, whole."""
