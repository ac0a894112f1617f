"""What devices sent in after they had no network, so that nothing is done twice."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base

KINDS = ("check_in", "walk_in", "no_show", "undo")
_KINDS = ", ".join(f"'{one}'" for one in KINDS)


class DeskSyncItem(Base):
    """One thing that a device did without a network, and what became of it. The primary key refuses the second copy.

    ``item_id`` is the device's own. ``at``: when it was done there; ``received_at``: when we heard. ``conflict``: code and
    what to do, as it was answered; never personal data. ``actor``: whose session sent it.
    """

    __tablename__ = "desk_sync_item"
    __table_args__ = (
        CheckConstraint(f"kind in ({_KINDS})", name="kind"),
        CheckConstraint("result in ('done', 'already', 'conflict')", name="result"),
        CheckConstraint("(result = 'conflict') = (conflict is not null)", name="conflict"),
        Index("desk_sync_item_reservation_id_idx", "reservation_id"),
        Index("desk_sync_item_received_at_idx", "received_at"),
    )

    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id", ondelete="CASCADE"), primary_key=True)
    device_id: Mapped[str] = mapped_column(primary_key=True)
    item_id: Mapped[UUID] = mapped_column(primary_key=True)
    roster_id: Mapped[UUID | None]
    kind: Mapped[str]
    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    received_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    actor: Mapped[str]
    # Null until it was applied, in the transaction that wrote the row.
    result: Mapped[str | None]
    reservation_id: Mapped[UUID | None] = mapped_column(ForeignKey("reservation.id", ondelete="CASCADE"))
    conflict: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
