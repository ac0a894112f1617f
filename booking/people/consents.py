"""Consents: the texts, and the ledger of who agreed to which version, when, how, and when they took it back."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Literal
from uuid import UUID

import yaml
from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from booking.people.errors import ConsentNeeded, ConsentNotFound, ConsentOutdated
from booking.people.models import Consent, Person
from core.actor import Actor
from core.ids import new_id

Purpose = Literal["service", "id", "health", "location"]
How = Literal["app", "code", "guardian", "desk", "callback"]
FILE = Path(__file__).parent / "data" / "consents.yaml"


@dataclass(frozen=True, slots=True)
class ConsentText:
    """The text in force for one purpose; ``separate``: agreed to on its own."""

    purpose: Purpose
    separate: bool
    version: str
    zh: str
    en: str


@cache
def consent_texts() -> Mapping[Purpose, ConsentText]:
    """The newest text of each purpose."""
    return {
        one["purpose"]: ConsentText(
            one["purpose"],
            one["separate"],
            one["versions"][-1]["version"],
            one["versions"][-1]["zh"],
            one["versions"][-1]["en"],
        )
        for one in yaml.safe_load(FILE.read_text())
    }


async def give_consent(
    session: AsyncSession, actor: Actor, *, purpose: Purpose, text_version: str, now: datetime
) -> Consent:
    """The actor agrees for their own account; a second time changes nothing. Raises ConsentOutdated.

    Agreeing to a newer text ends the consent to the older one, for one is in force at a time.
    """
    current = consent_texts()[purpose]
    if text_version != current.version:
        raise ConsentOutdated(
            f"请阅读最新版本（{current.version}）后再同意。",
            f"Read the present version ({current.version}), then agree.",
            text_version=current.version,
        )
    in_force = select(Consent).where(
        Consent.account_id == actor.account_id,
        Consent.purpose == purpose,
        Consent.withdrawn_at.is_(None),
    )
    given = await session.scalar(in_force.with_for_update())
    if given is not None and given.text_version == text_version:
        return given
    if given is not None:
        given.withdrawn_at = now
        await session.flush()
    await _write(session, actor, purpose=purpose, how="app", account_id=actor.account_id, now=now)
    # This one, or the one that was given on another phone at the same moment.
    return (await session.scalars(in_force)).one()


async def record_consents(
    session: AsyncSession,
    actor: Actor,
    *,
    person_id: UUID,
    purposes: Collection[Purpose],
    how: How,
    now: datetime,
) -> None:
    """Somebody agreed without an account of their own: by a code, on paper, through a guardian."""
    held = set(
        await session.scalars(
            select(Consent.purpose).where(Consent.person_id == person_id, Consent.withdrawn_at.is_(None))
        )
    )
    for purpose in purposes:
        if purpose not in held:
            recorded_by = actor.account_id if how in ("desk", "callback") else None
            await _write(
                session,
                actor,
                purpose=purpose,
                how=how,
                person_id=person_id,
                recorded_by=recorded_by,
                now=now,
            )


async def require_consent(session: AsyncSession, actor: Actor, *, purpose: Purpose) -> None:
    """Raises ConsentNeeded unless the actor's account agreed to ``purpose`` and did not take it back."""
    held = await session.scalar(
        select(Consent.id).where(
            Consent.account_id == actor.account_id,
            Consent.purpose == purpose,
            Consent.withdrawn_at.is_(None),
        )
    )
    if held is None:
        text = consent_texts()[purpose]
        raise ConsentNeeded(
            f"请先阅读并同意：{text.zh}",
            f"Please read and agree first: {text.en}",
            purpose=purpose,
            text_version=text.version,
            agree_with="POST /v1/me/consents",
        )


async def list_consents(session: AsyncSession, actor: Actor) -> Sequence[Consent]:
    """The actor's own ledger, and what is recorded about the actor's own person; newest first."""
    own = select(Person.id).where(Person.account_id == actor.account_id).scalar_subquery()
    query = (
        select(Consent)
        .where(or_(Consent.account_id == actor.account_id, Consent.person_id == own))
        .order_by(Consent.given_at.desc(), Consent.id.desc())
    )
    return (await session.scalars(query)).all()


async def withdraw_consent(
    session: AsyncSession, actor: Actor, *, consent_id: UUID, now: datetime
) -> Consent:
    """What was done under it stays lawful; nothing new is. Raises ConsentNotFound."""
    own = select(Person.id).where(Person.account_id == actor.account_id).scalar_subquery()
    consent = await session.scalar(
        select(Consent)
        .where(
            Consent.id == consent_id,
            or_(Consent.account_id == actor.account_id, Consent.person_id == own),
        )
        .with_for_update()
    )
    if consent is None:
        raise ConsentNotFound("请核对编号。", "Check the id.")
    if consent.withdrawn_at is None:
        consent.withdrawn_at = now
        await session.flush()
    return consent


async def _write(
    session: AsyncSession,
    actor: Actor,
    *,
    purpose: Purpose,
    how: How,
    account_id: UUID | None = None,
    person_id: UUID | None = None,
    recorded_by: UUID | None = None,
    now: datetime,
) -> None:
    """A line of the ledger, unless one is in force already (consent_account_id_purpose_key, consent_person_id_purpose_key)."""
    line = insert(Consent).values(
        id=new_id(),
        account_id=account_id,
        person_id=person_id,
        purpose=purpose,
        text_version=consent_texts()[purpose].version,
        how=how,
        channel=actor.channel,
        given_at=now,
        recorded_by=recorded_by,
    )
    await session.execute(line.on_conflict_do_nothing())
