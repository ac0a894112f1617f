"""What a person is bound to, and how much they have had: one place at a time, so many in a period."""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.dialects.postgresql import TSTZRANGE, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id


class PersonCommitment(Base):
    """A person is busy from … to …, end excluded: nobody is in two places at once. Gigs use it too (``kind``)."""

    __tablename__ = "person_commitment"
    __table_args__ = (
        ExcludeConstraint(
            ("person_id", "="), ("during", "&&"), name="person_commitment_overlap_excl", using="gist"
        ),
        CheckConstraint("kind in ('reservation', 'gig')", name="kind"),
        CheckConstraint(
            "not isempty(during) and not lower_inf(during) and not upper_inf(during)", name="during"
        ),
        Index("person_commitment_subject_id_idx", "subject_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id"))
    kind: Mapped[str]
    subject_id: Mapped[UUID]
    during: Mapped[Any] = mapped_column(TSTZRANGE)


class PersonQuota(Base):
    """How much of a limit a person has used in a period: ``scope`` names the limit, ``period_on`` its first day.

    The CHECK is the guard, whoever books in parallel; it is the person's, whichever account books.
    """

    __tablename__ = "person_quota"
    __table_args__ = (
        CheckConstraint("used >= 0", name="used"),
        CheckConstraint("used <= most", name="most"),
        Index("person_quota_period_on_idx", "period_on"),
    )

    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"), primary_key=True)
    scope: Mapped[str] = mapped_column(primary_key=True)
    period_on: Mapped[date] = mapped_column(primary_key=True)
    used: Mapped[int]
    most: Mapped[int]
