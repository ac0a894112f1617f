"""What the record says happened, and whether it could have: ``xinban booking check-history``.

Ledger rows are numbered while their bucket's row is locked, so within one bucket the order of ids is the order of
commits, and the sums up to each row are what the bucket counted at that moment. Between buckets nothing follows from ids.
Instants (``at``) are read before locks are waited for, and by several clocks: they prove nothing about order, and are
used only where minutes do not matter. docs/booking-checks.md says what can be proven and what cannot.
"""

from booking.checking.checks import Check
from booking.checking.queue import QUEUE
from booking.reservations.states import MOVABLE, TRANSITIONS

# From one step to the next; a reservation that is moved keeps its state.
PAIRS = ", ".join(
    f"('{one}', '{to}')"
    for one, ways in sorted(TRANSITIONS.items())
    for to in sorted(ways | ({one} if one in MOVABLE else set()))
)
FIRST = "('held', 'confirmed')"

STEPS = (
    Check(
        "steps-numbered",
        "每个预约的记录从 1 起连续编号",
        "the steps of a reservation are numbered from 1 to its version, without a gap",
        """
        select reservation.id::text as subject, '1 to ' || reservation.version as expected,
            coalesce(format('%s steps, %s to %s', steps.count, steps.first, steps.last), 'none') as found
        from reservation left join (
            select reservation_id, count(*) as count, min(number) as first, max(number) as last
            from reservation_step group by reservation_id
        ) as steps on steps.reservation_id = reservation.id
        where steps.count is distinct from reservation.version or steps.first <> 1
            or steps.last <> reservation.version
        """,
    ),
    Check(
        "steps-legal",
        "每一步都符合状态流转",
        "each step follows from the one before",
        f"""
        select format('%s step %s', reservation_id, number) as subject, 'a way from ' || coalesce(before, 'nothing')
            as expected, state as found
        from (
            select reservation_id, number, state,
                lag(state) over (partition by reservation_id order by number) as before
            from reservation_step
        ) as step
        where case when before is null then state not in {FIRST} else (before, state) not in ({PAIRS}) end
        """,
    ),
    Check(
        "steps-last",
        "最后一步就是现在的状态",
        "the last step says the state and the slot that the reservation is in",
        """
        select reservation.id::text as subject, format('%s in slot %s', last.state, last.slot_id) as expected,
            format('%s in slot %s', reservation.state, reservation.slot_id) as found
        from reservation join reservation_step as last
            on last.reservation_id = reservation.id and last.number = reservation.version
        where (last.state, last.slot_id) <> (reservation.state, reservation.slot_id)
        """,
    ),
    Check(
        "told-of",
        "通知过的预约都在",
        "no reservation that people were told of is gone",
        """
        select distinct event.subject_id::text as subject, 'a reservation' as expected, 'none' as found
        from event left join reservation on reservation.id = event.subject_id
        where event.kind like 'reservation\\_%' and reservation.id is null
        """,
    ),
)

REPLAYS = (
    Check(
        "bucket-replay",
        "任何时刻都没有超出名额",
        "at no moment was a bucket over its capacity or below nothing",
        # Capacity has no history: where staff, a lender, a template or a seat map may have changed it, only what is
        # below 0 shows; that no seat is taken twice is said by its own row.
        """
        select peak.slot_id || ' ' || peak.tier as subject, 'at most ' || bucket.capacity as expected,
            format('up to %s, at least %s', peak.most, peak.least) as found
        from (
            select slot_id, tier, max(held + confirmed + set_aside) as most,
                min(least(held, confirmed, set_aside)) as least
            from (
                select slot_id, tier, sum(held) over bucket as held, sum(confirmed) over bucket as confirmed,
                    sum(set_aside) over bucket as set_aside
                from allocation window bucket as (partition by slot_id, tier order by id rows unbounded preceding)
            ) as moment group by slot_id, tier
        ) as peak
        join slot_bucket as bucket using (slot_id, tier) join slot on slot.id = peak.slot_id
        left join offering_template as template on template.id = slot.template_id
        left join allotment on allotment.slot_id = peak.slot_id
        where peak.least < 0 or (peak.most > bucket.capacity and not slot.edited and allotment.slot_id is null
            and coalesce(template.version, 1) = 1 and template.seat_map is null)
        """,
    ),
    Check(
        "reservation-replay",
        "任何时刻没有预约归还多于所占的名额",
        "at no moment had a reservation given back more than it had",
        """
        select format('%s in slot %s %s', reservation_id, slot_id, tier) as subject, 'nothing below 0' as expected,
            format('held %s, confirmed %s', min(held), min(confirmed)) as found
        from (
            select reservation_id, slot_id, tier, sum(held) over own as held, sum(confirmed) over own as confirmed
            from allocation where reservation_id is not null
            window own as (partition by reservation_id, slot_id, tier order by id rows unbounded preceding)
        ) as moment
        group by reservation_id, slot_id, tier having min(held) < 0 or min(confirmed) < 0
        """,
    ),
)

HISTORY = (*STEPS, *REPLAYS, *QUEUE)
