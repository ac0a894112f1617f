"""Persons: what is known of somebody, and how it is put away and found again.

Name, document, birth date, sex and phone are encrypted; every function that opens them takes the key ring. Whoever
calls writes the audit entry, since only they know why it is read.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, cast
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.people.dates import age_on
from booking.people.documents import Document, IdKind, Sex, read_document
from booking.people.errors import PersonExists
from booking.people.models import Account, Person
from core.actor import Actor
from core.ids import new_id
from core.keyring import KeyRing

Verification = Literal["checksum", "phone", "desk", "webhook"]
# Who vouches for a person may be replaced by who vouches more.
STRENGTH: dict[str | None, int] = {None: 0, "checksum": 0, "phone": 1, "desk": 2, "webhook": 2}
# Held until the transaction ends: two callers who bring the same new document make one person.
LOCK_DOCUMENT = text("select pg_advisory_xact_lock(hashtextextended(:document, 7))")


@dataclass(frozen=True, slots=True)
class Facts:
    """A person in plain text. Never logged, and shown only to those who need it."""

    name: str
    id_kind: IdKind | None
    id_number: str | None
    birth_on: date | None
    sex: Sex | None
    phone: str | None

    def age_on(self, day: date) -> int | None:
        """Whole years; None when the birth date is not known."""
        return None if self.birth_on is None else age_on(self.birth_on, day)


def read_facts(ring: KeyRing, person: Person) -> Facts:
    """``person`` in plain text; an erased one has an empty name and nothing else."""

    def opened(field: str, value: bytes | None) -> str | None:
        return None if value is None else ring.decrypt(field, person.id, value)

    number = opened("person.id_number", person.id_number)
    said = None if number is None else read_document(cast(IdKind, person.id_kind), number)
    born, sex = opened("person.birth_on", person.birth_on), opened("person.sex", person.sex)
    return Facts(
        name=opened("person.name", person.name) or "",
        id_kind=cast(IdKind | None, person.id_kind),
        id_number=number,
        birth_on=said.birth_on if said and said.birth_on else date.fromisoformat(born) if born else None,
        sex=said.sex if said and said.sex else cast(Sex | None, sex),
        phone=opened("person.phone", person.phone),
    )


def name_of(ring: KeyRing, person: Person) -> str:
    """The name alone; empty when it was erased."""
    return "" if person.name is None else ring.decrypt("person.name", person.id, person.name)


def phone_of_person(ring: KeyRing, person: Person) -> str | None:
    """The phone on record, E.164."""
    return None if person.phone is None else ring.decrypt("person.phone", person.id, person.phone)


def phone_of_account(ring: KeyRing, account: Account) -> str | None:
    """The phone an account signs in with, E.164."""
    return None if account.phone is None else ring.decrypt("account.phone", account.id, account.phone)


def set_name(ring: KeyRing, person: Person, name: str) -> None:
    """Put the name away."""
    person.name = ring.encrypt("person.name", person.id, name)
    person.name_blind = ring.blind("person.name", name)


def set_phone(ring: KeyRing, person: Person, phone: str | None) -> None:
    """Put the phone (E.164) away, or take it off the record."""
    person.phone = None if phone is None else ring.encrypt("person.phone", person.id, phone)
    person.phone_blind = None if phone is None else ring.blind("person.phone", phone)


def set_document(
    ring: KeyRing, person: Person, document: Document, *, birth_on: date | None, sex: Sex | None
) -> None:
    """Put the document away; ``birth_on`` and ``sex`` count where the document does not say them."""
    person.id_kind = document.kind
    person.id_number = ring.encrypt("person.id_number", person.id, document.number)
    person.id_number_blind = ring.blind("person.id_number", document.number)
    born = None if document.birth_on else birth_on
    other_sex = None if document.sex else sex
    person.birth_on = None if born is None else ring.encrypt("person.birth_on", person.id, born.isoformat())
    person.sex = None if other_sex is None else ring.encrypt("person.sex", person.id, other_sex)


async def lock_document(session: AsyncSession, actor: Actor, *, ring: KeyRing, number: str) -> None:
    """Let nobody else register or claim this document until the transaction ends."""
    # Of all keys, so that processes whose current keys differ, as during a rotation, still meet.
    await session.execute(LOCK_DOCUMENT, {"document": min(ring.blinds("person.id_number", number)).hex()})


async def find_by_document(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, number: str, lock: bool = False
) -> Person | None:
    """Whoever has this document number. ``lock``: the row too, until the transaction ends."""
    query = select(Person).where(Person.id_number_blind.in_(ring.blinds("person.id_number", number)))
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return await session.scalar(query)


async def find_own_person(session: AsyncSession, actor: Actor) -> Person | None:
    """The person whose account the actor is."""
    return await find_person_of(session, account_id=actor.account_id)


async def find_person_of(session: AsyncSession, *, account_id: UUID | None) -> Person | None:
    """The person whose account this is."""
    if account_id is None:
        return None
    return await session.scalar(select(Person).where(Person.account_id == account_id))


async def get_account(session: AsyncSession, actor: Actor, *, lock: bool = False) -> Account:
    """The actor's own account."""
    query = select(Account).where(Account.id == actor.account_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    account = await session.scalar(query)
    assert account is not None
    return account


async def lock_person(session: AsyncSession, actor: Actor, *, person_id: UUID) -> Person | None:
    """The row, locked until the transaction ends: first in the order of locks."""
    return await session.scalar(
        select(Person).where(Person.id == person_id).with_for_update(),
        execution_options={"populate_existing": True},
    )


async def add_person(
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
    verification: Verification | None,
    account_id: UUID | None = None,
    now: datetime,
) -> Person:
    """A new person. The caller holds ``lock_document``. Raises PersonExists when the document is registered."""
    if await find_by_document(session, actor, ring=ring, number=document.number) is not None:
        raise PersonExists("请先查找这个人。", "Look the person up first.")
    person = Person(id=new_id(), account_id=account_id, home_area_id=home_area_id, created_at=now, version=1)
    set_name(ring, person, name)
    set_document(ring, person, document, birth_on=birth_on, sex=sex)
    set_phone(ring, person, phone)
    vouch(person, verification, by=None if actor.account_id == account_id else actor.account_id, now=now)
    session.add(person)
    await session.flush()
    return person


def vouch(person: Person, verification: Verification | None, *, by: UUID | None, now: datetime) -> None:
    """Note who vouches for ``person``; someone who vouches less changes nothing."""
    if verification is None or STRENGTH[verification] < STRENGTH[person.verification]:
        return
    person.verification = verification
    person.verified_at = now
    person.verified_by = by
