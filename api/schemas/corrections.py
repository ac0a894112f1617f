"""Reports of mistakes as clients write and see them."""

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from api.params import Cursor, Limit, Parameters
from api.schemas.base import In, InstantOut, LabelOut, Out
from api.schemas.staff_sites import GeometryIn, PlaceIn
from core.text import check_storable
from geo.corrections.fields import Field as Mistaken
from geo.corrections.fields import State
from geo.sites.input import Code, Name, SiteFields

STORABLE = AfterValidator(check_storable)
Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000), STORABLE]
Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), STORABLE]


class CorrectionIn(In):
    """What is wrong, and how it should be."""

    field: Mistaken = Field(description="what is wrong; labels at GET /v1/feedback/options")
    text: Said = Field(examples=["周末其实也开门"])
    suggestion: Short | None = Field(None, description="how it should be", examples=["周六、周日 9:00-12:00"])
    contact_phone: (
        Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=40), STORABLE] | None
    ) = Field(None, description="for questions; kept encrypted, shown to staff only when they say why")


class ReceivedOut(Out):
    """Keep the receipt: whoever shows it sees what became of the report."""

    id: UUID
    receipt: str
    state: State


class CorrectionOut(Out):
    """A report as its reporter sees it."""

    id: UUID
    site_id: UUID
    field: Mistaken
    text: str | None
    suggestion: str | None
    contact_phone: str | None = Field(description="masked", examples=["138****5678"])
    state: State
    answer: str | None
    created_at: InstantOut
    handled_at: InstantOut | None


class StaffCorrectionOut(CorrectionOut):
    """A report as those who answer it see it."""

    site_name: str
    site_version: int = Field(description="version of the site now; send it in If-Match with an edit")
    field_labels: LabelOut
    signed_in: bool = Field(description="whether the reporter was signed in")


class CorrectionPage(Out):
    """The newest first."""

    items: list[CorrectionOut]
    next: str | None


class StaffCorrectionPage(Out):
    """The oldest first."""

    items: list[StaffCorrectionOut]
    next: str | None


class Receipt(Parameters):
    """What a reporter who was not signed in shows."""

    receipt: Annotated[str, Field(max_length=100)] | None = Field(
        None, description="better sent as the header X-Receipt: addresses end up in logs"
    )


class MineParameters(Parameters):
    """Which page of one's own."""

    limit: Limit = 20
    next: Cursor | None = None


class StaffParameters(Parameters):
    """Which reports to list."""

    state: State = Field("open", description="open ones wait for an answer")
    site_id: UUID | None = None
    field: list[Mistaken] = Field([], max_length=10)
    limit: Limit = 50
    next: Cursor | None = None


class EditIn(SiteFields):
    """What changes, as GET /v1/staff/sites/{id} has it in ``site``; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)

    category: Code = Field(None, validate_default=False)  # type: ignore[assignment]  # left out, unless said
    name: Name = Field(None, validate_default=False)  # type: ignore[assignment]  # the same
    location: PlaceIn | None = None
    geometry: GeometryIn | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.location is not None and self.geometry is not None:
            raise ValueError("location 和 geometry 只填一项 / send either location or geometry, not both")
        return self

    def said(self) -> dict[str, Any]:
        """The fields that were sent, as JSON has them, without ``location``."""
        return self.model_dump(mode="json", include=self.model_fields_set - {"location"})


class AcceptIn(In):
    """The edit a report leads to, if the site is not right already, and the answer."""

    edit: EditIn | None = Field(None, examples=[{"hours": "Sa-Su 09:00-12:00"}])
    answer: Said = Field(examples=["谢谢，已经改好"])


class AnswerIn(In):
    """What the reporter reads."""

    answer: Said


class ContactOut(Out):
    """The phone a reporter left."""

    contact_phone: str | None
