"""What people agreed to, and when they took it back."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id


class Consent(Base):
    """One agreement to one text: a line of the ledger, never changed but for its end. One for a purpose is in force.

    ``account_id``: whose account agreed; ``person_id``: whom it is about, where that is somebody else or there is no
    account (paper at the desk, a guardian for a child). ``how``: ``app``, ``code`` (the answer to a code sent to the
    person's phone), ``guardian``, ``desk`` or ``callback``; ``recorded_by`` is the member of staff who wrote it down.
    """

    __tablename__ = "consent"
    __table_args__ = (
        CheckConstraint("account_id is not null or person_id is not null", name="whose"),
        CheckConstraint("how in ('app', 'code', 'guardian', 'desk', 'callback')", name="how"),
        CheckConstraint("purpose in ('service', 'id', 'health', 'location')", name="purpose"),
        Index(
            "consent_account_id_purpose_key",
            "account_id",
            "purpose",
            unique=True,
            postgresql_where="withdrawn_at is null",
        ),
        Index(
            "consent_person_id_purpose_key",
            "person_id",
            "purpose",
            unique=True,
            postgresql_where="withdrawn_at is null",
        ),
        Index("consent_account_id_idx", "account_id", "purpose"),
        Index("consent_person_id_idx", "person_id", "purpose"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    purpose: Mapped[str]
    text_version: Mapped[str]
    how: Mapped[str]
    channel: Mapped[str]
    given_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    recorded_by: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    withdrawn_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
