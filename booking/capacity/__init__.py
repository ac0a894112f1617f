"""Places and how they are guarded: by the database, in the transaction that sells them.

**Lock order, everywhere:** person → post → offer → resource (ascending id) → bucket (ascending slot id, tier) → seats →
inserts. Whoever follows it waits for others and is never part of a deadlock. Two may not wait where the order would be
broken, and skip locked rows instead: whoever expires holds (reservations after buckets) and whoever promotes from the
waiting list (persons after buckets).

Persons and resources are locked FOR NO KEY UPDATE: rows that refer to them can still be written by others.

Three shapes: ``buckets`` counts places, ``seats`` gives this very seat on top of the count, ``spans`` books a resource
from … to …
"""
