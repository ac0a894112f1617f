"""Tags that staff grant with evidence: 经济困难, 残疾, 人才, …; what is valid on a day, and the history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import cast
from uuid import UUID

import yaml
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.people.dates import local_date
from booking.people.errors import InvalidTag, TagHeld, TagNotFound
from booking.people.models import Person, PersonTag
from core import audit
from core.actor import Actor
from core.ids import new_id
from core.keyring import KeyRing

FILE = Path(__file__).parent / "data" / "tags.yaml"


@dataclass(frozen=True, slots=True)
class TagKind:
    """A tag of the catalogue; ``most_days``: how long a grant may last, None: without an end."""

    code: str
    zh: str
    en: str
    evidence_zh: str
    evidence_en: str
    most_days: int | None


@cache
def tag_kinds() -> Mapping[str, TagKind]:
    """The catalogue, by code."""
    return {
        one["code"]: TagKind(
            one["code"],
            one["name"]["zh"],
            one["name"]["en"],
            one["evidence"]["zh"],
            one["evidence"]["en"],
            one["most_days"],
        )
        for one in yaml.safe_load(FILE.read_text())
    }


async def list_tags(session: AsyncSession, actor: Actor, *, person_id: UUID) -> Sequence[PersonTag]:
    """All tags a person has or had, newest first."""
    query = select(PersonTag).where(PersonTag.person_id == person_id)
    return (await session.scalars(query.order_by(PersonTag.granted_at.desc(), PersonTag.id.desc()))).all()


async def grant_tag(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    person: Person,
    tag: str,
    evidence: str,
    from_on: date,
    until_on: date | None,
    now: datetime,
) -> PersonTag:
    """Grant ``tag``; the caller holds the person's lock and has checked the scope. Raises InvalidTag, TagHeld."""
    _check(tag, from_on, until_on, today=local_date(now))
    held = await session.scalar(
        select(PersonTag.id).where(
            PersonTag.person_id == person.id,
            PersonTag.tag == tag,
            PersonTag.revoked_at.is_(None),
            func.daterange(PersonTag.from_on, PersonTag.until_on, "[]").op("&&")(
                func.daterange(from_on, until_on, "[]")
            ),
        )
    )
    if held is not None:
        raise TagHeld(
            "请先收回原来的标签，或从它到期之后开始。",
            "Take the other one back first, or begin after it ends.",
            tag_id=str(held),
        )
    one = PersonTag(
        id=new_id(),
        person_id=person.id,
        tag=tag,
        from_on=from_on,
        until_on=until_on,
        granted_by=cast(UUID, actor.account_id),
        granted_at=now,
    )
    one.evidence = ring.encrypt("person_tag.evidence", one.id, evidence)
    session.add(one)
    await session.flush()
    await _record(session, actor, one, action="person.tag", reason=None, now=now)
    return one


async def revoke_tag(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    person: Person,
    tag_id: UUID,
    reason: str,
    now: datetime,
) -> PersonTag:
    """Take a tag back from now on; a second time changes nothing. Raises TagNotFound."""
    one = await session.scalar(
        select(PersonTag).where(PersonTag.id == tag_id, PersonTag.person_id == person.id).with_for_update()
    )
    if one is None:
        raise TagNotFound("请核对编号。", "Check the id.")
    if one.revoked_at is None:
        one.revoked_at, one.revoked_by = now, actor.account_id
        one.revoke_reason = ring.encrypt("person_tag.revoke_reason", one.id, reason)
        await session.flush()
        # The reason stays with the tag, encrypted: it may name somebody.
        await _record(session, actor, one, action="person.untag", reason=None, now=now)
    return one


def _check(tag: str, from_on: date, until_on: date | None, *, today: date) -> None:
    kind = tag_kinds().get(tag)
    if kind is None:
        known = "、".join(f"{one.code}（{one.zh}）" for one in tag_kinds().values())
        raise InvalidTag(
            f"没有标签 {tag}，可用的有：{known}。", f"No such tag; known are: {', '.join(tag_kinds())}."
        )
    if until_on is not None and until_on < max(from_on, today):
        raise InvalidTag(
            "截止日期应在开始日期和今天之后。", "It must end after it begins, and not in the past."
        )
    if kind.most_days is not None:
        latest = max(from_on, today) + timedelta(days=kind.most_days)
        if until_on is None or until_on > latest:
            raise InvalidTag(
                f"“{kind.zh}”需要定期复核，截止日期不晚于 {latest}。",
                f"This tag is reviewed regularly: it must end by {latest}.",
                errors=[{"field": "until_on", "reason": f"≤ {latest}"}],
            )


async def _record(
    session: AsyncSession, actor: Actor, one: PersonTag, *, action: str, reason: str | None, now: datetime
) -> None:
    await audit.record(
        session,
        actor,
        action=action,
        object_kind="person_tag",
        object_id=one.id,
        person_ids=[one.person_id],
        reason=reason,
        detail={"tag": one.tag},
        now=now,
    )
