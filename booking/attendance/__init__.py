"""Places that stayed empty (爽约): counted against a person for a while, forgiven on appeal, never of elders.

Rules: docs/waitlist.md.
"""
