"""Who signs in."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id


class Account(Base):
    """A resident, known by phone or external identity, or a member of staff, known by username.

    The phone (E.164) is encrypted as ``account.phone``; ``phone_blind`` finds it. An erased account keeps its row and
    id, for what refers to it, and nothing that identifies.
    """

    __tablename__ = "account"
    __table_args__ = (
        CheckConstraint("kind in ('resident', 'staff')", name="kind"),
        CheckConstraint("assurance in ('none', 'phone', 'real_name')", name="assurance"),
        CheckConstraint("state in ('active', 'locked', 'erased')", name="state"),
        CheckConstraint("(phone is null) = (phone_blind is null)", name="phone"),
        CheckConstraint("state <> 'erased' or phone is null", name="erased"),
        CheckConstraint("version >= 1", name="version"),
        Index(
            "account_phone_blind_key", "phone_blind", unique=True, postgresql_where="phone_blind is not null"
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="active")
    assurance: Mapped[str] = mapped_column(server_default="none")
    phone: Mapped[bytes | None] = mapped_column(
        LargeBinary, info={"encrypted": "account.phone", "blind": "phone_blind"}
    )
    phone_blind: Mapped[bytes | None] = mapped_column(LargeBinary)
    language: Mapped[str] = mapped_column(server_default="zh-CN")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    erased_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    version: Mapped[int] = mapped_column(server_default="1")
