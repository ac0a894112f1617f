"""The signed text in a reservation's QR code (预约码): which reservation, and that we said so.

``XB1.<reservation id>.<mac>``, both base64url without padding: 16 bytes of the UUID, 16 bytes of a keyed digest of it.
The key never leaves the ring. A ticket says nothing about state, time or place: these are read when it is shown, so that
a reservation that was moved keeps its ticket. Any key of the ring is accepted, so that replacing the current one leaves
printed tickets good until the old key leaves the ring.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256
from uuid import UUID

from booking.errors import InvalidTicket
from booking.models import Reservation
from core.keyring import KeyRing

PREFIX = "XB1"
FIELD = "reservation.ticket"
MAC_BYTES = 16
CHARS = 49  # XB1. + 22 + . + 22


def ticket_of(ring: KeyRing, reservation: Reservation) -> str:
    """The text to show as a QR code."""
    return _text(reservation.id, ring.blind(FIELD, str(reservation.id)))


def tickets_of(ring: KeyRing, reservation: Reservation) -> Iterator[str]:
    """Every text that would be accepted: one for each key of the ring."""
    return (_text(reservation.id, mac) for mac in ring.blinds(FIELD, str(reservation.id)))


def read_ticket(ring: KeyRing, text: str) -> UUID:
    """The reservation's id. Raises InvalidTicket for what is no ticket of ours, or was altered."""
    try:
        prefix, said, mac = text.strip().split(".")
        reservation_id = UUID(bytes=_bytes(said))
        given = _bytes(mac)
    except ValueError as error:
        raise _invalid() from error
    good = [hmac.compare_digest(given, one[:MAC_BYTES]) for one in ring.blinds(FIELD, str(reservation_id))]
    if prefix != PREFIX or not any(good):
        raise _invalid()
    return reservation_id


def ticket_digest(text: str) -> str:
    """What a device without a network compares a scanned ticket with: it recognises a ticket and cannot make one.

    base64url of the first 16 bytes of SHA-256 of the ticket's text.
    """
    return _base64(sha256(text.encode()).digest()[:MAC_BYTES])


def _text(reservation_id: UUID, mac: bytes) -> str:
    return f"{PREFIX}.{_base64(reservation_id.bytes)}.{_base64(mac[:MAC_BYTES])}"


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """Raises ValueError unless ``text`` is the one way of writing 16 bytes."""
    data = urlsafe_b64decode(text.encode("ascii") + b"==")
    if len(data) != MAC_BYTES or _base64(data) != text:
        raise ValueError("not 16 bytes")
    return data


def _invalid() -> InvalidTicket:
    return InvalidTicket(
        "请让对方重新打开预约码，或报 6 位预约号。", "Ask them to open the code again, or for the six digits."
    )
