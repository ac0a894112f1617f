"""Services offered at a site, what they cost and which papers they ask for (HSDS names)."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id


class Service(Base):
    """A service at one site (HSDS ``service_at_location``); ages in full years, both ends included."""

    __tablename__ = "service"
    __table_args__ = (
        CheckConstraint("btrim(name) <> '' and length(name) <= 200", name="name"),
        CheckConstraint("minimum_age between 0 and 150", name="minimum_age"),
        CheckConstraint("maximum_age between 0 and 150", name="maximum_age"),
        CheckConstraint("minimum_age <= maximum_age", name="ages"),
        Index("service_site_id_idx", "site_id", "position"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id", ondelete="CASCADE"))
    position: Mapped[int]
    name: Mapped[str]
    name_en: Mapped[str | None]
    description: Mapped[str | None]
    minimum_age: Mapped[int | None]
    maximum_age: Mapped[int | None]
    eligibility: Mapped[str | None]


class CostOption(Base):
    """A price: ``amount_fen`` per ``unit`` (次, 餐, 月); null amount means ask; 0 means free."""

    __tablename__ = "cost_option"
    __table_args__ = (CheckConstraint("amount_fen >= 0", name="amount_fen"),)

    service_id: Mapped[UUID] = mapped_column(ForeignKey("service.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str]
    amount_fen: Mapped[int | None]
    unit: Mapped[str | None]


class RequiredDocument(Base):
    """A paper to bring."""

    __tablename__ = "required_document"
    __table_args__ = (CheckConstraint("btrim(name) <> ''", name="name"),)

    service_id: Mapped[UUID] = mapped_column(ForeignKey("service.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    note: Mapped[str | None]
