"""Announced workdays and holidays, and school terms, in the database; ``geo/calendar/workdays.py`` is what they mean."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from psycopg import Connection
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from geo.calendar.workdays import DayKind, Term, WorkCalendar
from geo.models import CalendarDay, CalendarYear, SchoolTerm

SpecialDay = tuple[date, DayKind, str | None]


async def put_calendar_year(
    session: AsyncSession,
    actor: Actor,
    *,
    region: str,
    year: int,
    days: Sequence[SpecialDay],
    source: str,
    now: datetime,
) -> None:
    """Announce ``year`` in ``region``, replacing what was known of it. Days not named are by their weekday."""
    await session.execute(
        delete(CalendarYear).where(CalendarYear.region == region, CalendarYear.year == year)
    )
    session.add(CalendarYear(region=region, year=year, source=source, imported_at=now))
    await session.flush()
    if days:
        await session.execute(
            insert(CalendarDay),
            [
                {"region": region, "on_date": on, "year": year, "kind": kind.value, "name": name}
                for on, kind, name in days
            ],
        )


async def put_school_term(
    session: AsyncSession, actor: Actor, *, region: str, term: Term, source: str
) -> None:
    """Create a term or vacation, or correct its end and kind."""
    said = {"ends_on": term.ends_on, "kind": term.kind, "source": source}
    await session.execute(
        insert(SchoolTerm)
        .values(region=region, name=term.name, starts_on=term.starts_on, **said)
        .on_conflict_do_update(index_elements=["region", "name", "starts_on"], set_=said)
    )


async def load_calendar(session: AsyncSession, *, region: str) -> WorkCalendar:
    """What is known in ``region``."""
    years = await session.scalars(select(CalendarYear.year).where(CalendarYear.region == region))
    days = await session.execute(
        select(CalendarDay.on_date, CalendarDay.kind, CalendarDay.name).where(CalendarDay.region == region)
    )
    terms = await session.execute(
        select(SchoolTerm.name, SchoolTerm.kind, SchoolTerm.starts_on, SchoolTerm.ends_on).where(
            SchoolTerm.region == region
        )
    )
    return _make_calendar(years, (tuple(row) for row in days), (tuple(row) for row in terms))


def read_calendar(connection: Connection[Any], *, region: str) -> WorkCalendar:
    """The same over a plain connection, for the nearby index."""
    years = connection.execute("select year from calendar_year where region = %s", (region,)).fetchall()
    days = connection.execute(
        "select on_date, kind, name from calendar_day where region = %s", (region,)
    ).fetchall()
    terms = connection.execute(
        "select name, kind, starts_on, ends_on from school_term where region = %s", (region,)
    ).fetchall()
    return _make_calendar((year for (year,) in years), days, terms)


def _make_calendar(
    years: Iterable[int], days: Iterable[tuple[Any, ...]], terms: Iterable[tuple[Any, ...]]
) -> WorkCalendar:
    kinds, names = {}, {}
    for on, kind, name in days:
        kinds[on] = DayKind(kind)
        if name:
            names[on] = name
    return WorkCalendar(kinds, frozenset(years), tuple(Term(*row) for row in terms), names)
