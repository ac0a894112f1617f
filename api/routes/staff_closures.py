"""Closures: planned, in force, ended early."""

from datetime import datetime
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.access import allowed
from api.conditional import private
from api.idempotency import ONCE_ERRORS, Once
from api.limits import LIMIT_ERRORS, limited
from api.problems import responses
from api.runtime import Session
from api.schemas.staff_sites import ClosureIn, ClosuresParameters, StaffClosureOut, StaffClosuresOut
from booking.closing.sites import close_slots_of_site
from core import clock
from core.actor import Actor
from core.permissions import NotAllowed, NotSignedIn
from geo.errors import ClosedForGood, ClosureNotFound, ClosureOver, InvalidClosure, SiteNotFound
from geo.models import SiteClosure
from geo.sites.closures import end_closure, list_closures, plan_closure, stage_of

router = APIRouter(tags=["staff"])

FOUND = (NotSignedIn, NotAllowed, SiteNotFound)
Reads = Annotated[Actor, allowed("site.read")]
Edits = Annotated[Actor, allowed("site.edit")]


@router.post(
    "/v1/staff/sites/{site_id}/closures",
    dependencies=[limited("writes")],
    status_code=201,
    response_model=StaffClosureOut,
    responses=responses(*LIMIT_ERRORS, *FOUND, InvalidClosure, ClosedForGood, *ONCE_ERRORS),
)
async def plan(actor: Edits, session: Session, site_id: UUID, body: ClosureIn, once: Once) -> Response:
    """Close a site for a time, until further notice or for good. Residents see it before it begins; it ends by itself."""
    now = clock.now()
    planned = await plan_closure(
        session,
        actor,
        site_id=site_id,
        first=body.from_,
        last=body.until,
        reason=body.reason,
        for_good=body.for_good,
        now=now,
    )
    await close_slots_of_site(session, site_id=site_id, now=now)
    return await once.answer(_out(planned.closure, planned.zone, planned.version, now), status=201)


@router.get(
    "/v1/staff/sites/{site_id}/closures", response_model=StaffClosuresOut, responses=responses(*FOUND)
)
async def list_planned(
    actor: Reads, session: Session, site_id: UUID, asked: Annotated[ClosuresParameters, Query()]
) -> Response:
    """Closures planned or in force; with `over=true` all there were."""
    now = clock.now()
    listed = await list_closures(session, actor, site_id=site_id, over=asked.over, now=now)
    out = StaffClosuresOut(items=[_out(one, listed.zone, listed.version, now) for one in listed.closures])
    return private(out)


@router.delete(
    "/v1/staff/sites/{site_id}/closures/{closure_id}",
    dependencies=[limited("writes")],
    response_model=StaffClosureOut,
    responses=responses(*LIMIT_ERRORS, *FOUND, ClosureNotFound, ClosureOver),
)
async def end(actor: Edits, session: Session, site_id: UUID, closure_id: UUID) -> Response:
    """End a closure early, or call it off. To open again what was closed for good is the district's to do."""
    now = clock.now()
    ended = await end_closure(session, actor, site_id=site_id, closure_id=closure_id, now=now)
    await close_slots_of_site(session, site_id=site_id, now=now)
    return private(_out(ended.closure, ended.zone, ended.version, now))


def _out(closure: SiteClosure, zone_name: str, version: int, now: datetime) -> StaffClosureOut:
    zone = ZoneInfo(zone_name)
    return StaffClosureOut(
        id=closure.id,
        starts_at=closure.starts_at.astimezone(zone),
        ends_at=closure.ends_at and closure.ends_at.astimezone(zone),
        reason=closure.reason,
        for_good=closure.for_good,
        stage=stage_of(closure, now),
        created_at=closure.created_at.astimezone(zone),
        ended_at=closure.ended_at and closure.ended_at.astimezone(zone),
        site_version=version,
    )
