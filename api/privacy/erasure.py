"""Erasure: what identifies somebody goes, what others must be able to account for stays without a name."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Uuid, bindparam, delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from api.identity.codes import PHONE
from api.identity.models import OneTimeCode
from api.identity.sessions import end_all_sessions
from api.messages.notices import tell
from api.privacy.holdings import HOLDINGS
from booking.people.delegations import end, end_delegations, record_step, said_of
from booking.people.models import Account, Consent, Delegation, Person
from booking.people.notices import Notice, Template
from booking.people.persons import lock_person, phone_of_account, phone_of_person
from booking.reservations.leaving import cancel_all
from core import audit
from core.actor import SYSTEM, Actor
from core.keyring import KeyRing


@dataclass(frozen=True, slots=True)
class Left:
    """What was kept, and why."""

    zh: str
    en: str
    reason: str


async def erase_account(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, account_id: UUID, now: datetime
) -> list[Left]:
    """Erase an account and the person who is its own; what was kept, with reasons.

    Sessions end. Delegations end in both directions, also those on offer, and the other sides are told. Locks: all
    persons concerned by ascending id, then the account.
    """
    own = await session.scalar(select(Person.id).where(Person.account_id == account_id))
    phone = phone_of_account(ring, await session.get_one(Account, account_id))
    held = await _held(session, ring, account_id=account_id, phone=phone)
    # Two who act for each other and leave at once must not wait for each other.
    for person_id in sorted({*held.values(), *([own] if own is not None else [])}):
        await lock_person(session, actor, person_id=person_id)
    if own is not None:
        await erase_person(session, actor, ring=ring, person_id=own, now=now)
    await _stop_acting(session, actor, ring=ring, held=held, now=now)
    account = await session.get_one(Account, account_id, with_for_update=True, populate_existing=True)
    phone = phone_of_account(ring, account)
    if phone is not None:
        await session.execute(
            delete(OneTimeCode).where(OneTimeCode.phone_blind.in_(ring.blinds(PHONE, phone)))
        )
    await end_all_sessions(session, account_id=account_id, reason="erased", now=now)
    await _sweep(session, account_id=account_id, person_id=own)
    await session.execute(
        update(Consent)
        .where(Consent.account_id == account_id, Consent.withdrawn_at.is_(None))
        .values(withdrawn_at=now)
    )
    account.phone = account.phone_blind = None
    account.state, account.erased_at, account.assurance = "erased", now, "none"
    account.version += 1
    await session.flush()
    await audit.record(
        session,
        actor,
        action="account.erase",
        object_kind="account",
        object_id=account_id,
        person_ids=[] if own is None else [own],
        now=now,
    )
    return [
        Left("账户编号", "the id of the account", "what refers to it stays whole; it leads to nobody"),
        *(Left(one.zh, one.en, one.reason) for one in HOLDINGS if one.reason),
    ]


async def erase_person(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, person_id: UUID, now: datetime
) -> None:
    """Leave of a person the id alone; delegations they gave end, and those who acted for them are told."""
    person = await lock_person(session, actor, person_id=person_id)
    assert person is not None
    await tell(
        session, ring, await end_delegations(session, actor, ring=ring, person=person, now=now), now=now
    )
    await cancel_all(session, SYSTEM, person_id=person_id, why="erased", now=now)
    await _sweep(session, account_id=None, person_id=person_id)
    await session.execute(
        update(Consent)
        .where(Consent.person_id == person_id, Consent.withdrawn_at.is_(None))
        .values(withdrawn_at=now)
    )
    person.account_id = None
    person.name = person.name_blind = None
    person.id_kind = person.id_number = person.id_number_blind = None
    person.birth_on = person.sex = person.phone = person.phone_blind = None
    person.home_area_id = person.verification = person.verified_at = person.verified_by = None
    person.erased_at = now
    person.version += 1
    await session.flush()
    await audit.record(
        session,
        actor,
        action="person.erase",
        object_kind="person",
        object_id=person_id,
        person_ids=[person_id],
        now=now,
    )


async def _held(
    session: AsyncSession, ring: KeyRing, *, account_id: UUID, phone: str | None
) -> dict[UUID, UUID]:
    """Delegation id -> person id: what others let the account do, and what they offered to its phone.

    Uses delegation_grantee_id_idx and delegation_grantee_phone_blind_idx.
    """
    found = select(Delegation.id, Delegation.person_id)
    rows = [
        *await session.execute(found.where(Delegation.grantee_id == account_id, Delegation.state == "active"))
    ]
    if phone is not None:
        blinds = ring.blinds("delegation.grantee_phone", phone)
        rows += await session.execute(
            found.where(Delegation.grantee_phone_blind.in_(blinds), Delegation.state == "pending")
        )
    return {row.id: row.person_id for row in rows}


async def _stop_acting(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, held: Mapping[UUID, UUID], now: datetime
) -> None:
    """End delegations (id -> person id), those on offer as declined; the persons are told. All are locked already."""
    for delegation_id, person_id in held.items():
        person = await session.get(Person, person_id)
        one = await session.get_one(Delegation, delegation_id, with_for_update=True, populate_existing=True)
        if person is None or person.erased_at is not None or one.state not in ("active", "pending"):
            continue
        declined = one.state == "pending"
        end(one, state="declined" if declined else "revoked", by="grantee", now=now)
        await session.flush()
        step = "delegation.decline" if declined else "delegation.revoke"
        await record_step(session, actor, one, action=step, now=now)
        phone = phone_of_person(ring, person)
        if phone is not None:
            template: Template = "delegation_declined" if declined else "delegation_revoked"
            await tell(session, ring, [Notice(phone, template, said_of(ring, person, one))], now=now)


async def _sweep(session: AsyncSession, *, account_id: UUID | None, person_id: UUID | None) -> None:
    """Delete or empty what ``HOLDINGS`` say."""
    whose = {"account_id": account_id, "person_id": person_id}
    for one in HOLDINGS:
        if one.erase == "delete":
            statement = f"delete from {one.table} where {one.mine}"
        elif one.erase == "blank":
            emptied = ", ".join(f"{column} = null" for column in one.blank)
            statement = f"update {one.table} set {emptied} where {one.mine}"
        else:
            continue
        # A parameter that is null still needs a type.
        typed = [bindparam(name, value, Uuid) for name, value in whose.items() if f":{name}" in statement]
        await session.execute(text(statement).bindparams(*typed))
