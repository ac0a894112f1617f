"""For whom slots are looked at: anyone, or a person with what stands in their way. Facts are decrypted once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.attendance.marks import blocked_under
from booking.errors import AssuranceNeeded
from booking.models import Offering, PersonCommitment, PersonQuota, Reservation
from booking.people.delegations import require_person
from booking.people.errors import PersonNotFound
from booking.people.models import Person, PersonTag
from booking.people.persons import Facts, read_facts
from booking.recording.entitlement import AREAS, require_assurance
from booking.recording.targets import DESK_CHANNELS, scope_of
from booking.rules.eligibility import Who
from booking.rules.limits import period_start
from booking.rules.reading import Rules
from core import audit
from core.actor import ANYONE, Actor
from core.keyring import KeyRing
from core.permissions import covers, may
from geo.sites.places import place_of


@dataclass(frozen=True)
class Asker:
    """``person_id`` None: anyone. ``facts``, ``tags`` (with the first and last day each counts) and ``area_ids`` only where
    rules ask for them; ``used``: of limits, by scope and first day of the period; ``busy``: spans of time."""

    actor: Actor = ANYONE
    person_id: UUID | None = None
    facts: Facts | None = None
    tags: Sequence[tuple[str, date, date | None]] = ()
    area_ids: frozenset[str] = frozenset()
    assured: bool = True
    blocked: bool = False
    used: Mapping[tuple[str, date], int] = field(default_factory=dict)
    busy: Sequence[tuple[datetime, datetime]] = ()

    @property
    def at_desk(self) -> bool:
        """Whether staff ask, who may book until a slot ends and whatever was missed before."""
        return self.actor.channel in DESK_CHANNELS

    def who(self, on: date) -> Who:
        """What rules may know on the day of a slot."""
        return Who(
            age_years=self.facts.age_on(on) if self.facts is not None else None,
            tags=frozenset(
                tag for tag, first, last in self.tags if first <= on and (last is None or on <= last)
            ),
            area_ids=self.area_ids,
            assurance=self.actor.assurance,
            channel=self.actor.channel,
        )

    def is_busy(self, starts_at: datetime, ends_at: datetime) -> bool:
        """Whether the person has to be elsewhere between the two."""
        return any(lower < ends_at and starts_at < upper for lower, upper in self.busy)


NOBODY = Asker()


async def asker_of(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    offering: Offering,
    rules: Rules,
    person_id: UUID,
    first: datetime,
    last: datetime,
    now: datetime,
) -> Asker:
    """The person, as far as slots between ``first`` and ``last``, by the site's clock, ask for it.

    For oneself and by delegation; for anyone by those who run the site's desk, which is put on record.
    Raises PersonNotFound, DelegationInsufficient.
    """
    try:
        scope = scope_of(offering.kind)
        person = await require_person(session, actor, person_id=person_id, scope=scope, now=now)
    except PersonNotFound:
        actor, person = await _at_desk(session, actor, offering, person_id, now=now)
    asker = Asker(
        actor,
        person_id,
        assured=_is_assured(offering, actor, person),
        used=await _used(session, rules, person_id, first, now=now) if rules.limits else {},
        busy=await _busy(session, person_id, first, last, now=now) if offering.exclusive else (),
    )
    if not rules.ask_about_person:
        return asker
    blocked = await blocked_under(
        session, person_id=person_id, rule=rules.attendance, kind=offering.kind, now=now
    )
    tags = await session.execute(
        select(PersonTag.tag, PersonTag.from_on, PersonTag.until_on).where(
            PersonTag.person_id == person_id, PersonTag.revoked_at.is_(None)
        )
    )
    area_ids: frozenset[str] = frozenset()
    if person.home_area_id is not None:
        found = await session.scalars(AREAS, {"area_id": person.home_area_id})
        area_ids = frozenset(str(one) for one in found)
    return replace(
        asker,
        facts=read_facts(ring, person),
        tags=[(tag, from_on, until_on) for tag, from_on, until_on in tags],
        area_ids=area_ids,
        blocked=blocked is not None,
    )


async def _at_desk(
    session: AsyncSession, actor: Actor, offering: Offering, person_id: UUID, *, now: datetime
) -> tuple[Actor, Person]:
    """Raises PersonNotFound also where the actor does not run the desk: nobody learns who is known."""
    person = None
    if may(actor, "desk.run"):
        place = await place_of(session, site_id=offering.site_id)
        if covers(actor, "desk.run", place):
            person = await session.get(Person, person_id)
    if person is None or person.erased_at is not None:
        raise PersonNotFound(
            "请核对编号；授权可能已结束。",
            "Check the id; the delegation may have ended.",
            person_id=person_id,
        )
    await audit.record(
        session,
        actor,
        action="desk.run",
        object_kind="offering",
        object_id=offering.id,
        person_ids=(person_id,),
        detail={"look": "slots"},
        now=now,
    )
    return actor if actor.channel in DESK_CHANNELS else replace(actor, channel="counter"), person


def _is_assured(offering: Offering, actor: Actor, person: Person) -> bool:
    if actor.channel in DESK_CHANNELS:
        return True
    try:
        require_assurance(offering, actor, person)
    except AssuranceNeeded:
        return False
    return True


async def _used(
    session: AsyncSession, rules: Rules, person_id: UUID, first: datetime, *, now: datetime
) -> dict[tuple[str, date], int]:
    """Less what holds have that ran out: booking ends them first. Uses reservation_person_id_starts_at_idx."""
    since = min(period_start(first.date(), limit.per) for limit in rules.limits)
    rows = await session.scalars(
        select(PersonQuota).where(PersonQuota.person_id == person_id, PersonQuota.period_on >= since)
    )
    used = {(row.scope, row.period_on): row.used for row in rows}
    for details in await session.scalars(
        select(Reservation.details).where(Reservation.person_id == person_id, _lapsed(now))
    ):
        for scope, period_on in details.get("quotas", ()):
            key = (scope, date.fromisoformat(period_on))
            used[key] = used.get(key, 0) - 1
    return used


async def _busy(
    session: AsyncSession, person_id: UUID, first: datetime, last: datetime, *, now: datetime
) -> list[tuple[datetime, datetime]]:
    """Uses person_commitment_overlap_excl."""
    during = PersonCommitment.during
    held = select(Reservation.id).where(Reservation.id == PersonCommitment.subject_id, _lapsed(now))
    spans = await session.execute(
        select(func.lower(during), func.upper(during)).where(
            PersonCommitment.person_id == person_id,
            during.op("&&")(func.tstzrange(first, last)),
            ~held.exists(),
        )
    )
    return [(lower, upper) for lower, upper in spans]


def _lapsed(now: datetime) -> ColumnElement[bool]:
    """A hold that ran out."""
    return and_(Reservation.state == "held", Reservation.expires_at <= now)
