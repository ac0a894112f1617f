"""Whether waiting lists kept their order.

An offer is the first ledger row of its reservation in the slot, so the ids of these rows say in which order offers of one
slot were made. Numbers of entries are drawn under the same locks. Only entries that wait still, or were offered a place
later, certainly waited at that moment: of those that left, were passed over or closed only an instant is known.
"""

from booking.checking.checks import Check

# ``took``: the tiers its places came from; ``place_at``: the position in the ledger.
OFFERS = """
offer as materialized (
    select entry.id, entry.slot_id, min(row.id) as place_at, min(row.at) as made_at, array_agg(distinct row.tier) as took
    from waitlist_entry as entry
    join reservation_step as first on first.reservation_id = entry.reservation_id and first.number = 1
    join allocation as row
        on row.reservation_id = entry.reservation_id and row.slot_id = entry.slot_id and row.at = first.at
    where row.held > 0
    group by entry.id, entry.slot_id
), released as materialized (
    select slot_id, tier, released_at from slot_bucket where released_at is not null
)"""
# Tiers that ``earlier`` could have places of at an instant.
USABLE = """(earlier.tiers || array(
    select released.tier from released where released.slot_id = earlier.slot_id and released.released_at <= {at}))"""
# What else an entry needs may have been used up, which is nobody's queue.
NEEDS = """exists (
    select from slot_need as need where need.slot_id = earlier.slot_id
      and (need.modes = '{}' or earlier.mode = any(need.modes)))"""
# The rule as it is now; it may have been another before the offering was last edited.
STRICT = """(offering.updated_at <= later.made_at and later.made_at < slot.closes_at
    - make_interval(mins => coalesce((offering.rules -> 'waitlist' ->> 'strict_until_minutes')::int, 60)))"""

QUEUE = (
    Check(
        "offers-made",
        "每次候补递补都有对应的预约",
        "an offer is a reservation of the same party, in a state that goes with the entry's",
        """
        select entry.id::text as subject, format('%s: held for %s, %s', entry.state, entry.person_id, entry.party_size)
            as expected, coalesce(format('%s for %s, %s', reservation.state, reservation.person_id,
                reservation.party_size), 'gone') as found
        from waitlist_entry as entry left join reservation on reservation.id = entry.reservation_id
        left join reservation_step as first on first.reservation_id = reservation.id and first.number = 1
        where (entry.state in ('offered', 'accepted', 'declined', 'expired') or entry.reservation_id is not null) and (
            reservation.id is null or reservation.party_size <> entry.party_size
            or reservation.person_id <> entry.person_id
            or (first.state, first.slot_id) is distinct from ('held', entry.slot_id)
            or case entry.state
                when 'offered' then reservation.state <> 'held'
                when 'declined' then reservation.state <> 'cancelled'
                when 'expired' then reservation.state <> 'expired'
                when 'accepted' then not exists (select from reservation_step as step
                    where step.reservation_id = reservation.id and step.state = 'confirmed')
                else reservation.state <> 'cancelled' end)
        """,
    ),
    Check(
        "offers-once",
        "一个预约只给一个候补",
        "no reservation was offered to two entries",
        """
        select reservation_id::text as subject, '1 entry' as expected, count(*) || ' entries' as found
        from waitlist_entry where reservation_id is not null group by reservation_id having count(*) > 1
        """,
    ),
    Check(
        "offers-in-order",
        "候补没有插队",
        "no entry was offered a place while an earlier one waited that could have had it",
        f"""
        with {OFFERS}
        select format('%s number %s', next.id, next.number) as subject,
            format('%s number %s before it', earlier.id, earlier.number) as expected,
            case when mine.id is null then 'still waiting' else 'offered later' end as found
        from offer as later join waitlist_entry as next on next.id = later.id
        join waitlist_entry as earlier on earlier.slot_id = later.slot_id and earlier.number < next.number
        left join offer as mine on mine.id = earlier.id
        join slot on slot.id = later.slot_id join offering on offering.id = slot.offering_id
        where (earlier.state = 'waiting' or mine.place_at > later.place_at) and not {NEEDS}
          and case when {STRICT} then later.took && {USABLE.format(at="later.made_at")}
            else earlier.party_size <= next.party_size and not earlier.wheelchair
              and later.took <@ {USABLE.format(at="later.made_at")} end
        """,
    ),
    Check(
        "no-way-round",
        "没有人绕过候补取得名额",
        "nobody took places past an entry that had waited for long and could have had them",
        # Only where places become free by being given back: elsewhere the worker offers them, a minute late.
        f"""
        with {OFFERS}, queued as materialized (
            select slot.id as slot_id, slot.closes_at, offering.updated_at
            from slot join offering on offering.id = slot.offering_id
            left join offering_template as template on template.id = slot.template_id
            where slot.id in (select slot_id from waitlist_entry) and not slot.edited
              and coalesce(template.version, 1) = 1
              and not exists (select from allotment where allotment.slot_id = slot.id)
              and not exists (select from released where released.slot_id = slot.id)
        ), taken as (
            select row.slot_id, row.reservation_id, row.at, min(row.id) as place_at, sum(row.held + row.confirmed) as places,
                array_agg(distinct row.tier) as took
            from allocation as row join queued using (slot_id)
            where row.reservation_id is not null and not exists (
                select from waitlist_entry as entry
                where entry.reservation_id = row.reservation_id and entry.slot_id = row.slot_id)
            group by row.slot_id, row.reservation_id, row.at having sum(row.held + row.confirmed) > 0
        )
        select format('%s in slot %s', taken.reservation_id, taken.slot_id) as subject,
            format('%s number %s first', earlier.id, earlier.number) as expected, taken.places || ' places' as found
        from taken join queued on queued.slot_id = taken.slot_id
        join waitlist_entry as earlier on earlier.slot_id = taken.slot_id
        left join offer as mine on mine.id = earlier.id
        where (earlier.state = 'waiting' or mine.place_at > taken.place_at)
          and earlier.joined_at + cast(:slack as interval) < taken.at and taken.at < queued.closes_at
          and queued.updated_at <= earlier.joined_at and earlier.party_size <= taken.places and not earlier.wheelchair
          and taken.took <@ earlier.tiers and not {NEEDS}
        """,
    ),
)
