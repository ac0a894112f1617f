"""Courts, rooms, practitioners of an interval offering: put as a whole list; nothing is ever deleted."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Resource, ResourceSpan
from booking.offerings.errors import ResourcesInvalid
from booking.offerings.held import hold_offering, record_change
from booking.offerings.input import ResourceIn
from core.actor import Actor
from core.ids import new_id

MOST_RESOURCES = 100


async def put_resources(
    session: AsyncSession, actor: Actor, *, offering_id: UUID, resources: Sequence[ResourceIn], now: datetime
) -> list[tuple[Resource, int]]:
    """Make ``resources`` the list of an offering, in this order; each with how many bookings it has ahead.

    A resource is known by its name; one not named is inactive from now on and keeps the bookings it has. Raises
    OfferingNotFound, NotSignedIn, NotAllowed, ResourcesInvalid.
    """
    held = await hold_offering(session, actor, offering_id=offering_id)
    if held.offering.shape != "interval":
        raise ResourcesInvalid(
            "只有按时长预约（interval）的项目有场地或人员。", "Only interval offerings have resources."
        )
    names = [one.name for one in resources]
    if len(set(names)) < len(names) or len(names) > MOST_RESOURCES:
        raise ResourcesInvalid(
            f"名称不能重复，最多 {MOST_RESOURCES} 项。",
            f"Names differ, and there are at most {MOST_RESOURCES}.",
        )
    # In the order of ids, as bookings lock them.
    present = {
        one.name: one
        for one in await session.scalars(
            select(Resource)
            .where(Resource.offering_id == offering_id)
            .order_by(Resource.id)
            .with_for_update(key_share=True)
        )
    }
    for name, one in present.items():
        if name not in names:
            one.status = "inactive"
    for position, said in enumerate(resources):
        found = present.get(said.name)
        if found is None:
            session.add(
                Resource(id=new_id(), offering_id=offering_id, position=position, **said.model_dump())
            )
        else:
            found.name_en, found.role, found.status = said.name_en, said.role, said.status
            found.position = position
    await session.flush()
    await record_change(
        session,
        actor,
        object_kind="offering",
        object_id=offering_id,
        act="resources_put",
        detail={"resources": len(resources)},
        now=now,
    )
    return await list_resources(session, offering_id=offering_id, now=now)


async def list_resources(
    session: AsyncSession, *, offering_id: UUID, now: datetime
) -> list[tuple[Resource, int]]:
    """All resources, active ones first, with how many bookings each has ahead. Uses resource_span_overlap_excl."""
    ahead = (
        select(func.count())
        .where(
            ResourceSpan.resource_id == Resource.id,
            ResourceSpan.during.op("&&")(func.tstzrange(now, None)),
        )
        .scalar_subquery()
    )
    query = (
        select(Resource, ahead)
        .where(Resource.offering_id == offering_id)
        .order_by(Resource.status, Resource.position, Resource.name)
    )
    return [(resource, count) for resource, count in await session.execute(query)]
