"""What can be booked, as clients see it."""

from datetime import date
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from api.params import CategoryCode, Cursor, Day, Limit, OptionalPoint, Parameters
from api.schemas.base import InstantOut, Out
from api.schemas.reservations import SiteBriefOut
from booking.availability.reasons import WORDS

Kind = Literal["meal", "clinic", "venue", "performance", "course", "event", "advice"]
Shape = Literal["counted", "seated", "interval"]
ReasonCode = StrEnum("ReasonCode", {code: code for code in WORDS})  # type: ignore[misc]  # members are data


class OfferingsParameters(OptionalPoint):
    """Which offerings; with a place, the nearest first."""

    site_id: UUID | None = None
    kind: Kind | None = None
    category: list[CategoryCode] = Field([], max_length=20, description="of the site; includes those below")
    limit: Limit = 20
    next: Cursor | None = None


class SlotsParameters(Parameters):
    """Which days, and for whom."""

    from_: Day | None = Field(None, alias="from", description="first local date; today if omitted")
    to: Day | None = Field(None, description="last local date; a week in all if omitted, 62 days at most")
    person_id: UUID | None = Field(None, description="what this person may book; needs a token")
    seats: bool = Field(False, description="with the seats that are free, of seated offerings")


class SaidOut(Out):
    """A sentence in both languages."""

    zh: str
    en: str


class OfferingOut(Out):
    """Something bookable. ``price_fen`` null: ask; 0: free. ``external_url``: it is booked there, not here."""

    id: UUID
    site: SiteBriefOut
    kind: Kind
    shape: Shape
    title: str
    title_en: str | None
    description: str | None
    status: Literal["active", "paused"]
    capacity_authority: Literal["owned", "allotted", "external"]
    external_url: str | None
    price_fen: int | None
    modes: list[str]
    party_max: int
    assurance: Literal["none", "phone", "real_name"]
    waitlist: bool
    distance_m: float | None = None
    version: int


class ResourceOut(Out):
    """A court, a room, a practitioner."""

    id: UUID
    name: str
    name_en: str | None
    role: str


class SeatOut(Out):
    """A seat; ``x`` counts along the row, with gaps where people cannot sit side by side."""

    id: UUID
    number: str
    x: int
    kind: Literal["standard", "wheelchair", "companion"]


class SeatRowOut(Out):
    """A row, from the aisle on."""

    row: str
    seats: list[SeatOut]


class SeatMapOut(Out):
    """The plan of a hall, row by row from the front."""

    map: str
    rows: list[SeatRowOut]


class WholeOfferingOut(OfferingOut):
    """With its rules, as data and in words."""

    opens_days_before: int
    opens_at: str | None = Field(description="local time HH:MM")
    closes_minutes_before: int
    cancel_minutes_before: int
    granularity_minutes: int | None
    shortest_minutes: int | None
    longest_minutes: int | None
    rules: dict[str, Any]
    rules_in_words: list[SaidOut]
    resources: list[ResourceOut] = Field(
        description="what an interval offering is booked of; one of each `role`"
    )
    seat_maps: list[SeatMapOut] = Field(
        description="of a seated offering; which are free is said by its slots"
    )


class OfferingsPage(Out):
    """Offerings, and the cursor to go on with."""

    items: list[OfferingOut]
    next: str | None


class BookableOut(Out):
    """Whether one place can be booked: ``ok``, or what is in the way."""

    ok: bool
    reason_code: ReasonCode
    reason_zh: str
    reason_en: str


class FreeSeatOut(Out):
    """A seat that can be chosen."""

    id: UUID
    map: str
    row: str
    number: str
    x: int
    kind: Literal["standard", "wheelchair", "companion"]


class FreeSpanOut(Out):
    """A resource that is free from … to …"""

    resource_id: UUID
    name: str
    role: str
    starts_at: InstantOut
    ends_at: InstantOut


class TierOut(Out):
    """Places left of one tier that the person may take from."""

    tier: str
    places_left: int


class SlotOut(Out):
    """A time. ``places_left`` of counted, ``seats_left`` and ``wheelchair_left`` of seated, ``free`` of interval offerings.

    With ``person_id`` these are what the person can have, and ``tiers`` says where.
    """

    id: UUID
    starts_at: InstantOut
    ends_at: InstantOut
    opens_at: InstantOut
    closes_at: InstantOut
    state: Literal["open", "closed"]
    closed_reason: str | None
    places_left: int | None = None
    tiers: list[TierOut] | None = None
    seats_left: int | None = None
    wheelchair_left: int | None = None
    seats: list[FreeSeatOut] | None = None
    free: list[FreeSpanOut] | None = None
    bookable: BookableOut


class SlotsOut(Out):
    """In order of time: all that begin on the dates ``from`` … ``to``. Of more than 2,000, ``to`` is earlier than asked:
    go on from the day after.
    """

    from_: date = Field(alias="from")
    to: date
    items: list[SlotOut]
