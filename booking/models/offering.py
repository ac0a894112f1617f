"""What can be booked at a site, and the weekly templates its slots are made from."""

from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, SmallInteger, String
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base
from core.ids import new_id

KINDS = ("meal", "clinic", "venue", "performance", "course", "event", "advice", "supply")
SHAPES = ("counted", "seated", "interval")
AUTHORITIES = ("owned", "allotted", "external")
_KINDS, _SHAPES, _AUTHORITIES = (
    ", ".join(f"'{one}'" for one in names) for names in (KINDS, SHAPES, AUTHORITIES)
)


class Offering(Base):
    """Something bookable at a site (可预约项目), with its rules.

    ``shape``: ``counted`` (so many places a slot), ``seated`` (this very seat), ``interval`` (a resource from … to …).
    ``kind`` ``supply`` is not offered to anyone: its slots are taken along by those of others (riders, a kitchen).
    ``capacity_authority``: ``owned`` by us, ``allotted`` (a block another system lends us), ``external`` (shown and
    linked at ``external_url``, never promised).

    A slot can be booked from ``opens_days_before`` days before its date at ``opens_at`` (local; null: as soon as it
    exists) until ``closes_minutes_before`` minutes before it starts, and cancelled until ``cancel_minutes_before``.
    ``exclusive``: whoever holds a place is busy meanwhile (``person_commitment``).
    ``rules`` holds what ``booking.rules`` reads: eligibility, tiers, limits, price, waitlist, attendance.
    """

    __tablename__ = "offering"
    __table_args__ = (
        CheckConstraint(f"kind in ({_KINDS})", name="kind"),
        CheckConstraint(f"shape in ({_SHAPES})", name="shape"),
        CheckConstraint(f"capacity_authority in ({_AUTHORITIES})", name="capacity_authority"),
        CheckConstraint(
            "(capacity_authority = 'external') = (external_url is not null)", name="external_url"
        ),
        CheckConstraint("status in ('draft', 'active', 'paused', 'ended')", name="status"),
        CheckConstraint("assurance in ('none', 'phone', 'real_name')", name="assurance"),
        CheckConstraint("btrim(title) <> '' and length(title) <= 200", name="title"),
        CheckConstraint("opens_days_before between 0 and 366", name="opens_days_before"),
        CheckConstraint("closes_minutes_before between 0 and 100000", name="closes_minutes_before"),
        CheckConstraint("cancel_minutes_before between 0 and 100000", name="cancel_minutes_before"),
        CheckConstraint("party_max between 1 and 100", name="party_max"),
        CheckConstraint("hold_seconds between 30 and 86400", name="hold_seconds"),
        CheckConstraint("offer_minutes between 1 and 10080", name="offer_minutes"),
        CheckConstraint("price_fen >= 0", name="price_fen"),
        CheckConstraint(
            "(shape = 'interval') = (granularity_minutes is not null)"
            " and (shape = 'interval') = (shortest_minutes is not null)"
            " and (shape = 'interval') = (longest_minutes is not null)",
            name="interval",
        ),
        CheckConstraint(
            "granularity_minutes > 0 and shortest_minutes >= granularity_minutes"
            " and longest_minutes >= shortest_minutes",
            name="lengths",
        ),
        CheckConstraint("version >= 1", name="version"),
        Index("offering_site_id_idx", "site_id", "id"),
        Index("offering_kind_idx", "kind", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("site.id"))
    kind: Mapped[str]
    shape: Mapped[str]
    capacity_authority: Mapped[str] = mapped_column(server_default="owned")
    external_url: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="draft")
    title: Mapped[str]
    title_en: Mapped[str | None]
    description: Mapped[str | None]
    opens_days_before: Mapped[int] = mapped_column(SmallInteger, server_default="7")
    opens_at: Mapped[time | None]
    closes_minutes_before: Mapped[int] = mapped_column(server_default="0")
    cancel_minutes_before: Mapped[int] = mapped_column(server_default="0")
    modes: Mapped[list[str]] = mapped_column(ARRAY(String), server_default="{}")
    party_max: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    hold_seconds: Mapped[int] = mapped_column(server_default="300")
    offer_minutes: Mapped[int] = mapped_column(server_default="30")
    exclusive: Mapped[bool] = mapped_column(server_default="true")
    assurance: Mapped[str] = mapped_column(server_default="phone")
    price_fen: Mapped[int | None]
    rules: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    granularity_minutes: Mapped[int | None]
    shortest_minutes: Mapped[int | None]
    longest_minutes: Mapped[int | None]
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class OfferingTemplate(Base):
    """A weekly pattern (排班模板). ``weekdays`` are ISO (1 Monday … 7 Sunday) and narrow workdays, rest days and holidays;
    a make-up workday (调休上班日) counts when ``day_kinds`` names it, whatever its weekday.

    One slot from ``starts_at`` to ``ends_at`` (the next day when not later), or one every ``slot_minutes``.
    ``places`` says the places by tier: ``{"general": 40, "elder": 10}``; ``release_minutes`` how long before the start
    what is left of a tier is everyone's. Seated slots take the seats of ``seat_map``, interval slots have no places.
    ``needs``: ids of supply offerings of which a slot at the same time is taken along, with the modes that need it.
    """

    __tablename__ = "offering_template"
    __table_args__ = (
        CheckConstraint(
            "weekdays <@ array[1,2,3,4,5,6,7]::smallint[] and cardinality(weekdays) > 0", name="weekdays"
        ),
        CheckConstraint(
            "day_kinds <@ array['workday','rest_day','holiday','makeup_workday']::varchar[]"
            " and cardinality(day_kinds) > 0",
            name="day_kinds",
        ),
        CheckConstraint("slot_minutes between 5 and 1440", name="slot_minutes"),
        CheckConstraint("valid_from <= valid_until", name="valid"),
        Index("offering_template_offering_id_idx", "offering_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    offering_id: Mapped[UUID] = mapped_column(ForeignKey("offering.id", ondelete="CASCADE"))
    weekdays: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    day_kinds: Mapped[list[str]] = mapped_column(ARRAY(String))
    starts_at: Mapped[time]
    ends_at: Mapped[time]
    slot_minutes: Mapped[int | None]
    places: Mapped[dict[str, int]] = mapped_column(JSONB, server_default="{}")
    release_minutes: Mapped[dict[str, int]] = mapped_column(JSONB, server_default="{}")
    seat_map: Mapped[str | None]
    needs: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]")
    valid_from: Mapped[date]
    valid_until: Mapped[date | None]
    ended_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
