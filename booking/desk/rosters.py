"""The roster (离线名单): a day's list that a device without a network works from, encrypted for that device alone.

HPKE (RFC 9180), base mode, with the device's X25519 key: only who has its private half opens it, whoever carries the
file or reads the answer on its way. What is in it: what recognises somebody and says what they may have, no more. The
format, byte for byte, is in docs/desk.md.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from sqlalchemy.ext.asyncio import AsyncSession

from booking.desk.places import ACTION, get_desk
from booking.desk.tickets import ticket_digest, tickets_of
from booking.desk.today import Day, Entry, read_day
from booking.errors import InvalidDeviceKey
from core import audit
from core.actor import Actor
from core.ids import new_id
from core.keyring import KeyRing
from core.masking import mask_name

KEY_BYTES = 32
VERSION = 1
SUITE_NAME = "DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM"
# Those who may still be served; a hold is confirmed online, and who cancelled is not on it.
ROSTERED = frozenset({"confirmed", "checked_in", "no_show"})


@dataclass(frozen=True, slots=True)
class Roster:
    """``enc``: the ephemeral public key; ``ciphertext`` ends with the tag; ``info`` binds both to this roster."""

    id: UUID
    site_id: UUID
    on: date
    made_at: datetime
    valid_until: datetime
    info: str
    enc: bytes
    ciphertext: bytes
    people: int


async def make_roster(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    site_id: UUID,
    on: date | None = None,
    device_key: str,
    now: datetime,
) -> Roster:
    """The roster of ``on`` (today) for the device with this public key; on record with everyone on it.

    Raises SiteNotFound, NotAllowed, InvalidDeviceKey.
    """
    key = read_device_key(device_key)
    desk = await get_desk(session, actor, site_id=site_id)
    day = await read_day(session, desk, ring=ring, on=on or desk.day_of(now), now=now)
    roster_id = new_id()
    _, valid_until = desk.bounds(day.on)
    content = _content(ring, day, roster_id, made_at=now, valid_until=valid_until)
    info = f"xinban desk roster {VERSION} {roster_id}"
    try:
        sealed = _suite().encrypt(orjson.dumps(content), key, info.encode())
    except ValueError as error:  # a point of low order, with which everyone would share the secret
        raise _invalid() from error
    about = (one.reservation.person_id for one in day.entries() if one.reservation.state in ROSTERED)
    person_ids = list(dict.fromkeys(one for one in about if one is not None))
    await audit.record(
        session,
        actor,
        action=ACTION,
        object_kind="roster",
        object_id=roster_id,
        person_ids=person_ids,
        detail={"look": "roster", "site_id": str(site_id), "on": day.on.isoformat()},
        now=now,
    )
    return Roster(
        id=roster_id,
        site_id=site_id,
        on=day.on,
        made_at=now,
        valid_until=valid_until,
        info=info,
        enc=sealed[:KEY_BYTES],
        ciphertext=sealed[KEY_BYTES:],
        people=sum(len(slot["reservations"]) for slot in content["slots"]),
    )


def read_device_key(text: str) -> X25519PublicKey:
    """The key in ``text``: 32 bytes, base64url without padding. Raises InvalidDeviceKey."""
    try:
        data = urlsafe_b64decode(text.encode("ascii") + b"=")
        if len(data) != KEY_BYTES or base64(data) != text:
            raise ValueError("not 32 bytes")
        return X25519PublicKey.from_public_bytes(data)
    except ValueError as error:
        raise _invalid() from error


def base64(data: bytes) -> str:
    """base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _suite() -> Suite:
    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def _invalid() -> InvalidDeviceKey:
    return InvalidDeviceKey(
        "device_key 应为 X25519 公钥的 32 字节，base64url 编码，不带“=”。",
        "device_key is an X25519 public key: 32 bytes as base64url without padding.",
    )


def _content(
    ring: KeyRing, day: Day, roster_id: UUID, *, made_at: datetime, valid_until: datetime
) -> dict[str, Any]:
    zone = day.desk.zone
    return {
        "version": VERSION,
        "roster_id": str(roster_id),
        "site_id": str(day.desk.site_id),
        "site_name": day.desk.name,
        "on": day.on.isoformat(),
        "made_at": made_at.astimezone(zone).isoformat(),
        "valid_until": valid_until.isoformat(),
        "slots": [
            {
                "slot_id": str(slot.id),
                "title": slot.title,
                "starts_at": slot.starts_at.astimezone(zone).isoformat(),
                "ends_at": slot.ends_at.astimezone(zone).isoformat(),
                "modes": list(slot.modes),
                "party_max": slot.party_max,
                "places_left": slot.places_left,
                "reservations": [
                    _person(ring, entry) for entry in slot.entries if entry.reservation.state in ROSTERED
                ],
            }
            for slot in day.slots
        ],
    }


def _person(ring: KeyRing, entry: Entry) -> dict[str, Any]:
    one = entry.reservation
    return {
        "reservation_id": str(one.id),
        "code": one.code,
        "tickets": [ticket_digest(ticket) for ticket in tickets_of(ring, one)],
        "name": None if entry.name is None else mask_name(entry.name),
        "last_digits": entry.last_digits,
        "party_size": one.party_size,
        "mode": one.mode,
        "state": one.state,
        "tiers": list(entry.tiers),
        "tags": list(entry.tags),
        "needs": entry.needs,
        "seats": list(entry.seats),
        "price_fen": one.price_fen,
    }
