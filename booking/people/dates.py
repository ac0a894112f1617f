"""Dates as people count them: days and ages by China's calendar."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

# A delegation ends with the day its grantor lives by, wherever a site may be.
ZONE = ZoneInfo("Asia/Shanghai")
ADULT_YEARS = 18
# Under this age a guardian consents: Personal Information Protection Law, article 31.
CONSENT_YEARS = 14


def local_date(now: datetime) -> date:
    """The day it is in China."""
    return now.astimezone(ZONE).date()


def add_years(day: date, years: int) -> date:
    """The same day ``years`` later; 29 February becomes 1 March."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def age_on(born: date, day: date) -> int:
    """Whole years."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
