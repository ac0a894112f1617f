"""What people wrote, in and out of its encrypted columns."""

from dataclasses import dataclass

from core.keyring import KeyRing
from geo.models import Correction


@dataclass(frozen=True)
class CorrectionTexts:
    """The decrypted columns of a report; ``contact_phone`` is E.164. None: not said, or erased."""

    text: str | None
    suggestion: str | None
    answer: str | None
    contact_phone: str | None


def read_texts(ring: KeyRing, correction: Correction) -> CorrectionTexts:
    """Everything written in ``correction``; callers mask the phone unless it is needed."""

    def opened(name: str) -> str | None:
        value = getattr(correction, name)
        return None if value is None else ring.decrypt(f"correction.{name}", correction.id, value)

    return CorrectionTexts(opened("text"), opened("suggestion"), opened("answer"), opened("contact_phone"))
