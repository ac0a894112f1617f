"""Persons at the desk, as staff send and get them."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, model_validator

from api.params import Day
from api.schemas.base import In, InstantOut, Out, Reason
from api.schemas.people import (
    AreaRef,
    DelegationOut,
    DocumentIn,
    IdKind,
    Name,
    Number,
    Phone,
    Purpose,
    Relation,
    Scope,
    Sex,
    Words,
)
from core.text import Text


class SearchIn(In):
    """By exactly one of these; in a body, so that no address or log ever holds it."""

    phone: Phone | None = None
    id_number: Number | None = None
    name: Name | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "SearchIn":
        if sum(one is not None for one in (self.phone, self.id_number, self.name)) != 1:
            raise ValueError(
                "请只填一项：phone、id_number 或 name / give exactly one: phone, id_number or name"
            )
        return self


class RegisterIn(DocumentIn):
    """Somebody who came to the desk with their document; ``consents``: what they signed on paper."""

    phone: Phone | None = None
    consents: Annotated[list[Purpose], Field(min_length=1, max_length=4, examples=[["service", "id"]])]


class ContactIn(In):
    """The phone and home that staff correct at the desk; what is left out is taken off the record."""

    phone: Phone | None = None
    home_area: AreaRef | None = None
    reason: Reason


class RevealIn(In):
    """Which fields are needed unmasked, and what for."""

    fields: Annotated[
        list[Literal["name", "id_number", "phone", "birth_on", "evidence"]], Field(min_length=1, max_length=5)
    ]
    reason: Reason


class TagIn(In):
    """A tag with its evidence: the number of the paper, never a copy of it."""

    tag: Annotated[Text, Field(min_length=1, max_length=40, examples=["low_income"])]
    evidence: Words
    from_on: Day | None = Field(None, description="today if omitted")
    until_on: Day | None = None


class WitnessIn(In):
    """How staff made sure that somebody wants it: ``callback`` to the phone on record, or ``desk`` with the document."""

    how: Literal["callback", "desk"]
    reason: Words = Field(description="why there was no code: no phone, cannot read it, …")
    witness: Words = Field(description="who else heard or saw it")


class TagOut(Out):
    """A tag; ``counts``: today."""

    id: UUID
    tag: str
    title_zh: str
    title_en: str
    from_on: date
    until_on: date | None
    counts: bool
    granted_at: InstantOut
    revoked_at: InstantOut | None
    revoke_reason: str | None


class TagKindOut(Out):
    """A tag that can be granted, and which evidence it takes."""

    code: str
    title_zh: str
    title_en: str
    evidence_zh: str
    evidence_en: str
    most_days: int | None


class TagKindsOut(Out):
    """The catalogue."""

    items: list[TagKindOut]
    next: None = None


class StaffPersonItem(Out):
    """A person as staff see them: masked."""

    id: UUID
    name: str = Field(examples=["王**"])
    id_kind: IdKind | None
    id_number: str | None = Field(examples=["620***********0022"])
    phone: str | None = Field(examples=["138****0001"])
    age: int | None
    sex: Sex | None
    home_area_id: UUID | None
    has_account: bool
    verification: Literal["checksum", "phone", "desk", "webhook"] | None
    version: int


class WaitingOut(Out):
    """A request about this document that waits for a call-back or the desk."""

    id: UUID
    relation: Relation
    name: str = Field(description="masked, as the caller typed it")
    asked_by: str | None = Field(description="masked phone of who asked")
    scopes: list[Scope]
    until: date | None
    requested_at: InstantOut


class StaffSearchOut(Out):
    """Who was found, and, when asked by document, what waits for them."""

    items: list[StaffPersonItem]
    waiting: list[WaitingOut]
    next: None = None


class StaffPersonOut(StaffPersonItem):
    """With tags, also former ones, and who acts for them."""

    tags: list[TagOut]
    delegations: list[DelegationOut]


class EvidenceOut(Out):
    """What a tag was granted on."""

    tag_id: UUID
    evidence: str


class RevealedOut(Out):
    """Only what was asked for."""

    id: UUID
    name: str | None = None
    id_number: str | None = None
    phone: str | None = None
    birth_on: date | None = None
    evidence: list[EvidenceOut] | None = None


class WitnessedOut(Out):
    """What came of it."""

    person: StaffPersonItem
    delegation: DelegationOut | None
