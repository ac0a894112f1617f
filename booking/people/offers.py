"""Delegations that a person offers to somebody else's phone: offered, accepted or declined, taken back by either side."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Select, and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from booking.people.dates import local_date
from booking.people.delegations import (
    activate,
    allows,
    check_end,
    end,
    end_delegations,
    find_held,
    record_step,
    said_of,
    told,
)
from booking.people.errors import DelegationEnded, DelegationNotFound, InvalidDelegation, PersonNotFound
from booking.people.models import Account, Delegation, Person
from booking.people.notices import Notice
from booking.people.persons import get_account, lock_person, phone_of_account
from core.actor import Actor
from core.ids import new_id
from core.keyring import KeyRing

# A person offers to so many phones at once, no more.
MOST_OFFERS = 10


async def offer_delegation(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    person: Person,
    phone: str,
    relation: str,
    scopes: Sequence[str],
    purpose: str | None,
    until_on: date,
    now: datetime,
) -> tuple[Delegation, Notice]:
    """Let whoever signs in with ``phone`` (E.164) act for the actor's ``person``; it waits for their acceptance.

    An offer to the same phone replaces the one before. Whether the phone is known makes no difference. A guardian gives
    no more than they hold, and no longer. Raises InvalidDelegation, PersonNotFound.
    """
    check_end(until_on, today=local_date(now))
    account = await get_account(session, actor)
    blinds = ring.blinds("delegation.grantee_phone", phone)
    if phone == phone_of_account(ring, account):
        raise InvalidDelegation("这是您自己的手机号。", "This is your own phone.")
    locked = await lock_person(session, actor, person_id=person.id)
    if locked is None or locked.erased_at is not None:
        raise PersonNotFound("请核对编号。", "Check the id.", person_id=person.id)
    if person.account_id != account.id:
        await _check_guardian(session, actor, person=person, scopes=scopes, until_on=until_on, now=now)
    await session.execute(
        update(Delegation)
        .where(
            Delegation.person_id == person.id,
            Delegation.state == "pending",
            Delegation.grantee_phone_blind.in_(blinds),
        )
        .values(
            state="revoked", ended_at=now, ended_by="grantor", grantee_phone=None, grantee_phone_blind=None
        )
    )
    waiting = await session.scalar(
        select(func.count()).where(Delegation.person_id == person.id, Delegation.state == "pending")
    )
    if (waiting or 0) >= MOST_OFFERS:
        raise InvalidDelegation(
            f"已有 {MOST_OFFERS} 项授权在等待对方接受，请先撤回一些。",
            f"{MOST_OFFERS} offers wait already; take some back first.",
        )
    one = Delegation(
        id=new_id(),
        person_id=person.id,
        relation=relation,
        scopes=list(scopes),
        until_on=until_on,
        state="pending",
        offered_at=now,
    )
    one.grantee_phone = ring.encrypt("delegation.grantee_phone", one.id, phone)
    one.grantee_phone_blind = ring.blind("delegation.grantee_phone", phone)
    one.purpose = None if purpose is None else ring.encrypt("delegation.purpose", one.id, purpose)
    session.add(one)
    await session.flush()
    await record_step(session, actor, one, action="delegation.offer", now=now)
    return one, Notice(phone, "delegation_offered", said_of(ring, person, one))


async def accept_delegation(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, delegation_id: UUID, now: datetime
) -> tuple[Delegation, list[Notice]]:
    """Take up what was offered to the actor's phone. Raises DelegationNotFound, DelegationEnded."""
    account = await get_account(session, actor)
    one, person = await _offered(session, actor, ring=ring, account=account, delegation_id=delegation_id)
    if one.state == "active" and one.grantee_id == account.id:
        return one, []
    if one.state != "pending" or one.until_on < local_date(now):
        raise DelegationEnded("对方可以重新授权。", "It can be offered again.")
    await activate(session, actor, one, grantee_id=account.id, way="app", now=now)
    return one, told(ring, "delegation_granted", person, one, account)


async def decline_delegation(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, delegation_id: UUID, now: datetime
) -> list[Notice]:
    """Refuse what was offered. Raises DelegationNotFound, DelegationEnded."""
    account = await get_account(session, actor)
    one, person = await _offered(session, actor, ring=ring, account=account, delegation_id=delegation_id)
    if one.state != "pending":
        raise DelegationEnded("无需再处理。", "Nothing is left to do.")
    end(one, state="declined", by="grantee", now=now)
    await session.flush()
    await record_step(session, actor, one, action="delegation.decline", now=now)
    return told(ring, "delegation_declined", person, one, None)


async def revoke_delegation(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, delegation_id: UUID, now: datetime
) -> list[Notice]:
    """End it at once, by either side, a child's guardian too; ending it again changes nothing. Raises DelegationNotFound."""
    account = await get_account(session, actor)
    one, person = await _locked(session, actor, delegation_id=delegation_id)
    holds = account.id == one.grantee_id or _waits_for(ring, one, account)
    by_grantor = person.account_id == account.id or (
        not holds and await _guards(session, actor, person_id=person.id, now=now)
    )
    if not (holds or by_grantor):
        raise _unknown()
    if not by_grantor and one.state == "pending":
        return await decline_delegation(session, actor, ring=ring, delegation_id=delegation_id, now=now)
    by = "grantor" if by_grantor else "grantee"
    return await _revoke(session, actor, ring, one, person, by=by, reason=None, now=now)


async def revoke_for(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    delegation_id: UUID,
    reason: str,
    now: datetime,
) -> tuple[Delegation, list[Notice]]:
    """End it for a person who asked staff to. The caller has checked the scope. Raises DelegationNotFound."""
    one, person = await _locked(session, actor, delegation_id=delegation_id)
    notices = await _revoke(session, actor, ring, one, person, by="staff", reason=reason, now=now)
    return one, notices


def received_query(account: Account, *, ring: KeyRing, now: datetime) -> Select[Delegation, Person]:
    """What an account holds, and what waits for its phone; newest first."""
    phone = phone_of_account(ring, account)
    waits = (
        and_(
            Delegation.state == "pending",
            Delegation.until_on >= local_date(now),
            Delegation.grantee_phone_blind.in_(ring.blinds("delegation.grantee_phone", phone)),
        )
        if phone is not None
        else None
    )
    held = and_(
        Delegation.grantee_id == account.id,
        Delegation.state == "active",
        Delegation.until_on >= local_date(now),
    )
    return (
        select(Delegation, Person)
        .join(Person, Person.id == Delegation.person_id)
        .where(held if waits is None else or_(held, waits))
        .order_by(Delegation.offered_at.desc(), Delegation.id.desc())
    )


def given_query(person_id: UUID) -> Select[Delegation, Account | None]:
    """What a person gave, or a guardian for them, with whoever holds it, ended ones too; newest first."""
    return (
        select(Delegation, Account)
        .outerjoin(Account, Account.id == Delegation.grantee_id)
        .where(Delegation.person_id == person_id)
        .order_by(Delegation.offered_at.desc(), Delegation.id.desc())
        .limit(200)
    )


async def _revoke(
    session: AsyncSession,
    actor: Actor,
    ring: KeyRing,
    one: Delegation,
    person: Person,
    *,
    by: str,
    reason: str | None,
    now: datetime,
) -> list[Notice]:
    if one.state not in ("pending", "active"):
        return []
    grantee = None if one.grantee_id is None else await session.get(Account, one.grantee_id)
    waiting = None if one.grantee_phone is None else _offered_phone(ring, one)
    end(one, state="revoked", by=by, now=now)
    await session.flush()
    await record_step(session, actor, one, action="delegation.revoke", reason=reason, now=now)
    notices = told(ring, "delegation_revoked", person, one, grantee)
    if one.relation == "guardian" and person.account_id is None and not await _has_guardian(session, person):
        # What guardians let others do ends with the last of them.
        notices += await end_delegations(session, actor, ring=ring, person=person, now=now)
    return (
        [*notices, Notice(waiting, "delegation_revoked", said_of(ring, person, one))] if waiting else notices
    )


async def _check_guardian(
    session: AsyncSession,
    actor: Actor,
    *,
    person: Person,
    scopes: Sequence[str],
    until_on: date,
    now: datetime,
) -> None:
    held = await find_held(session, actor, person_id=person.id, now=now)
    if held is None or held.relation != "guardian":
        raise PersonNotFound("请核对编号；授权可能已结束。", "Check the id.", person_id=person.id)
    if until_on > held.until_on:
        raise InvalidDelegation(
            f"监护到 {held.until_on} 为止，请改早一些。",
            f"You are guardian until {held.until_on}; end it by then.",
            errors=[{"field": "until", "reason": f"… {held.until_on}"}],
        )
    if beyond := [scope for scope in scopes if not allows(held.scopes, scope)]:
        raise InvalidDelegation(
            "不能超出您自己的授权范围。", f"You do not hold this yourself: {', '.join(beyond)}."
        )


async def _guards(session: AsyncSession, actor: Actor, *, person_id: UUID, now: datetime) -> bool:
    held = await find_held(session, actor, person_id=person_id, now=now)
    return held is not None and held.relation == "guardian"


async def _has_guardian(session: AsyncSession, person: Person) -> bool:
    found = select(Delegation.id).where(
        Delegation.person_id == person.id,
        Delegation.relation == "guardian",
        Delegation.state == "active",
    )
    return await session.scalar(found.limit(1)) is not None


async def _offered(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, account: Account, delegation_id: UUID
) -> tuple[Delegation, Person]:
    """An offer to the account's phone, or what became of it; person and offer locked, in this order."""
    one, person = await _locked(session, actor, delegation_id=delegation_id)
    if one.grantee_id != account.id and not _waits_for(ring, one, account):
        raise _unknown()
    return one, person


async def _locked(session: AsyncSession, actor: Actor, *, delegation_id: UUID) -> tuple[Delegation, Person]:
    person_id = await session.scalar(select(Delegation.person_id).where(Delegation.id == delegation_id))
    person = None if person_id is None else await lock_person(session, actor, person_id=person_id)
    one = await session.scalar(
        select(Delegation).where(Delegation.id == delegation_id).with_for_update(),
        execution_options={"populate_existing": True},
    )
    if one is None or person is None:
        raise _unknown()
    return one, person


def _waits_for(ring: KeyRing, one: Delegation, account: Account) -> bool:
    phone = phone_of_account(ring, account)
    return one.grantee_phone is not None and phone is not None and _offered_phone(ring, one) == phone


def _offered_phone(ring: KeyRing, one: Delegation) -> str:
    assert one.grantee_phone is not None
    return ring.decrypt("delegation.grantee_phone", one.id, one.grantee_phone)


def _unknown() -> DelegationNotFound:
    return DelegationNotFound("请核对编号。", "Check the id.")
