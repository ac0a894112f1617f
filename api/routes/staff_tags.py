"""Tags that staff grant persons on evidence, and take back."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.access import allowed
from api.idempotency import ONCE_ERRORS, Once
from api.limits import LIMIT_ERRORS, limited
from api.problems import responses
from api.runtime import Session, runtime_of
from api.schemas.base import ReasonIn
from api.schemas.persons import (
    TagIn,
    TagKindOut,
    TagKindsOut,
    TagOut,
)
from api.views.people import (
    tag_out,
)
from booking.people.dates import local_date
from booking.people.directory import (
    get_visible_person,
)
from booking.people.errors import (
    InvalidTag,
    PersonNotFound,
    TagHeld,
    TagNotFound,
)
from booking.people.tags import grant_tag, revoke_tag, tag_kinds
from core import clock
from core.actor import Actor
from core.permissions import NotAllowed, NotSignedIn

router = APIRouter(tags=["staff"])
DENIED = (NotSignedIn, NotAllowed)
Reads = Annotated[Actor, allowed("person.read")]
Tags = Annotated[Actor, allowed("person.tag")]


@router.get("/v1/staff/tags", responses=responses(*DENIED))
async def list_tag_kinds(actor: Reads) -> TagKindsOut:
    """Tags that can be granted, and which evidence each takes."""
    return TagKindsOut(
        items=[
            TagKindOut(
                code=one.code,
                title_zh=one.zh,
                title_en=one.en,
                evidence_zh=one.evidence_zh,
                evidence_en=one.evidence_en,
                most_days=one.most_days,
            )
            for one in tag_kinds().values()
        ]
    )


@router.post(
    "/v1/staff/persons/{person_id}/tags",
    dependencies=[limited("writes")],
    status_code=201,
    response_model=TagOut,
    responses=responses(*LIMIT_ERRORS, *DENIED, *ONCE_ERRORS, PersonNotFound, InvalidTag, TagHeld),
)
async def add_tag(
    request: Request, session: Session, actor: Tags, once: Once, person_id: UUID, body: TagIn
) -> Response:
    """Grant a tag on evidence."""
    ring, now = runtime_of(request).ring, clock.now()
    person = await get_visible_person(
        session, actor, person_id=person_id, action="person.tag", lock=True, now=now
    )
    one = await grant_tag(
        session,
        actor,
        ring=ring,
        person=person,
        tag=body.tag,
        evidence=body.evidence,
        from_on=body.from_on or local_date(now),
        until_on=body.until_on,
        now=now,
    )
    return await once.answer(tag_out(ring, one, now=now), status=201)


@router.post(
    "/v1/staff/persons/{person_id}/tags/{tag_id}/revoke",
    response_model=TagOut,
    dependencies=[limited("writes")],
    responses=responses(*LIMIT_ERRORS, *DENIED, *ONCE_ERRORS, PersonNotFound, TagNotFound),
)
async def take_tag_back(
    request: Request,
    session: Session,
    actor: Tags,
    once: Once,
    person_id: UUID,
    tag_id: UUID,
    body: ReasonIn,
) -> Response:
    """Take a tag back; the history keeps it."""
    ring, now = runtime_of(request).ring, clock.now()
    person = await get_visible_person(
        session, actor, person_id=person_id, action="person.tag", lock=True, now=now
    )
    one = await revoke_tag(
        session, actor, ring=ring, person=person, tag_id=tag_id, reason=body.reason, now=now
    )
    return await once.answer(tag_out(ring, one, now=now))
