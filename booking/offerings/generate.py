"""Slots for the days ahead: made, compared with their templates, and what staff should look at noted.

Idempotent: what is there stays, and two workers at once make each slot once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Offering, OfferingTemplate, SlotWarning
from booking.offerings.fitting import Fitted, fit_slots
from booking.offerings.making import make_slots
from booking.offerings.plans import make_plans
from booking.offerings.warnings import replace_warnings
from core.actor import Actor
from core.permissions import require

# Templates of one transaction: some thousand slots.
AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Generated:
    """What was done: slots that are new, and what became of those that were there."""

    made: int
    fitted: Fitted


async def find_templates(session: AsyncSession, *, now: datetime) -> Sequence[UUID]:
    """Templates of active offerings that may call for slots; those of supplies first, since others take them along.

    Also those with warnings, also when they ended: what was warned of may be over.
    """
    calls = and_(
        Offering.status == "active",
        Offering.capacity_authority != "external",
        OfferingTemplate.ended_at.is_(None),
        or_(OfferingTemplate.valid_until.is_(None), OfferingTemplate.valid_until >= now.date()),
    )
    warned = select(SlotWarning).where(SlotWarning.template_id == OfferingTemplate.id).exists()
    query = (
        select(OfferingTemplate.id)
        .join(Offering, Offering.id == OfferingTemplate.offering_id)
        .where(or_(calls, warned))
        .order_by((Offering.kind == "supply").desc(), OfferingTemplate.id)
    )
    return (await session.scalars(query)).all()


async def generate_slots(
    session: AsyncSession,
    actor: Actor,
    *,
    template_ids: Sequence[UUID],
    region: str,
    days: int | None = None,
    sizes: bool = False,
    now: datetime,
) -> Generated:
    """Make the slots of these templates for ``days`` (None: as ``plans.days_ahead``), and see that those ahead fit.

    ``sizes``: also that they have as many places as their template says, as after it was edited. The caller has checked
    what the actor may do where; those who have no such permission anywhere are refused. Locks the templates.
    """
    require(actor, "offering.manage")
    templates = [
        (template, offering)
        for template, offering in await session.execute(
            select(OfferingTemplate, Offering)
            .join(Offering, Offering.id == OfferingTemplate.offering_id)
            .where(OfferingTemplate.id.in_(template_ids))
            # One order for all, so that workers wait for each other instead of for ever.
            .order_by(OfferingTemplate.id)
            .with_for_update(of=OfferingTemplate, key_share=True)
            .execution_options(populate_existing=True)
        )
    ]
    plans = await make_plans(session, templates, region=region, days=days, now=now)
    # A supply before what needs it, also in one batch.
    plans.sort(key=lambda plan: (plan.offering.kind != "supply", plan.template.id))
    fitted = await fit_slots(session, plans, sizes=sizes, now=now)
    for plan in plans:
        plan.windows = [one for one in plan.windows if (plan.template.id, one.starts_at) not in fitted.known]
    made = 0
    missing: set[tuple[UUID, date]] = set()
    for supply in (True, False):
        some = [
            plan
            for plan in plans
            if (plan.offering.kind == "supply") is supply
            and plan.offering.status == "active"
            and plan.windows
        ]
        if some:
            done = await make_slots(session, some, now=now)
            made += done.slots
            missing |= done.without_supply
    await replace_warnings(session, plans, misfits=fitted.misfits, without_supply=missing, now=now)
    return Generated(made, fitted)
