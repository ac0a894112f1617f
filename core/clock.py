"""The only module that reads the clock. Everything else is told the time as ``now``."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present instant, aware, in UTC."""
    return datetime.now(UTC)
