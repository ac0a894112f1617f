"""Places that stayed empty (爽约): who did not come, or cancelled too late."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id


class AttendanceMark(Base):
    """Counts against a person for a while, unless waived. ``appeal`` is what they say to it; ``answer`` what staff do."""

    __tablename__ = "attendance_mark"
    __table_args__ = (
        CheckConstraint("kind in ('no_show', 'late_cancel')", name="kind"),
        CheckConstraint("appeal_state in ('open', 'waived', 'upheld')", name="appeal_state"),
        CheckConstraint("(appeal_state is null) = (appealed_at is null)", name="appealed"),
        Index("attendance_mark_person_id_idx", "person_id", "at"),
        Index("attendance_mark_reservation_id_key", "reservation_id", unique=True),
        Index("attendance_mark_appeal_idx", "appealed_at", postgresql_where="appeal_state = 'open'"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    reservation_id: Mapped[UUID] = mapped_column(ForeignKey("reservation.id", ondelete="CASCADE"))
    offering_id: Mapped[UUID] = mapped_column(ForeignKey("offering.id"))
    kind: Mapped[str]
    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    appeal_state: Mapped[str | None]
    appealed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    appeal: Mapped[bytes | None] = mapped_column(LargeBinary, info={"encrypted": "attendance_mark.appeal"})
    answer: Mapped[bytes | None] = mapped_column(LargeBinary, info={"encrypted": "attendance_mark.answer"})
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    decided_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
