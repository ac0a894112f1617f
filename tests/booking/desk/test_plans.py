"""The queries of a busy desk use their indexes, also once PostgreSQL plans them without looking at the values."""

import pytest
from sqlalchemy import text

from booking.desk.absences import due_query
from booking.desk.today import SLOTS, reservations_query
from booking.desk.walk_ins import NOW_OR_NEXT
from core.ids import new_id
from tests.booking.desk.meals import DAY, NOW
from tests.booking.feedback.plans import generic_plan

SITE = {"site_id": new_id()}
QUERIES = {
    "slots": (SLOTS.bindparams(**SITE, first=NOW, after=NOW + DAY, now=NOW)),
    "reservations": reservations_query([new_id(), new_id()], NOW.date()),
    "walk-in": NOW_OR_NEXT.bindparams(
        **SITE, offering_id=None, at=NOW, soon=NOW, day_before=NOW - DAY, most=20
    ),
    "absences": due_query(ended_by=NOW, limit=50),
}
INDEXES = {
    "slots": [
        "offering_site_id_idx",
        "slot_offering_id_starts_at_idx",
        "slot_bucket_pkey",
        "waitlist_entry_queue_idx",
        "reservation_held_idx",
    ],
    "reservations": [
        "reservation_slot_id_code_key",
        "allocation_reservation_id_idx",
        "person_tag_person_id",
        "slot_seat_reservation_id_idx",
        "resource_span_reservation_id_idx",
        "reservation_step_pkey",
    ],
    "walk-in": ["offering_site_id_idx", "slot_offering_id_starts_at_idx"],
    "absences": ["reservation_live_idx", "reservation_slot_id_code_key"],
}


# Undone at the end, as all that a session's test does; an analyze within the transaction too.
CITY = (
    """
    insert into offering (id, site_id, kind, shape, status, title, created_at, updated_at)
    select gen_random_uuid(), gen_random_uuid(), 'meal', 'counted', 'active', '午餐', now(), now()
    from generate_series(1, 3000)
    """,
    """
    insert into slot (id, offering_id, on_date, starts_at, ends_at, opens_at, closes_at)
    select gen_random_uuid(), offering.id, at::date, at, at + interval '1 hour', at - interval '7 days', at
    from offering, generate_series(now(), now() + interval '19 days', interval '1 day') at
    """,
    "analyze offering",
    "analyze slot",
)


@pytest.mark.parametrize("name", sorted(QUERIES))
async def test_no_query_of_the_desk_reads_a_whole_table(session, name):
    # Enough sites and slots that an index by time alone is no way to a site's day; of the rest few rows: what is asked of
    # them is whether the plan is possible at all, with a parameter in the place of each value.
    await session.execute(text("set local session_replication_role = replica"))  # no such sites are needed
    for statement in CITY:
        await session.execute(text(statement))
    await session.execute(text("set local enable_seqscan = off"))
    plan = await generic_plan(session, QUERIES[name])
    for index in INDEXES[name]:
        assert index in plan, plan
