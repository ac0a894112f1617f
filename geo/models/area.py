"""Administrative areas and the codes that several systems give them."""

from datetime import date
from typing import Any
from uuid import UUID

from geoalchemy2 import Geometry
from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id

AREA_KINDS = ("district", "township", "centre_community", "community")


class Area(Base):
    """A district (区), township (乡镇), centre community (中心社区) or community (社区、村).

    Borders and names move, so an area is valid on dates: ``valid_from`` included, ``valid_to`` not.
    """

    __tablename__ = "area"
    __table_args__ = (
        CheckConstraint("kind in (" + ", ".join(f"'{kind}'" for kind in AREA_KINDS) + ")", name="kind"),
        CheckConstraint("btrim(name) <> '' and length(name) <= 100", name="name"),
        CheckConstraint("valid_from < valid_to", name="dates"),
        CheckConstraint("st_isvalid(geom) and not st_isempty(geom)", name="geom"),
        Index("area_geom_idx", "geom", postgresql_using="gist"),
        Index("area_parent_id_idx", "parent_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    name: Mapped[str]
    name_en: Mapped[str | None]
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("area.id"))
    geom: Mapped[Any | None] = mapped_column(Geometry("MULTIPOLYGON", srid=4326, spatial_index=False))
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    source_code: Mapped[str] = mapped_column(ForeignKey("source.code"))


class AreaCode(Base):
    """A dated alias of an area in one code system (``nbs``: statistics, ``mca``: civil affairs, …)."""

    __tablename__ = "area_code"
    __table_args__ = (
        CheckConstraint("system ~ '^[a-z][a-z0-9_]{1,19}$'", name="system"),
        CheckConstraint("code ~ '^[0-9A-Za-z-]{2,20}$'", name="code"),
        CheckConstraint("valid_from < valid_to", name="dates"),
        ExcludeConstraint(
            ("system", "="),
            ("code", "="),
            (text("daterange(valid_from, valid_to)"), "&&"),
            name="area_code_one_area_a_day_excl",
            using="gist",
        ),
    )

    area_id: Mapped[UUID] = mapped_column(ForeignKey("area.id", ondelete="CASCADE"), primary_key=True)
    system: Mapped[str] = mapped_column(primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    code: Mapped[str]
    valid_to: Mapped[date | None]
