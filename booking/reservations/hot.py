"""The morning when the whole district books at seven: a counted place in one statement that is its own transaction.

For what needs nothing looked up about the person. Everything else, and every refusal, takes the general path
(``reserve``), which explains. Conditions are the same; constraints guard both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Offering, Slot
from booking.people.dates import local_date
from booking.recording.entitlement import Entitlement
from booking.recording.record import ROWS, Draft, refusals, values_of
from booking.recording.targets import DESK_CHANNELS, Target, load_target
from booking.reservations.reserve import Wish, draft_of
from booking.rules.eligibility import Who
from booking.rules.limits import quotas_of
from booking.rules.pricing import price_of
from core.actor import Actor
from geo.models import Site

# The order of locks by data dependency: the person, then the bucket, then rows nobody else can wait for. A card that is
# out of date (``offering.version``, the slot's times) grants nothing. Plans: primary keys of person, slot, offering,
# slot_bucket; delegation_grantee_id_idx.
RESERVE = f"""
with who as materialized (
    select person.id from person
    where person.id = %(person_id)s and person.erased_at is null
      and (person.account_id = %(account_id)s or exists (
        select from delegation where delegation.person_id = person.id and delegation.grantee_id = %(account_id)s
          and delegation.state = 'active' and delegation.until_on >= %(today)s
          and delegation.scopes && %(scopes)s::varchar[]))
    for no key update
), bookable as materialized (
    select slot.id from who, slot join offering on offering.id = slot.offering_id
    where slot.id = %(slot_id)s and slot.state = 'open' and slot.opens_at <= %(now)s and slot.closes_at > %(now)s
      and slot.starts_at = %(starts_at)s and slot.ends_at = %(ends_at)s
      and offering.version = %(offering_version)s and offering.status = 'active'
      and not exists (select from slot_need where slot_need.slot_id = slot.id)
), pick as materialized (
    select bucket.slot_id, bucket.tier from bookable join slot_bucket as bucket on bucket.slot_id = bookable.id
    where (bucket.tier = any(%(tiers)s::varchar[]) or bucket.released_at <= %(now)s)
      and bucket.capacity - bucket.held - bucket.confirmed - bucket.set_aside >= %(party_size)s
    order by array_position(%(tiers)s::varchar[], bucket.tier) nulls last, bucket.tier limit 1
), took as (
    update slot_bucket as bucket
    set held = bucket.held + %(held)s, confirmed = bucket.confirmed + %(confirmed)s
    from pick
    where bucket.slot_id = pick.slot_id and bucket.tier = pick.tier
      and bucket.capacity - bucket.held - bucket.confirmed - bucket.set_aside >= %(party_size)s
    returning bucket.slot_id, bucket.tier
), ledger as (
    insert into allocation (slot_id, tier, reservation_id, held, confirmed, at)
    select took.slot_id, took.tier, %(id)s, %(held)s, %(confirmed)s, %(now)s from took
), {ROWS}
"""


SLOT = """
select slot.id, slot.offering_id, slot.on_date, slot.starts_at, slot.ends_at, slot.opens_at, slot.closes_at, slot.state,
    exists (select from slot_need where slot_need.slot_id = slot.id), offering.version
from slot join offering on offering.id = slot.offering_id
where slot.id = %s and offering.kind <> 'supply' and offering.status <> 'draft'
"""


@dataclass(frozen=True, slots=True)
class Card:
    """What a process remembers of a slot for some minutes, enough to word the answer before the database is asked."""

    target: Target
    site: Site
    has_needs: bool
    read_at: datetime

    def suits(self, actor: Actor, wish: Wish) -> bool:
        """Whether the one statement will do for this wish."""
        offering = self.target.offering
        return (
            offering.shape == "counted"
            and offering.capacity_authority != "external"
            and not self.has_needs
            and not self.target.rules.ask_about_person
            and wish.person_id is not None
            and wish.offering_id in (None, offering.id)
            and (wish.starts_at, wish.ends_at, wish.resource_id) == (None, None, None)
            and not wish.seats
            and not wish.wheelchair
            and wish.party_size <= offering.party_max
            and (wish.mode in offering.modes or (wish.mode is None and len(offering.modes) < 2))
            and actor.account_id is not None
            and actor.channel not in DESK_CHANNELS
            and offering.assurance != "real_name"
        )


async def read_offer(session: AsyncSession, *, slot_id: UUID) -> tuple[Offering, Site]:
    """The offering of a slot, and its site. Raises SlotNotFound."""
    target = await load_target(session, slot_id=slot_id)
    site = await session.scalar(select(Site).where(Site.id == target.offering.site_id))
    assert site is not None
    return target.offering, site


async def find_slot(connection: AsyncConnection[Any], *, slot_id: UUID) -> tuple[Slot, bool, int] | None:
    """A slot, whether it takes others along, and its offering's version, in one look by primary keys."""
    row = await (await connection.execute(SLOT, (slot_id,))).fetchone()
    if row is None:
        return None
    names = ("id", "offering_id", "on_date", "starts_at", "ends_at", "opens_at", "closes_at", "state")
    return Slot(**dict(zip(names, row, strict=False))), row[-2], row[-1]


def tiers_of(card: Card, actor: Actor) -> tuple[str, ...]:
    """What somebody of whom nothing else is asked may book from."""
    return card.target.rules.tiers_of(Who(channel=actor.channel, assurance=actor.assurance))


def draft_for(card: Card, actor: Actor, wish: Wish, *, now: datetime) -> Draft:
    """The reservation that ``wish`` becomes if there is a place."""
    target = card.target
    who = Who(channel=actor.channel, assurance=actor.assurance)
    entitled = Entitlement(
        person=None,
        who=who,
        tiers=tiers_of(card, actor),
        quotas=quotas_of(
            target.rules.limits,
            offering_id=target.offering.id,
            kind=target.offering.kind,
            on=target.slot.on_date,
        ),
        price=price_of(target.offering.price_fen, target.rules.price, who, wish.party_size),
    )
    return draft_of(target, actor, wish, entitled, why="booked", now=now)


async def reserve_counted(
    connection: AsyncConnection[Any],
    actor: Actor,
    *,
    card: Card,
    draft: Draft,
    also: str = "",
    values: Mapping[str, Any] | None = None,
    now: datetime,
) -> bool:
    """Reserve ``draft`` on a connection that commits each statement. False: it was not possible, ask why.

    ``also``: more common table expressions fed by ``took``, with their ``values``: what must be written with it.
    Raises PersonBusy, LimitReached; psycopg's UniqueViolation when the code is taken or ``also`` breaks a key.
    """
    target = card.target
    confirmed = draft.state == "confirmed"
    asked = {
        **values_of(draft, actor, now=now),
        "today": local_date(now),
        "scopes": [target.scope, "book.all"],
        "offering_version": target.offering.version,
        "tiers": list(tiers_of(card, actor)),
        "held": 0 if confirmed else draft.party_size,
        "confirmed": draft.party_size if confirmed else 0,
        **(values or {}),
    }
    with refusals():
        cursor = await connection.execute(RESERVE + also + "select 1 from took", asked)
    return await cursor.fetchone() is not None
