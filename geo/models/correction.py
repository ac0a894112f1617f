"""Mistakes that residents report about a site (纠错), and what became of each."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id


class Correction(Base):
    """One report. What people wrote is encrypted, since a report may name its writer or a neighbour.

    ``receipt_digest``: SHA-256 of the secret that shows a signed-out reporter what became of it. ``reporter_blind``: a
    keyed digest of the day and of the account or network address; it counts one day's reports and links nothing else.
    ``account_id`` and ``handled_by`` are accounts, which this room does not know. ``site_version``: the site's version
    that an accepted report led to.
    """

    __tablename__ = "correction"
    __table_args__ = (
        CheckConstraint("state in ('open', 'accepted', 'declined')", name="state"),
        CheckConstraint("(state = 'open') = (handled_at is null)", name="handled"),
        # The oldest first in each state; one site's; one reporter's of a day; one's own.
        Index("correction_state_idx", "state", "id"),
        Index("correction_site_id_idx", "site_id", "reporter_blind"),
        Index("correction_account_id_idx", "account_id", "id", postgresql_where="account_id is not null"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id", ondelete="CASCADE"))
    account_id: Mapped[UUID | None]
    reporter_blind: Mapped[bytes] = mapped_column(LargeBinary)
    receipt_digest: Mapped[bytes] = mapped_column(LargeBinary)
    channel: Mapped[str]
    field: Mapped[str]
    text: Mapped[bytes | None] = mapped_column(LargeBinary, info={"encrypted": "correction.text"})
    suggestion: Mapped[bytes | None] = mapped_column(LargeBinary, info={"encrypted": "correction.suggestion"})
    contact_phone: Mapped[bytes | None] = mapped_column(
        LargeBinary, info={"encrypted": "correction.contact_phone"}
    )
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    state: Mapped[str] = mapped_column(server_default="open")
    answer: Mapped[bytes | None] = mapped_column(LargeBinary, info={"encrypted": "correction.answer"})
    handled_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    handled_by: Mapped[UUID | None]
    site_version: Mapped[int | None]
