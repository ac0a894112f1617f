"""A device that stays signed in."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id


class AccountSession(Base):
    """One sign-in and the family of refresh tokens that follow from it, of which only the youngest is good.

    ``device`` is what its owner calls it (妈妈的手机), so it is encrypted. ``refresh_digest`` is the youngest one's digest and ``generation`` its number: an older one shown again ends the
    session, if it holds the secret that all of the family share and ``family_digest`` is of. ``refused_before``: access tokens issued earlier are refused, as after a change of roles. ``changed_at`` is
    when either last changed; every process follows it (``api/identity/ended.py``).
    """

    __tablename__ = "account_session"
    __table_args__ = (
        CheckConstraint("(ended_at is null) = (end_reason is null)", name="ended"),
        CheckConstraint(
            "end_reason in ('signed_out', 'ended', 'refresh_reused', 'erased', 'locked')", name="end_reason"
        ),
        CheckConstraint("generation >= 1", name="generation"),
        Index("account_session_account_id_idx", "account_id", "created_at"),
        Index("account_session_changed_at_idx", "changed_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    channel: Mapped[str]
    device: Mapped[bytes | None] = mapped_column(LargeBinary, info={"encrypted": "account_session.device"})
    refresh_digest: Mapped[bytes] = mapped_column(LargeBinary)
    family_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    generation: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    seen_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    end_reason: Mapped[str | None]
    refused_before: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    changed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
