"""Staff answer reports: accepted into an edit of the site, or declined; the answer is for the reporter to read."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.actor import Actor
from core.audit import record
from core.keyring import KeyRing
from core.permissions import require, scopes
from geo.corrections.errors import CorrectionHandled, CorrectionNotFound
from geo.corrections.fields import STATE_LABELS, STEPS, State, Verdict
from geo.models import Correction, Site
from geo.sites.edit import edit_site
from geo.sites.places import scope_condition

ACTION = "correction.handle"


def corrections_query(
    actor: Actor,
    *,
    state: State,
    site_id: UUID | None = None,
    fields: Sequence[str] = (),
    after: UUID | None = None,
    limit: int,
) -> Select[Correction, str, int]:
    """Reports about sites that ``actor`` answers for, with each site's name and version; the oldest first.

    Ids follow time, so correction_state_idx gives the order.
    """
    query = (
        select(Correction, Site.name, Site.version)
        .join(Site, Site.id == Correction.site_id)
        .where(Correction.state == state, scope_condition(scopes(actor, ACTION)))
    )
    if site_id is not None:
        query = query.where(Correction.site_id == site_id)
    if fields:
        query = query.where(Correction.field.in_(fields))
    if after is not None:
        query = query.where(Correction.id > after)
    return query.order_by(Correction.id).limit(limit)


async def get_correction(
    session: AsyncSession, actor: Actor, *, correction_id: UUID
) -> tuple[Correction, str, int]:
    """A report, with its site's name and version. Raises CorrectionNotFound, also outside the actor's scope."""
    require(actor, ACTION)
    row = (await session.execute(_one(actor, correction_id))).one_or_none()
    if row is None:
        raise _not_found()
    correction, site_name, version = row
    return correction, site_name, version


async def read_contact(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    correction: Correction,
    person_ids: Collection[UUID],
    reason: str,
    now: datetime,
) -> str | None:
    """The phone a reporter left, whole (E.164); on record, with the persons whose it is as far as they are known."""
    await record(
        session,
        actor,
        action=ACTION,
        object_kind="correction",
        object_id=correction.id,
        person_ids=person_ids,
        reason=reason,
        detail={"read": ["contact_phone"]},
        now=now,
    )
    sealed = correction.contact_phone
    return None if sealed is None else ring.decrypt("correction.contact_phone", correction.id, sealed)


async def accept_correction(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    correction_id: UUID,
    changes: Mapping[str, Any],
    version: int | None,
    answer: str,
    now: datetime,
) -> tuple[Correction, int]:
    """Make the edit that a report led to and answer it; the report and the site's version now.

    ``changes``: fields of the site as ``edit_site`` takes them, made on its ``version``; none when the site is right
    already. Raises CorrectionNotFound, CorrectionHandled, and what ``edit_site`` raises.
    """
    correction, site_version = await _lock(session, actor, correction_id, "accepted")
    if changes:
        site_version = await edit_site(
            session,
            actor,
            site_id=correction.site_id,
            version=version,
            changes=changes,
            reason=f"correction:{correction_id}",
            now=now,
        )
    correction.site_version = site_version
    await _answer(session, actor, ring, correction, "accepted", answer, sorted(changes), now)
    return correction, site_version


async def decline_correction(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, correction_id: UUID, answer: str, now: datetime
) -> tuple[Correction, int]:
    """Answer a report that changes nothing; it and the site's version. Raises CorrectionNotFound, CorrectionHandled."""
    correction, site_version = await _lock(session, actor, correction_id, "declined")
    await _answer(session, actor, ring, correction, "declined", answer, [], now)
    return correction, site_version


def _one(actor: Actor, correction_id: UUID) -> Select[Correction, str, int]:
    return (
        select(Correction, Site.name, Site.version)
        .join(Site, Site.id == Correction.site_id)
        .where(Correction.id == correction_id, scope_condition(scopes(actor, ACTION)))
    )


async def _lock(
    session: AsyncSession, actor: Actor, correction_id: UUID, verdict: Verdict
) -> tuple[Correction, int]:
    """The report, locked until the transaction ends, so that of two answers one is told of the other."""
    require(actor, ACTION)
    row = (await session.execute(_one(actor, correction_id).with_for_update(of=Correction))).one_or_none()
    if row is None:
        raise _not_found()
    correction, _, version = row
    state: State = correction.state  # type: ignore[assignment]  # the CHECK says so
    if verdict not in STEPS[state]:
        zh, en = STATE_LABELS[state]
        raise CorrectionHandled(f"现在的状态是：{zh}。", f"Its state is: {en}.", state=state)
    return correction, version


async def _answer(
    session: AsyncSession,
    actor: Actor,
    ring: KeyRing,
    correction: Correction,
    verdict: Verdict,
    answer: str,
    changed: list[str],
    now: datetime,
) -> None:
    correction.state = verdict
    correction.answer = ring.encrypt("correction.answer", correction.id, answer)
    correction.handled_at = now
    correction.handled_by = actor.account_id
    await session.flush()
    await record(
        session,
        actor,
        action=ACTION,
        object_kind="correction",
        object_id=correction.id,
        detail={"state": verdict, "site_id": str(correction.site_id), "fields": changed},
        now=now,
    )


def _not_found() -> CorrectionNotFound:
    return CorrectionNotFound(
        "没有这条纠错，或者它不在您负责的范围内。", "There is no such report, or it is outside your scope."
    )
