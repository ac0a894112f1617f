"""Persons, delegations, tags and consents as they are sent and answered."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from api.params import Day
from api.schemas.base import In, InstantOut, Out
from core.text import Text

IdKind = Literal["id_card", "foreign_permanent_resident", "passport", "hk_macau_permit", "taiwan_permit"]
Sex = Literal["male", "female"]
Relation = Literal[
    "self", "child", "spouse", "parent", "sibling", "relative", "neighbour", "carer", "guardian", "other"
]
Scope = Literal["book.meal", "book.clinic", "book.all", "view"]
Purpose = Literal["service", "id", "health", "location"]


def _trimmed(text: str) -> str:
    """Raises ValueError when nothing is left."""
    text = " ".join(text.split())
    if not text:
        raise ValueError("请填写 / must not be empty")
    return text


Name = Annotated[Text, Field(min_length=1, max_length=60, examples=["王秀英"]), AfterValidator(_trimmed)]
Number = Annotated[Text, Field(min_length=5, max_length=40, examples=["620102195003070028"])]
Phone = Annotated[Text, Field(min_length=3, max_length=40, examples=["13800000001"])]
AreaRef = Annotated[Text, Field(pattern=r"^[0-9A-Za-z-]{2,36}$", examples=["620171101"])]
Words = Annotated[Text, Field(min_length=1, max_length=200), AfterValidator(_trimmed)]
Scopes = Annotated[list[Scope], Field(max_length=4, examples=[["book.meal", "view"]])]
OneTimeCode = Annotated[Text, Field(pattern=r"^[0-9]{6}$", examples=["492039"])]


class DocumentIn(In):
    """Somebody's name and document, as printed on it."""

    name: Name
    id_kind: IdKind = "id_card"
    id_number: Number
    birth_on: Day | None = Field(None, description="where the number does not say it: passports and permits")
    sex: Sex | None = None
    home_area: AreaRef | None = Field(None, description="id or any code of the community they live in")


class PersonIn(DocumentIn):
    """Who, and what the caller is to them; for others than oneself also how far, what for and until when."""

    relation: Relation
    phone: Phone | None = Field(None, description="their own phone; leave it out if they have none")
    scopes: Scopes = Field([])
    purpose: Words | None = None
    until: Day | None = Field(
        None, description="the last day, at most two years away; guardians: the 18th birthday"
    )


class VerifyIn(In):
    """The code that was sent to the person's phone; without one a verifier is asked."""

    code: OneTimeCode | None = None


class DelegationIn(In):
    """Let whoever signs in with ``phone`` act for a person of mine: for me unless ``person_id`` says otherwise."""

    phone: Phone
    relation: Literal["child", "spouse", "parent", "sibling", "relative", "neighbour", "carer", "other"] = (
        "other"
    )
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=4)]
    purpose: Words | None = None
    until: Day
    person_id: UUID | None = None


class ProfileIn(In):
    """What one sets for oneself."""

    language: Literal["zh-CN", "en"]


class ConsentIn(In):
    """Which text is agreed to; ``GET /v1/me/consents`` shows them."""

    purpose: Purpose
    text_version: Annotated[Text, Field(min_length=1, max_length=20, examples=["2026-11"])]


class ProfileOut(Out):
    """One's own account."""

    id: UUID
    kind: Literal["resident", "staff"]
    assurance: Literal["none", "phone", "real_name"]
    language: str
    phone: str | None = Field(description="masked", examples=["138****0001"])
    person_id: UUID | None = Field(description="oneself as a person, once registered")
    created_at: InstantOut
    version: int


class PersonOut(Out):
    """A person one may act for, or a request that waits.

    While a request waits, ``id`` is the request's and all else is what the caller typed. Oneself is shown unmasked,
    others masked.
    """

    id: UUID
    state: Literal["waiting", "active"]
    relation: Relation
    name: str
    id_kind: IdKind | None
    id_number: str | None
    phone: str | None
    birth_on: date | None = Field(description="oneself only")
    sex: Sex | None
    home_area_id: UUID | None
    scopes: list[Literal["self", "book.meal", "book.clinic", "book.all", "view"]]
    until: date | None
    delegation_id: UUID | None
    verification: Literal["checksum", "phone", "desk", "webhook"] | None = Field(
        description="who vouches: nobody but the check digit, their phone, staff who saw the document, a register"
    )
    hint: str | None = Field(description="what to do next, while it waits")


class PeoplePage(Out):
    """Oneself first, then others, then what waits."""

    items: list[PersonOut]
    next: None = None


class DelegationOut(Out):
    """A delegation, as one side sees it: given by a person of mine, or received."""

    id: UUID
    direction: Literal["given", "received"]
    person_id: UUID
    person: str = Field(description="whom it lets act for: masked name", examples=["王**"])
    grantee: str | None = Field(description="who may act: masked phone", examples=["139****0002"])
    relation: str
    scopes: list[Scope]
    purpose: str | None
    until: date
    state: Literal["pending", "active", "declined", "revoked", "expired"]
    way: Literal["code", "app", "callback", "desk", "register"] | None
    offered_at: InstantOut
    accepted_at: InstantOut | None
    ended_at: InstantOut | None


class DelegationsPage(Out):
    """Newest first."""

    items: list[DelegationOut]
    next: None = None


class ConsentTextOut(Out):
    """The present text of a purpose; ``separate``: it is agreed to on its own."""

    purpose: Purpose
    separate: bool
    version: str
    zh: str
    en: str


class ConsentOut(Out):
    """A line of the ledger."""

    id: UUID
    purpose: Purpose
    text_version: str
    how: Literal["app", "code", "guardian", "desk", "callback"]
    given_at: InstantOut
    withdrawn_at: InstantOut | None


class ConsentsOut(Out):
    """The ledger, newest first, and the texts in force."""

    items: list[ConsentOut]
    texts: list[ConsentTextOut]
    next: None = None


class HeldOut(Out):
    """What one table holds: rows as they are, decrypted, without digests."""

    title_zh: str
    title_en: str
    rows: list[dict[str, Any]]


class ExportOut(Out):
    """Everything held about an account and its person, by table."""

    exported_at: InstantOut
    account_id: UUID
    held: dict[str, HeldOut]


class LeftOut(Out):
    """What was kept without a name, and why."""

    zh: str
    en: str
    reason: str


class ErasedOut(Out):
    """When, and what is kept all the same."""

    erased_at: InstantOut
    kept: list[LeftOut]
