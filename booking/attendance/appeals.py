"""Appeals (申诉): what somebody says to a mark, once, and what staff of the site answer."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import Select, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from booking.attendance.marks import MOST_READ, Said, blocked_until
from booking.errors import AppealDecided, AppealMade, MarkNotFound
from booking.events import emit
from booking.models import AttendanceMark, Offering, Reservation
from booking.people.dates import local_date
from booking.people.delegations import allows, reach
from booking.people.models import Person
from booking.people.persons import read_facts
from booking.recording.targets import scope_of
from booking.rules.reading import AttendanceRule, read_rules
from core import audit
from core.actor import Actor
from core.keyring import KeyRing
from core.permissions import covers, require, scopes
from geo.models import Site
from geo.sites.places import find_place, scope_condition

ACTION = "attendance.decide"
State = Literal["open", "waived", "upheld"]
# As attendance_mark_appeal_idx says it: a parameter would hide the index from a generic plan.
IS_OPEN = text("attendance_mark.appeal_state = 'open'")


def _missing() -> MarkNotFound:
    return MarkNotFound(
        "请核对编号；没有爽约记录就无需申诉。", "Check the id; without a record there is nothing to appeal."
    )


async def appeal(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, reservation_id: UUID, words: str, now: datetime
) -> AttendanceMark:
    """Say why a place stayed empty. The mark does not count until staff have answered. Raises MarkNotFound, AppealMade.

    Uses attendance_mark_reservation_id_key.
    """
    one = await session.scalar(
        select(AttendanceMark)
        .where(AttendanceMark.reservation_id == reservation_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    reached = {} if actor.account_id is None else await reach(session, actor.account_id, now=now)
    if one is None or one.person_id not in reached:
        raise _missing()
    offering = await session.get_one(Offering, one.offering_id)
    if not allows(reached[one.person_id], scope_of(offering.kind)):
        raise _missing()
    if one.appeal_state is not None:
        raise AppealMade(
            "每条记录只能申诉一次，请等候答复。",
            "Each record can be appealed once; please wait for the answer.",
            state=one.appeal_state,
        )
    one.appeal = ring.encrypt("attendance_mark.appeal", one.id, words)
    one.appeal_state, one.appealed_at = "open", now
    await session.flush()
    return one


async def decide(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    appeal_id: UUID,
    state: Literal["waived", "upheld"],
    words: str,
    now: datetime,
) -> AttendanceMark:
    """Waive a mark, or uphold it, with an answer that the person reads; on record.

    Raises MarkNotFound, also outside the actor's sites; AppealDecided.
    """
    require(actor, ACTION)
    one = await session.scalar(
        select(AttendanceMark)
        .where(AttendanceMark.id == appeal_id, AttendanceMark.appeal_state.is_not(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if one is None:
        raise _missing()
    offering = await session.get_one(Offering, one.offering_id)
    place = await find_place(session, site_id=offering.site_id)
    if place is None or not covers(actor, ACTION, place):
        raise _missing()
    if one.appeal_state != "open":
        raise AppealDecided("该申诉已有答复。", "It was answered.", state=one.appeal_state)
    one.answer = ring.encrypt("attendance_mark.answer", one.id, words)
    one.appeal_state, one.decided_by, one.decided_at = state, actor.account_id, now
    await session.flush()
    await audit.record(
        session,
        actor,
        action=ACTION,
        object_kind="attendance_mark",
        object_id=one.id,
        person_ids=[one.person_id],
        detail={"state": state},
        now=now,
    )
    await emit(
        session,
        kind="appeal_answered",
        person_id=one.person_id,
        account_id=None,
        subject_id=one.id,
        data={
            "reservation_id": str(one.reservation_id),
            "offering_id": str(one.offering_id),
            "state": state,
        },
        now=now,
    )
    return one


def appeals_query(
    actor: Actor,
    *,
    state: State,
    site_id: UUID | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> Select[AttendanceMark, Offering, Reservation, Person]:
    """Appeals at the sites the actor decides for, the longest waiting first. Uses attendance_mark_appeal_idx."""
    query = (
        select(AttendanceMark, Offering, Reservation, Person)
        .join(Offering, Offering.id == AttendanceMark.offering_id)
        .join(Site, Site.id == Offering.site_id)
        .join(Reservation, Reservation.id == AttendanceMark.reservation_id)
        .join(Person, Person.id == AttendanceMark.person_id)
        .where(
            IS_OPEN if state == "open" else AttendanceMark.appeal_state == state,
            scope_condition(scopes(actor, ACTION)),
        )
        .order_by(AttendanceMark.appealed_at, AttendanceMark.id)
        .limit(limit)
    )
    if site_id is not None:
        query = query.where(Offering.site_id == site_id)
    if after is not None:
        query = query.where(tuple_(AttendanceMark.appealed_at, AttendanceMark.id) > after)
    return query


async def record_read(
    session: AsyncSession, actor: Actor, marks: Collection[AttendanceMark], *, now: datetime
) -> None:
    """Put on record that staff read these appeals."""
    if marks:
        await audit.record(
            session,
            actor,
            action="attendance.read",
            object_kind="attendance_mark",
            person_ids=sorted({one.person_id for one in marks}),
            detail={"read": ["appeal", "name"], "appeals": len(marks)},
            now=now,
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a person stands with an offering: the marks that count by now, and until when booking is paused."""

    person_id: UUID
    offering: Offering
    spared: bool
    counting: int
    rule: AttendanceRule
    blocked_until: datetime | None


async def own_marks(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, now: datetime
) -> tuple[Sequence[AttendanceMark], list[Standing]]:
    """Marks of oneself and of those who delegated, newest first, and what they mean for each offering.

    Marks of one kind of offering count together; the rule is each offering's own.
    """
    assert actor.account_id is not None
    persons = sorted(await reach(session, actor.account_id, now=now))
    rows = (
        await session.execute(
            select(AttendanceMark, Offering, Person)
            .join(Offering, Offering.id == AttendanceMark.offering_id)
            .join(Person, Person.id == AttendanceMark.person_id)
            .where(AttendanceMark.person_id.in_(persons))
            .order_by(AttendanceMark.at.desc(), AttendanceMark.id)
            .limit(MOST_READ)
        )
    ).all()
    said: dict[tuple[UUID, str], list[Said]] = {}
    for mark, offering, _ in rows:
        if mark.appeal_state in (None, "upheld"):
            said.setdefault((mark.person_id, offering.kind), []).append(Said(mark.kind, mark.at))
    standings: dict[tuple[UUID, UUID], Standing] = {}
    for mark, offering, person in rows:
        if (mark.person_id, offering.id) not in standings:
            rule = read_rules(offering.rules).attendance
            spared = rule.spares(read_facts(ring, person).age_on(local_date(now)))
            marks = said.get((mark.person_id, offering.kind), [])
            standings[mark.person_id, offering.id] = Standing(
                person_id=mark.person_id,
                offering=offering,
                spared=spared,
                counting=0 if spared else sum(counts(rule, one, now=now) for one in marks),
                rule=rule,
                blocked_until=None if spared else blocked_until(rule, marks, now=now),
            )
    return [mark for mark, _, _ in rows], list(standings.values())


def counts(rule: AttendanceRule, one: Said | AttendanceMark, *, now: datetime) -> bool:
    """Whether a mark counts by now: not faded, of a kind that counts, not waived, no appeal open."""
    if isinstance(one, AttendanceMark) and one.appeal_state in ("open", "waived"):
        return False
    if one.kind == "late_cancel" and not rule.late_cancel_counts:
        return False
    return now < fades_at(rule, one)


def fades_at(rule: AttendanceRule, one: Said | AttendanceMark) -> datetime:
    """When a mark is forgotten."""
    return one.at + timedelta(days=rule.within_days)
