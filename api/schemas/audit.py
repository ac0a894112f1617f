"""The audit record as it is asked for and answered."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from api.params import Cursor, Instant, Limit, Parameters
from api.schemas.base import InstantOut, Out
from core.text import Text

Word = Annotated[Text, Field(min_length=1, max_length=100)]


class AuditParameters(Parameters):
    """What entries must have; all that are given count."""

    person_id: UUID | None = Field(None, description="whom it is about")
    account_id: UUID | None = Field(None, description="who did it")
    action: Word | None = Field(None, examples=["person.reveal"])
    object_kind: Word | None = Field(None, examples=["site"])
    object_id: Word | None = None
    from_: Instant | None = Field(None, alias="from", description="at or after this instant")
    to: Instant | None = Field(None, description="before this instant")
    limit: Limit = 50
    next: Cursor | None = None


class AuditEntryOut(Out):
    """One act, or one person read. Ids and codes only; what they stand for is looked up where it is kept."""

    id: UUID
    at: InstantOut
    actor: str = Field(examples=["account:019a3c5e-7d10-7c2b-9a44-0d6f2b7c1e55"])
    account_id: UUID | None
    roles: list[str] = Field(examples=[["site_staff"]])
    channel: str
    action: str
    object_kind: str
    object_id: str | None
    person_id: UUID | None
    reason: str | None
    request_id: str | None
    detail: dict[str, Any] | None


class AuditPage(Out):
    """The youngest first."""

    items: list[AuditEntryOut]
    next: str | None


class AccessesParameters(Parameters):
    """How much of the list."""

    limit: Limit = 50
    next: Cursor | None = None


class AccessOut(Out):
    """Somebody read or changed what is kept about you: in which role, at which office, and why; never their name."""

    at: InstantOut
    roles: list[str] = Field(examples=[["site_staff"]])
    role_names: list[str] = Field(examples=[["站点工作人员"]])
    office: str | None = Field(examples=["文化社区服务台"])
    channel: str
    action: str = Field(examples=["person.reveal"])
    what_zh: str = Field(examples=["查看了完整信息"])
    what_en: str = Field(examples=["saw data unmasked"])
    reason: str | None


class AccessesPage(Out):
    """The youngest first."""

    items: list[AccessOut]
    next: str | None
