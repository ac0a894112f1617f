"""Tables of accounts and persons. Import models from here."""

from booking.people.models.account import Account

__all__ = ["Account"]
