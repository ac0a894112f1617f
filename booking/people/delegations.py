"""How far an account may act for a person, asked on every use, and what every change of a delegation has in common.

Each function that changes one locks the person first: an acceptance, a revocation and a use that books a place (which
locks the person too) happen one after the other, and what comes after a revocation is refused.
"""

from collections.abc import Collection
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from booking.people.dates import add_years, local_date
from booking.people.errors import DelegationInsufficient, InvalidDelegation, PersonNotFound
from booking.people.models import Account, Delegation, Person
from booking.people.notices import Notice, Template
from booking.people.persons import name_of, phone_of_account, phone_of_person
from core import audit
from core.actor import Actor
from core.keyring import KeyRing
from core.masking import mask_name

LONGEST_YEARS = 2
SCOPE_WORDS = {"book.all": "所有预约", "book.meal": "助餐预约", "book.clinic": "门诊预约", "view": "查看"}
# Uses person_account_id_key and delegation_grantee_id_idx.
REACH = text(
    """
    select id as person_id, array['self']::varchar[] as scopes
    from person where account_id = :account_id and erased_at is null
    union all
    select person_id, scopes
    from delegation where grantee_id = :account_id and state = 'active' and until_on >= :today
    """
)


async def reach(session: AsyncSession, account_id: UUID, *, now: datetime) -> dict[UUID, frozenset[str]]:
    """Person id -> scopes: ``self``, or what a delegation in force allows."""
    rows = await session.execute(REACH, {"account_id": account_id, "today": local_date(now)})
    found: dict[UUID, frozenset[str]] = {}
    for row in rows:
        found[row.person_id] = found.get(row.person_id, frozenset()) | frozenset(row.scopes)
    return found


def allows(scopes: Collection[str], scope: str) -> bool:
    """Whether ``scopes`` include ``scope``: one's own person includes all, ``book.all`` every booking, any of them ``view``."""
    return (
        "self" in scopes
        or scope in scopes
        or (scope.startswith("book.") and "book.all" in scopes)
        or (scope == "view" and bool(scopes))
    )


async def require_person(
    session: AsyncSession, actor: Actor, *, person_id: UUID, scope: str, now: datetime
) -> Person:
    """The person, for whom the actor may do ``scope``. Raises PersonNotFound, DelegationInsufficient.

    A caller that goes on to book locks the person first (``lock_person``), so that a revocation is not overtaken.
    """
    scopes = (await reach(session, actor.account_id, now=now)).get(person_id) if actor.account_id else None
    person = await session.get(Person, person_id) if scopes else None
    if person is None or person.erased_at is not None or scopes is None:
        raise PersonNotFound(
            "请核对编号（GET /v1/me/people）；核验可能还没有完成，或授权已结束。",
            "Check the id (GET /v1/me/people); verification may not be finished, or the delegation has ended.",
            person_id=person_id,
        )
    if not allows(scopes, scope):
        raise DelegationInsufficient(
            "对方没有授权您办理这类事项，请让对方补充授权。",
            "You were not allowed this kind of thing; ask for a wider delegation.",
            scope=scope,
            scopes=sorted(scopes),
        )
    return person


async def find_held(
    session: AsyncSession, actor: Actor, *, person_id: UUID, now: datetime
) -> Delegation | None:
    """The delegation in force under which the actor acts for somebody. Uses delegation_grantee_id_idx."""
    return await session.scalar(
        select(Delegation).where(
            Delegation.person_id == person_id,
            Delegation.grantee_id == actor.account_id,
            Delegation.state == "active",
            Delegation.until_on >= local_date(now),
        )
    )


def check_end(until_on: date, *, today: date) -> None:
    """Raises InvalidDelegation: the last day is over, or too far away."""
    latest = add_years(today, LONGEST_YEARS)
    if not today <= until_on <= latest:
        raise InvalidDelegation(
            f"授权截止日期应在 {today} 至 {latest} 之间。",
            f"A delegation may end from {today} to {latest}.",
            errors=[{"field": "until", "reason": f"{today} … {latest}"}],
        )


async def activate(
    session: AsyncSession,
    actor: Actor,
    one: Delegation,
    *,
    grantee_id: UUID,
    way: str,
    now: datetime,
) -> None:
    """Put ``one`` in force, in the place of what the pair had before. The caller holds the person's lock."""
    await session.execute(
        update(Delegation)
        .where(
            Delegation.person_id == one.person_id,
            Delegation.grantee_id == grantee_id,
            Delegation.state == "active",
        )
        .values(state="revoked", ended_at=now, ended_by="system")
    )
    one.state, one.way, one.accepted_at, one.grantee_id = "active", way, now, grantee_id
    one.grantee_phone = one.grantee_phone_blind = None
    session.add(one)
    await session.flush()
    await record_step(session, actor, one, action="delegation.accept", now=now)


async def end_delegations(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    person: Person,
    ways: Collection[str] | None = None,
    now: datetime,
) -> list[Notice]:
    """End what is in force or on offer for ``person``, of some ``ways`` or all. The caller holds the person's lock."""
    query = select(Delegation).where(
        Delegation.person_id == person.id, Delegation.state.in_(("pending", "active"))
    )
    if ways is not None:
        query = query.where(Delegation.way.in_(ways))
    notices: list[Notice] = []
    for one in (await session.scalars(query.order_by(Delegation.id).with_for_update())).all():
        grantee = None if one.grantee_id is None else await session.get(Account, one.grantee_id)
        end(one, state="revoked", by="system", now=now)
        await record_step(session, actor, one, action="delegation.revoke", now=now)
        if grantee is not None:
            phone = phone_of_account(ring, grantee)
            if phone is not None:
                notices.append(Notice(phone, "delegation_revoked", said_of(ring, person, one)))
    await session.flush()
    return notices


def end(one: Delegation, *, state: str, by: str, now: datetime) -> None:
    """Mark ``one`` as over; whom it was offered to is forgotten."""
    one.state, one.ended_at, one.ended_by = state, now, by
    one.grantee_phone = one.grantee_phone_blind = None


def state_on(one: Delegation, day: date) -> str:
    """The state as it counts on ``day``: past its last day it has expired."""
    return "expired" if one.state in ("pending", "active") and one.until_on < day else one.state


def words_of(scopes: Collection[str]) -> str:
    """Scopes in words, for messages: people who get one may know no English and no codes."""
    return "、".join(zh for scope, zh in SCOPE_WORDS.items() if scope in scopes)


def said_of(ring: KeyRing, person: Person, one: Delegation) -> dict[str, str]:
    """Parameters of messages about ``one``."""
    return {
        "person": mask_name(name_of(ring, person)),
        "scopes": words_of(one.scopes),
        "until": one.until_on.isoformat(),
    }


def told(
    ring: KeyRing, template: Template, person: Person, one: Delegation, grantee: Account | None
) -> list[Notice]:
    """The same message to both sides, as far as they have a phone; once when it is the same phone."""
    phones = [phone_of_person(ring, person), None if grantee is None else phone_of_account(ring, grantee)]
    return [
        Notice(phone, template, said_of(ring, person, one))
        for phone in dict.fromkeys(phones)
        if phone is not None
    ]


async def record_step(
    session: AsyncSession,
    actor: Actor,
    one: Delegation,
    *,
    action: str,
    reason: str | None = None,
    now: datetime,
) -> None:
    """A step of ``one`` in the audit record."""
    await audit.record(
        session,
        actor,
        action=action,
        object_kind="delegation",
        object_id=one.id,
        person_ids=[one.person_id],
        reason=reason,
        detail={
            "scopes": one.scopes,
            "until": one.until_on.isoformat(),
            "grantee": None if one.grantee_id is None else str(one.grantee_id),
            "way": one.way,
        },
        now=now,
    )
