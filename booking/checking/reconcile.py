"""Counters = ledger = reservations: ``xinban booking reconcile``.

``confirmed`` of a bucket counts reservations that are confirmed, checked in or no-shows: who came, or should have, keeps
the place. Cancelled and expired ones have given it back.
"""

from booking.checking.checks import LIVE_SQL, Check
from booking.checking.people import PEOPLE, WAITING
from booking.checking.shapes import SHAPES

# What each live reservation should have: its own slot's places and those of the supply slots it takes along. Interval
# offerings count nothing; their spans are rows.
EXPECTED = f"""
expected as (
    select reservation.id, reservation.slot_id, reservation.party_size as places, reservation.state
    from reservation join offering on offering.id = reservation.offering_id
    where reservation.state in {LIVE_SQL} and offering.shape <> 'interval'
    union all
    select reservation.id, need.needs_slot_id,
        case need.per when 'person' then reservation.party_size else 1 end, reservation.state
    from reservation join slot_need as need on need.slot_id = reservation.slot_id
    where reservation.state in {LIVE_SQL} and (need.modes = '{{}}' or reservation.mode = any(need.modes))
)"""

LEDGER = (
    Check(
        "bucket-ledger",
        "名额计数等于台账之和",
        "a bucket counts what its ledger rows sum up to",
        """
        select slot_id || ' ' || tier as subject,
            format('held %s, confirmed %s, set aside %s', coalesce(sums.held, 0), coalesce(sums.confirmed, 0),
                coalesce(sums.set_aside, 0)) as expected,
            format('held %s, confirmed %s, set aside %s', bucket.held, bucket.confirmed, bucket.set_aside) as found
        from slot_bucket as bucket full join (
            select slot_id, tier, sum(held) as held, sum(confirmed) as confirmed, sum(set_aside) as set_aside
            from allocation group by slot_id, tier
        ) as sums using (slot_id, tier)
        where (coalesce(bucket.held, 0), coalesce(bucket.confirmed, 0), coalesce(bucket.set_aside, 0))
            <> (coalesce(sums.held, 0), coalesce(sums.confirmed, 0), coalesce(sums.set_aside, 0))
        """,
    ),
    Check(
        "reservation-ledger",
        "每个预约的台账等于它应占的名额",
        "a reservation's ledger rows sum up to the places it should have, in each slot",
        f"""
        with {EXPECTED}
        select coalesce(expected.id, had.id) || ' in slot ' || coalesce(expected.slot_id, had.slot_id) as subject,
            format('held %s, confirmed %s', coalesce(expected.held, 0), coalesce(expected.confirmed, 0)) as expected,
            format('held %s, confirmed %s', coalesce(had.held, 0), coalesce(had.confirmed, 0)) as found
        from (
            select id, slot_id, sum(places) filter (where state = 'held') as held,
                sum(places) filter (where state <> 'held') as confirmed
            from expected group by id, slot_id
        ) as expected full join (
            select reservation_id as id, slot_id, sum(held) as held, sum(confirmed) as confirmed
            from allocation where reservation_id is not null group by reservation_id, slot_id
            having sum(held) <> 0 or sum(confirmed) <> 0
        ) as had on had.id = expected.id and had.slot_id = expected.slot_id
        where (coalesce(expected.held, 0), coalesce(expected.confirmed, 0))
            <> (coalesce(had.held, 0), coalesce(had.confirmed, 0))
        """,
    ),
    Check(
        "slot-reservations",
        "时段的计数等于有效预约的人数之和",
        "the buckets of a slot count the people of its live reservations",
        f"""
        with {EXPECTED}
        select slot_id::text as subject,
            format('held %s, confirmed %s', coalesce(people.held, 0), coalesce(people.confirmed, 0)) as expected,
            format('held %s, confirmed %s', counted.held, counted.confirmed) as found
        from (
            select slot_id, sum(held) as held, sum(confirmed) as confirmed from slot_bucket group by slot_id
        ) as counted full join (
            select slot_id, sum(places) filter (where state = 'held') as held,
                sum(places) filter (where state <> 'held') as confirmed
            from expected group by slot_id
        ) as people using (slot_id)
        where (coalesce(counted.held, 0), coalesce(counted.confirmed, 0))
            <> (coalesce(people.held, 0), coalesce(people.confirmed, 0))
        """,
    ),
    Check(
        "ledger-orphan",
        "台账中的预约都在",
        "no reservation that the ledger names is gone",
        """
        select distinct allocation.reservation_id::text as subject, 'a reservation' as expected, 'none' as found
        from allocation left join reservation on reservation.id = allocation.reservation_id
        where allocation.reservation_id is not null and reservation.id is null
        """,
    ),
    Check(
        "bucket-capacity",
        "没有超出名额",
        "no bucket is over its capacity",
        """
        select slot_id || ' ' || tier as subject, format('at most %s, nothing below 0', capacity) as expected,
            format('held %s, confirmed %s, set aside %s', held, confirmed, set_aside) as found
        from slot_bucket
        where held < 0 or confirmed < 0 or set_aside < 0 or held + confirmed + set_aside > capacity
        """,
    ),
    Check(
        "reservation-offering",
        "预约与时段属于同一项目",
        "a reservation and its slot belong to the same offering",
        """
        select reservation.id::text as subject, slot.offering_id::text as expected,
            reservation.offering_id::text as found
        from reservation join slot on slot.id = reservation.slot_id
        where reservation.offering_id <> slot.offering_id
        """,
    ),
)

RECONCILE = (*LEDGER, *SHAPES, *PEOPLE, *WAITING)
