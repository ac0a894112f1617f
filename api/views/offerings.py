"""Offerings and slots as answers."""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Literal, cast
from zoneinfo import ZoneInfo

from api.schemas.offerings import (
    BookableOut,
    FreeSeatOut,
    FreeSpanOut,
    OfferingOut,
    ReasonCode,
    ResourceOut,
    SaidOut,
    SeatMapOut,
    SeatOut,
    SeatRowOut,
    SlotOut,
    TierOut,
    WholeOfferingOut,
)
from api.schemas.reservations import SiteBriefOut
from booking.availability.reasons import OK, WORDS, Look
from booking.availability.seats import FreeSeat
from booking.availability.slots import SlotState
from booking.availability.windows import Free, Window
from booking.availability.words import rules_in_words
from booking.capacity.seats import WHEELCHAIR
from booking.models import Offering, Resource, Seat
from booking.rules.reading import read_rules
from geo.models import Site


def offering_out(offering: Offering, site: Site, distance_m: float | None = None) -> OfferingOut:
    """An offering as lists show it."""
    return OfferingOut.model_validate(
        {
            **{name: getattr(offering, name) for name in OfferingOut.model_fields if hasattr(offering, name)},
            "site": SiteBriefOut(id=site.id, name=site.name, address=site.address),
            "waitlist": _has_waitlist(offering),
            "distance_m": None if distance_m is None else round(distance_m, 1),
        }
    )


def whole_offering_out(
    offering: Offering, site: Site, resources: Sequence[Resource], seats: Sequence[Seat]
) -> WholeOfferingOut:
    """With its rules, and what it is booked of; ``seats`` row by row."""
    rules = read_rules(offering.rules)
    own = {name: getattr(offering, name) for name in WholeOfferingOut.model_fields if hasattr(offering, name)}
    return WholeOfferingOut.model_validate(
        {
            **own,
            "site": SiteBriefOut(id=site.id, name=site.name, address=site.address),
            "waitlist": _has_waitlist(offering),
            "opens_at": None if offering.opens_at is None else f"{offering.opens_at:%H:%M}",
            "rules_in_words": [SaidOut(zh=zh, en=en) for zh, en in rules_in_words(offering, rules)],
            "resources": [ResourceOut.model_validate(one) for one in resources],
            "seat_maps": [
                SeatMapOut(
                    map=name,
                    rows=[
                        SeatRowOut(row=row, seats=[SeatOut.model_validate(one) for one in row_seats])
                        for row, row_seats in groupby(hall, key=attrgetter("row_name"))
                    ],
                )
                for name, hall in groupby(seats, key=attrgetter("map"))
            ],
        }
    )


def _has_waitlist(offering: Offering) -> bool:
    return offering.shape != "interval" and read_rules(offering.rules).waitlist.enabled


def slot_out(slot: SlotState, look: Look, reason: str, zone: ZoneInfo) -> SlotOut:
    """A slot, by the clock of its site."""
    counted, seated = look.offering.shape == "counted", look.offering.shape == "seated"
    wheelchairs = slot.by_tier((WHEELCHAIR,)).get(WHEELCHAIR, 0) if seated else None
    tiers = None
    if counted and look.asker.person_id is not None:
        left = slot.by_tier(look.tiers(slot))
        tiers = [TierOut(tier=tier, places_left=places) for tier, places in left.items()]
    return SlotOut(
        id=slot.id,
        **{
            name: getattr(slot, name).astimezone(zone)
            for name in ("starts_at", "ends_at", "opens_at", "closes_at")
        },
        state=cast(Literal["open", "closed"], slot.state),
        closed_reason=slot.closed_reason,
        places_left=look.free(slot) if counted else None,
        tiers=tiers,
        seats_left=look.free(slot) if seated else None,
        wheelchair_left=wheelchairs,
        bookable=bookable_out(reason),
    )


def window_out(window: Window, look: Look, reason: str, zone: ZoneInfo) -> SlotOut:
    """A window of an interval offering, with what is free in it while it is open."""
    out = slot_out(window.slot, look, reason, zone)
    out.free = [span_out(one, zone) for one in window.free] if window.slot.state == "open" else []
    return out


def bookable_out(reason: str) -> BookableOut:
    """The reason's code and words."""
    zh, en = WORDS[reason]
    return BookableOut(ok=reason == OK, reason_code=ReasonCode(reason), reason_zh=zh, reason_en=en)


def span_out(free: Free, zone: ZoneInfo) -> FreeSpanOut:
    """A free span, by the clock of its site."""
    return FreeSpanOut(
        resource_id=free.resource_id,
        name=free.name,
        role=free.role,
        starts_at=free.starts_at.astimezone(zone),
        ends_at=free.ends_at.astimezone(zone),
    )


def seat_out(seat: FreeSeat) -> FreeSeatOut:
    """A seat that is free."""
    return FreeSeatOut.model_validate(seat)
