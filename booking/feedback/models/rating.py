"""How content residents were (满意度评价)."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id


class RatingSheet(Base):
    """A sheet of paper on which people ticked; its reference is on it, so that it is entered once."""

    __tablename__ = "rating_sheet"
    __table_args__ = (
        CheckConstraint("btrim(reference) <> '' and length(reference) <= 60", name="reference"),
        Index("rating_sheet_site_id_reference_key", "site_id", "reference", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id", ondelete="CASCADE"))
    reference: Mapped[str]
    rated_on: Mapped[date]
    entered_by: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    entered_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class Rating(Base):
    """One rating, or ``count`` equal ones from a sheet. ``level``: 1 很不满意 … 5 很满意.

    ``service`` is the service's name: an import may write a site's services anew. ``reservation_id``: the visit that
    was rated, each once; none for what staff entered. What somebody wrote is encrypted.
    """

    __tablename__ = "rating"
    __table_args__ = (
        CheckConstraint("level between 1 and 5", name="level"),
        CheckConstraint("count >= 1 and (count = 1 or sheet_id is not null)", name="count"),
        CheckConstraint("channel in ('web', 'app', 'kiosk', 'phone', 'counter', 'paper')", name="channel"),
        CheckConstraint("account_id is null or sheet_id is null", name="origin"),
        CheckConstraint("cardinality(tags) <= 10 and array_position(tags, null) is null", name="tags"),
        Index(
            "rating_reservation_id_key",
            "reservation_id",
            unique=True,
            postgresql_where="reservation_id is not null",
        ),
        Index("rating_account_id_idx", "account_id", "id", postgresql_where="account_id is not null"),
        # A site's totals are read from this index alone.
        Index("rating_site_id_idx", "site_id", "service", "level", postgresql_include=["count"]),
        # What was written about a site, the newest first.
        Index("rating_text_idx", "site_id", "id", postgresql_where="text is not null"),
        Index("rating_sheet_id_idx", "sheet_id", postgresql_where="sheet_id is not null"),
        Index("rating_person_id_idx", "person_id", postgresql_where="person_id is not null"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id", ondelete="CASCADE"))
    service: Mapped[str | None]
    level: Mapped[int]
    count: Mapped[int] = mapped_column(server_default="1")
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    text: Mapped[bytes | None] = mapped_column(LargeBinary, info={"encrypted": "rating.text"})
    channel: Mapped[str]
    rated_on: Mapped[date]
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("person.id"))
    sheet_id: Mapped[UUID | None] = mapped_column(ForeignKey("rating_sheet.id", ondelete="CASCADE"))
    entered_by: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    reservation_id: Mapped[UUID | None] = mapped_column(ForeignKey("reservation.id", ondelete="SET NULL"))
