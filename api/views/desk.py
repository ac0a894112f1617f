"""The desk's answers: masked, in the order in which people come."""

from datetime import datetime

from api.schemas.desk import (
    BriefOut,
    CheckedInOut,
    DeskOut,
    DeskReservationOut,
    DeskSlotOut,
    NoShowOut,
    RosterOut,
    SyncOut,
    SyncReportOut,
)
from booking.desk.check_ins import WALK_IN, CheckedIn
from booking.desk.found import Meant
from booking.desk.rosters import SUITE_NAME, Roster, base64
from booking.desk.sync import Report
from booking.desk.today import Day, DaySlot, Entry
from core.actor import Actor
from core.masking import mask_name


def day_out(day: Day, *, now: datetime) -> DeskOut:
    """The day's list."""
    return DeskOut(
        site_id=day.desk.site_id,
        site_name=day.desk.name,
        on=day.on,
        at=now.astimezone(day.desk.zone),
        items=[_slot_out(day, slot) for slot in day.slots],
    )


def _slot_out(day: Day, slot: DaySlot) -> DeskSlotOut:
    zone = day.desk.zone
    return DeskSlotOut(
        slot_id=slot.id,
        offering_id=slot.offering_id,
        title=slot.title,
        title_en=slot.title_en,
        kind=slot.kind,
        shape=slot.shape,
        modes=list(slot.modes),
        party_max=slot.party_max,
        starts_at=slot.starts_at.astimezone(zone),
        ends_at=slot.ends_at.astimezone(zone),
        state="open" if slot.state == "open" else "closed",
        closed_reason=slot.closed_reason,
        places=slot.places,
        places_left=slot.places_left,
        left_by_tier=dict(slot.left_by_tier),
        waiting=slot.waiting,
        counts=dict(slot.counts),
        people=dict(slot.people),
        reservations=[_entry_out(day, entry) for entry in slot.entries],
    )


def _entry_out(day: Day, entry: Entry) -> DeskReservationOut:
    one, zone = entry.reservation, day.desk.zone
    return DeskReservationOut.model_validate(
        {
            "id": one.id,
            "code": one.code,
            "name": None if entry.name is None else mask_name(entry.name),
            "last_digits": entry.last_digits,
            "person_id": one.person_id,
            "party_size": one.party_size,
            "mode": one.mode,
            "state": one.state,
            "channel": one.channel,
            "starts_at": one.starts_at.astimezone(zone),
            "ends_at": one.ends_at.astimezone(zone),
            "price_fen": one.price_fen,
            "tiers": list(entry.tiers),
            "tags": list(entry.tags),
            "needs": entry.needs,
            "seats": list(entry.seats),
            "resources": list(entry.resources),
            "walk_in": bool(one.details.get(WALK_IN)),
            "checked_in_at": entry.checked_in_at and entry.checked_in_at.astimezone(zone),
        }
    )


def brief_out(meant: Meant) -> BriefOut:
    """A reservation after an act."""
    one = meant.reservation
    return BriefOut.model_validate(
        {
            "id": one.id,
            "slot_id": one.slot_id,
            "offering_id": one.offering_id,
            "title": meant.offering.title,
            "code": one.code,
            "state": one.state,
            "party_size": one.party_size,
            "mode": one.mode,
            "starts_at": one.starts_at.astimezone(meant.zone),
            "ends_at": one.ends_at.astimezone(meant.zone),
            "price_fen": one.price_fen,
            "version": one.version,
        }
    )


def checked_in_out(done: CheckedIn, actor: Actor) -> CheckedInOut:
    """A check-in, new or of earlier."""
    return CheckedInOut(
        already=done.already,
        checked_in_at=done.at.astimezone(done.meant.zone),
        by_me=done.by == actor.name,
        reservation=brief_out(done.meant),
    )


def no_show_out(done: CheckedIn) -> NoShowOut:
    """An absence, new or of earlier."""
    return NoShowOut(already=done.already, reservation=brief_out(done.meant))


def roster_out(roster: Roster) -> RosterOut:
    """The sealed roster, as base64url without padding."""
    return RosterOut(
        roster_id=roster.id,
        site_id=roster.site_id,
        on=roster.on,
        made_at=roster.made_at,
        valid_until=roster.valid_until,
        suite=SUITE_NAME,
        info=roster.info,
        enc=base64(roster.enc),
        ciphertext=base64(roster.ciphertext),
    )


def sync_out(reports: list[Report]) -> SyncOut:
    """What became of each item."""
    return SyncOut(
        items=[
            SyncReportOut(
                id=one.id,
                result=one.result,
                reservation_id=one.reservation_id,
                conflict=None if one.conflict is None else dict(one.conflict),
            )
            for one in reports
        ]
    )
