"""Sites, those who run them, and people who book there."""

from tests.booking.offerings.conftest import account, book, clerk, counts, sites, wait  # noqa: F401  fixtures
