"""Mistakes that residents report, and what became of them."""

from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from api.access import allowed
from api.addresses import network_of
from api.idempotency import ONCE_ERRORS, Once
from api.inbox.telling import tell_reporter
from api.limits import LIMIT_ERRORS, limited
from api.params import NoParameters, check_crs_enabled
from api.preconditions import if_match, version_tag
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.base import LabelOut, ReasonIn
from api.schemas.corrections import (
    AcceptIn,
    AnswerIn,
    ContactOut,
    CorrectionIn,
    CorrectionOut,
    CorrectionPage,
    EditIn,
    MineParameters,
    Receipt,
    ReceivedOut,
    StaffCorrectionOut,
    StaffCorrectionPage,
    StaffParameters,
)
from booking.people.persons import find_person_of
from booking.people.phones import InvalidPhone, normalise_phone
from core import clock
from core.actor import Actor
from core.errors import InvalidCursor
from core.keyring import KeyRing
from core.masking import mask_phone
from core.paging import next_cursor, read_one
from core.permissions import NotAllowed, NotSignedIn
from geo.corrections.errors import CorrectionHandled, CorrectionNotFound, TooManyCorrections
from geo.corrections.fields import LABELS
from geo.corrections.fields import Field as Mistaken
from geo.corrections.handle import (
    accept_correction,
    corrections_query,
    decline_correction,
    get_correction,
    read_contact,
)
from geo.corrections.report import get_reported, report_correction, reported_query
from geo.corrections.texts import read_texts
from geo.crs import to_wgs84
from geo.errors import CrsDisabled, FieldsNotAllowed, SiteChanged, SiteInvalid, SiteNotFound, UnknownCategory
from geo.models import Correction

router = APIRouter(tags=["feedback"])

STAFF = (NotSignedIn, NotAllowed)


@router.post(
    "/v1/sites/{site_id}/corrections",
    status_code=201,
    responses={
        201: {"model": ReceivedOut},
        **responses(SiteNotFound, InvalidPhone, TooManyCorrections, *LIMIT_ERRORS, *ONCE_ERRORS),
    },
    response_class=Response,
    dependencies=[limited("corrections")],
)
async def report(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("correction.report")],
    once: Once,
    site_id: UUID,
    body: CorrectionIn,
) -> Response:
    """Report a mistake about a site; without signing in too."""
    runtime = runtime_of(request)
    correction, receipt = await report_correction(
        session,
        actor,
        ring=runtime.ring,
        site_id=site_id,
        field=body.field,
        text=body.text,
        suggestion=body.suggestion,
        contact_phone=normalise_phone(body.contact_phone) if body.contact_phone is not None else None,
        address=network_of(request),
        zone=runtime.settings.zone,
        now=clock.now(),
    )
    return await once.answer(
        ReceivedOut(id=correction.id, receipt=receipt, state="open"),
        status=201,
        headers={"Location": f"/v1/corrections/{correction.id}"},
    )


@router.get("/v1/corrections", responses=responses(InvalidCursor, NotSignedIn))
async def list_mine(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("account.own")],
    asked: Annotated[MineParameters, Query()],
) -> CorrectionPage:
    """What one reported while signed in."""
    assert actor.account_id is not None
    fingerprint = f"corrections {actor.account_id}".encode()
    after = read_one(fingerprint, asked.next, UUID)
    query = reported_query(actor.account_id, after=after, limit=asked.limit + 1)
    found = (await session.scalars(query)).all()
    shown, ring = found[: asked.limit], runtime_of(request).ring
    return CorrectionPage(
        items=[CorrectionOut(**_shown(ring, one)) for one in shown],
        next=next_cursor(fingerprint, found, asked.limit, lambda one: [one.id]),
    )


@router.get("/v1/corrections/{correction_id}", responses=responses(CorrectionNotFound))
async def show(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("correction.report")],
    correction_id: UUID,
    asked: Annotated[Receipt, Query()],
    x_receipt: Annotated[str | None, Header(max_length=100)] = None,
) -> CorrectionOut:
    """What became of a report: for its account, or for whoever shows its receipt."""
    correction = await get_reported(
        session, actor, correction_id=correction_id, receipt=x_receipt or asked.receipt
    )
    return CorrectionOut(**_shown(runtime_of(request).ring, correction))


@router.get("/v1/staff/corrections", responses=responses(InvalidCursor, *STAFF), tags=["staff"])
async def list_reports(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("correction.handle")],
    asked: Annotated[StaffParameters, Query()],
) -> StaffCorrectionPage:
    """Reports about the sites one answers for; `state=open` is the work to do."""
    fingerprint = orjson.dumps(asked.model_dump(mode="json", exclude={"next", "limit"}))
    after = read_one(fingerprint, asked.next, UUID)
    rows = (
        await session.execute(
            corrections_query(
                actor,
                state=asked.state,
                site_id=asked.site_id,
                fields=asked.field,
                after=after,
                limit=asked.limit + 1,
            )
        )
    ).all()
    shown, ring = rows[: asked.limit], runtime_of(request).ring
    return StaffCorrectionPage(
        items=[_staff_out(ring, *row) for row in shown],
        next=next_cursor(fingerprint, rows, asked.limit, lambda row: [row[0].id]),
    )


@router.get(
    "/v1/staff/corrections/{correction_id}", responses=responses(CorrectionNotFound, *STAFF), tags=["staff"]
)
async def show_report(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("correction.handle")],
    correction_id: UUID,
    asked: Annotated[NoParameters, Query()],
) -> StaffCorrectionOut:
    """One report, with the version of its site for the edit."""
    row = await get_correction(session, actor, correction_id=correction_id)
    return _staff_out(runtime_of(request).ring, *row)


@router.post(
    "/v1/staff/corrections/{correction_id}/contact",
    responses={200: {"model": ContactOut}, **responses(CorrectionNotFound, *LIMIT_ERRORS, *STAFF)},
    dependencies=[limited("reveals")],
    tags=["staff"],
)
async def reveal_contact(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("correction.handle")],
    correction_id: UUID,
    body: ReasonIn,
) -> ContactOut:
    """The reporter's phone in full, to call back; who asked and why is on record."""
    ring = runtime_of(request).ring
    correction, _, _ = await get_correction(session, actor, correction_id=correction_id)
    reporter = await find_person_of(session, account_id=correction.account_id)
    phone = await read_contact(
        session,
        actor,
        ring=ring,
        correction=correction,
        person_ids=[] if reporter is None else [reporter.id],
        reason=body.reason,
        now=clock.now(),
    )
    return ContactOut(contact_phone=phone)


@router.post(
    "/v1/staff/corrections/{correction_id}/accept",
    responses={
        200: {"model": StaffCorrectionOut},
        **responses(
            CorrectionNotFound,
            CorrectionHandled,
            SiteChanged,
            SiteInvalid,
            FieldsNotAllowed,
            UnknownCategory,
            CrsDisabled,
            *LIMIT_ERRORS,
            *ONCE_ERRORS,
            *STAFF,
        ),
    },
    response_class=Response,
    dependencies=[limited("writes")],
    tags=["staff"],
)
async def accept(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("correction.handle")],
    once: Once,
    correction_id: UUID,
    body: AcceptIn,
) -> Response:
    """Edit the site as reported and thank the reporter. With `edit`, If-Match names the site's version."""
    ring, changes = runtime_of(request).ring, _changes(request, body.edit)
    try:
        correction, version = await accept_correction(
            session,
            actor,
            ring=ring,
            correction_id=correction_id,
            changes=changes,
            version=await if_match(request) if changes else None,
            answer=body.answer,
            now=clock.now(),
        )
    except SiteInvalid as error:
        raise _inside_edit(error) from error
    await tell_reporter(session, correction, now=clock.now())
    _, site_name, _ = await get_correction(session, actor, correction_id=correction.id)
    return await once.answer(
        _staff_out(ring, correction, site_name, version), status=200, headers=version_tag(version)
    )


@router.post(
    "/v1/staff/corrections/{correction_id}/decline",
    responses={
        200: {"model": StaffCorrectionOut},
        **responses(CorrectionNotFound, CorrectionHandled, *LIMIT_ERRORS, *ONCE_ERRORS, *STAFF),
    },
    response_class=Response,
    dependencies=[limited("writes")],
    tags=["staff"],
)
async def decline(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("correction.handle")],
    once: Once,
    correction_id: UUID,
    body: AnswerIn,
) -> Response:
    """Leave the site as it is and say why."""
    ring = runtime_of(request).ring
    correction, version = await decline_correction(
        session, actor, ring=ring, correction_id=correction_id, answer=body.answer, now=clock.now()
    )
    await tell_reporter(session, correction, now=clock.now())
    _, site_name, _ = await get_correction(session, actor, correction_id=correction.id)
    return await once.answer(_staff_out(ring, correction, site_name, version), status=200)


def _changes(request: Request, edit: EditIn | None) -> dict[str, Any]:
    """Fields as ``edit_site`` takes them. Raises CrsDisabled."""
    if edit is None:
        return {}
    changes = edit.said()
    if edit.location is not None:
        place = edit.location
        check_crs_enabled(place.crs, shifted=runtime_of(request).settings.gcj02_enabled)
        changes["geometry"] = {
            "type": "Point",
            "coordinates": list(to_wgs84(place.crs, place.lon, place.lat)),
        }
    return changes


def _inside_edit(error: SiteInvalid) -> SiteInvalid:
    """The same, pointing to where this request says it."""
    errors = [{**one, "field": f"edit/{one['field']}"} for one in error.fields.get("errors", ())]
    if not errors:
        return error
    named = "; ".join(f"{one['field']}: {one['reason']}" for one in errors[:5])
    return SiteInvalid(named, named, errors=errors)


def _shown(ring: KeyRing, correction: Correction) -> dict[str, Any]:
    texts = read_texts(ring, correction)
    return {
        "id": correction.id,
        "site_id": correction.site_id,
        "field": correction.field,
        "text": texts.text,
        "suggestion": texts.suggestion,
        "contact_phone": mask_phone(texts.contact_phone) if texts.contact_phone is not None else None,
        "state": correction.state,
        "answer": texts.answer,
        "created_at": correction.created_at,
        "handled_at": correction.handled_at,
    }


def _staff_out(ring: KeyRing, correction: Correction, site_name: str, version: int) -> StaffCorrectionOut:
    field: Mistaken = correction.field  # type: ignore[assignment]  # as it was reported
    zh, en = LABELS[field]
    return StaffCorrectionOut(
        **_shown(ring, correction),
        site_name=site_name,
        site_version=version,
        field_labels=LabelOut(code=field, label_zh=zh, label_en=en),
        signed_in=correction.account_id is not None,
    )
