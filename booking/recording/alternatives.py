"""Where there is still a place, for those who find none."""

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

MOST = 3
# Walks slot_offering_id_starts_at_idx from now on and stops at the third.
NEXT_FREE = text(
    """
    select slot.id, slot.starts_at, slot.ends_at, site.zone
    from slot join offering on offering.id = slot.offering_id join site on site.id = offering.site_id
    where slot.offering_id = :offering_id and slot.state = 'open' and slot.starts_at > :now
      and slot.opens_at <= :now and slot.closes_at > :now and slot.id <> :but
      and exists (
        select from slot_bucket as bucket where bucket.slot_id = slot.id
          and (bucket.tier = any(:tiers) or bucket.released_at <= :now)
          and bucket.capacity - bucket.held - bucket.confirmed - bucket.set_aside >= :places
      )
    order by slot.starts_at limit :most
    """
)


async def next_free(
    session: AsyncSession,
    *,
    offering_id: UUID,
    but: UUID,
    tiers: tuple[str, ...] = ("general",),
    places: int = 1,
    now: datetime,
) -> list[dict[str, Any]]:
    """The next slots of an offering, other than ``but``, that have ``places`` free."""
    rows = await session.execute(
        NEXT_FREE,
        {
            "offering_id": offering_id,
            "but": but,
            "tiers": list(tiers),
            "places": places,
            "now": now,
            "most": MOST,
        },
    )
    return [
        {
            "slot_id": str(row.id),
            "starts_at": row.starts_at.astimezone(ZoneInfo(row.zone)).isoformat(),
            "ends_at": row.ends_at.astimezone(ZoneInfo(row.zone)).isoformat(),
        }
        for row in rows
    ]
