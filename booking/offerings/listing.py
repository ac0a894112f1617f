"""Offerings and templates as staff list them: narrowed to where they may manage, in the list's own statement."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Offering, OfferingTemplate
from booking.offerings.held import ACTION, hold_offering
from core.actor import Actor
from core.permissions import require, scopes
from geo.models import Site
from geo.sites.places import scope_condition


def offerings_query(
    actor: Actor,
    *,
    site_id: UUID | None,
    status: str | None,
    kind: str | None,
    after: UUID | None,
    limit: int,
) -> Select[Offering]:
    """Offerings of all states that the actor may manage, by id. Raises NotSignedIn, NotAllowed."""
    require(actor, ACTION)
    query = (
        select(Offering)
        .join(Site, Site.id == Offering.site_id)
        .where(scope_condition(scopes(actor, ACTION)))
        .order_by(Offering.id)
        .limit(limit)
    )
    if site_id is not None:
        query = query.where(Offering.site_id == site_id)
    if status is not None:
        query = query.where(Offering.status == status)
    if kind is not None:
        query = query.where(Offering.kind == kind)
    return query if after is None else query.where(Offering.id > after)


async def list_templates(
    session: AsyncSession, actor: Actor, *, offering_id: UUID, after: UUID | None, limit: int
) -> Sequence[OfferingTemplate]:
    """Templates of an offering, those that ended too. Raises OfferingNotFound, NotSignedIn, NotAllowed."""
    await hold_offering(session, actor, offering_id=offering_id, lock=False)
    query = (
        select(OfferingTemplate)
        .where(OfferingTemplate.offering_id == offering_id)
        .order_by(OfferingTemplate.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(OfferingTemplate.id > after)
    return (await session.scalars(query)).all()
