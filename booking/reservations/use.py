"""Counting a reservation against a person's limits, where it is not part of the statement that records it."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.rules.limits import Quota

USE = text(
    """
    insert into person_quota (person_id, scope, period_on, used, most)
    select cast(:person_id as uuid), quota.scope, quota.period_on, 1, quota.most
    from unnest(cast(:scopes as varchar[]), cast(:days as date[]), cast(:most as int[])) as quota(scope, period_on, most)
    on conflict (person_id, scope, period_on) do update set used = person_quota.used + 1, most = excluded.most
    """
)


async def use_quotas(session: AsyncSession, *, person_id: UUID, quotas: Sequence[Quota]) -> None:
    """One more of each. Raises IntegrityError (person_quota_most_check) when one is used up."""
    if quotas:
        await session.execute(
            USE,
            {
                "person_id": person_id,
                "scopes": [one.scope for one in quotas],
                "days": [one.period_on for one in quotas],
                "most": [one.most for one in quotas],
            },
        )
