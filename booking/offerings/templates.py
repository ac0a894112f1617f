"""Staff write weekly templates. A change reaches the slots ahead in the same transaction."""

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Offering, OfferingTemplate, Seat, Slot
from booking.offerings.errors import TemplateEnded, TemplateInvalid, WrongOfferingState
from booking.offerings.fitting import Fitted
from booking.offerings.generate import Generated, generate_slots
from booking.offerings.held import ACTION, HeldOffering, hold_offering, hold_template, record_change
from booking.offerings.input import MOST_SLOTS_A_DAY, TemplateIn
from booking.rules.reading import GENERAL, read_rules
from core.actor import Actor
from core.ids import new_id
from core.permissions import require_at
from geo.models import Site
from geo.sites.places import place_of

MOST_TEMPLATES = 50  # of one offering, those that ended not counted


async def add_template(
    session: AsyncSession, actor: Actor, *, offering_id: UUID, content: TemplateIn, region: str, now: datetime
) -> tuple[OfferingTemplate, Generated]:
    """A template, and the slots that it makes at once if its offering is active.

    Raises OfferingNotFound, NotSignedIn, NotAllowed, WrongOfferingState, TemplateInvalid.
    """
    held = await hold_offering(session, actor, offering_id=offering_id)
    if held.offering.status == "ended" or held.offering.capacity_authority == "external":
        raise WrongOfferingState(
            "已结束的项目和外部系统的项目没有排班。",
            "An offering that ended, or is booked elsewhere, has no templates.",
            state=held.offering.status,
        )
    count = await session.scalar(
        select(func.count()).where(
            OfferingTemplate.offering_id == offering_id, OfferingTemplate.ended_at.is_(None)
        )
    )
    if count is not None and count >= MOST_TEMPLATES:
        raise invalid("", f"最多 {MOST_TEMPLATES} 个模板", f"there can be {MOST_TEMPLATES} templates")
    await _check(session, actor, held, content)
    template = OfferingTemplate(
        id=new_id(), offering_id=offering_id, created_at=now, version=1, **_columns(content)
    )
    session.add(template)
    await session.flush()
    generated = await _generate(session, actor, held.offering, template, region=region, days=None, now=now)
    await record_change(
        session,
        actor,
        object_kind="offering_template",
        object_id=template.id,
        act="added",
        version=1,
        detail={"offering_id": str(offering_id), "slots_made": generated.made},
        now=now,
    )
    return template, generated


async def edit_template(
    session: AsyncSession,
    actor: Actor,
    *,
    template_id: UUID,
    version: int,
    content: TemplateIn,
    region: str,
    now: datetime,
) -> tuple[OfferingTemplate, Generated]:
    """Replace a template. Slots ahead that nobody booked follow it; those booked that no longer fit are listed.

    Raises TemplateNotFound, NotSignedIn, NotAllowed, TemplateChanged, TemplateEnded, TemplateInvalid.
    """
    held = await hold_template(session, actor, template_id=template_id, version=version)
    template, offering = held.template, held.offering
    if template.ended_at is not None:
        raise TemplateEnded("请新建一个模板。", "Make a new one.")
    await _check(session, actor, HeldOffering(offering, held.place), content)
    said = _columns(content)
    fields = [name for name, value in said.items() if getattr(template, name) != value]
    if not fields:
        return template, Generated(0, Fitted())
    if "seat_map" in fields:
        raise invalid(
            "seat_map",
            "座位图不能更换，请停用后新建模板",
            "a seat map stays; end this template and make another",
        )
    template.version += 1
    for name in fields:
        setattr(template, name, said[name])
    await session.flush()
    days = await _days_of_slots(session, template_id, now)
    generated = await _generate(session, actor, offering, template, region=region, days=days, now=now)
    await record_change(
        session,
        actor,
        object_kind="offering_template",
        object_id=template_id,
        act="edited",
        version=template.version,
        fields=fields,
        detail=_done(generated),
        now=now,
    )
    return template, generated


async def end_template(
    session: AsyncSession,
    actor: Actor,
    *,
    template_id: UUID,
    version: int | None = None,
    region: str,
    now: datetime,
) -> tuple[OfferingTemplate, Generated]:
    """End a template: slots ahead that nobody booked are taken away, the booked ones are listed.

    Raises TemplateNotFound, NotSignedIn, NotAllowed, TemplateChanged, TemplateEnded.
    """
    held = await hold_template(session, actor, template_id=template_id, version=version)
    template = held.template
    if template.ended_at is not None:
        raise TemplateEnded("不用再停用一次。", "There is nothing to end.")
    template.ended_at = now
    template.version += 1
    await session.flush()
    generated = await _generate(session, actor, held.offering, template, region=region, days=None, now=now)
    await record_change(
        session,
        actor,
        object_kind="offering_template",
        object_id=template_id,
        act="ended",
        version=template.version,
        fields=["ended_at"],
        detail=_done(generated),
        now=now,
    )
    return template, generated


async def _generate(
    session: AsyncSession,
    actor: Actor,
    offering: Offering,
    template: OfferingTemplate,
    *,
    region: str,
    days: int | None,
    now: datetime,
) -> Generated:
    if offering.status == "draft":
        return Generated(0, Fitted())
    return await generate_slots(
        session, actor, template_ids=[template.id], region=region, days=days, sizes=True, now=now
    )


async def _days_of_slots(session: AsyncSession, template_id: UUID, now: datetime) -> int | None:
    """As far as there are slots already, so that each of them is compared; None when there are none ahead."""
    query = (
        select(func.max(Slot.on_date), Site.zone)
        .join(Offering, Offering.id == Slot.offering_id)
        .join(Site, Site.id == Offering.site_id)
        .where(Slot.template_id == template_id, Slot.starts_at > now)
        .group_by(Site.zone)
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else (row[0] - now.astimezone(ZoneInfo(row[1])).date()).days + 1


async def _check(session: AsyncSession, actor: Actor, held: HeldOffering, content: TemplateIn) -> None:
    """Raises TemplateInvalid where the template does not suit its offering."""
    offering = held.offering
    if offering.shape == "interval" and (content.places or content.slot_minutes is not None):
        raise invalid(
            "places",
            "按时长预约的项目只有开放时间段，没有名额和 slot_minutes",
            "an interval offering has windows only: neither places nor slot_minutes",
        )
    if offering.shape == "interval" and content.needs:
        raise invalid(
            "needs",
            "按时长预约的项目不占用配套名额，请把配套的人或物加为场地（resources）",
            "an interval offering takes no supplies; add who or what it needs as resources of another role",
        )
    if (offering.shape == "seated") != (content.seat_map is not None):
        raise invalid(
            "seat_map", "选座项目、且只有选座项目要填座位图", "seated offerings name a seat map, no others"
        )
    if offering.shape == "seated" and content.places:
        raise invalid("places", "名额由座位图决定", "the seat map says how many places there are")
    if offering.capacity_authority == "allotted" and content.places:
        raise invalid("places", "名额随每批借入号源而来", "places come with each block that is lent")
    if content.slot_minutes is not None and content.length_minutes // content.slot_minutes > MOST_SLOTS_A_DAY:
        raise invalid("slot_minutes", "一天的时段太多", "too many slots a day")
    known = {GENERAL, *read_rules(offering.rules).tiers}
    for tier in content.places:
        if tier not in known:
            raise invalid(
                f"places/{tier}",
                f"项目没有这类名额，可用：{'、'.join(sorted(known))}",
                f"the offering has no such tier; there are {', '.join(sorted(known))}",
            )
    if content.seat_map is not None and not await session.scalar(
        select(func.count()).where(Seat.site_id == offering.site_id, Seat.map == content.seat_map)
    ):
        raise invalid(
            "seat_map", "服务点没有这张座位图，请先上传", "the site has no such seat map; put one first"
        )
    for at, need in enumerate(content.needs):
        supply = await session.get(Offering, need.offering_id)
        if supply is None or supply.kind != "supply" or offering.kind == "supply":
            raise invalid(
                f"needs/{at}/offering_id",
                "应为一个配套资源（supply）项目",
                "this is to be a supply offering",
            )
        if supply.site_id != offering.site_id:
            require_at(actor, ACTION, await place_of(session, site_id=supply.site_id))
        if unknown := set(need.modes) - set(offering.modes):
            raise invalid(
                f"needs/{at}/modes",
                f"项目没有这种方式：{'、'.join(sorted(unknown))}",
                f"the offering has no such mode: {', '.join(sorted(unknown))}",
            )


def _columns(content: TemplateIn) -> dict[str, Any]:
    return {
        "weekdays": sorted(content.weekdays),
        "day_kinds": [kind.value for kind in content.day_kinds],
        "starts_at": content.starts_at,
        "ends_at": content.ends_at,
        "slot_minutes": content.slot_minutes,
        "places": dict(content.places),
        "release_minutes": dict(content.release_minutes),
        "seat_map": content.seat_map,
        "needs": [need.model_dump(mode="json") for need in content.needs],
        "valid_from": content.valid_from,
        "valid_until": content.valid_until,
    }


def _done(generated: Generated) -> dict[str, int]:
    return {
        "slots_made": generated.made,
        "slots_taken_away": generated.fitted.taken_away,
        "booked_that_do_not_fit": len(generated.fitted.misfits),
    }


def invalid(field: str, zh: str, en: str) -> TemplateInvalid:
    """Names the field."""
    return TemplateInvalid(
        f"{zh}。", f"{en[0].upper()}{en[1:]}.", errors=[{"field": field, "reason": f"{zh} / {en}"}]
    )
