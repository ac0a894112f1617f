"""Announced workdays and holidays, and school terms, each with where it was learnt."""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class CalendarYear(Base):
    """A year whose holidays were announced in a region. No row: not announced, and nobody may guess."""

    __tablename__ = "calendar_year"
    __table_args__ = (CheckConstraint("year between 1949 and 2200", name="year"),)

    region: Mapped[str] = mapped_column(primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str]
    imported_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))


class CalendarDay(Base):
    """A day of an announced year that is not simply what its weekday says."""

    __tablename__ = "calendar_day"
    __table_args__ = (
        CheckConstraint("kind in ('workday', 'rest_day', 'holiday', 'makeup_workday')", name="kind"),
        CheckConstraint("extract(year from on_date) = year", name="year"),
        ForeignKeyConstraint(
            ["region", "year"], ["calendar_year.region", "calendar_year.year"], ondelete="CASCADE"
        ),
    )

    region: Mapped[str] = mapped_column(primary_key=True)
    on_date: Mapped[date] = mapped_column(primary_key=True)
    year: Mapped[int]
    kind: Mapped[str]
    name: Mapped[str | None]


class SchoolTerm(Base):
    """A school term or vacation, both days included."""

    __tablename__ = "school_term"
    __table_args__ = (
        CheckConstraint("kind in ('term', 'vacation')", name="kind"),
        CheckConstraint("starts_on <= ends_on", name="dates"),
    )

    region: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    starts_on: Mapped[date] = mapped_column(primary_key=True)
    ends_on: Mapped[date]
    kind: Mapped[str]
    source: Mapped[str]
