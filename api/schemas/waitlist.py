"""Waiting lists as they are sent and answered."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from api.params import Cursor, Limit, Parameters
from api.schemas.base import In, InstantOut, Out
from core.text import Text

EntryState = Literal["waiting", "offered", "accepted", "declined", "expired", "left", "passed", "closed"]


class WaitIn(In):
    """Wait for a place in a slot that is full."""

    slot_id: UUID
    person_id: UUID
    party_size: int = Field(1, ge=1, le=100, description="all of the party get a place, or none")
    mode: Annotated[Text, Field(max_length=40)] | None = None
    wheelchair: bool = Field(False, description="of a hall: one of the party needs a wheelchair space")


class WaitlistParameters(Parameters):
    """Which entries."""

    over: bool = Field(False, description="also those that wait no longer")
    limit: Limit = 50
    next: Cursor | None = None


class WaitlistRuleOut(Out):
    """How the queue goes."""

    says_zh: str
    says_en: str
    offer_minutes: int = Field(description="how long an offer stands at most")
    strict_until: InstantOut = Field(
        description="until then nobody passes a party that waits for more places; then smaller parties may"
    )


class WaitOut(Out):
    """A party that waits. With `offered`: accept before `offer_expires_at`, or the place goes to the next."""

    id: UUID
    state: EntryState
    slot_id: UUID
    offering_id: UUID
    title: str
    title_en: str | None
    person_id: UUID
    party_size: int
    mode: str | None
    wheelchair: bool
    starts_at: InstantOut
    ends_at: InstantOut
    position: int | None = Field(description="1: next; only parties that wait for the same places count")
    reservation_id: UUID | None
    offer_expires_at: InstantOut | None
    reason: str | None = Field(description="code of why one was passed over or the list was closed")
    price_fen: int | None
    joined_at: InstantOut
    rule: WaitlistRuleOut


class WaitsPage(Out):
    """A page of them."""

    items: list[WaitOut]
    next: str | None


class QueuedOut(Out):
    """A party of a slot's queue, for the desk."""

    id: UUID
    state: Literal["waiting", "offered"]
    person_id: UUID
    name: str = Field(description="masked")
    phone: str | None = Field(description="masked")
    party_size: int
    mode: str | None
    tiers: list[str]
    wheelchair: bool
    channel: str
    joined_at: InstantOut


class QueueOut(Out):
    """A slot's queue: who has an offer, then who waits, in order."""

    items: list[QueuedOut]
