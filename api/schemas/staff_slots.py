"""What staff send and get about single slots, seats and resources. Names are part of the contract (/openapi.json)."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from api.params import Cursor, Limit, Parameters
from api.schemas.base import InstantOut, Out
from booking.offerings.input import STORABLE, Code, Day, MapName, Places, ResourceIn, SeatIn

WarningCode = Literal["calendar_not_announced", "site_closed", "needs_missing", "does_not_fit"]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300), STORABLE]


class Body(BaseModel):
    """Base of bodies: unknown fields are named, not ignored."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class SlotsParameters(Parameters):
    """Which slots to list."""

    offering_id: UUID
    from_: Day = Field(alias="from", description="first local date")
    to: Day = Field(description="last local date, at most 92 days later")
    limit: Limit = 100
    next: Cursor | None = None


class BucketOut(Out):
    """Places of one tier."""

    tier: str
    capacity: int
    held: int
    confirmed: int
    set_aside: int = Field(description="kept for those who wait")
    released_at: AwareDatetime | None = Field(description="from then on what is left is everyone's")


class AllotmentOut(Out):
    """A block that another system lent."""

    lender: str
    reference: str
    lent: int
    return_at: InstantOut
    returned: int | None
    returned_at: InstantOut | None
    reported_used: int | None
    reported_at: InstantOut | None


class StaffSlotOut(Out):
    """A slot as staff see it."""

    id: UUID
    offering_id: UUID
    template_id: UUID | None
    on_date: date
    starts_at: InstantOut
    ends_at: InstantOut
    opens_at: InstantOut
    closes_at: InstantOut
    state: Literal["open", "closed"]
    closed_reason: str | None
    moved_to: UUID | None
    settled: bool = Field(description="of a closed slot: everybody has been moved or told")
    edited: bool = Field(description="changed by itself; its template leaves it alone")
    warnings: list[WarningCode]
    buckets: list[BucketOut]
    allotment: AllotmentOut | None


class StaffSlotPage(Out):
    """By start."""

    items: list[StaffSlotOut]
    next: str | None


class TierIn(Body):
    """Places of one tier."""

    capacity: Places
    release_minutes: int | None = Field(
        None, strict=True, ge=0, le=100_000, description="what is left is everyone's so long before the start"
    )


class PlacesIn(Body):
    """How many places a slot has; tiers not named stay."""

    tiers: Annotated[dict[Code, TierIn], Field(min_length=1, max_length=20)]


class CloseIn(Body):
    """Why a slot is closed, as people read it, and where they go."""

    reason: Words = Field(examples=["厨师临时有事"])
    move_to: UUID | None = Field(None, description="another slot; whoever finds no place there is cancelled")


class ClosedSlotOut(StaffSlotOut):
    """A closed slot."""

    reservations: int = Field(
        description="to be moved or cancelled within the next minutes; each person is told"
    )


class BlockIn(Body):
    """A block of places that another system lends for a slot."""

    lender: Words
    reference: Words
    lent: Places
    return_at: AwareDatetime = Field(description="what is unused then goes back")


class UsedIn(Body):
    """What the lender says was used."""

    used: Places


class ComparedOut(Out):
    """The lender's count beside ours."""

    lent: int
    returned: int
    reported_used: int
    ours: int = Field(description="booked or used through us")
    came: int
    no_show: int
    difference: int = Field(description="theirs beyond ours")


class SeatMapIn(Body):
    """A hall's seats, row by row from the front."""

    map: MapName
    seats: Annotated[list[SeatIn], Field(min_length=1, max_length=5000)]


class SeatOut(Out):
    """A seat."""

    id: UUID
    row: str
    number: str
    x: int
    kind: Literal["standard", "wheelchair", "companion"]


class SeatMapOut(Out):
    """A hall as it is now."""

    map: str
    seats: list[SeatOut]
    slots: int = Field(description="slots ahead that follow it")


class ResourcesIn(Body):
    """All resources of an offering, in order; one left out becomes inactive."""

    resources: Annotated[list[ResourceIn], Field(max_length=100)]


class ResourceOut(Out):
    """A resource with the bookings it still has ahead."""

    id: UUID
    role: str
    name: str
    name_en: str | None
    position: int
    status: Literal["active", "inactive"]
    booked_ahead: int


class ResourcesOut(Out):
    """Active ones first."""

    items: list[ResourceOut]


class WarningsParameters(Parameters):
    """Which warnings to list; those within your scope."""

    site_id: UUID | None = None
    offering_id: UUID | None = None
    limit: Limit = 50
    next: Cursor | None = None


class WarningOut(Out):
    """A date without slots, or a booked slot that no longer fits."""

    offering_id: UUID
    offering_title: str
    site_id: UUID
    template_id: UUID
    on_date: date
    code: WarningCode
    label_zh: str
    label_en: str
    slot_id: UUID | None
    found_at: InstantOut


class WarningPage(Out):
    """The soonest first."""

    items: list[WarningOut]
    next: str | None
