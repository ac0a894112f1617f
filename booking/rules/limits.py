"""How often a person may book (限次): so many in a day, week or month, of one offering or of its whole kind."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal
from uuid import UUID

Per = Literal["day", "week", "month"]


@dataclass(frozen=True, slots=True)
class Limit:
    """``most`` bookings ``per`` period, by the date of the slot; ``scope``: of this offering, or of all of its kind."""

    per: Per
    most: int
    scope: Literal["offering", "kind"] = "offering"


@dataclass(frozen=True, slots=True)
class Quota:
    """A row of ``person_quota`` that a booking uses one of."""

    scope: str
    period_on: date
    most: int


def period_start(on: date, per: Per) -> date:
    """The first day of the period that ``on`` lies in; weeks begin on Monday."""
    if per == "day":
        return on
    return on - timedelta(days=on.weekday()) if per == "week" else on.replace(day=1)


def quotas_of(limits: Iterable[Limit], *, offering_id: UUID, kind: str, on: date) -> tuple[Quota, ...]:
    """What a booking for ``on`` uses, in the order of rows."""
    found = [
        Quota(
            f"{one.scope}:{offering_id if one.scope == 'offering' else kind}:{one.per}",
            period_start(on, one.per),
            one.most,
        )
        for one in limits
    ]
    return tuple(sorted(found, key=lambda one: (one.scope, one.period_on)))
