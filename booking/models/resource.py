"""Things booked themselves: a court, a room, a practitioner for a while; a seat for a performance."""

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint
from sqlalchemy.dialects.postgresql import TSTZRANGE, ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id


class Resource(Base):
    """Of an interval offering. A booking takes one resource of each ``role`` the offering has (room + practitioner)."""

    __tablename__ = "resource"
    __table_args__ = (
        CheckConstraint("status in ('active', 'inactive')", name="status"),
        CheckConstraint("btrim(name) <> '' and length(name) <= 100", name="name"),
        UniqueConstraint("offering_id", "name"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    offering_id: Mapped[UUID] = mapped_column(ForeignKey("offering.id", ondelete="CASCADE"))
    role: Mapped[str] = mapped_column(server_default="place")
    name: Mapped[str]
    name_en: Mapped[str | None]
    position: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    status: Mapped[str] = mapped_column(server_default="active")


class ResourceSpan(Base):
    """A resource taken from … to …, end excluded. Two of one resource never overlap."""

    __tablename__ = "resource_span"
    __table_args__ = (
        ExcludeConstraint(
            ("resource_id", "="), ("during", "&&"), name="resource_span_overlap_excl", using="gist"
        ),
        CheckConstraint(
            "not isempty(during) and not lower_inf(during) and not upper_inf(during)", name="during"
        ),
        Index("resource_span_reservation_id_idx", "reservation_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    resource_id: Mapped[UUID] = mapped_column(ForeignKey("resource.id"))
    reservation_id: Mapped[UUID] = mapped_column(ForeignKey("reservation.id", ondelete="CASCADE"))
    during: Mapped[Any] = mapped_column(TSTZRANGE)


class Seat(Base):
    """A seat of a hall. ``map`` names the hall's plan within the site; ``x`` counts seats along the row from the aisle
    on, with a gap in the numbers where people cannot sit side by side. ``kind``: wheelchair spaces are given to those who
    ask, companion seats lie beside them.
    """

    __tablename__ = "seat"
    __table_args__ = (
        CheckConstraint("kind in ('standard', 'wheelchair', 'companion')", name="kind"),
        UniqueConstraint("site_id", "map", "row_name", "number"),
        UniqueConstraint("site_id", "map", "row_rank", "x"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id", ondelete="CASCADE"))
    map: Mapped[str]
    row_name: Mapped[str]
    row_rank: Mapped[int] = mapped_column(SmallInteger)
    number: Mapped[str]
    x: Mapped[int] = mapped_column(SmallInteger)
    kind: Mapped[str] = mapped_column(server_default="standard")


class SlotSeat(Base):
    """A seat in one slot: one row a seat, taken by one reservation or by none."""

    __tablename__ = "slot_seat"
    __table_args__ = (
        Index(
            "slot_seat_reservation_id_idx", "reservation_id", postgresql_where="reservation_id is not null"
        ),
    )

    slot_id: Mapped[UUID] = mapped_column(ForeignKey("slot.id", ondelete="CASCADE"), primary_key=True)
    seat_id: Mapped[UUID] = mapped_column(ForeignKey("seat.id"), primary_key=True)
    reservation_id: Mapped[UUID | None] = mapped_column(ForeignKey("reservation.id"))
