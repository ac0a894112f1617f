"""What staff should look at: dates without slots and why, and booked slots that no longer fit."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, literal, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Offering, SlotWarning
from booking.offerings.fitting import Misfit
from booking.offerings.plans import Plan
from core.actor import Actor
from core.permissions import require, scopes
from geo.models import Site
from geo.sites.places import scope_condition

NEEDS, MISFIT = "needs_missing", "does_not_fit"
# code -> (zh, en)
LABELS = {
    "calendar_not_announced": (
        "放假安排尚未公布，当日暂不生成时段",
        "holidays are not announced yet: no slots on this date for now",
    ),
    "site_closed": (
        "服务点停业、停用或当日另有时间，部分时段未生成",
        "the site is closed, not in use, or has other hours: some slots were not made",
    ),
    NEEDS: ("配套资源没有对应时段，暂不生成", "what it needs has no slot at that time: not made for now"),
    MISFIT: (
        "已有人预约，但不再符合排班，请保留或停止",
        "booked, but it no longer fits its template: keep it or close it",
    ),
}

FORGET = text(
    """
    delete from slot_warning as warning where template_id = any(cast(:templates as uuid[])) and not exists (
        select from unnest(cast(:of as uuid[]), cast(:dates as date[]), cast(:codes as varchar[])) as now(id, on_date, code)
        where now.id = warning.template_id and now.on_date = warning.on_date and now.code = warning.code
    )
    """
)
NOTE = text(
    """
    insert into slot_warning (template_id, on_date, code, offering_id, slot_id, found_at)
    select template_id, on_date, code, offering_id, slot_id, :now from unnest(cast(:of as uuid[]), cast(:dates as date[]),
        cast(:codes as varchar[]), cast(:offerings as uuid[]), cast(:slots as uuid[]))
        as found(template_id, on_date, code, offering_id, slot_id)
    on conflict (template_id, on_date, code) do update set slot_id = excluded.slot_id
    where slot_warning.slot_id is distinct from excluded.slot_id
    """
)


async def replace_warnings(
    session: AsyncSession,
    plans: Sequence[Plan],
    *,
    misfits: Iterable[Misfit],
    without_supply: Iterable[tuple[UUID, date]],
    now: datetime,
) -> None:
    """What holds now for the templates of ``plans``; what held before and no longer does is forgotten."""
    offerings = {plan.template.id: plan.offering.id for plan in plans}
    found: dict[tuple[UUID, date, str], UUID | None] = {}
    for plan in plans:
        for on, code in plan.warnings.items():
            found[plan.template.id, on, code] = None
    for template_id, on in without_supply:
        found[template_id, on, NEEDS] = None
    for misfit in misfits:
        found.setdefault((misfit.template_id, misfit.on_date, MISFIT), misfit.slot_id)
    keys = sorted(found, key=lambda key: (key[0], key[1], key[2]))
    said: dict[str, Any] = {
        "templates": list(offerings),
        "of": [key[0] for key in keys],
        "dates": [key[1] for key in keys],
        "codes": [key[2] for key in keys],
    }
    await session.execute(FORGET, said)
    if keys:
        await session.execute(
            NOTE,
            {
                **said,
                "offerings": [offerings[key[0]] for key in keys],
                "slots": [found[key] for key in keys],
                "now": now,
            },
        )


async def forget_misfit(session: AsyncSession, *, slot_id: UUID) -> None:
    """Staff looked at a slot that does not fit, and decided."""
    await session.execute(
        text("delete from slot_warning where slot_id = :slot_id and code = 'does_not_fit'"),
        {"slot_id": slot_id},
    )


def warnings_query(
    actor: Actor,
    *,
    site_id: UUID | None,
    offering_id: UUID | None,
    after: tuple[date, UUID, str] | None,
    limit: int,
) -> Select[SlotWarning, Offering]:
    """Warnings within the actor's scope, the soonest first. Raises NotSignedIn, NotAllowed."""
    require(actor, "offering.manage")
    query = (
        select(SlotWarning, Offering)
        .join(Offering, Offering.id == SlotWarning.offering_id)
        .join(Site, Site.id == Offering.site_id)
        .where(scope_condition(scopes(actor, "offering.manage")))
        .order_by(SlotWarning.on_date, SlotWarning.template_id, SlotWarning.code)
        .limit(limit)
    )
    if site_id is not None:
        query = query.where(Offering.site_id == site_id)
    if offering_id is not None:
        query = query.where(SlotWarning.offering_id == offering_id)
    if after is not None:
        key = tuple_(SlotWarning.on_date, SlotWarning.template_id, SlotWarning.code)
        query = query.where(key > tuple_(literal(after[0]), literal(after[1]), literal(after[2])))
    return query


async def forget_past(session: AsyncSession, *, now: datetime) -> None:
    """Warnings of dates that are over everywhere help nobody."""
    await session.execute(
        text("delete from slot_warning where on_date < cast(:now as timestamptz)::date - 1"), {"now": now}
    )
