"""Seats and spans: each taken one belongs to a live reservation, and each live reservation has its own."""

from booking.checking.checks import LIVE_SQL, Check

SHAPES = (
    Check(
        "seats-of-reservations",
        "座位数等于人数",
        "a live reservation of a hall has as many seats in its slot as people",
        f"""
        select reservation.id::text as subject, reservation.party_size::text as expected,
            count(seat.seat_id)::text as found
        from reservation join offering on offering.id = reservation.offering_id
        left join slot_seat as seat on seat.reservation_id = reservation.id and seat.slot_id = reservation.slot_id
        where offering.shape = 'seated' and reservation.state in {LIVE_SQL}
        group by reservation.id having count(seat.seat_id) <> reservation.party_size
        """,
    ),
    Check(
        "seats-taken",
        "被占的座位都属于有效预约",
        "a taken seat belongs to a live reservation of its slot",
        f"""
        select seat.slot_id || ' seat ' || seat.seat_id as subject, 'free, or a live reservation of the slot' as expected,
            format('%s, %s', seat.reservation_id, coalesce(reservation.state, 'gone')) as found
        from slot_seat as seat left join reservation on reservation.id = seat.reservation_id
        where seat.reservation_id is not null and (reservation.id is null
            or reservation.state not in {LIVE_SQL} or reservation.slot_id <> seat.slot_id)
        """,
    ),
    Check(
        "seats-counted",
        "座位与名额计数一致",
        "the buckets of a hall count its taken seats, wheelchair spaces in one of their own",
        """
        select bucket.slot_id || ' ' || bucket.tier as subject, coalesce(seats.taken, 0)::text as expected,
            (bucket.held + bucket.confirmed)::text as found
        from slot_bucket as bucket left join (
            select slot_seat.slot_id, case seat.kind when 'wheelchair' then 'wheelchair' else 'general' end as tier,
                count(*) as taken
            from slot_seat join seat on seat.id = slot_seat.seat_id
            where slot_seat.reservation_id is not null group by 1, 2
        ) as seats using (slot_id, tier)
        where exists (select from slot_seat where slot_seat.slot_id = bucket.slot_id)
          and bucket.held + bucket.confirmed <> coalesce(seats.taken, 0)
        """,
    ),
    Check(
        "spans-of-reservations",
        "场地占用与有效预约一一对应",
        "a live reservation of a resource has its spans, one a role, at its very time",
        f"""
        select reservation.id::text as subject,
            tstzrange(reservation.starts_at, reservation.ends_at)::text as expected,
            coalesce(string_agg(format('%s %s', resource.role, span.during), ', '), 'none') as found
        from reservation join offering on offering.id = reservation.offering_id
        left join resource_span as span on span.reservation_id = reservation.id
        left join resource on resource.id = span.resource_id
        where offering.shape = 'interval' and reservation.state in {LIVE_SQL}
        group by reservation.id
        having count(span.id) = 0 or count(distinct resource.role) <> count(span.id)
            or bool_or(resource.offering_id <> reservation.offering_id)
            or bool_or(span.during <> tstzrange(reservation.starts_at, reservation.ends_at))
        """,
    ),
    Check(
        "spans-taken",
        "被占的场地都属于有效预约",
        "a span belongs to a live reservation of a resource",
        f"""
        select span.id::text as subject, 'a live interval reservation' as expected,
            format('%s, %s, %s', span.reservation_id, coalesce(reservation.state, 'gone'), offering.shape) as found
        from resource_span as span left join reservation on reservation.id = span.reservation_id
        left join offering on offering.id = reservation.offering_id
        where reservation.id is null or reservation.state not in {LIVE_SQL} or offering.shape <> 'interval'
        """,
    ),
    Check(
        "spans-overlap",
        "同一场地的占用互不重叠",
        "no two spans of a resource overlap",
        """
        select resource_id || ' ' || during as subject, 'free before ' || upper(during) as expected,
            'taken from ' || later as found
        from (
            select resource_id, during, lead(lower(during)) over (partition by resource_id order by lower(during)) as later
            from resource_span
        ) as spans where later < upper(during)
        """,
    ),
)
