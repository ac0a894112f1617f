"""Complaints and everything that happened to each."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id


class Complaint(Base):
    """One complaint (投诉). The text may name anybody, so it is encrypted.

    ``deadline_on`` is the last day to answer, counted in workdays or, when the year's holidays were not announced yet,
    in ``calendar_days``. ``escalated_at``: since then those above the site answer it. ``replied_at`` and
    ``reopened_at``: the last time each. ``person_id``: whom it is about, if not said the person who complains.
    """

    __tablename__ = "complaint"
    __table_args__ = (
        CheckConstraint("state in ('open', 'escalated', 'replied', 'withdrawn')", name="state"),
        CheckConstraint("deadline_basis in ('workdays', 'calendar_days')", name="deadline_basis"),
        CheckConstraint("state <> 'escalated' or escalated_at is not null", name="escalated"),
        CheckConstraint("state <> 'replied' or replied_at is not null", name="replied"),
        Index("complaint_account_id_idx", "account_id", "id"),
        Index("complaint_site_id_idx", "site_id"),
        Index("complaint_person_id_idx", "person_id", postgresql_where="person_id is not null"),
        # Those to be answered, the most urgent first; and those of one state.
        Index(
            "complaint_unanswered_idx",
            "deadline_on",
            "id",
            postgresql_where="state in ('open', 'escalated')",
        ),
        Index("complaint_state_idx", "state", "deadline_on", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    # A complaint outlives a site that an undone import takes away.
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("site.id", ondelete="SET NULL"))
    category: Mapped[str]
    text: Mapped[bytes | None] = mapped_column(LargeBinary, info={"encrypted": "complaint.text"})
    channel: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="open")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    deadline_on: Mapped[date]
    deadline_basis: Mapped[str]
    escalated_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    replied_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    reopened_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class ComplaintEntry(Base):
    """One step of a complaint: who took it, when, what was said. Entries are only added."""

    __tablename__ = "complaint_entry"
    __table_args__ = (
        CheckConstraint("step in ('filed', 'reply', 'reopen', 'escalate', 'withdraw')", name="step"),
        CheckConstraint("taken_by in ('resident', 'staff', 'system')", name="taken_by"),
        Index("complaint_entry_complaint_id_idx", "complaint_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    complaint_id: Mapped[UUID] = mapped_column(ForeignKey("complaint.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    step: Mapped[str]
    taken_by: Mapped[str]
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    text: Mapped[bytes | None] = mapped_column(LargeBinary, info={"encrypted": "complaint_entry.text"})
