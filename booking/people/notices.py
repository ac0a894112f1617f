"""Messages that follow from what happened to a person or a delegation; the caller sends them in the same transaction.

Names are masked and nothing else identifies: a message may be read on a locked screen.
"""

from dataclasses import dataclass, field
from typing import Literal

from core.masking import mask_phone

Template = Literal[
    "delegation_offered",
    "delegation_granted",
    "delegation_declined",
    "delegation_revoked",
    "person_moved",
]


@dataclass(frozen=True, slots=True)
class Notice:
    """``phone`` E.164; ``parameters`` of the template."""

    phone: str
    template: Template
    parameters: dict[str, str] = field(default_factory=dict)


def shown_phone(phone: str | None) -> str | None:
    """A phone (E.164), masked, as it is written at home."""
    return None if phone is None else mask_phone(phone.removeprefix("+86"))
