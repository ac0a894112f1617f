"""The category tree, kept as data in ``geo/data/categories.csv``."""

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class Category(Base):
    """A kind of place. ``code`` is stable; ``measure`` names the promise it serves (``M1``, ``L2`` …)."""

    __tablename__ = "category"
    __table_args__ = (
        CheckConstraint("code ~ '^[a-z][a-z0-9_]{1,39}$'", name="code"),
        CheckConstraint("geometry_kind in ('point', 'line', 'polygon')", name="geometry_kind"),
        CheckConstraint("parent_code <> code", name="parent"),
        Index("category_parent_code_idx", "parent_code"),
    )

    code: Mapped[str] = mapped_column(primary_key=True)
    parent_code: Mapped[str | None] = mapped_column(ForeignKey("category.code"))
    label_zh: Mapped[str]
    label_en: Mapped[str]
    icon: Mapped[str]
    geometry_kind: Mapped[str]
    measure: Mapped[str | None]
    position: Mapped[int]
