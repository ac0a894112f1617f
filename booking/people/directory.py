"""Persons as staff see them: which ones, found how, registered how. Every look is on record.

Who is responsible for a township sees whoever lives in it. Staff of a site see whoever comes to their desk: they find
somebody by the exact phone or document number, and for the rest of the shift that find lets them open the person.
Everyone else is as good as unknown.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, false, or_, select, text, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from booking.people.consents import Purpose, record_consents
from booking.people.dates import local_date
from booking.people.documents import Document, Sex, compact_number
from booking.people.errors import BirthDateNeeded, OutsideScope, PersonExists, PersonNotFound
from booking.people.models import Person, PersonRequest
from booking.people.persons import add_person, find_by_document, lock_document, lock_person
from booking.people.requests import KEPT
from core import audit
from core.actor import Actor
from core.audit import AuditEntry
from core.keyring import KeyRing
from core.permissions import scopes

SHIFT = timedelta(hours=10)
MOST_FOUND = 50
FOUND = "person.find"
# Areas in a scope and all below them. Uses area_parent_id_idx.
INSIDE = """
with recursive inside as (
    select id from area where id = any(:areas)
    union
    select a.id from area a join inside on a.parent_id = inside.id
)
select id from inside
"""


@dataclass(frozen=True, slots=True)
class Sought:
    """By exactly one of these, written exactly as on record; ``phone`` in E.164."""

    phone: str | None = None
    id_number: str | None = None
    name: str | None = None


def lives_inside(
    actor: Actor,
    action: str,
    home: InstrumentedAttribute[UUID | None] = Person.home_area_id,
) -> ColumnElement[bool]:
    """Condition: the ``home`` is where the actor may do ``action``."""
    within = scopes(actor, action)
    if within is None:
        return true()
    areas = [UUID(area) for area in within.get("township", ())]
    if not areas:
        return false()
    return home.in_(text(INSIDE).bindparams(areas=areas).columns(Person.id))


def has_desk(actor: Actor, action: str) -> bool:
    """Whether the actor serves people at a site, wherever these live."""
    within = scopes(actor, action)
    return within is None or bool(within.get("site"))


async def search_persons(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, sought: Sought, now: datetime
) -> Sequence[Person]:
    """Persons that match exactly and that the actor may see, at most MOST_FOUND. On record, also when nobody is found."""
    condition: ColumnElement[bool]
    if sought.id_number is not None:
        number = compact_number(sought.id_number)
        condition, by = Person.id_number_blind.in_(ring.blinds("person.id_number", number)), "id_number"
    elif sought.phone is not None:
        condition, by = Person.phone_blind.in_(ring.blinds("person.phone", sought.phone)), "phone"
    else:
        condition, by = Person.name_blind.in_(ring.blinds("person.name", sought.name or "")), "name"
    visible = lives_inside(actor, "person.read")
    if by != "name" and has_desk(actor, "person.read"):
        visible = true()
    found = (
        await session.scalars(select(Person).where(condition, visible).order_by(Person.id).limit(MOST_FOUND))
    ).all()
    await audit.record(
        session,
        actor,
        action=FOUND,
        object_kind="person",
        person_ids=[one.id for one in found],
        detail={"by": by, "found": len(found)},
        now=now,
    )
    return found


def requests_query(actor: Actor, *, ring: KeyRing, id_number: str, now: datetime) -> Select[PersonRequest]:
    """Requests that wait about this document, for who may witness them: a desk, or who is responsible for where the person
    lives. Uses person_request_id_number_blind_idx.
    """
    number, action = compact_number(id_number), "delegation.witness"
    known = select(Person.id).where(
        Person.id_number_blind.in_(ring.blinds("person.id_number", number)), lives_inside(actor, action)
    )
    typed = lives_inside(actor, action, PersonRequest.home_area_id)
    return (
        select(PersonRequest)
        .where(
            PersonRequest.id_number_blind.in_(ring.blinds("person_request.id_number", number)),
            PersonRequest.requested_at > now - KEPT,
            true() if has_desk(actor, action) else or_(known.exists(), typed),
        )
        .order_by(PersonRequest.requested_at)
        .limit(MOST_FOUND)
    )


async def get_visible_person(
    session: AsyncSession,
    actor: Actor,
    *,
    person_id: UUID,
    action: str,
    lock: bool = False,
    now: datetime,
) -> Person:
    """The person, whom the actor may see. Raises PersonNotFound. The caller records what was read."""
    if lock:
        await lock_person(session, actor, person_id=person_id)
    seen = lives_inside(actor, action)
    if has_desk(actor, action):
        seen = or_(seen, _found_lately(actor, person_id, now))
    person = await session.scalar(
        select(Person).where(Person.id == person_id, Person.erased_at.is_(None), seen)
    )
    if person is None:
        raise PersonNotFound(
            "请用手机号或证件号码查找。", "Find the person by phone or document number.", person_id=person_id
        )
    return person


async def require_inside(
    session: AsyncSession, actor: Actor, *, action: str, home_area_id: UUID | None
) -> None:
    """Raises OutsideScope when somebody who lives there is not the actor's to handle; a desk takes everybody."""
    within = scopes(actor, action)
    if within is None or within.get("site"):
        return
    areas = [UUID(area) for area in within.get("township", ())]
    inside = set(await session.scalars(text(INSIDE), {"areas": areas}))
    if home_area_id not in inside:
        raise OutsideScope(
            "请由其居住地所在乡镇的工作人员办理。", "Staff of the township where they live can do this."
        )


async def register_person(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    name: str,
    document: Document,
    birth_on: date | None,
    sex: Sex | None,
    phone: str | None,
    home_area_id: UUID | None,
    consented_to: Collection[Purpose],
    now: datetime,
) -> Person | PersonExists:
    """Register somebody who came with their document and signed on paper.

    That they are known already is returned, since the question is on record: it tells that they are. Raises
    BirthDateNeeded, OutsideScope.
    """
    await require_inside(session, actor, action="person.register", home_area_id=home_area_id)
    born = document.birth_on or birth_on
    if born is None or born > local_date(now):
        raise BirthDateNeeded("请按证件填写 birth_on。", "Send birth_on as the document says.")
    await lock_document(session, actor, ring=ring, number=document.number)
    known = await find_by_document(session, actor, ring=ring, number=document.number)
    if known is not None:
        await audit.record(
            session,
            actor,
            action="person.register",
            object_kind="person",
            object_id=known.id,
            person_ids=[known.id],
            detail={"refused": PersonExists.code},
            now=now,
        )
        return PersonExists("请先查找这个人。", "Look the person up first.")
    person = await add_person(
        session,
        actor,
        ring=ring,
        name=name,
        document=document,
        birth_on=birth_on,
        sex=sex,
        phone=phone,
        home_area_id=home_area_id,
        verification="desk",
        now=now,
    )
    await record_consents(session, actor, person_id=person.id, purposes=consented_to, how="desk", now=now)
    await audit.record(
        session,
        actor,
        action="person.register",
        object_kind="person",
        object_id=person.id,
        person_ids=[person.id],
        detail={"consents": sorted(consented_to)},
        now=now,
    )
    # Whoever registers somebody has them at the desk.
    await audit.record(
        session,
        actor,
        action=FOUND,
        object_kind="person",
        person_ids=[person.id],
        detail={"by": "register"},
        now=now,
    )
    return person


async def home_of_document(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, number: str, otherwise: UUID | None
) -> UUID | None:
    """Where the holder of a document lives: on record, or ``otherwise``, as was typed."""
    person = await find_by_document(session, actor, ring=ring, number=number)
    return otherwise if person is None else person.home_area_id


def _found_lately(actor: Actor, person_id: UUID, now: datetime) -> ColumnElement[bool]:
    """The record says that the actor found the person within this shift. Uses audit_entry_person_id_idx."""
    return (
        select(AuditEntry.id)
        .where(
            and_(
                AuditEntry.person_id == person_id,
                AuditEntry.at > now - SHIFT,
                AuditEntry.account_id == actor.account_id,
                AuditEntry.action == FOUND,
            )
        )
        .exists()
    )
