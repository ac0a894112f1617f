"""School districts (招生片区), the schools they lead to, and groups and alliances of schools."""

from datetime import date
from typing import Any
from uuid import UUID

from geoalchemy2 import Geometry
from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id

STAGES = ("kindergarten", "primary", "junior", "senior")


class SchoolDistrict(Base):
    """An enrolment area of one stage, in force from ``effective_from`` until before ``effective_to``.

    Two districts of a stage never overlap on a day: the trigger ``school_district_no_overlap`` refuses more than 1 m².
    """

    __tablename__ = "school_district"
    __table_args__ = (
        CheckConstraint("stage in (" + ", ".join(f"'{stage}'" for stage in STAGES) + ")", name="stage"),
        CheckConstraint("btrim(name) <> '' and length(name) <= 100", name="name"),
        CheckConstraint("effective_from < effective_to", name="dates"),
        CheckConstraint("st_isvalid(geom) and not st_isempty(geom)", name="geom"),
        CheckConstraint("version >= 1", name="version"),
        Index("school_district_geom_idx", "geom", postgresql_using="gist"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    stage: Mapped[str]
    geom: Mapped[Any] = mapped_column(
        Geometry("MULTIPOLYGON", srid=4326, spatial_index=False, nullable=False)
    )
    effective_from: Mapped[date]
    effective_to: Mapped[date | None]
    note: Mapped[str | None]
    source_code: Mapped[str] = mapped_column(ForeignKey("source.code"))
    version: Mapped[int] = mapped_column(server_default="1")


class DistrictSchool(Base):
    """A school that a district leads to; several make a multi-school district (多校划片)."""

    __tablename__ = "district_school"
    __table_args__ = (Index("district_school_site_id_idx", "site_id"),)

    district_id: Mapped[UUID] = mapped_column(
        ForeignKey("school_district.id", ondelete="CASCADE"), primary_key=True
    )
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"), primary_key=True)


class SchoolGroup(Base):
    """Schools that work together: an education group (教育集团), an alliance (联盟) or an urban-rural community."""

    __tablename__ = "school_group"
    __table_args__ = (
        CheckConstraint("kind in ('group', 'alliance', 'urban_rural')", name="kind"),
        CheckConstraint("btrim(name) <> '' and length(name) <= 100", name="name"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    name: Mapped[str]
    source_code: Mapped[str] = mapped_column(ForeignKey("source.code"))


class SchoolGroupMember(Base):
    """A school in a group between two dates; at most one leads."""

    __tablename__ = "school_group_member"
    __table_args__ = (
        CheckConstraint("effective_from < effective_to", name="dates"),
        Index("school_group_member_site_id_idx", "site_id"),
    )

    group_id: Mapped[UUID] = mapped_column(
        ForeignKey("school_group.id", ondelete="CASCADE"), primary_key=True
    )
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"), primary_key=True)
    effective_from: Mapped[date] = mapped_column(primary_key=True)
    effective_to: Mapped[date | None]
    leads: Mapped[bool] = mapped_column(server_default="false")
