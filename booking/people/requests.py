"""Requests to act for somebody, or to be somebody: asked by an account, settled by a code, a verifier or staff.

The answer to a request is the same whether or not the person is known, and until it is settled nothing but what the
caller typed themselves is shown to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import Select, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.people.consents import require_consent
from booking.people.dates import ADULT_YEARS, CONSENT_YEARS, add_years, age_on, local_date
from booking.people.delegations import check_end
from booking.people.documents import Document, IdKind, Sex, check_document, read_document
from booking.people.errors import (
    BirthDateNeeded,
    DelegationNotFound,
    GuardianNeeded,
    InvalidDelegation,
    NotAChild,
    SelfExists,
    TooManyPersons,
)
from booking.people.models import PersonRequest
from booking.people.persons import (
    Facts,
    find_by_document,
    find_own_person,
    get_account,
    name_of,
    phone_of_account,
    phone_of_person,
)
from core import audit
from core.actor import Actor
from core.ids import new_id
from core.keyring import KeyRing

# Long enough for a call-back from the community, or a walk to the desk.
KEPT = timedelta(days=14)
MOST_WAITING = 10
GUARDIAN_SCOPES = ("book.all", "view")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller says of somebody. ``phone`` is E.164; ``until_on`` and ``scopes`` count for others than oneself."""

    relation: str
    name: str
    id_kind: IdKind
    id_number: str
    birth_on: date | None = None
    sex: Sex | None = None
    phone: str | None = None
    home_area_id: UUID | None = None
    scopes: Sequence[str] = ()
    purpose: str | None = None
    until_on: date | None = None


async def ask(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, asked: Asked, now: datetime
) -> PersonRequest:
    """Note the request, and in it where a code should go, if anywhere.

    The code goes to the phone on record when the person is known under this name, else to the phone given. It never
    goes to the caller's own phone, which would prove nothing. Raises ConsentNeeded, InvalidDocument, BirthDateNeeded,
    InvalidDelegation, GuardianNeeded, NotAChild, SelfExists, TooManyPersons.
    """
    await require_consent(session, actor, purpose="id")
    account = await get_account(session, actor, lock=True)
    today = local_date(now)
    document = check_document(asked.id_kind, asked.id_number, today=today)
    born = document.birth_on or asked.birth_on
    if born is None or born > today:
        raise BirthDateNeeded(
            "这种证件上的号码不含出生日期，请另填 birth_on。",
            "The number of this document does not say it; send birth_on too.",
            errors=[{"field": "birth_on", "reason": "请填写 / Field required"}],
        )
    own_phone = phone_of_account(ring, account)
    asked_until, scopes = await _check_relation(session, actor, asked=asked, born=born, today=today)
    if asked.relation != "self" and asked.phone is not None and asked.phone == own_phone:
        raise InvalidDelegation(
            "这是您自己的手机号。对方没有手机时请留空，由社区回访或到窗口确认。",
            "This is your own phone. If they have none, leave it out: the community calls back, or come to the desk.",
            errors=[{"field": "phone", "reason": "您自己的手机号 / your own phone"}],
        )
    waiting = await session.scalar(
        select(func.count()).where(
            PersonRequest.account_id == account.id, PersonRequest.requested_at > now - KEPT
        )
    )
    if (waiting or 0) >= MOST_WAITING:
        raise TooManyPersons(
            f"已有 {MOST_WAITING} 项申请在等待确认，请先撤回一些。",
            f"{MOST_WAITING} requests wait already; take some back first.",
        )
    code_phone = await _code_phone(
        session, actor, ring=ring, asked=asked, document=document, own_phone=own_phone
    )
    request = _sealed(ring, account.id, asked, document, code_phone, own_phone)
    request.until_on, request.scopes, request.requested_at = asked_until, scopes, now
    session.add(request)
    await session.flush()
    await audit.record(
        session,
        actor,
        action="person.ask",
        object_kind="person_request",
        object_id=request.id,
        detail={"relation": asked.relation, "scopes": scopes},
        now=now,
    )
    return request


def waiting_query(account_id: UUID, *, now: datetime) -> Select[PersonRequest]:
    """What an account asked for and waits for; newest first."""
    return (
        select(PersonRequest)
        .where(PersonRequest.account_id == account_id, PersonRequest.requested_at > now - KEPT)
        .order_by(PersonRequest.requested_at.desc(), PersonRequest.id.desc())
    )


async def find_request(
    session: AsyncSession, actor: Actor, *, request_id: UUID, now: datetime
) -> PersonRequest | None:
    """The actor's own request while it waits."""
    return await session.scalar(
        waiting_query(cast(UUID, actor.account_id), now=now).where(PersonRequest.id == request_id)
    )


async def take_request(
    session: AsyncSession, actor: Actor, *, request_id: UUID, account_id: UUID | None, now: datetime
) -> PersonRequest:
    """Take the request out, so that it is settled once however many try. Raises DelegationNotFound."""
    query = delete(PersonRequest).where(
        PersonRequest.id == request_id, PersonRequest.requested_at > now - KEPT
    )
    if account_id is not None:
        query = query.where(PersonRequest.account_id == account_id)
    taken: PersonRequest | None = await session.scalar(query.returning(PersonRequest))
    if taken is None:
        raise DelegationNotFound(
            "申请已办结、撤回或过期。", "The request was settled, taken back, or has expired."
        )
    session.expunge(taken)
    return taken


def read_request(ring: KeyRing, request: PersonRequest) -> Facts:
    """What was typed, in plain text."""

    def opened(field: str, value: bytes | None) -> str | None:
        return None if value is None else ring.decrypt(f"person_request.{field}", request.id, value)

    number = opened("id_number", request.id_number)
    kind = cast(IdKind, request.id_kind)
    assert number is not None
    said = read_document(kind, number)
    born = opened("birth_on", request.birth_on)
    return Facts(
        name=opened("name", request.name) or "",
        id_kind=kind,
        id_number=number,
        birth_on=said.birth_on or (date.fromisoformat(born) if born else None),
        sex=said.sex or cast(Sex | None, opened("sex", request.sex)),
        phone=opened("phone", request.phone),
    )


def code_phone_of(ring: KeyRing, request: PersonRequest) -> str | None:
    """Where the code went, E.164."""
    if request.code_phone is None:
        return None
    return ring.decrypt("person_request.code_phone", request.id, request.code_phone)


async def _check_relation(
    session: AsyncSession, actor: Actor, *, asked: Asked, born: date, today: date
) -> tuple[date | None, list[str]]:
    """The last day and the scopes that hold."""
    if asked.relation == "self":
        if age_on(born, today) < CONSENT_YEARS:
            raise GuardianNeeded(
                "未满 14 周岁的孩子请由监护人在自己的账户中添加。",
                "Children under 14 are added by a guardian, in the guardian's account.",
            )
        if await find_own_person(session, actor) is not None:
            raise SelfExists("请在“我的”中查看。", "See GET /v1/me/people.")
        return None, []
    if asked.relation == "guardian":
        adult_on = add_years(born, ADULT_YEARS)
        if adult_on <= today:
            raise NotAChild("请改用普通授权。", "Ask for a delegation instead.")
        return adult_on - timedelta(days=1), list(asked.scopes) or list(GUARDIAN_SCOPES)
    if asked.until_on is None or not asked.scopes:
        raise InvalidDelegation(
            "请填写授权范围 scopes 和截止日期 until。", "Say how far (scopes) and until when (until)."
        )
    check_end(asked.until_on, today=today)
    return asked.until_on, list(asked.scopes)


async def _code_phone(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    asked: Asked,
    document: Document,
    own_phone: str | None,
) -> str | None:
    known = await find_by_document(session, actor, ring=ring, number=document.number)
    if known is None:
        # A guardian is confirmed by papers, not by a phone the child may share with anybody.
        phone = None if asked.relation in ("self", "guardian") else asked.phone
    elif name_of(ring, known) == asked.name and asked.relation != "guardian":
        phone = phone_of_person(ring, known)
    else:
        phone = None
    return None if phone == own_phone and asked.relation != "self" else phone


def _sealed(
    ring: KeyRing,
    account_id: UUID,
    asked: Asked,
    document: Document,
    code_phone: str | None,
    own_phone: str | None,
) -> PersonRequest:
    one = PersonRequest(
        id=new_id(),
        account_id=account_id,
        relation=asked.relation,
        id_kind=document.kind,
        id_number_blind=ring.blind("person_request.id_number", document.number),
        home_area_id=asked.home_area_id,
    )

    def sealed(field: str, value: str | None) -> bytes | None:
        return None if value is None else ring.encrypt(f"person_request.{field}", one.id, value)

    one.name = ring.encrypt("person_request.name", one.id, asked.name)
    one.id_number = ring.encrypt("person_request.id_number", one.id, document.number)
    one.birth_on = sealed("birth_on", asked.birth_on.isoformat() if asked.birth_on else None)
    one.sex = sealed("sex", asked.sex)
    one.phone = sealed("phone", own_phone if asked.relation == "self" else asked.phone)
    one.code_phone = sealed("code_phone", code_phone)
    one.purpose = sealed("purpose", asked.purpose)
    return one
