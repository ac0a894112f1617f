"""Marks: who did not come or cancelled too late, and whether booking is paused for them.

A mark counts unless it faded (``within_days``), was waived, or an appeal about it is open. ``most`` marks that count,
for offerings of one kind, pause booking of that kind for ``blocks_days`` after the last of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from booking.errors import Blocked
from booking.models import AttendanceMark, Offering, Reservation
from booking.recording.targets import Target
from booking.rules.eligibility import Who
from booking.rules.reading import AttendanceRule, read_rules
from core.ids import new_id

MarkKind = Literal["no_show", "late_cancel"]
KIND_WORDS = {"no_show": ("未到", "did not come"), "late_cancel": ("临近取消", "cancelled too late")}
# Of one person; nobody shown more of them has any use for it.
MOST_READ = 200


async def mark(session: AsyncSession, *, reservation: Reservation, kind: MarkKind, now: datetime) -> bool:
    """Note that a place stayed empty; once a reservation, whoever says it again. Whether it is new.

    Nothing is noted of nobody, nor where the offering never pauses anyone, nor of those it spares.
    """
    if reservation.person_id is None or reservation.details.get("spared"):
        return False
    offering = await session.get(Offering, reservation.offering_id)
    assert offering is not None
    if read_rules(offering.rules).attendance.most is None:
        return False
    made = await session.scalar(
        insert(AttendanceMark)
        .values(
            id=new_id(),
            person_id=reservation.person_id,
            reservation_id=reservation.id,
            offering_id=reservation.offering_id,
            kind=kind,
            at=now,
        )
        .on_conflict_do_nothing()
        .returning(AttendanceMark.id)
    )
    return made is not None


async def unmark(session: AsyncSession, *, reservation: Reservation) -> None:
    """They came after all, or it was noted by mistake: as if it had never been."""
    await session.execute(delete(AttendanceMark).where(AttendanceMark.reservation_id == reservation.id))


@dataclass(frozen=True, slots=True)
class Said:
    """What counts of a mark."""

    kind: str
    at: datetime


def blocked_until(rule: AttendanceRule, marks: Iterable[Said], *, now: datetime) -> datetime | None:
    """Until when ``marks``, which all count, pause booking under ``rule``; None: they do not."""
    if rule.most is None:
        return None
    times = sorted(one.at for one in marks if rule.late_cancel_counts or one.kind == "no_show")
    most, window = rule.most, timedelta(days=rule.within_days)
    ends = [
        times[last] + timedelta(days=rule.blocks_days)
        for last in range(most - 1, len(times))
        if times[last] - times[last - most + 1] < window
    ]
    return max((end for end in ends if end > now), default=None)


async def counting_marks(
    session: AsyncSession, *, person_id: UUID, kind: str, since: datetime
) -> Sequence[Said]:
    """Marks of a person that may count, for offerings of ``kind``. Uses attendance_mark_person_id_idx."""
    rows = await session.execute(
        select(AttendanceMark.kind, AttendanceMark.at)
        .join(Offering, Offering.id == AttendanceMark.offering_id)
        .where(
            AttendanceMark.person_id == person_id,
            AttendanceMark.at > since,
            Offering.kind == kind,
            # An open appeal suspends a mark, a waived one never counts again.
            AttendanceMark.appeal_state.is_(None) | (AttendanceMark.appeal_state == "upheld"),
        )
        .order_by(AttendanceMark.at.desc())
        .limit(MOST_READ)
    )
    return [Said(row.kind, row.at) for row in rows]


async def blocked_under(
    session: AsyncSession, *, person_id: UUID, rule: AttendanceRule, kind: str, now: datetime
) -> datetime | None:
    """Until when a person whom ``rule`` does not spare is paused from offerings of ``kind``."""
    if rule.most is None:
        return None
    since = now - timedelta(days=rule.within_days + rule.blocks_days)
    marks = await counting_marks(session, person_id=person_id, kind=kind, since=since)
    return blocked_until(rule, marks, now=now)


async def check_blocked(
    session: AsyncSession, *, person_id: UUID, target: Target, who: Who, now: datetime
) -> None:
    """Raises Blocked while booking is paused for the person."""
    rule = target.rules.attendance
    if rule.spares(who.age_years):
        return
    until = await blocked_under(session, person_id=person_id, rule=rule, kind=target.offering.kind, now=now)
    if until is not None:
        raise Blocked(
            "多次预约后未到，暂停自助预约；可申诉，也可致电或到窗口办理。",
            "Places were left empty several times. You may appeal, or book by telephone or at the desk.",
            blocked_until=until.isoformat(),
        )
