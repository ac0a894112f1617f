"""Requests settled: what was asked for is proven, and becomes a delegation, or a person gets an account of their own.

Locks, in this order: the request is taken out (one caller wins), the document, the person, the delegation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from booking.people.consents import How, Purpose, record_consents
from booking.people.dates import local_date
from booking.people.delegations import activate, end_delegations, told
from booking.people.documents import IdKind, check_document
from booking.people.errors import CodeNeeded, InvalidDelegation, PersonClaimed, SelfExists
from booking.people.models import Account, Delegation, Person, PersonRequest
from booking.people.notices import Notice
from booking.people.persons import (
    STRENGTH,
    Facts,
    Verification,
    add_person,
    find_by_document,
    find_own_person,
    lock_document,
    name_of,
    phone_of_account,
    phone_of_person,
    set_name,
    set_phone,
    vouch,
)
from booking.people.requests import code_phone_of, read_request
from core import audit
from core.actor import Actor
from core.ids import new_id
from core.keyring import KeyRing
from core.masking import mask_name

Way = Literal["code", "callback", "desk", "register"]
# What each way says about the person.
VOUCHES: dict[Way, Verification] = {
    "code": "phone",
    "callback": "phone",
    "desk": "desk",
    "register": "webhook",
}
AGREED: Sequence[Purpose] = ("service", "id")


@dataclass(frozen=True, slots=True)
class Witnessed:
    """How staff made sure: why there was no code, and who else heard or saw it."""

    reason: str
    witness: str


async def delegate(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    request: PersonRequest,
    way: Way,
    witnessed: Witnessed | None = None,
    now: datetime,
) -> tuple[Person, Delegation, list[Notice]]:
    """``request``, taken out before, is granted: its account may act for the person from now on.

    Raises CodeNeeded when the person became known in the meantime, with another phone than the one that answered;
    InvalidDelegation when it ended while it waited.
    """
    facts = read_request(ring, request)
    assert request.until_on is not None
    if request.until_on < local_date(now):
        raise InvalidDelegation("截止日期已过，请重新申请。", "Its last day is over; ask again.")
    await lock_document(session, actor, ring=ring, number=cast(str, facts.id_number))
    person = await find_by_document(session, actor, ring=ring, number=cast(str, facts.id_number), lock=True)
    if person is None:
        person = await _add(session, actor, ring=ring, facts=facts, request=request, way=way, now=now)
    elif way == "code" and not _phone_answered(ring, person, request):
        raise _code_needed()
    else:
        # The paper or the register decides how the name is written.
        if way in ("desk", "register") and STRENGTH[person.verification] < STRENGTH[VOUCHES[way]]:
            set_name(ring, person, facts.name)
        vouch(person, VOUCHES[way], by=_by(actor, request), now=now)
        person.version += 1
    grantee = await session.get_one(Account, request.account_id)
    one = _delegation(ring, person, request, facts, witnessed, actor, now)
    await activate(session, actor, one, grantee_id=grantee.id, way=way, now=now)
    how: How = "guardian" if request.relation == "guardian" else "code" if way == "register" else way
    await record_consents(session, actor, person_id=person.id, purposes=AGREED, how=how, now=now)
    return person, one, told(ring, "delegation_granted", person, one, grantee)


async def claim(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    request: PersonRequest,
    verification: Verification,
    real_name: bool,
    now: datetime,
) -> tuple[Person, list[Notice]]:
    """``request``, taken out before, is proven: the person gets this account as their own.

    Somebody known already is given over only to a code sent to the phone on record, to a register, or at the desk; and
    from another account only when nobody but a checksum stood for it. Raises CodeNeeded, PersonClaimed, SelfExists.
    """
    facts = read_request(ring, request)
    account = await session.get_one(Account, request.account_id, with_for_update=True)
    if await find_own_person(session, _as_owner(actor, account)) is not None:
        raise SelfExists("本账户已登记本人。", "This account has a person of its own.")
    await lock_document(session, actor, ring=ring, number=cast(str, facts.id_number))
    person = await find_by_document(session, actor, ring=ring, number=cast(str, facts.id_number), lock=True)
    notices: list[Notice] = []
    if person is None:
        person = await _add(
            session, actor, ring=ring, facts=facts, request=request, way=None, now=now, account_id=account.id
        )
    else:
        notices = await _take_over(session, actor, ring, person, account, request, verification, now)
        if verification in ("webhook", "desk"):
            set_name(ring, person, facts.name)
        person.home_area_id = person.home_area_id or request.home_area_id
        person.version += 1
    vouch(person, verification, by=_by(actor, request), now=now)
    _raise_assurance(account, real_name)
    phone = phone_of_account(ring, account)
    if phone is not None:
        set_phone(ring, person, phone)
    await session.flush()
    await audit.record(
        session,
        actor,
        action="person.claim",
        object_kind="person",
        object_id=person.id,
        person_ids=[person.id],
        detail={"verification": verification, "account": str(account.id)},
        now=now,
    )
    return person, notices


async def confirm_own(
    session: AsyncSession,
    actor: Actor,
    *,
    person: Person,
    account: Account,
    verification: Verification,
    real_name: bool,
    now: datetime,
) -> None:
    """Somebody registered before is confirmed by a verifier. The caller holds the locks of both rows."""
    vouch(person, verification, by=None, now=now)
    _raise_assurance(account, real_name)
    await session.flush()
    await audit.record(
        session,
        actor,
        action="person.confirm",
        object_kind="person",
        object_id=person.id,
        person_ids=[person.id],
        detail={"verification": verification},
        now=now,
    )


async def _take_over(
    session: AsyncSession,
    actor: Actor,
    ring: KeyRing,
    person: Person,
    account: Account,
    request: PersonRequest,
    verification: Verification,
    now: datetime,
) -> list[Notice]:
    record_phone = phone_of_person(ring, person)
    by_phone = verification == "phone" and _phone_answered(ring, person, request)
    if not by_phone and STRENGTH[verification] < STRENGTH["desk"]:
        raise _code_needed()
    notices: list[Notice] = []
    if person.account_id is not None:
        if STRENGTH[verification] <= STRENGTH[person.verification] and verification != "desk":
            raise PersonClaimed(
                "该证件已由另一账户登记。请携带证件到服务窗口，由工作人员核对后转到您的账户。",
                "Another account holds this document. Bring it to a service desk, where staff move it to your account.",
            )
        former = await session.get_one(Account, person.account_id)
        former_phone = phone_of_account(ring, former)
        if former.assurance == "real_name":
            former.assurance = "none" if former.phone is None else "phone"
            former.version += 1
        if former_phone is not None:
            notices.append(Notice(former_phone, "person_moved", {"person": mask_name(name_of(ring, person))}))
    # A code that went to a phone which was not theirs proves nothing; papers and registers do.
    if record_phone != phone_of_account(ring, account):
        notices += await end_delegations(
            session, actor, ring=ring, person=person, ways=("code", "callback", "app"), now=now
        )
    person.account_id = account.id
    await session.flush()
    return notices


async def _add(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    facts: Facts,
    request: PersonRequest,
    way: Way | None,
    now: datetime,
    account_id: UUID | None = None,
) -> Person:
    kind, number = cast(IdKind, facts.id_kind), cast(str, facts.id_number)
    person = await add_person(
        session,
        actor,
        ring=ring,
        name=facts.name,
        document=check_document(kind, number, today=local_date(now)),
        birth_on=facts.birth_on,
        sex=facts.sex,
        phone=facts.phone,
        home_area_id=request.home_area_id,
        verification=None,
        account_id=account_id,
        now=now,
    )
    if way is not None:
        vouch(person, VOUCHES[way], by=_by(actor, request), now=now)
    return person


def _delegation(
    ring: KeyRing,
    person: Person,
    request: PersonRequest,
    facts: Facts,
    witnessed: Witnessed | None,
    actor: Actor,
    now: datetime,
) -> Delegation:
    assert request.until_on is not None
    one = Delegation(
        id=new_id(),
        person_id=person.id,
        relation=request.relation,
        scopes=list(request.scopes),
        until_on=request.until_on,
        offered_at=request.requested_at,
    )
    if request.purpose is not None:
        purpose = ring.decrypt("person_request.purpose", request.id, request.purpose)
        one.purpose = ring.encrypt("delegation.purpose", one.id, purpose)
    if witnessed is not None:
        one.witnessed_by = actor.account_id
        one.reason = ring.encrypt("delegation.reason", one.id, witnessed.reason)
        one.witness = ring.encrypt("delegation.witness", one.id, witnessed.witness)
    return one


def _phone_answered(ring: KeyRing, person: Person, request: PersonRequest) -> bool:
    """Whether the code went to the phone that is on record now."""
    phone = phone_of_person(ring, person)
    return phone is not None and phone == code_phone_of(ring, request)


def _raise_assurance(account: Account, real_name: bool) -> None:
    if real_name:
        account.assurance = "real_name"


def _by(actor: Actor, request: PersonRequest) -> UUID | None:
    """Staff who vouch; None when the account asked for itself."""
    return None if actor.account_id == request.account_id else actor.account_id


def _as_owner(actor: Actor, account: Account) -> Actor:
    return Actor(name=actor.name, channel=actor.channel, account_id=account.id)


def _code_needed() -> CodeNeeded:
    return CodeNeeded(
        "请输入发到对方登记手机上的验证码；没有收到时，请联系社区回访，或携带证件到服务窗口办理。",
        "Enter the code sent to their phone on record; if none arrived, ask the community to call back, or come to a "
        "service desk with the document.",
    )
