"""One-time codes that were sent to a phone."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id


class OneTimeCode(Base):
    """A code of six digits for a phone and a purpose, of which the youngest is good until used or late.

    Neither the phone nor the code can be read here: ``phone_blind`` and ``digest`` are keyed digests. ``subject_id`` is
    what a purpose other than signing in is about, as the delegation that the code confirms.
    """

    __tablename__ = "one_time_code"
    __table_args__ = (
        CheckConstraint("purpose in ('sign_in', 'delegation')", name="purpose"),
        CheckConstraint("(purpose = 'sign_in') = (subject_id is null)", name="subject"),
        CheckConstraint("tries >= 0", name="tries"),
        Index("one_time_code_phone_blind_idx", "phone_blind", "created_at"),
        Index("one_time_code_created_at_idx", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    phone_blind: Mapped[bytes] = mapped_column(LargeBinary)
    purpose: Mapped[str]
    subject_id: Mapped[UUID | None]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    tries: Mapped[int] = mapped_column(server_default="0")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    used_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    voided_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
