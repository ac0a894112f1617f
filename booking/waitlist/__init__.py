"""The waiting list (候补): a freed place goes to whoever waits, not to whoever polls fastest. Rules: docs/waitlist.md.

``promote.promote`` is called by whatever frees places, in the same transaction, under the locks of the buckets. These
locks are the queue's too: every change of a slot's queue happens under them, so that the order of numbers is the order
of commits, and nobody joins unseen by whoever frees a place at that moment.
"""
