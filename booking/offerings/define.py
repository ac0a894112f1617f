"""Staff define an offering at a site: a draft, which nobody can book until it is made active."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Offering, OfferingTemplate
from booking.offerings.errors import OfferingInvalid
from booking.offerings.held import ACTION, record_change
from booking.offerings.input import OfferingIn
from booking.rules.reading import GENERAL, read_rules
from core.actor import Actor
from core.ids import new_id
from core.permissions import require, require_at
from geo.sites.places import place_of

WHEELCHAIR = "wheelchair"


async def define_offering(
    session: AsyncSession, actor: Actor, *, site_id: UUID, content: OfferingIn, now: datetime
) -> Offering:
    """A draft. Raises SiteNotFound, NotSignedIn, NotAllowed, InvalidRules, OfferingInvalid."""
    require(actor, ACTION)
    require_at(actor, ACTION, await place_of(session, site_id=site_id))
    check_rules(content)
    offering = Offering(
        id=new_id(),
        site_id=site_id,
        status="draft",
        version=1,
        created_at=now,
        updated_at=now,
        **columns_of(content),
    )
    session.add(offering)
    await session.flush()
    await record_change(
        session, actor, object_kind="offering", object_id=offering.id, act="defined", version=1, now=now
    )
    return offering


def columns_of(content: OfferingIn) -> dict[str, Any]:
    """What is said, as columns."""
    return {
        **{name: getattr(content, name) for name in OfferingIn.model_fields},
        "modes": list(content.modes),
    }


def content_of(offering: Offering) -> dict[str, Any]:
    """The same of a stored one, to be compared."""
    return {name: getattr(offering, name) for name in OfferingIn.model_fields}


def check_rules(content: OfferingIn) -> None:
    """Raises InvalidRules, and OfferingInvalid for tiers where places are not counted by tier."""
    rules = read_rules(content.rules)
    if rules.tiers and (content.shape != "counted" or content.capacity_authority != "owned"):
        raise invalid(
            "rules/tiers",
            "只有自有的、按人数预约的项目才能保留名额",
            "only counted offerings with places of their own keep places by tier",
        )
    if WHEELCHAIR in rules.tiers:
        raise invalid(
            f"rules/tiers/{WHEELCHAIR}", "这个名称留给轮椅席", "this name is kept for wheelchair spaces"
        )


async def check_tiers_used(session: AsyncSession, offering: Offering, rules: Mapping[str, Any]) -> None:
    """Raises OfferingInvalid when a template still has places for a tier that ``rules`` no longer name."""
    known = {GENERAL, *read_rules(rules).tiers}
    templates = await session.scalars(
        select(OfferingTemplate.places).where(
            OfferingTemplate.offering_id == offering.id, OfferingTemplate.ended_at.is_(None)
        )
    )
    for places in templates:
        for tier in places.keys() - known:
            raise invalid(
                f"rules/tiers/{tier}",
                "排班模板还有这类名额，请先修改模板",
                "a template still has places of this tier; change the template first",
            )


def invalid(field: str, zh: str, en: str) -> OfferingInvalid:
    """Names the field."""
    return OfferingInvalid(
        f"{zh}。", f"{en[0].upper()}{en[1:]}.", errors=[{"field": field, "reason": f"{zh} / {en}"}]
    )
