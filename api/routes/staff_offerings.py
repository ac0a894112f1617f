"""Staff set up what can be booked: offerings and weekly templates."""

from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from api.access import allowed
from api.conditional import private
from api.idempotency import ONCE_ERRORS, Once
from api.limits import LIMIT_ERRORS, limited
from api.preconditions import IfMatch, MaybeIfMatch, version_tag
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.staff_offerings import (
    MisfitOut,
    NewOfferingIn,
    OfferingOut,
    OfferingPage,
    OfferingsParameters,
    OfferingStepOut,
    SlotChanges,
    TemplateBody,
    TemplateChangedOut,
    TemplateOut,
    TemplatePage,
    TemplatesParameters,
)
from booking.errors import InvalidRules, OfferingNotFound
from booking.models import OfferingTemplate
from booking.offerings.define import define_offering
from booking.offerings.edit import Step, edit_offering, take_step
from booking.offerings.errors import (
    OfferingChanged,
    OfferingInvalid,
    TemplateChanged,
    TemplateEnded,
    TemplateInvalid,
    TemplateNotFound,
    WrongOfferingState,
)
from booking.offerings.generate import Generated
from booking.offerings.held import hold_offering
from booking.offerings.input import OfferingIn
from booking.offerings.listing import list_templates, offerings_query
from booking.offerings.templates import add_template, edit_template, end_template
from booking.waitlist.promote import promote
from core import clock
from core.actor import Actor
from core.errors import InvalidCursor
from core.paging import next_cursor, read_one
from core.permissions import NotAllowed, NotSignedIn
from geo.errors import SiteNotFound

router = APIRouter(tags=["staff"])

SIGNED_IN = (NotSignedIn, NotAllowed)
FOUND = (*SIGNED_IN, OfferingNotFound)
WRITES = (InvalidRules, OfferingInvalid)
OF_TEMPLATE = (*SIGNED_IN, TemplateNotFound, TemplateEnded)
MOST_LISTED = 500

Manages = Annotated[Actor, allowed("offering.manage")]


@router.post(
    "/v1/staff/offerings",
    dependencies=[limited("writes")],
    status_code=201,
    response_model=OfferingOut,
    responses=responses(*LIMIT_ERRORS, *SIGNED_IN, SiteNotFound, *WRITES, *ONCE_ERRORS),
)
async def define(actor: Manages, session: Session, body: NewOfferingIn, once: Once) -> Response:
    """A draft. Give it templates, then activate it: slots are made at once and each hour."""
    offering = await define_offering(
        session, actor, site_id=body.site_id, content=_content(body), now=clock.now()
    )
    headers = {**version_tag(1), "Location": f"/v1/staff/offerings/{offering.id}"}
    return await once.answer(OfferingOut.model_validate(offering), status=201, headers=headers)


@router.get(
    "/v1/staff/offerings", response_model=OfferingPage, responses=responses(*SIGNED_IN, InvalidCursor)
)
async def list_offerings_of_staff(
    actor: Manages, session: Session, asked: Annotated[OfferingsParameters, Query()]
) -> Response:
    """Offerings you may manage, drafts and ended ones too."""
    fingerprint = orjson.dumps(["staff_offerings", asked.model_dump(mode="json", exclude={"next", "limit"})])
    query = offerings_query(
        actor,
        site_id=asked.site_id,
        status=asked.status,
        kind=asked.kind,
        after=read_one(fingerprint, asked.next, UUID),
        limit=asked.limit + 1,
    )
    rows = (await session.scalars(query)).all()
    items = [OfferingOut.model_validate(row) for row in rows[: asked.limit]]
    return _answer(
        OfferingPage(items=items, next=next_cursor(fingerprint, rows, asked.limit, lambda row: [row.id]))
    )


@router.get("/v1/staff/offerings/{offering_id}", response_model=OfferingOut, responses=responses(*FOUND))
async def show_offering_to_staff(actor: Manages, session: Session, offering_id: UUID) -> Response:
    """One offering. Its `ETag` is the version that an edit names in `If-Match`."""
    held = await hold_offering(session, actor, offering_id=offering_id, lock=False)
    return _tagged(OfferingOut.model_validate(held.offering), held.offering.version)


@router.put(
    "/v1/staff/offerings/{offering_id}",
    dependencies=[limited("writes")],
    response_model=OfferingOut,
    responses=responses(*LIMIT_ERRORS, *FOUND, *WRITES, OfferingChanged, WrongOfferingState),
)
async def replace_offering(
    actor: Manages, session: Session, offering_id: UUID, version: IfMatch, body: OfferingIn
) -> Response:
    """Edit an offering: send it whole. Slots ahead follow its booking window; what is booked stays."""
    offering = await edit_offering(
        session, actor, offering_id=offering_id, version=version, content=body, now=clock.now()
    )
    return _tagged(OfferingOut.model_validate(offering), offering.version)


STEP_RESPONSES = responses(*LIMIT_ERRORS, *FOUND, OfferingChanged, WrongOfferingState, *ONCE_ERRORS)


@router.post(
    "/v1/staff/offerings/{offering_id}/activate",
    dependencies=[limited("writes")],
    response_model=OfferingStepOut,
    responses=STEP_RESPONSES,
)
async def activate(
    request: Request, actor: Manages, session: Session, offering_id: UUID, version: MaybeIfMatch, once: Once
) -> Response:
    """Let people book. Slots are made at once. `If-Match` is optional here and below."""
    return await _step(request, session, actor, once, "activate", offering_id, version)


@router.post(
    "/v1/staff/offerings/{offering_id}/pause",
    dependencies=[limited("writes")],
    response_model=OfferingStepOut,
    responses=STEP_RESPONSES,
)
async def pause(
    request: Request, actor: Manages, session: Session, offering_id: UUID, version: MaybeIfMatch, once: Once
) -> Response:
    """Nobody books for now; what is booked stays."""
    return await _step(request, session, actor, once, "pause", offering_id, version)


@router.post(
    "/v1/staff/offerings/{offering_id}/end",
    dependencies=[limited("writes")],
    response_model=OfferingStepOut,
    responses=STEP_RESPONSES,
)
async def end(
    request: Request, actor: Manages, session: Session, offering_id: UUID, version: MaybeIfMatch, once: Once
) -> Response:
    """End it with its templates. Slots that nobody booked go; booked ones are listed: keep or close each."""
    return await _step(request, session, actor, once, "end", offering_id, version)


@router.post(
    "/v1/staff/offerings/{offering_id}/templates",
    dependencies=[limited("writes")],
    status_code=201,
    response_model=TemplateChangedOut,
    responses=responses(*LIMIT_ERRORS, *FOUND, WrongOfferingState, TemplateInvalid, *ONCE_ERRORS),
)
async def add(
    request: Request, actor: Manages, session: Session, offering_id: UUID, body: TemplateBody, once: Once
) -> Response:
    """A weekly template; of an active offering its slots are made at once."""
    template, generated = await add_template(
        session, actor, offering_id=offering_id, content=body, region=_region(request), now=clock.now()
    )
    out = _template_out(template, generated)
    return await once.answer(out, status=201, headers=version_tag(template.version))


@router.get(
    "/v1/staff/offerings/{offering_id}/templates",
    response_model=TemplatePage,
    responses=responses(*FOUND, InvalidCursor),
)
async def list_templates_of_offering(
    actor: Manages, session: Session, offering_id: UUID, asked: Annotated[TemplatesParameters, Query()]
) -> Response:
    """Its templates, those that ended too."""
    fingerprint = orjson.dumps(["templates", str(offering_id)])
    rows = await list_templates(
        session,
        actor,
        offering_id=offering_id,
        after=read_one(fingerprint, asked.next, UUID),
        limit=asked.limit + 1,
    )
    items = [TemplateOut.model_validate(row) for row in rows[: asked.limit]]
    return _answer(
        TemplatePage(items=items, next=next_cursor(fingerprint, rows, asked.limit, lambda row: [row.id]))
    )


@router.put(
    "/v1/staff/templates/{template_id}",
    dependencies=[limited("writes")],
    response_model=TemplateChangedOut,
    responses=responses(*LIMIT_ERRORS, *OF_TEMPLATE, TemplateChanged, TemplateInvalid),
)
async def replace_template(
    request: Request,
    actor: Manages,
    session: Session,
    template_id: UUID,
    version: IfMatch,
    body: TemplateBody,
) -> Response:
    """Edit a template. Slots ahead that nobody booked follow it; booked ones that no longer fit are listed."""
    now = clock.now()
    template, generated = await edit_template(
        session,
        actor,
        template_id=template_id,
        version=version,
        content=body,
        region=_region(request),
        now=now,
    )
    await promote(session, slot_ids=generated.fitted.promotable, now=now)
    return _tagged(_template_out(template, generated), template.version)


@router.post(
    "/v1/staff/templates/{template_id}/end",
    dependencies=[limited("writes")],
    response_model=TemplateChangedOut,
    responses=responses(*LIMIT_ERRORS, *OF_TEMPLATE, TemplateChanged, *ONCE_ERRORS),
)
async def end_one(
    request: Request, actor: Manages, session: Session, template_id: UUID, version: MaybeIfMatch, once: Once
) -> Response:
    """End a template: slots ahead that nobody booked go, the booked ones are listed."""
    template, generated = await end_template(
        session,
        actor,
        template_id=template_id,
        version=version,
        region=_region(request),
        now=clock.now(),
    )
    return await once.answer(_template_out(template, generated), headers=version_tag(template.version))


async def _step(
    request: Request,
    session: Session,
    actor: Actor,
    once: Once,
    step: Step,
    offering_id: UUID,
    version: int | None,
) -> Response:
    now = clock.now()
    offering, generated = await take_step(
        session,
        actor,
        offering_id=offering_id,
        step=step,
        version=version,
        region=_region(request),
        now=now,
    )
    await promote(session, slot_ids=generated.fitted.promotable, now=now)
    shown = OfferingOut.model_validate(offering)
    out = OfferingStepOut(**shown.model_dump(), slots=_changes(generated))
    return await once.answer(out, headers=version_tag(offering.version))


def _content(body: NewOfferingIn) -> OfferingIn:
    """What is said of the offering itself."""
    return OfferingIn.model_construct(**{name: getattr(body, name) for name in OfferingIn.model_fields})


def _region(request: Request) -> str:
    return runtime_of(request).settings.region


def _template_out(template: OfferingTemplate, generated: Generated) -> TemplateChangedOut:
    shown = TemplateOut.model_validate(template)
    return TemplateChangedOut(**shown.model_dump(), slots=_changes(generated))


def _changes(generated: Generated) -> SlotChanges:
    fitted = generated.fitted
    return SlotChanges(
        made=generated.made,
        taken_away=fitted.taken_away,
        brought_back=fitted.brought_back,
        do_not_fit=[MisfitOut.model_validate(one) for one in fitted.misfits[:MOST_LISTED]],
    )


def _answer(out: BaseModel) -> Response:
    return private(out)


def _tagged(out: BaseModel, version: int) -> Response:
    return private(out, headers=version_tag(version))
