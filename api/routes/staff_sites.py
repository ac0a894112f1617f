"""Staff run their sites: drafts, edits, publishing, history."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.access import allowed
from api.conditional import private
from api.idempotency import ONCE_ERRORS, Once
from api.limits import LIMIT_ERRORS, limited
from api.preconditions import IfMatch, MaybeIfMatch, version_tag
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.staff_sites import (
    HistoryPage,
    HistoryParameters,
    PastOut,
    RevertIn,
    StaffSiteIn,
    StaffSiteItem,
    StaffSiteOut,
    StaffSitePage,
    StaffSitesParameters,
    StepIn,
    WithdrawIn,
)
from api.views.staff_sites import content_of, show_to_staff
from booking.closing.sites import close_slots_of_site
from core import clock
from core.actor import Actor
from core.errors import InvalidCursor
from core.paging import next_cursor, read_cursor, read_one
from core.permissions import NotAllowed, NotSignedIn
from geo.errors import (
    CrsDisabled,
    FieldsNotAllowed,
    SiteChanged,
    SiteInvalid,
    SiteNotFound,
    UnknownCategory,
    VersionNotFound,
    WrongSiteState,
)
from geo.sites.detail import list_history
from geo.sites.edit import create_site, edit_site, revert_site
from geo.sites.listing import list_staff_sites
from geo.sites.workflow import Step, assure_site, take_step

router = APIRouter(tags=["staff"])

SIGNED_IN = (NotSignedIn, NotAllowed)
FOUND = (*SIGNED_IN, SiteNotFound)
WRITES = (SiteInvalid, UnknownCategory, CrsDisabled)

Reads = Annotated[Actor, allowed("site.read")]
Edits = Annotated[Actor, allowed("site.edit")]
Creates = Annotated[Actor, allowed("site.create")]
Publishes = Annotated[Actor, allowed("site.publish")]


@router.post(
    "/v1/staff/sites",
    dependencies=[limited("writes")],
    status_code=201,
    response_model=StaffSiteOut,
    responses=responses(*LIMIT_ERRORS, *SIGNED_IN, *WRITES, *ONCE_ERRORS),
)
async def create_draft(
    request: Request, actor: Creates, session: Session, body: StaffSiteIn, once: Once
) -> Response:
    """A draft, which staff see and residents do not."""
    now = clock.now()
    site_id = await create_site(
        session, actor, content=content_of(body, shifted=runtime_of(request).settings.gcj02_enabled), now=now
    )
    out = await show_to_staff(session, actor, site_id, now)
    return await once.answer(
        out, status=201, headers={**version_tag(out.version), "Location": f"/v1/staff/sites/{site_id}"}
    )


@router.get("/v1/staff/sites", response_model=StaffSitePage, responses=responses(*SIGNED_IN, InvalidCursor))
async def list_sites_of_staff(
    request: Request, actor: Reads, session: Session, asked: Annotated[StaffSitesParameters, Query()]
) -> Response:
    """Sites within your scope: drafts, submitted, published, closed; or those long unconfirmed, oldest first."""
    now = clock.now()
    tree = runtime_of(request).loaded().categories
    fingerprint = orjson.dumps(["staff_sites", asked.model_dump(mode="json", exclude={"next", "limit"})])
    after = read_cursor(fingerprint, asked.next, datetime.fromisoformat, UUID)
    rows = await list_staff_sites(
        session,
        actor,
        states=asked.state,
        categories=tree.below(asked.category) if asked.category else (),
        not_assured_for_days=asked.not_assured_for_days,
        after=after,
        limit=asked.limit + 1,
        now=now,
    )
    following = next_cursor(fingerprint, rows, asked.limit, lambda row: [row.confirmed, row.id])
    items = [StaffSiteItem.model_validate(row) for row in rows[: asked.limit]]
    return private(StaffSitePage(items=items, next=following))


@router.get("/v1/staff/sites/{site_id}", response_model=StaffSiteOut, responses=responses(*FOUND))
async def show_site_to_staff(actor: Reads, session: Session, site_id: UUID) -> Response:
    """The whole site, drafts too. Its `ETag` is the version that an edit names in `If-Match`."""
    return _tagged(await show_to_staff(session, actor, site_id, clock.now()))


@router.put(
    "/v1/staff/sites/{site_id}",
    dependencies=[limited("writes")],
    response_model=StaffSiteOut,
    responses=responses(*LIMIT_ERRORS, *FOUND, *WRITES, FieldsNotAllowed, SiteChanged),
)
async def replace_site(
    request: Request, actor: Edits, session: Session, site_id: UUID, version: IfMatch, body: StaffSiteIn
) -> Response:
    """Edit a site: send `site` of what you read, changed, with its version. What is left out is emptied.

    Edits of a published site are seen by residents at once. Hours, exceptions, phones, notice, features, services and
    the like are changed by those who run the site; name, category, place and operator by the district.
    """
    now = clock.now()
    changes = content_of(body, shifted=runtime_of(request).settings.gcj02_enabled)
    await edit_site(
        session, actor, site_id=site_id, version=version, changes=changes, reason=body.reason, now=now
    )
    await close_slots_of_site(session, site_id=site_id, now=now)
    return _tagged(await show_to_staff(session, actor, site_id, now))


@router.post(
    "/v1/staff/sites/{site_id}/submit",
    dependencies=[limited("writes")],
    response_model=StaffSiteOut,
    responses=responses(*LIMIT_ERRORS, *FOUND, SiteChanged, WrongSiteState, *ONCE_ERRORS),
)
async def submit_site(
    actor: Edits,
    session: Session,
    site_id: UUID,
    version: MaybeIfMatch,
    once: Once,
    body: StepIn | None = None,
) -> Response:
    """Ask for a draft to be published. `If-Match` is optional here and below: it makes sure of what you have seen."""
    return await _step(session, actor, once, "submit", site_id, version, body.reason if body else None)


@router.post(
    "/v1/staff/sites/{site_id}/return",
    dependencies=[limited("writes")],
    response_model=StaffSiteOut,
    responses=responses(*LIMIT_ERRORS, *FOUND, SiteChanged, WrongSiteState, *ONCE_ERRORS),
)
async def return_site(
    actor: Publishes, session: Session, site_id: UUID, version: MaybeIfMatch, once: Once, body: WithdrawIn
) -> Response:
    """Give a submitted draft back, saying what is missing."""
    return await _step(session, actor, once, "return", site_id, version, body.reason)


@router.post(
    "/v1/staff/sites/{site_id}/publish",
    dependencies=[limited("writes")],
    response_model=StaffSiteOut,
    responses=responses(*LIMIT_ERRORS, *FOUND, SiteChanged, WrongSiteState, *ONCE_ERRORS),
)
async def publish_site(
    actor: Publishes,
    session: Session,
    site_id: UUID,
    version: MaybeIfMatch,
    once: Once,
    body: StepIn | None = None,
) -> Response:
    """Show a submitted site to residents, or one that was taken back."""
    return await _step(session, actor, once, "publish", site_id, version, body.reason if body else None)


@router.post(
    "/v1/staff/sites/{site_id}/unpublish",
    dependencies=[limited("writes")],
    response_model=StaffSiteOut,
    responses=responses(*LIMIT_ERRORS, *FOUND, SiteChanged, WrongSiteState, *ONCE_ERRORS),
)
async def unpublish_site(
    actor: Publishes, session: Session, site_id: UUID, version: MaybeIfMatch, once: Once, body: WithdrawIn
) -> Response:
    """Take a site back from residents. For a site that closes, plan a closure instead: residents are told."""
    return await _step(session, actor, once, "unpublish", site_id, version, body.reason)


@router.post(
    "/v1/staff/sites/{site_id}/assure",
    dependencies=[limited("writes")],
    response_model=StaffSiteOut,
    responses=responses(*LIMIT_ERRORS, *FOUND, SiteChanged, *ONCE_ERRORS),
)
async def assure(
    actor: Edits, session: Session, site_id: UUID, version: MaybeIfMatch, once: Once
) -> Response:
    """“信息仍然正确”: confirm that all this is still correct. Residents see when."""
    now = clock.now()
    await assure_site(session, actor, site_id=site_id, version=version, now=now)
    out = await show_to_staff(session, actor, site_id, now)
    return await once.answer(out, headers=version_tag(out.version))


@router.get(
    "/v1/staff/sites/{site_id}/history",
    response_model=HistoryPage,
    responses=responses(*FOUND, InvalidCursor),
)
async def show_history(
    actor: Reads, session: Session, site_id: UUID, asked: Annotated[HistoryParameters, Query()]
) -> Response:
    """Each version: who made it, when, why, and what changed (field: [before, after])."""
    fingerprint = f"history/{site_id}".encode()
    before = read_one(fingerprint, asked.next, int)
    past = await list_history(session, actor, site_id=site_id, before=before, limit=asked.limit + 1)
    following = next_cursor(fingerprint, past, asked.limit, lambda one: [one.version])
    items = [PastOut.model_validate(one) for one in past[: asked.limit]]
    return private(HistoryPage(items=items, next=following))


@router.post(
    "/v1/staff/sites/{site_id}/revert",
    dependencies=[limited("writes")],
    response_model=StaffSiteOut,
    responses=responses(
        *LIMIT_ERRORS, *FOUND, *WRITES, FieldsNotAllowed, SiteChanged, VersionNotFound, *ONCE_ERRORS
    ),
)
async def revert(
    actor: Edits, session: Session, site_id: UUID, version: IfMatch, once: Once, body: RevertIn
) -> Response:
    """Say again what an earlier version said. Publication, closures and confirmation stay as they are."""
    now = clock.now()
    await revert_site(
        session,
        actor,
        site_id=site_id,
        version=version,
        to_version=body.version,
        reason=body.reason,
        now=now,
    )
    out = await show_to_staff(session, actor, site_id, now)
    return await once.answer(out, headers=version_tag(out.version))


async def _step(
    session: Session,
    actor: Actor,
    once: Once,
    step: Step,
    site_id: UUID,
    version: int | None,
    reason: str | None,
) -> Response:
    now = clock.now()
    await take_step(session, actor, site_id=site_id, step=step, version=version, reason=reason, now=now)
    out = await show_to_staff(session, actor, site_id, now)
    return await once.answer(out, headers=version_tag(out.version))


def _tagged(out: StaffSiteOut) -> Response:
    return private(out, headers=version_tag(out.version))
