"""Whether somebody may book something for a person, from which places, at what price."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.errors import AssuranceNeeded, InvalidWish, NotEligible
from booking.models import Offering
from booking.people.dates import local_date
from booking.people.delegations import require_person
from booking.people.errors import PersonNotFound
from booking.people.models import Person, PersonTag
from booking.people.persons import STRENGTH, read_facts
from booking.recording.targets import DESK_CHANNELS, Target
from booking.rules import eligibility
from booking.rules.eligibility import Who
from booking.rules.limits import Quota, quotas_of
from booking.rules.pricing import Price, price_of
from core.actor import Actor, Channel
from core.keyring import KeyRing
from core.permissions import require_at
from geo.sites.places import place_of

LOCK = text("select 1 from person where id = :person_id for no key update")
AREAS = text(
    """
    with recursive above as (
        select id, parent_id from area where id = :area_id
        union all select area.id, area.parent_id from area join above on area.id = above.parent_id
    ) select id from above
    """
)


@dataclass(frozen=True, slots=True)
class Entitlement:
    """``person`` None: somebody at the desk who was not asked for a name. ``tiers``: own first, everyone's last."""

    person: Person | None
    who: Who
    tiers: tuple[str, ...]
    quotas: tuple[Quota, ...]
    price: Price


def details_of(target: Target, entitled: Entitlement, *, wheelchair: bool) -> dict[str, Any]:
    """What a reservation remembers: how its price came about, a wheelchair space, that absence is not counted."""
    details: dict[str, Any] = {}
    if len(entitled.price.lines) > 1:
        details["price"] = list(entitled.price.lines)
    if wheelchair:
        details["wheelchair"] = True
    rule = target.rules.attendance
    if rule.most is not None and rule.spares(entitled.who.age_years):
        details["spared"] = True
    return details


async def entitle(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    target: Target,
    person_id: UUID | None,
    party_size: int,
    mode: str | None,
    channel: Channel | None = None,
    now: datetime,
) -> Entitlement:
    """Lock the person, and say what they may have. The desk acts for anybody; others for themselves and by delegation.

    ``channel``: whose places count, when it is not the actor's, as where we move somebody ourselves.

    Raises PersonNotFound, DelegationInsufficient, NotAllowed, InvalidWish, AssuranceNeeded, NotEligible.
    """
    offering = target.offering
    check_wish(offering, party_size=party_size, mode=mode)
    channel = channel or actor.channel
    at_desk = actor.channel in DESK_CHANNELS or actor.is_system
    if at_desk:
        require_at(actor, "desk.run", await place_of(session, site_id=offering.site_id))
    person = None
    if person_id is not None:
        await session.execute(LOCK, {"person_id": person_id})  # first in the order of locks
        person = await _person(session, actor, target, person_id, at_desk=at_desk, now=now)
    elif channel != "counter":
        raise PersonNotFound("请说明为谁预约。", "Say for whom.")
    who = Who(channel=channel, assurance=actor.assurance)
    if person is not None:
        if not at_desk:
            require_assurance(offering, actor, person)
        if target.rules.ask_about_person:
            known = await who_is(session, ring=ring, target=target, person=person, actor=actor)
            who = replace(known, channel=channel)
            reason = eligibility.check(target.rules.eligibility, who)
            if reason is not None and not actor.is_system:
                raise NotEligible(
                    eligibility.REASONS[reason][0] + "。",
                    eligibility.REASONS[reason][1].capitalize() + ".",
                    reason_code=reason,
                )
    quotas = quotas_of(
        target.rules.limits, offering_id=offering.id, kind=offering.kind, on=target.slot.on_date
    )
    return Entitlement(
        person=person,
        who=who,
        tiers=target.rules.tiers_of(who),
        quotas=quotas if person is not None else (),
        price=price_of(offering.price_fen, target.rules.price, who, party_size),
    )


def check_wish(offering: Offering, *, party_size: int, mode: str | None) -> None:
    """Raises InvalidWish for a party too large, or a mode the offering does not have."""
    if party_size > offering.party_max:
        raise InvalidWish(
            f"一次最多 {offering.party_max} 人。",
            f"At most {offering.party_max} at once.",
            party_max=offering.party_max,
        )
    if (mode is not None or len(offering.modes) > 1) and mode not in offering.modes:
        raise InvalidWish(
            f"请选择方式：{'、'.join(offering.modes) or '无'}。",
            f"Choose a mode: {', '.join(offering.modes) or 'none'}.",
            modes=list(offering.modes),
        )


async def _person(
    session: AsyncSession, actor: Actor, target: Target, person_id: UUID, *, at_desk: bool, now: datetime
) -> Person:
    if not at_desk:
        return await require_person(session, actor, person_id=person_id, scope=target.scope, now=now)
    person = await session.get(Person, person_id)
    if person is None or person.erased_at is not None:
        raise PersonNotFound("请先查找或登记。", "Look the person up or register them first.")
    return person


def require_assurance(offering: Offering, actor: Actor, person: Person) -> None:
    """Raises AssuranceNeeded unless it is known well enough who ``person`` is."""
    if offering.assurance != "real_name":
        return
    own = person.account_id == actor.account_id and actor.assurance == "real_name"
    if not own and STRENGTH[person.verification] < STRENGTH["desk"]:
        raise AssuranceNeeded(
            "请先完成实名认证。", "Confirm who you are first.", assurance=offering.assurance
        )


async def who_is(
    session: AsyncSession, *, ring: KeyRing, target: Target, person: Person, actor: Actor
) -> Who:
    """What rules may ask about a person, on the day of the slot."""
    day = local_date(target.slot.starts_at)
    tags = await session.scalars(
        select(PersonTag.tag).where(
            PersonTag.person_id == person.id,
            PersonTag.revoked_at.is_(None),
            PersonTag.from_on <= day,
            or_(PersonTag.until_on.is_(None), PersonTag.until_on >= day),
        )
    )
    who = Who(
        age_years=read_facts(ring, person).age_on(day),
        tags=frozenset(tags),
        assurance=actor.assurance,
        channel=actor.channel,
    )
    if person.home_area_id is None:
        return who
    areas = await session.scalars(AREAS, {"area_id": person.home_area_id})
    return replace(who, area_ids=frozenset(str(area) for area in areas))
