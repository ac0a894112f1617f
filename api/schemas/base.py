"""What all answers have in common."""

from datetime import datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

from core.text import check_storable

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


# Why staff do something; kept on record.
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=2, max_length=500),
    AfterValidator(check_storable),
    Field(examples=["2026 年第 12 号通知"]),
]


class In(BaseModel):
    """Base of what is sent: unknown members are named, not ignored."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class ReasonIn(In):
    """Why; it goes on record."""

    reason: Reason


class Out(BaseModel):
    """Base of all answers; filled from the domain's rows by name."""

    model_config = ConfigDict(from_attributes=True)


class LabelOut(Out):
    """A code with its labels."""

    code: str
    label_zh: str
    label_en: str
