"""Schools and kindergartens answer questions about enrolment, and show parents round; not in the vacations."""

from collections.abc import Iterator
from datetime import date

from booking.offerings.input import TemplateIn
from geo.sites.input import SiteIn
from seed.names import read_rows
from seed.offerings.plan import WORKDAYS, Bookable, counted, weekly


def in_terms(template: TemplateIn) -> Iterator[TemplateIn]:
    """The template in each school term that begins in 2026 or later."""
    for row in read_rows("seed", "terms.csv"):
        starts_on, ends_on = date.fromisoformat(row["starts_on"]), date.fromisoformat(row["ends_on"])
        if row["kind"] == "term" and starts_on >= template.valid_from:
            yield template.model_copy(update={"valid_from": starts_on, "valid_until": ends_on})


def kindergarten(site: SiteIn) -> tuple[Bookable, ...]:
    """Parents and children look round."""
    return counted(
        "event",
        "入园开放体验",
        "Open afternoon",
        *in_terms(weekly(WORKDAYS, "15:30-17:00", 15, weekdays=(3,))),
        price_fen=0,
        party_max=3,
    )


def school(site: SiteIn) -> tuple[Bookable, ...]:
    """A talk about districts, papers and children who move with their parents."""
    return counted(
        "advice",
        "入学政策咨询",
        "Advice on enrolment",
        *in_terms(weekly(WORKDAYS, "16:00-17:00", 2, slot_minutes=30, weekdays=(4,))),
        price_fen=0,
        party_max=2,
    )
