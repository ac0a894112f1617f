"""Tables of signing in. Import models from here."""

from api.identity.models.session import AccountSession

__all__ = ["AccountSession"]
