"""Entries of waiting lists as answers."""

from datetime import datetime
from typing import Literal, cast

from api.schemas.waitlist import QueuedOut, WaitlistRuleOut, WaitOut
from booking.models import Offering, Slot, WaitlistEntry
from booking.people.models import Person
from booking.people.notices import shown_phone
from booking.people.persons import name_of, phone_of_person
from booking.rules.reading import read_rules
from booking.waitlist.rule import in_words, strict_until
from core.keyring import KeyRing
from core.masking import mask_name


def wait_out(
    entry: WaitlistEntry,
    slot: Slot,
    offering: Offering,
    expires_at: datetime | None,
    ahead: int,
    *,
    now: datetime,
) -> WaitOut:
    """An entry as whoever waits sees it; an offer that ran out is over, even if nobody wrote it down yet."""
    rule = read_rules(offering.rules).waitlist
    lapsed = entry.state == "offered" and expires_at is not None and expires_at <= now
    zh, en = in_words(offering, rule)
    return WaitOut.model_validate(
        {
            "id": entry.id,
            "state": "expired" if lapsed else entry.state,
            "slot_id": slot.id,
            "offering_id": offering.id,
            "title": offering.title,
            "title_en": offering.title_en,
            "person_id": entry.person_id,
            "party_size": entry.party_size,
            "mode": entry.mode,
            "wheelchair": entry.wheelchair,
            "starts_at": slot.starts_at,
            "ends_at": slot.ends_at,
            "position": ahead + 1 if entry.state == "waiting" else None,
            "reservation_id": entry.reservation_id,
            "offer_expires_at": expires_at if entry.state == "offered" and not lapsed else None,
            "reason": entry.reason,
            "price_fen": entry.price_fen,
            "joined_at": entry.joined_at,
            "rule": WaitlistRuleOut(
                says_zh=zh,
                says_en=en,
                offer_minutes=offering.offer_minutes,
                strict_until=strict_until(slot, rule),
            ),
        }
    )


def queued_out(ring: KeyRing, entry: WaitlistEntry, person: Person) -> QueuedOut:
    """An entry as the desk sees it, masked."""
    return QueuedOut(
        id=entry.id,
        state=cast(Literal["waiting", "offered"], entry.state),
        person_id=person.id,
        name=mask_name(name_of(ring, person)),
        phone=shown_phone(phone_of_person(ring, person)),
        party_size=entry.party_size,
        mode=entry.mode,
        tiers=list(entry.tiers),
        wheelchair=entry.wheelchair,
        channel=entry.channel,
        joined_at=entry.joined_at,
    )
