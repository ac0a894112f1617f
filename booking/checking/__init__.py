"""Proofs that the books agree: run by operators on production data, and by the tests after a storm. docs/booking-checks.md.

Nothing here changes anything. A check is a query that finds what should not be; none is slower than a sort of its table.
"""
