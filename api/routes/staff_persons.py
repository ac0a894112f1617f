"""Persons at the desk: found, registered, corrected, read unmasked with a reason."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.access import allowed
from api.idempotency import ONCE_ERRORS, Once
from api.limits import LIMIT_ERRORS, limited
from api.people.settling import find_home
from api.preconditions import IfMatch, version_tag
from api.problems import refusal, responses
from api.runtime import Session, runtime_of
from api.schemas.persons import (
    ContactIn,
    EvidenceOut,
    RegisterIn,
    RevealedOut,
    RevealIn,
    SearchIn,
    StaffPersonItem,
    StaffPersonOut,
    StaffSearchOut,
)
from api.views.people import (
    delegation_out,
    staff_person_fields,
    staff_person_item,
    tag_out,
    waiting_out,
)
from booking.people.dates import local_date
from booking.people.directory import (
    Sought,
    get_visible_person,
    register_person,
    requests_query,
    require_inside,
    search_persons,
)
from booking.people.documents import check_document
from booking.people.errors import (
    BirthDateNeeded,
    ConsentNeeded,
    InvalidDocument,
    OutsideScope,
    PersonChanged,
    PersonExists,
    PersonNotFound,
)
from booking.people.models import Account
from booking.people.offers import given_query
from booking.people.persons import read_facts, set_phone
from booking.people.phones import InvalidPhone, normalise_phone
from booking.people.tags import list_tags
from core import audit, clock
from core.actor import Actor
from core.permissions import NotAllowed, NotSignedIn
from geo.errors import UnknownArea

router = APIRouter(tags=["staff"])
DENIED = (NotSignedIn, NotAllowed)
Reads = Annotated[Actor, allowed("person.read")]
Registers = Annotated[Actor, allowed("person.register")]


@router.post(
    "/v1/staff/persons/search",
    dependencies=[limited("writes")],
    responses=responses(*LIMIT_ERRORS, *DENIED, InvalidPhone),
)
async def search(request: Request, session: Session, actor: Reads, body: SearchIn) -> StaffSearchOut:
    """Persons by exact phone, document number or name, masked; a search by document also shows what waits for it.

    Staff of a township find who lives there; a site's desk finds whoever gives a phone or document number. On record.
    """
    ring, now = runtime_of(request).ring, clock.now()
    sought = Sought(
        phone=None if body.phone is None else normalise_phone(body.phone),
        id_number=body.id_number,
        name=body.name,
    )
    found = await search_persons(session, actor, ring=ring, sought=sought, now=now)
    waiting = []
    if body.id_number is not None:
        rows = await session.scalars(requests_query(actor, ring=ring, id_number=body.id_number, now=now))
        waiting = [waiting_out(ring, one, await session.get_one(Account, one.account_id)) for one in rows]
    return StaffSearchOut(items=[staff_person_item(ring, one, now=now) for one in found], waiting=waiting)


@router.post(
    "/v1/staff/persons",
    dependencies=[limited("writes")],
    status_code=201,
    response_model=StaffPersonItem,
    responses=responses(
        *LIMIT_ERRORS,
        *DENIED,
        *ONCE_ERRORS,
        InvalidDocument,
        InvalidPhone,
        BirthDateNeeded,
        ConsentNeeded,
        PersonExists,
        OutsideScope,
        UnknownArea,
    ),
)
async def register(
    request: Request, session: Session, actor: Registers, once: Once, body: RegisterIn
) -> Response:
    """Register somebody who came with their document and agreed on paper to `service` and `id`."""
    ring, now = runtime_of(request).ring, clock.now()
    missing = {"service", "id"} - set(body.consents)
    if missing:
        raise ConsentNeeded(
            "请先请本人在纸上签署 service 和 id 两份同意书。",
            "They must sign the consents `service` and `id` on paper first.",
            missing=sorted(missing),
        )
    person = await register_person(
        session,
        actor,
        ring=ring,
        name=body.name,
        document=check_document(body.id_kind, body.id_number, today=local_date(now)),
        birth_on=body.birth_on,
        sex=body.sex,
        phone=None if body.phone is None else normalise_phone(body.phone),
        home_area_id=await find_home(session, body.home_area, now=now),
        consented_to=body.consents,
        now=now,
    )
    if isinstance(person, PersonExists):
        return refusal(request, person)
    return await once.answer(staff_person_item(ring, person, now=now), status=201)


@router.get(
    "/v1/staff/persons/{person_id}",
    response_model=StaffPersonOut,
    responses=responses(*DENIED, PersonNotFound),
)
async def show(
    request: Request, response: Response, session: Session, actor: Reads, person_id: UUID
) -> StaffPersonOut:
    """A person, masked, with tags and who acts for them. On record."""
    ring, now = runtime_of(request).ring, clock.now()
    person = await get_visible_person(session, actor, person_id=person_id, action="person.read", now=now)
    await audit.record(
        session,
        actor,
        action="person.read",
        object_kind="person",
        object_id=person.id,
        person_ids=[person.id],
        now=now,
    )
    given = (await session.execute(given_query(person.id))).all()
    response.headers.update(version_tag(person.version))
    return StaffPersonOut.model_validate(
        staff_person_fields(ring, person, now=now)
        | {
            "tags": [
                tag_out(ring, one, now=now) for one in await list_tags(session, actor, person_id=person.id)
            ],
            "delegations": [
                delegation_out(
                    ring, one, person=person, grantee=grantee, direction="given", purpose=False, now=now
                )
                for one, grantee in given
            ],
        }
    )


@router.put(
    "/v1/staff/persons/{person_id}/contact",
    dependencies=[limited("writes")],
    response_model=StaffPersonItem,
    responses=responses(
        *LIMIT_ERRORS, *DENIED, PersonNotFound, PersonChanged, InvalidPhone, OutsideScope, UnknownArea
    ),
)
async def put_contact(
    request: Request,
    response: Response,
    session: Session,
    actor: Registers,
    person_id: UUID,
    version: IfMatch,
    body: ContactIn,
) -> StaffPersonItem:
    """Correct the phone and home of somebody at the desk; codes go to the new phone from now on."""
    ring, now = runtime_of(request).ring, clock.now()
    person = await get_visible_person(
        session, actor, person_id=person_id, action="person.register", lock=True, now=now
    )
    if person.version != version:
        raise PersonChanged("请重新读取后再修改。", "Read it again, then change it.", version=person.version)
    home = await find_home(session, body.home_area, now=now)
    await require_inside(session, actor, action="person.register", home_area_id=home)
    set_phone(ring, person, None if body.phone is None else normalise_phone(body.phone))
    person.home_area_id = home
    person.version += 1
    await session.flush()
    await audit.record(
        session,
        actor,
        action="person.contact",
        object_kind="person",
        object_id=person.id,
        person_ids=[person.id],
        reason=body.reason,
        detail={"fields": ["phone", "home_area_id"]},
        now=now,
    )
    response.headers.update(version_tag(person.version))
    return staff_person_item(ring, person, now=now)


@router.post(
    "/v1/staff/persons/{person_id}/reveal",
    dependencies=[limited("reveals")],
    responses=responses(*DENIED, *LIMIT_ERRORS, PersonNotFound),
)
async def reveal(
    request: Request,
    session: Session,
    actor: Annotated[Actor, allowed("person.reveal")],
    person_id: UUID,
    body: RevealIn,
) -> RevealedOut:
    """Some fields unmasked, with the reason. On record, and the person sees that somebody looked."""
    ring, now = runtime_of(request).ring, clock.now()
    person = await get_visible_person(session, actor, person_id=person_id, action="person.reveal", now=now)
    await audit.record(
        session,
        actor,
        action="person.reveal",
        object_kind="person",
        object_id=person.id,
        person_ids=[person.id],
        reason=body.reason,
        detail={"fields": sorted(set(body.fields))},
        now=now,
    )
    facts, wanted = read_facts(ring, person), set(body.fields)
    evidence = None
    if "evidence" in wanted:
        evidence = [
            EvidenceOut(tag_id=one.id, evidence=ring.decrypt("person_tag.evidence", one.id, one.evidence))
            for one in await list_tags(session, actor, person_id=person.id)
        ]
    return RevealedOut(
        id=person.id,
        name=facts.name if "name" in wanted else None,
        id_number=facts.id_number if "id_number" in wanted else None,
        phone=facts.phone if "phone" in wanted else None,
        birth_on=facts.birth_on if "birth_on" in wanted else None,
        evidence=evidence,
    )
