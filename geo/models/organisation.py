"""Who runs a site (HSDS ``organization``)."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id

OPERATING_MODELS = {
    "public": "公办公营",
    "public_private": "公建民营",
    "private": "民办",
    "market_canteen": "市场主体+社区食堂",
    "property_canteen": "物业企业+小区食堂",
    "community": "社区自营",
    "school_open": "学校开放",
}


class Organisation(Base):
    """An operator (运营主体). One name within one source."""

    __tablename__ = "organisation"
    __table_args__ = (
        UniqueConstraint("source_code", "name"),
        CheckConstraint("btrim(name) <> '' and length(name) <= 200", name="name"),
        CheckConstraint(
            "operating_model in (" + ", ".join(f"'{code}'" for code in OPERATING_MODELS) + ")",
            name="operating_model",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    name_en: Mapped[str | None]
    operating_model: Mapped[str | None]
    source_code: Mapped[str] = mapped_column(ForeignKey("source.code"))
