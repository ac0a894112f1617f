"""How members of staff sign in: name, password, second factor; and what limits guessing them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id


class StaffAccount(Base):
    """The staff side of an account; ``id`` is the account's. ``office`` says where they work, never who they are.

    The secret of the second factor is encrypted as ``staff_account.totp_secret``; it counts from ``enrolled_at``, and
    ``totp_step`` is the last time step (30 s) a code of it was used for.
    """

    __tablename__ = "staff_account"
    __table_args__ = (
        CheckConstraint("username ~ '^[a-z0-9][a-z0-9._-]{1,39}$'", name="username"),
        CheckConstraint(
            "enrolled_at is null or (password_hash is not null and totp_secret is not null)", name="enrolled"
        ),
        Index("staff_account_username_key", "username", unique=True),
    )

    id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), primary_key=True)
    username: Mapped[str]
    office: Mapped[str | None]
    password_hash: Mapped[str | None]
    totp_secret: Mapped[bytes | None] = mapped_column(
        LargeBinary, info={"encrypted": "staff_account.totp_secret"}
    )
    totp_step: Mapped[int] = mapped_column(server_default="0")
    enrolled_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class RecoveryCode(Base):
    """One of ten codes for when the phone with the second factor is lost; each is good once."""

    __tablename__ = "recovery_code"
    __table_args__ = (Index("recovery_code_staff_id_digest_key", "staff_id", "digest", unique=True),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff_account.id", ondelete="CASCADE"))
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    used_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class Enrolment(Base):
    """A link by which a member of staff sets password and second factor; good until used, replaced, or late."""

    __tablename__ = "enrolment"
    __table_args__ = (
        Index("enrolment_digest_key", "digest", unique=True),
        Index("enrolment_staff_id_idx", "staff_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff_account.id", ondelete="CASCADE"))
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    used_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class SignInTry(Base):
    """How often a password was tried lately for one name, or one name from one address or device.

    ``bucket`` is a keyed digest of these, so that the table tells no names or addresses. Until ``known_until`` this is
    where somebody signed in before. Rows are removed after a day without a try, known ones after some weeks
    (api/privacy/retention.py).
    """

    __tablename__ = "sign_in_try"
    __table_args__ = (Index("sign_in_try_tried_at_idx", "tried_at"),)

    bucket: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    tries: Mapped[int]
    tried_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    blocked_until: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    known_until: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
