"""Places (HSDS ``location``) and what belongs to one of them."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from geoalchemy2 import Geometry
from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from core.database import Base
from core.ids import new_id

GEOMETRY_TYPES = ("ST_Point", "ST_LineString", "ST_MultiLineString", "ST_Polygon", "ST_MultiPolygon")


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_kw: Any) -> str:
        return "xid8"


def _words(column: str, most: int) -> str:
    return f"cardinality({column}) <= {most} and array_position({column}, null) is null"


class Site(Base):
    """A place residents go to. Published when ``published_at`` is set; drafts are seen by staff only.

    A draft waits for its publication since ``submitted_at``; a published site was taken back at ``withdrawn_at``.
    ``staff_fields`` names what staff wrote here: imports leave it as it is.

    ``geom`` is EPSG:4326, lon before lat, two-dimensional. ``hours`` and ``makeup_hours`` are OSM opening_hours
    (docs/hours.md). ``import_digest`` remembers the row a source last sent, so that the same file twice changes nothing.
    """

    __tablename__ = "site"
    __table_args__ = (
        UniqueConstraint("source_code", "external_id"),
        CheckConstraint("btrim(name) <> '' and length(name) <= 200", name="name"),
        CheckConstraint("status in ('active', 'temporarily_closed', 'inactive')", name="status"),
        CheckConstraint(
            "geometrytype(geom) in ('POINT', 'LINESTRING', 'MULTILINESTRING', 'POLYGON', 'MULTIPOLYGON')"
            " and not st_isempty(geom) and st_isvalid(geom)",
            name="geom",
        ),
        CheckConstraint(
            "st_xmin(geom) >= -180 and st_xmax(geom) <= 180 and st_ymin(geom) >= -90 and st_ymax(geom) <= 90",
            name="geom_range",
        ),
        CheckConstraint("btrim(hours) <> '' and length(hours) <= 500", name="hours"),
        CheckConstraint("btrim(makeup_hours) <> '' and length(makeup_hours) <= 200", name="makeup_hours"),
        CheckConstraint(_words("aliases", 20), name="aliases"),
        CheckConstraint(_words("features", 40), name="features"),
        CheckConstraint(_words("accessibility", 20), name="accessibility"),
        CheckConstraint(_words("languages", 20), name="languages"),
        CheckConstraint(_words("funding", 10), name="funding"),
        CheckConstraint("version >= 1", name="version"),
        Index("site_geom_idx", "geom", postgresql_using="gist"),
        Index("site_geog_idx", text("(geom::geography)"), postgresql_using="gist"),
        Index("site_category_code_idx", "category_code", "id"),
        Index("site_area_id_idx", "area_id", "id"),
        Index("site_organisation_id_idx", "organisation_id"),
        Index("site_updated_at_idx", "updated_at", "id"),
        Index("site_unpublished_idx", "id", postgresql_where="published_at is null"),
        # Oldest confirmation first, and never before all others.
        Index(
            "site_freshness_idx",
            text("coalesce(assured_at, to_timestamp(0))"),
            "id",
            postgresql_where="published_at is not null and status <> 'inactive'",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    category_code: Mapped[str] = mapped_column(ForeignKey("category.code"))
    organisation_id: Mapped[UUID | None] = mapped_column(ForeignKey("organisation.id"))
    area_id: Mapped[UUID | None] = mapped_column(ForeignKey("area.id"))
    name: Mapped[str]
    name_en: Mapped[str | None]
    aliases: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    address: Mapped[str | None]
    description: Mapped[str | None]
    url: Mapped[str | None]
    geom: Mapped[Any] = mapped_column(Geometry("GEOMETRY", srid=4326, spatial_index=False, nullable=False))
    status: Mapped[str] = mapped_column(server_default="active")
    alert: Mapped[str | None]
    hours: Mapped[str | None]
    makeup_hours: Mapped[str | None]
    zone: Mapped[str] = mapped_column(server_default="Asia/Shanghai")
    features: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    accessibility: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    languages: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    batch: Mapped[str | None]
    plaque_number: Mapped[str | None]
    funding: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    source_code: Mapped[str] = mapped_column(ForeignKey("source.code"))
    external_id: Mapped[str]
    import_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    assured_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    published_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    submitted_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    withdrawn_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    staff_fields: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class SiteExternalId(Base):
    """The number another register gives this site (scheme such as ``usci`` or ``medical_institution``)."""

    __tablename__ = "site_external_id"
    __table_args__ = (Index("site_external_id_value_idx", "scheme", "value"),)

    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id", ondelete="CASCADE"), primary_key=True)
    scheme: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class Phone(Base):
    """A number to call. ``position`` 0 is shown first. Kept as text: leading zeros matter."""

    __tablename__ = "phone"
    __table_args__ = (
        CheckConstraint("number ~ '^[0-9+*#() -]{3,32}$'", name="number"),
        CheckConstraint("position >= 0", name="position"),
    )

    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str]
    extension: Mapped[str | None]
    label: Mapped[str | None]


class HoursException(Base):
    """Other hours, or none (``off``), on one date, and why. It replaces that date's regular hours."""

    __tablename__ = "hours_exception"
    __table_args__ = (
        CheckConstraint("btrim(hours) <> '' and length(hours) <= 200", name="hours"),
        CheckConstraint("btrim(reason) <> '' and length(reason) <= 200", name="reason"),
    )

    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id", ondelete="CASCADE"), primary_key=True)
    on_date: Mapped[date] = mapped_column(primary_key=True)
    hours: Mapped[str]
    reason: Mapped[str]


class SiteChange(Base):
    """The last transaction that touched a site, written by triggers, read by each process' nearby index.

    A row outlives its site, so that a deletion is seen too. Never read it with ``xid > last``: commits do not come in
    order of their ids. See ``geo/nearby/feed.py``.
    """

    __tablename__ = "site_change"
    __table_args__ = (Index("site_change_xid_idx", "xid"),)

    site_id: Mapped[UUID] = mapped_column(primary_key=True)
    xid: Mapped[int] = mapped_column(Xid8)
