"""What people are told by the clock: reminders before a reservation, and a question afterwards how it was."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from procrastinate import App
from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from booking.events import Kind
from booking.models import Event
from booking.recording.record import booker_of
from core import clock
from core.database import Database
from core.ids import new_id
from core.settings import Settings

log = logging.getLogger(__name__)

AT_ONCE = 1_000
# From 18:00 until the end of the next day, and an hour for a clock that is put back.
AHEAD = timedelta(hours=31)
# The evening before at 18:00 by the clock of the site; for what was booked or moved after that, two hours before, unless
# it was booked within these two hours. Once for each time it is moved to. Uses reservation_live_idx, reservation_step_pkey
# and event_dedupe_key.
REMIND = text("""
select r.id, r.person_id, r.account_id, r.channel, r.offering_id, r.slot_id, r.starts_at, r.ends_at, r.party_size,
       r.version, 'reminder:' || r.id || ':' || extract(epoch from r.starts_at)::bigint as dedupe
from reservation r
join slot s on s.id = r.slot_id and s.state = 'open'
join offering o on o.id = r.offering_id
join site on site.id = o.site_id
cross join lateral (
    select ((r.starts_at at time zone site.zone)::date - 1 + time '18:00') at time zone site.zone as evening,
           (select max(at) from reservation_step where reservation_id = r.id) as booked_at
) due
where r.state = 'confirmed' and r.starts_at > :now and r.starts_at <= :until and r.person_id is not null
  and case when booked_at < evening then :now >= evening
           else :now >= r.starts_at - interval '2 hours' and booked_at < r.starts_at - interval '2 hours' end
  and not exists (select from event e where e.dedupe = 'reminder:' || r.id || ':' || extract(epoch from r.starts_at)::bigint)
order by r.starts_at limit :most
""")
# Of those checked in, two hours after the end of what they came for, as the event of their check-in leads to it. Uses
# event_relayed_at_idx.
INVITE = text("""
select r.id, r.person_id, r.account_id, r.channel, r.offering_id, r.slot_id, r.starts_at, r.ends_at, r.party_size,
       r.version, 'rating:' || r.id as dedupe
from event told
join reservation r on r.id = told.subject_id
where told.kind = 'checked_in' and told.relayed_at is not null and told.relayed_at > cast(:came as timestamptz)
  and r.ends_at between cast(:since as timestamptz) and cast(:until as timestamptz)
  and r.state = 'checked_in' and r.person_id is not null
  and not exists (select from event e where e.dedupe = 'rating:' || r.id)
order by r.ends_at limit :most
""")
AFTER = timedelta(hours=2)
# A worker that was away for longer asks nobody about the day before.
NO_LATER = timedelta(hours=12)
# What begins in the morning may end in the evening.
LONGEST_STAY = timedelta(hours=24)


async def remind(session: AsyncSession, *, now: datetime) -> int:
    """Have people reminded of what is due, AT_ONCE at most; how many."""
    rows = (await session.execute(REMIND, {"now": now, "until": now + AHEAD, "most": AT_ONCE})).all()
    return await _emit(session, "reservation_reminder", rows, now)


async def invite_ratings(session: AsyncSession, *, now: datetime) -> int:
    """Ask those who came how it was, two hours after it ended, AT_ONCE at most; how many."""
    since = now - NO_LATER
    times = {"came": since - LONGEST_STAY, "since": since, "until": now - AFTER}
    rows = (await session.execute(INVITE, {**times, "most": AT_ONCE})).all()
    return await _emit(session, "rating_invited", rows, now)


async def _emit(session: AsyncSession, kind: Kind, rows: Any, now: datetime) -> int:
    """All at once; of two workers one finds them there."""
    if not rows:
        return 0
    made = await session.scalars(
        insert(Event)
        .values([_values(kind, row, now) for row in rows])
        .on_conflict_do_nothing()
        .returning(Event.id)
    )
    return len(made.all())


def _values(kind: Kind, row: Row[Any], now: datetime) -> Mapping[str, Any]:
    return {
        "id": new_id(),
        "kind": kind,
        "person_id": row.person_id,
        "account_id": booker_of(row.account_id, row.channel),
        "subject_id": row.id,
        "data": {
            "reservation_id": str(row.id),
            "offering_id": str(row.offering_id),
            "slot_id": str(row.slot_id),
            "starts_at": row.starts_at.isoformat(),
            "ends_at": row.ends_at.isoformat(),
            "party_size": row.party_size,
            "why": kind,
            "version": row.version,
        },
        "dedupe": row.dedupe,
        "created_at": now,
    }


async def tell_all(database: Database, *, now: datetime) -> tuple[int, int]:
    """Reminders and questions that are due, some a transaction; how many of each."""
    counts = [0, 0]
    for at, work in enumerate((remind, invite_ratings)):
        while True:
            async with database.transaction() as session:
                done = await work(session, now=now)
            counts[at] += done
            if not done:
                break
    return counts[0], counts[1]


def add_telling_tasks(jobs: App, settings: Settings) -> None:
    """Every minute; any number of workers may."""

    @jobs.periodic(cron="* * * * *")
    @jobs.task(name="remind", queueing_lock="remind")
    async def tell(timestamp: int) -> None:
        """Remind, and ask how it was."""
        async with Database(settings) as database:
            reminded, invited = await tell_all(database, now=clock.now())
        if reminded or invited:
            log.info("people reminded", extra={"reminders": reminded, "invitations": invited})
