"""Slots follow their site: closed by its closures and with the site itself, open again when the reason is gone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.offerings.closed_texts import SITE_CLOSED, SITE_INACTIVE

# From the few closures and sites out of use to their slots: site_closure_site_id_idx, offering_site_id_idx,
# slot_offering_id_starts_at_idx. A slot is at most a day long. Locked in one order, since the worker does the same.
CLOSE = text(
    """
    with reason as (
        select site.id as site_id, cast('-infinity' as timestamptz) as starts_at,
            cast('infinity' as timestamptz) as ends_at,
            case when site.status = 'inactive' then cast(:inactive as text) else cast(:closed as text) end as said
        from site where site.status <> 'active' and (cast(:site_id as uuid) is null or site.id = :site_id)
            and exists (select from offering where offering.site_id = site.id)
        union all
        select closure.site_id, closure.starts_at, coalesce(closure.ends_at, 'infinity'),
            cast(:closed as text) || '：' || closure.reason
        from site_closure as closure where closure.ended_at is null
            and (closure.ends_at is null or closure.ends_at > :now)
            and (cast(:site_id as uuid) is null or closure.site_id = :site_id)
    ), due as materialized (
        select distinct on (slot.id) slot.id, reason.said
        from reason join offering on offering.site_id = reason.site_id
        join slot on slot.offering_id = offering.id
            and slot.starts_at > cast(:now as timestamptz) - interval '2 days' and slot.ends_at > :now
            and slot.starts_at < reason.ends_at and slot.ends_at > reason.starts_at
        where slot.state = 'open' order by slot.id, reason.starts_at
    ), held as materialized (
        select slot.id, due.said from slot join due on due.id = slot.id
        where slot.state = 'open' order by slot.id for no key update of slot
    )
    update slot set state = 'closed', closed_reason = left(held.said, 500), closed_at = :now, settled_at = null
    from held where slot.id = held.id
    """
)
# Of one site, or of those that changed lately (site_updated_at_idx): a closure that ends early is a change of its site.
REOPEN = text(
    """
    with offered as materialized (
        select offering.id, site.id as site_id from site join offering on offering.site_id = site.id
        where (site.id = :site_id or (cast(:site_id as uuid) is null and site.updated_at > :since))
            and site.status = 'active' and offering.status <> 'ended'
    ), due as materialized (
        select slot.id from offered cross join lateral (
            select slot.id, slot.starts_at, slot.ends_at from slot
            where slot.offering_id = offered.id and slot.starts_at > :now and slot.state = 'closed'
                and (slot.closed_reason in (:inactive, :closed)
                    or slot.closed_reason like cast(:closed as text) || '：%')
            offset 0  -- by offering, however many closed slots there seem to be
        ) as slot
        where not exists (
            select from site_closure as closure where closure.site_id = offered.site_id and closure.ended_at is null
                and closure.starts_at < slot.ends_at and (closure.ends_at is null or closure.ends_at > slot.starts_at)
        )
    ), held as materialized (
        select slot.id from slot join due on due.id = slot.id
        where slot.state = 'closed' order by slot.id for no key update of slot
    )
    update slot set state = 'open', closed_reason = null, closed_at = null, settled_at = null, moved_to = null
    from held where slot.id = held.id
    """
)
LATELY = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Followed:
    """How many slots were closed and how many are open again."""

    closed: int
    reopened: int


async def close_slots_of_site(session: AsyncSession, *, site_id: UUID, now: datetime) -> Followed:
    """Slots of a site as its closures and state have them, in the transaction that changed these.

    Whoever is booked in a closed slot is told by the worker (``settle``). Slots closed by staff one by one stay closed.
    """
    return await _follow(session, site_id, now)


async def close_slots_of_all(session: AsyncSession, *, now: datetime) -> Followed:
    """The same of every site: what imports changed, and what a process left when it ended."""
    return await _follow(session, None, now)


async def _follow(session: AsyncSession, site_id: UUID | None, now: datetime) -> Followed:
    said = {"site_id": site_id, "now": now, "inactive": SITE_INACTIVE, "closed": SITE_CLOSED}
    closed = await session.execute(CLOSE, said)
    reopened = await session.execute(REOPEN, {**said, "since": now - LATELY})
    return Followed(closed.rowcount, reopened.rowcount)  # type: ignore[attr-defined]  # CursorResults
