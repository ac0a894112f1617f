"""Staff edit an offering, and take it from draft to active, paused and ended."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Offering, OfferingTemplate
from booking.offerings.define import check_rules, check_tiers_used, columns_of, content_of, invalid
from booking.offerings.errors import WrongOfferingState
from booking.offerings.fitting import Fitted
from booking.offerings.generate import Generated, generate_slots
from booking.offerings.held import hold_offering, record_change
from booking.offerings.input import OfferingIn
from core.actor import Actor

Step = Literal["activate", "pause", "end"]
STEPS: Mapping[Step, tuple[frozenset[str], str]] = {
    "activate": (frozenset({"draft", "paused"}), "active"),
    "pause": (frozenset({"active"}), "paused"),
    "end": (frozenset({"draft", "active", "paused"}), "ended"),
}
STATES = {"draft": "草稿", "active": "开放", "paused": "暂停", "ended": "结束"}
# What slots are, and what a booking means, was decided with the first template.
FIXED = ("kind", "shape", "capacity_authority")
WINDOW = ("opens_days_before", "opens_at", "closes_minutes_before")
# As making.opening works it out; the zone is the site's.
RETIME = text(
    """
    update slot set closes_at = closing.at, opens_at = least(
            closing.at,
            coalesce(
                (slot.on_date - cast(:days as int) + cast(:opens_at as time)) at time zone site.zone,
                least(slot.opens_at, :now)
            )
        )
    from offering join site on site.id = offering.site_id
    join slot as of_it on of_it.offering_id = offering.id
    cross join lateral (
        select case when offering.shape = 'interval' then of_it.ends_at else of_it.starts_at end
            - make_interval(mins => :closes) as at
    ) closing
    where slot.id = of_it.id and offering.id = :offering_id
      and case when offering.shape = 'interval' then slot.ends_at else slot.starts_at end > :now
    """
)


async def edit_offering(
    session: AsyncSession,
    actor: Actor,
    *,
    offering_id: UUID,
    version: int,
    content: OfferingIn,
    now: datetime,
) -> Offering:
    """Replace what is said of an offering. Slots ahead follow its booking window; reservations stay as they are.

    Raises OfferingNotFound, NotSignedIn, NotAllowed, OfferingChanged, WrongOfferingState (ended), InvalidRules,
    OfferingInvalid.
    """
    held = await hold_offering(session, actor, offering_id=offering_id, version=version)
    offering = held.offering
    if offering.status == "ended":
        raise _wrong_state(offering, "修改", "edited")
    check_rules(content)
    await check_tiers_used(session, offering, content.rules)
    said = columns_of(content)
    fields = [name for name, was in content_of(offering).items() if was != said[name]]
    if not fields:
        return offering
    fixed = [name for name in FIXED if name in fields]
    if fixed and await _has_templates(session, offering_id):
        raise invalid(
            fixed[0],
            "已有排班模板，不能再改；请另建一个项目",
            "it has templates and cannot change; define another offering",
        )
    offering.version += 1
    offering.updated_at = now
    for name in fields:
        setattr(offering, name, said[name])
    await session.flush()
    if not set(fields).isdisjoint(WINDOW):
        await session.execute(
            RETIME,
            {
                "offering_id": offering_id,
                "closes": offering.closes_minutes_before,
                "days": offering.opens_days_before,
                "opens_at": offering.opens_at,
                "now": now,
            },
        )
    await record_change(
        session,
        actor,
        object_kind="offering",
        object_id=offering_id,
        act="edited",
        version=offering.version,
        fields=fields,
        now=now,
    )
    return offering


async def take_step(
    session: AsyncSession,
    actor: Actor,
    *,
    offering_id: UUID,
    step: Step,
    version: int | None = None,
    region: str,
    now: datetime,
) -> tuple[Offering, Generated]:
    """Activate, pause or end an offering; with what became of its slots.

    Active: slots are made at once. Paused: nobody books, what is booked stays. Ended: templates end too, slots that
    nobody booked are taken away; the booked ones are listed, for staff to keep or close. Raises OfferingNotFound,
    NotSignedIn, NotAllowed, OfferingChanged, WrongOfferingState.
    """
    held = await hold_offering(session, actor, offering_id=offering_id, version=version)
    offering = held.offering
    before, after = STEPS[step]
    if offering.status not in before:
        raise _wrong_state(offering, {"activate": "开放", "pause": "暂停", "end": "结束"}[step], step)
    offering.status, offering.updated_at = after, now
    offering.version += 1
    await session.flush()
    if step == "end":
        await session.execute(
            update(OfferingTemplate)
            .where(OfferingTemplate.offering_id == offering_id, OfferingTemplate.ended_at.is_(None))
            .values(ended_at=now, version=OfferingTemplate.version + 1)
        )
    generated = Generated(0, Fitted())
    if step != "pause" and offering.capacity_authority != "external":
        ids = await session.scalars(
            select(OfferingTemplate.id).where(OfferingTemplate.offering_id == offering_id)
        )
        generated = await generate_slots(
            session, actor, template_ids=ids.all(), region=region, sizes=True, now=now
        )
    await record_change(
        session,
        actor,
        object_kind="offering",
        object_id=offering_id,
        act=step,
        version=offering.version,
        fields=["status"],
        detail={"slots_made": generated.made, "slots_taken_away": generated.fitted.taken_away},
        now=now,
    )
    return offering, generated


async def _has_templates(session: AsyncSession, offering_id: UUID) -> bool:
    found: int | None = await session.scalar(
        select(func.count()).where(OfferingTemplate.offering_id == offering_id)
    )
    return bool(found)


def _wrong_state(offering: Offering, zh: str, en: str) -> WrongOfferingState:
    fields: dict[str, Any] = {"state": offering.status}
    return WrongOfferingState(
        f"项目现在是“{STATES[offering.status]}”，不能{zh}。",
        f"It is {offering.status} and cannot be {en}{'' if en.endswith('ed') else 'd' if en.endswith('e') else 'ed'}.",
        **fields,
    )
