"""Staff accounts, enrolments and roles as they are sent and answered."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from api.params import Parameters
from api.schemas.base import In, InstantOut, Out, Reason
from core.actor import Role, ScopeKind
from core.text import Text

Code = Annotated[Text, Field(pattern=r"^[0-9 ]{6,7}$", examples=["492039"])]
Token = Annotated[Text, Field(min_length=20, max_length=100)]


class StaffIn(In):
    """A new account. ``office`` says where they work, not who they are."""

    username: Annotated[
        Text,
        Field(
            min_length=2,
            max_length=40,
            examples=["wenhua-desk-2"],
            # Refused by the domain, which says what is wrong with it.
            json_schema_extra={"pattern": "^[a-z0-9][a-z0-9._-]{1,39}$"},
        ),
    ]
    office: Annotated[Text | None, Field(min_length=1, max_length=100, examples=["文化社区服务台"])] = None


class GrantIn(In):
    """A role within a scope: ``scope_id`` is a site's or area's id, or a category's code."""

    role: Role
    scope: ScopeKind
    scope_id: Annotated[Text | None, Field(min_length=1, max_length=60)] = None
    ends_on: date | None = Field(None, description="the last day it counts")
    reason: Reason


class PasswordIn(In):
    """The password there is, and the one to be."""

    current: Annotated[Text, Field(min_length=1, max_length=2_000)]
    new: Annotated[Text, Field(min_length=1, max_length=200)]


class EnrolmentIn(In):
    """The token of the link, and the password chosen."""

    token: Token
    password: Annotated[Text, Field(min_length=1, max_length=200)]


class ConfirmationIn(In):
    """The token of the link, and the code that the authenticator app shows."""

    token: Token
    code: Code


class EnrolmentBegunOut(Out):
    """For an authenticator app: show ``uri`` as a QR code, or type ``secret``. Then confirm with a code."""

    username: str
    secret: str
    uri: str


class EnrolledOut(Out):
    """Shown once. Recovery codes are printed and locked away: each signs in once in the place of a code."""

    recovery_codes: list[str]
    device_key: str = Field(description="for this device to keep and send with the next password")


class LinkOut(Out):
    """A token to enrol with, shown once; hand it over in person."""

    id: UUID
    username: str
    enrolment_token: str


class StaffItem(Out):
    """An account in a list."""

    id: UUID
    username: str
    office: str | None
    state: Literal["active", "locked", "erased"]
    enrolled_at: InstantOut | None = Field(description="null until password and second factor are set")
    created_at: InstantOut
    roles: list[str]


class StaffPage(Out):
    """By username."""

    items: list[StaffItem]
    next: str | None


class GrantOut(Out):
    """A role in force, in words too."""

    id: UUID
    role: Role
    role_name: str = Field(examples=["站点工作人员"])
    scope: ScopeKind
    scope_name: str = Field(examples=["站点"])
    scope_id: str | None
    place: str | None = Field(examples=["彩虹城社区老年助餐点"])
    granted_at: InstantOut
    ends_on: date | None
    reason: str | None


class GrantsOut(Out):
    """The oldest first."""

    items: list[GrantOut]


class StaffOut(Out):
    """An account with its roles."""

    id: UUID
    username: str
    office: str | None
    state: Literal["active", "locked", "erased"]
    enrolled_at: InstantOut | None
    created_at: InstantOut
    grants: list[GrantOut]


class StaffQuery(Parameters):
    """Which accounts."""

    q: Annotated[
        Text | None, Field(min_length=1, max_length=40, description="part of a username or office")
    ] = None
    limit: int = Field(50, ge=1, le=200)
    next: Annotated[Text | None, Field(max_length=600)] = None
