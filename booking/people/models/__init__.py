"""Tables of accounts and persons. Import models from here."""

from booking.people.models.account import Account
from booking.people.models.consent import Consent
from booking.people.models.delegation import Delegation, PersonRequest
from booking.people.models.person import Person, PersonTag

__all__ = ["Account", "Consent", "Delegation", "Person", "PersonRequest", "PersonTag"]
