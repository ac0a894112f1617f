"""What persons are bound to and have used, and what is kept for those who wait."""

from booking.checking.checks import LIVE_SQL, Check

PEOPLE = (
    Check(
        "commitments-of-reservations",
        "独占类预约都登记了本人时间",
        "whoever has a place of an exclusive offering is bound to its time",
        # An offering that was edited since may have become exclusive only then.
        f"""
        select reservation.id::text as subject, tstzrange(reservation.starts_at, reservation.ends_at)::text as expected,
            'not bound' as found
        from reservation join offering on offering.id = reservation.offering_id
        left join person_commitment as bound on bound.subject_id = reservation.id
            and bound.person_id = reservation.person_id
            and bound.during = tstzrange(reservation.starts_at, reservation.ends_at)
        where reservation.state in {LIVE_SQL} and reservation.person_id is not null and offering.exclusive
          and offering.updated_at <= reservation.created_at and bound.id is null
        """,
    ),
    Check(
        "commitments-bound",
        "登记的本人时间都有对应的有效预约",
        "a person is bound by live reservations only, once by each",
        f"""
        select bound.id::text as subject,
            coalesce(format('%s at %s', reservation.person_id,
                tstzrange(reservation.starts_at, reservation.ends_at)), 'nothing') as expected,
            format('%s at %s, %s', bound.person_id, bound.during, coalesce(reservation.state, 'gone')) as found
        from (
            select *, count(*) over (partition by subject_id) as times from person_commitment where kind = 'reservation'
        ) as bound left join reservation on reservation.id = bound.subject_id
        where reservation.id is null or reservation.state not in {LIVE_SQL} or bound.times > 1
            or bound.person_id is distinct from reservation.person_id
            or bound.during <> tstzrange(reservation.starts_at, reservation.ends_at)
        """,
    ),
    Check(
        "commitments-overlap",
        "同一人的时间互不重叠",
        "nobody is bound to two places at once",
        """
        select person_id || ' ' || during as subject, 'free before ' || upper(during) as expected,
            'bound from ' || later as found
        from (
            select person_id, during, lead(lower(during)) over (partition by person_id order by lower(during)) as later
            from person_commitment
        ) as bound where later < upper(during)
        """,
    ),
    Check(
        "quotas",
        "限次计数等于有效预约数",
        "what a person has used of a limit is what their live reservations say",
        # Rows of periods long past may have been purged.
        f"""
        select format('%s %s %s', person_id, scope, period_on) as subject, coalesce(said.used, 0)::text as expected,
            coalesce(quota.used, 0)::text as found
        from person_quota as quota full join (
            select reservation.person_id, quota.value ->> 0 as scope, (quota.value ->> 1)::date as period_on,
                count(*) as used
            from reservation, jsonb_array_elements(reservation.details -> 'quotas') as quota
            where reservation.state in {LIVE_SQL} and reservation.person_id is not null group by 1, 2, 3
        ) as said using (person_id, scope, period_on)
        where coalesce(quota.used, 0) <> coalesce(said.used, 0)
          and (quota.person_id is not null or period_on >= cast(:now as timestamptz)::date)
        """,
    ),
)

WAITING = (
    Check(
        "offers-held",
        "候补的名额都有保留的预约",
        "what is offered to whoever waits is held for them",
        """
        select entry.id::text as subject, format('held for %s, %s', entry.person_id, entry.party_size) as expected,
            coalesce(format('%s for %s, %s', reservation.state, reservation.person_id, reservation.party_size), 'gone')
                as found
        from waitlist_entry as entry left join reservation on reservation.id = entry.reservation_id
        where entry.state = 'offered' and (reservation.id is null or reservation.state <> 'held'
            or reservation.person_id is distinct from entry.person_id or reservation.party_size <> entry.party_size)
        """,
    ),
    Check(
        "held-offers",
        "为候补保留的预约都对应候补",
        "what is held for whoever waits is offered to one of them",
        """
        select reservation.id::text as subject, '1 offer' as expected, count(entry.id) || ' offers' as found
        from reservation left join waitlist_entry as entry
            on entry.reservation_id = reservation.id and entry.state = 'offered'
        where reservation.state = 'held' and jsonb_exists(reservation.details, 'waitlist')
        group by reservation.id having count(entry.id) <> 1
        """,
    ),
    Check(
        "set-aside",
        "留给候补的名额有人在等",
        "places are set aside only where somebody waits",
        """
        select slot_id || ' ' || tier as subject, '0 set aside' as expected, set_aside || ' set aside' as found
        from slot_bucket as bucket
        where set_aside > 0 and not exists (
            select from waitlist_entry as entry where entry.slot_id = bucket.slot_id and entry.state = 'waiting')
        """,
    ),
)
