"""Accounts as other services know them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id


class ExternalIdentity(Base):
    """Somebody at an OpenID Connect provider or in a WeChat mini-program, and the account here that is theirs.

    ``subject`` is ``provider:subject``, so that equal subjects of two providers have different digests.
    """

    __tablename__ = "external_identity"
    __table_args__ = (
        Index("external_identity_subject_blind_key", "subject_blind", unique=True),
        Index("external_identity_account_id_idx", "account_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    provider: Mapped[str]
    subject: Mapped[bytes] = mapped_column(
        LargeBinary, info={"encrypted": "external_identity.subject", "blind": "subject_blind"}
    )
    subject_blind: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    used_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
