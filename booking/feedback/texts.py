"""What people wrote in complaints and ratings, in and out of its encrypted columns."""

from uuid import UUID

from booking.feedback.models import Complaint, ComplaintEntry, Rating
from core.keyring import KeyRing


def seal(ring: KeyRing, field: str, row: UUID, text: str | None) -> bytes | None:
    """``text`` as it is stored."""
    return None if text is None else ring.encrypt(field, row, text)


def read_text(ring: KeyRing, row: Complaint | ComplaintEntry | Rating) -> str | None:
    """The text of ``row``; None: nothing was written, or it was erased."""
    return None if row.text is None else ring.decrypt(f"{row.__tablename__}.text", row.id, row.text)
