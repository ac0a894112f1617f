"""The desk, as its console sends and gets it."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from api.params import Day, Instant, Parameters
from api.schemas.base import In, InstantOut, Out, Reason
from core.text import Text

State = Literal["held", "confirmed", "checked_in", "no_show", "cancelled", "expired"]
Channel = Literal["phone", "counter"]
Code = Annotated[Text, Field(pattern="^[0-9]{6}$", examples=["402913"], description="the six digits")]
Ticket = Annotated[
    Text,
    Field(min_length=1, max_length=100, description="the text of the QR code", examples=["XB1.AZq…"]),
]
Mode = Annotated[Text, Field(min_length=1, max_length=40, examples=["dine_in"])]
PartySize = Annotated[int, Field(ge=1, le=100)]
Device = Annotated[
    Text, Field(pattern="^[A-Za-z0-9._-]{4,64}$", examples=["desk-1"], description="the device's own name")
]


def _of_this_century(at: datetime) -> datetime:
    """What a broken clock says would not even be kept."""
    if not FIRST_YEAR <= at.year < LAST_YEAR:
        raise ValueError("请校对设备时钟 / set the device's clock")
    return at


FIRST_YEAR, LAST_YEAR = 2000, 2100
OnDay = Annotated[Day, Field(ge=date(FIRST_YEAR, 1, 1), lt=date(LAST_YEAR, 1, 1))]
Moment = Annotated[Instant, AfterValidator(_of_this_century)]
At = Annotated[
    Moment,
    Field(
        description="when it was done, if not now; at most 24 hours ago",
        examples=["2026-11-24T11:20:00+08:00"],
    ),
]


class DeskParameters(Parameters):
    """A site and a day."""

    site_id: UUID
    on: OnDay | None = Field(None, description="today if omitted")


class DeskListParameters(DeskParameters):
    """The list, or what of it matches."""

    q: Annotated[
        str | None,
        Field(
            pattern="^[0-9]{2,11}$",
            description="the code or the last digits of the phone; a name is searched with POST …/search",
            examples=["0001"],
        ),
    ] = None


class RosterParameters(DeskParameters):
    """Which day, for which device."""

    device_key: Annotated[
        str,
        Field(
            pattern="^[A-Za-z0-9_-]{43}$",
            description="the device's X25519 public key: 32 bytes, base64url without padding",
        ),
    ]


class DeskSearchIn(In):
    """What somebody says; in a body, so that no address ever holds a name."""

    site_id: UUID
    on: OnDay | None = Field(None, description="today if omitted")
    q: Annotated[Text, Field(min_length=1, max_length=60, examples=["王秀英"])]


class _ShownIn(In):
    """One of: a scanned ticket; a code among those of a slot; one of the list."""

    ticket: Ticket | None = None
    code: Code | None = None
    slot_id: UUID | None = Field(None, description="of the code")
    reservation_id: UUID | None = None

    @model_validator(mode="after")
    def _one_of(self) -> "_ShownIn":
        given = sum(one is not None for one in (self.ticket, self.code, self.reservation_id))
        if given != 1 or (self.code is None) != (self.slot_id is None):
            raise ValueError(
                "请只填一项：ticket、code 与 slot_id，或 reservation_id / "
                "give exactly one: ticket, code with slot_id, or reservation_id"
            )
        return self


class CheckInIn(_ShownIn):
    """Who is here. ``site_id``: where the desk is, to tell whoever came to the wrong place."""

    site_id: UUID | None = None
    at: At | None = None
    why: Reason | None = Field(
        None, description="needed earlier than 2 hours before the start, or after the end"
    )


class NoShowIn(In):
    """When it was noted, if not now."""

    at: At | None = None


class WalkInIn(In):
    """Somebody without a reservation. Without ``slot_id``: what runs now at the site, or comes next."""

    site_id: UUID | None = None
    slot_id: UUID | None = None
    offering_id: UUID | None = None
    party_size: PartySize = 1
    person_id: UUID | None = Field(None, description="found a moment ago; nobody needs to give a name")
    ticket: Ticket | None = Field(None, description="of any reservation of theirs, to say who they are")
    mode: Mode | None = Field(None, description="the offering's first if omitted")

    @model_validator(mode="after")
    def _somewhere(self) -> "WalkInIn":
        if self.site_id is None and self.slot_id is None and self.offering_id is None:
            raise ValueError("请给出 site_id、offering_id 或 slot_id / give site_id, offering_id or slot_id")
        if self.person_id is not None and self.ticket is not None:
            raise ValueError("person_id 与 ticket 只填一项 / give person_id or ticket, not both")
        return self


class StaffReservationIn(In):
    """A reservation for somebody who calls, or stands at the desk and wants another day."""

    channel: Channel
    person_id: UUID = Field(description="found with POST /v1/staff/persons/search")
    slot_id: UUID | None = None
    offering_id: UUID | None = Field(None, description="of courts and rooms, with starts_at and ends_at")
    resource_id: UUID | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    party_size: PartySize = 1
    mode: Mode | None = None
    seats: Annotated[tuple[UUID, ...], Field(max_length=100)] = ()
    wheelchair: bool = False

    @model_validator(mode="after")
    def _what(self) -> "StaffReservationIn":
        span = (self.offering_id, self.starts_at, self.ends_at)
        if self.slot_id is None and None in span:
            raise ValueError(
                "请给出 slot_id，或 offering_id、starts_at 和 ends_at / "
                "give slot_id, or offering_id with starts_at and ends_at"
            )
        return self


class StaffCancelIn(In):
    """Who asked for it, and why; it goes on record."""

    channel: Channel = "phone"
    reason: Reason


class SyncItemIn(In):
    """One thing done without a network. ``id`` is the device's own, new for each; sent again, it is done once."""

    id: UUID
    kind: Literal["check_in", "walk_in", "no_show", "undo"]
    at: Moment
    ticket: Ticket | None = None
    code: Code | None = None
    reservation_id: UUID | None = None
    undoes: UUID | None = Field(None, description="of an undo: the item it takes back")
    slot_id: UUID | None = Field(None, description="of a code, or where a walk-in got in")
    party_size: PartySize = 1
    mode: Mode | None = None
    person_id: UUID | None = None
    why: Reason | None = None

    @model_validator(mode="after")
    def _fits(self) -> "SyncItemIn":
        shown = sum(one is not None for one in (self.ticket, self.code, self.reservation_id))
        undoing = self.undoes is not None
        fits = {
            "check_in": shown == 1 and not undoing,
            "no_show": shown == 1 and not undoing,
            "walk_in": shown == 0 and not undoing and self.slot_id is not None,
            "undo": undoing + (self.reservation_id is not None) == 1 and shown <= 1 and self.code is None,
        }[self.kind]
        if not fits or (self.code is not None and self.slot_id is None):
            raise ValueError(
                "check_in、no_show：ticket、code 与 slot_id 或 reservation_id 之一；walk_in：slot_id；undo：undoes 或 reservation_id / "
                "check_in, no_show: one of ticket, code with slot_id, reservation_id; walk_in: slot_id; undo: undoes or reservation_id"
            )
        return self


class SyncIn(In):
    """All that a device did since it last had a network, in its order."""

    site_id: UUID
    device_id: Device
    roster_id: UUID | None = None
    items: Annotated[list[SyncItemIn], Field(min_length=1, max_length=500)]


class DeskReservationOut(Out):
    """A reservation as the desk needs it: masked."""

    id: UUID
    code: str
    name: str | None = Field(examples=["王**"], description="null: a walk-in who gave none")
    last_digits: str | None = Field(examples=["0001"], description="of the phone")
    person_id: UUID | None
    party_size: int
    mode: str | None
    state: State
    channel: str
    starts_at: InstantOut
    ends_at: InstantOut
    price_fen: int | None
    tiers: list[str] = Field(description="whose places they have: general, elder, …")
    tags: list[str] = Field(description="those of the person that this offering's rules ask about")
    needs: list[Literal["wheelchair"]]
    seats: list[str]
    resources: list[str]
    walk_in: bool
    checked_in_at: InstantOut | None


class DeskSlotOut(Out):
    """A slot of the day. ``counts`` are reservations, ``people`` heads, by state."""

    slot_id: UUID
    offering_id: UUID
    title: str
    title_en: str | None
    kind: str
    shape: str
    modes: list[str]
    party_max: int
    starts_at: InstantOut
    ends_at: InstantOut
    state: Literal["open", "closed"]
    closed_reason: str | None
    places: int | None = Field(description="null where none are counted, as of courts")
    places_left: int | None
    left_by_tier: dict[str, int]
    waiting: int = Field(description="parties on the waiting list")
    counts: dict[str, int]
    people: dict[str, int]
    reservations: list[DeskReservationOut]


class DeskOut(Out):
    """A site's day."""

    site_id: UUID
    site_name: str
    on: date
    at: InstantOut = Field(description="as of when")
    items: list[DeskSlotOut]
    next: None = None


class CheckedInOut(Out):
    """Somebody is here. ``already``: before this call, since ``checked_in_at``."""

    already: bool
    checked_in_at: InstantOut
    by_me: bool
    reservation: "BriefOut"


class BriefOut(Out):
    """A reservation after something was done with it."""

    id: UUID
    slot_id: UUID
    offering_id: UUID
    title: str
    code: str
    state: State
    party_size: int
    mode: str | None
    starts_at: InstantOut
    ends_at: InstantOut
    price_fen: int | None
    version: int


class NoShowOut(Out):
    """Noted. ``already``: before this call."""

    already: bool
    reservation: BriefOut


class RosterOut(Out):
    """The day's roster, encrypted for one device; docs/desk.md shows how to open it."""

    roster_id: UUID
    site_id: UUID
    on: date
    made_at: InstantOut
    valid_until: InstantOut
    suite: str = Field(examples=["DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM"])
    info: str
    enc: str
    ciphertext: str


class SyncReportOut(Out):
    """What became of an item."""

    id: UUID
    result: Literal["done", "already", "conflict", "later"]
    reservation_id: UUID | None
    conflict: dict[str, Any] | None = Field(
        description="`code`, `title_zh`, `title_en`, `detail_zh`, `detail_en`, and what else helps to settle it"
    )


class SyncOut(Out):
    """A report for each item, in their order."""

    items: list[SyncReportOut]
    next: None = None


CheckedInOut.model_rebuild()
