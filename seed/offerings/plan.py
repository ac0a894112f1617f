"""What is offered at a site, before it is put: the offering, its weekly patterns, its courts or its seats."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Any

from booking.offerings.input import OfferingIn, ResourceIn, SeatIn, TemplateIn
from geo.calendar.workdays import DayKind

VALID_FROM = date(2026, 1, 1)
OPENS_AT = time(7)
MAP = "main"

# Kinds of days. Working days are Monday to Friday and the Saturdays and Sundays that make up for a holiday.
WORKING = (DayKind.workday, DayKind.makeup_workday)
WORKDAYS, REST_DAYS = (DayKind.workday,), (DayKind.rest_day,)
FREE_DAYS = (DayKind.rest_day, DayKind.holiday)
ALL_DAYS = tuple(DayKind)
EVERY_WEEKDAY = (1, 2, 3, 4, 5, 6, 7)


@dataclass(frozen=True, slots=True)
class Bookable:
    """One offering and all that makes slots of it."""

    content: OfferingIn
    templates: Sequence[TemplateIn]
    resources: Sequence[ResourceIn] = ()
    seats: Sequence[SeatIn] = ()


def offering(kind: str, title: str, title_en: str, **more: Any) -> OfferingIn:
    """Booked from seven days before at seven in the morning, and cancelled until an hour before, unless ``more`` says else."""
    return OfferingIn.model_validate(
        {
            "kind": kind,
            "title": title,
            "title_en": title_en,
            "opens_days_before": 7,
            "opens_at": OPENS_AT,
            "closes_minutes_before": 60,
            "cancel_minutes_before": 60,
            **more,
        }
    )


def weekly(
    day_kinds: Iterable[DayKind],
    times: str,
    places: int | None = None,
    *,
    weekdays: Iterable[int] = EVERY_WEEKDAY,
    **more: Any,
) -> TemplateIn:
    """``times`` as "11:00-13:00"; ``places`` for everyone."""
    starts_at, _, ends_at = times.partition("-")
    return TemplateIn.model_validate(
        {
            "weekdays": tuple(weekdays),
            "day_kinds": tuple(day_kinds),
            "starts_at": starts_at,
            "ends_at": ends_at,
            "places": {} if places is None else {"general": places},
            "valid_from": VALID_FROM,
            **more,
        }
    )


def counted(
    kind: str, title: str, title_en: str, *templates: TemplateIn, **more: Any
) -> tuple[Bookable, ...]:
    """One offering whose places are counted."""
    return (Bookable(offering(kind, title, title_en, **more), templates),)


def at_most(most: int, per: str = "day", scope: str = "offering") -> dict[str, Any]:
    """A rule: each person holds at most ``most`` in that time."""
    return {"per": per, "most": most, "scope": scope}


def aged(least: int | None = None, most: int | None = None) -> list[dict[str, Any]]:
    """Conditions: from one age to another, both included."""
    conditions = []
    if least is not None:
        conditions.append({"rule": "min_age", "value": least})
    if most is not None:
        conditions.append({"rule": "max_age", "value": most})
    return conditions
