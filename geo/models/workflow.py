"""What staff do with sites: closures they plan, and every version a site had."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id


class SiteClosure(Base):
    """A site closed from ``starts_at`` to ``ends_at`` (null: until further notice), or for good, and why.

    ``ended_at``: ended early or called off. ``applied_at``: a closure for good has made the site inactive.
    """

    __tablename__ = "site_closure"
    __table_args__ = (
        CheckConstraint("btrim(reason) <> '' and length(reason) <= 300", name="reason"),
        CheckConstraint("starts_at < ends_at", name="times"),
        CheckConstraint("not (for_good and ends_at is not null)", name="for_good"),
        Index("site_closure_site_id_idx", "site_id", "starts_at"),
        Index(
            "site_closure_due_idx",
            "starts_at",
            postgresql_where="for_good and ended_at is null and applied_at is null",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id", ondelete="CASCADE"))
    starts_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    ends_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    reason: Mapped[str]
    for_good: Mapped[bool] = mapped_column(server_default="false")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    applied_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class SiteRevision(Base):
    """A version a site had, whole, with who made it and why.

    A version that an import wrote is kept when the next one replaces it; what differs between two is worked out when
    somebody looks.
    """

    __tablename__ = "site_revision"
    __table_args__ = (CheckConstraint("length(reason) <= 500", name="reason"),)

    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    act: Mapped[str]
    actor: Mapped[str]
    roles: Mapped[str | None]
    channel: Mapped[str]
    reason: Mapped[str | None]
    snapshot: Mapped[dict[str, Any]] = mapped_column(JSONB)
