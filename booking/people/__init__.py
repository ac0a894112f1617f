"""Persons, the accounts that act for them, and how far: delegation, tags, consents (人员与授权)."""
