"""Somebody as another service confirms them."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ExternalSubject:
    """``subject`` is the service's own name for them. ``phone`` (E.164) is one that the service has verified."""

    provider: str
    subject: str
    assurance: Literal["none", "real_name"] = "none"
    phone: str | None = None
