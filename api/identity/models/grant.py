"""Roles that accounts were given, and where."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id

# As in core/actor.py; a test compares them.
ROLES = (
    "'resident', 'seeker', 'employer', 'site_staff', 'carer', 'clinician', 'inspector', 'district_admin', "
    "'system_admin', 'security_admin', 'auditor'"
)
SEPARATED = "role in ('system_admin', 'security_admin', 'auditor')"


class RoleGrant(Base):
    """A role within a scope, from ``granted_at`` through the day ``ends_on``, or until it is taken back.

    ``granted_by`` and ``revoked_by`` are names of actors. The second index keeps the three administrators (三员)
    apart: nobody holds two of their roles, whoever writes the rows and however many at once.
    """

    __tablename__ = "role_grant"
    __table_args__ = (
        CheckConstraint(f"role in ({ROLES})", name="role"),
        CheckConstraint("scope in ('own', 'site', 'township', 'category', 'district')", name="scope"),
        CheckConstraint("(scope in ('own', 'district')) = (scope_id is null)", name="scope_id"),
        CheckConstraint("(revoked_at is null) = (revoked_by is null)", name="revoked"),
        CheckConstraint("length(reason) <= 500", name="reason"),
        Index(
            "role_grant_account_id_role_scope_scope_id_key",
            "account_id",
            "role",
            "scope",
            "scope_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where="revoked_at is null",
        ),
        Index(
            "role_grant_separated_key",
            "account_id",
            unique=True,
            postgresql_where=f"revoked_at is null and {SEPARATED}",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    role: Mapped[str]
    scope: Mapped[str]
    scope_id: Mapped[str | None]
    granted_by: Mapped[str]
    granted_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    ends_on: Mapped[date | None]
    revoked_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    revoked_by: Mapped[str | None]
    reason: Mapped[str | None]
