"""What all answers have in common."""

from datetime import datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema

CHINA = ZoneInfo("Asia/Shanghai")


def _as_said_here(at: datetime) -> str:
    """RFC 3339; UTC, in which instants are kept, becomes China's time, and a site's own zone stays."""
    return (at.astimezone(CHINA) if at.utcoffset() == timedelta(0) else at).isoformat()


# An instant in answers: with its offset, as in ``2026-11-24T16:30:00+08:00``.
InstantOut = Annotated[
    datetime,
    PlainSerializer(_as_said_here, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class Out(BaseModel):
    """Base of all answers; filled from the domain's rows by name."""

    model_config = ConfigDict(from_attributes=True)


class LabelOut(Out):
    """A code with its labels."""

    code: str
    label_zh: str
    label_en: str
