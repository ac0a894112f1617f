"""A meal point at 11:20: lunch from 11:30 to 13:00, dinner in the evening, and people who booked."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select

from booking.models import Offering, Reservation, Slot, SlotBucket
from booking.people.models import Account, Person, PersonTag
from booking.people.persons import set_name, set_phone
from booking.reservations.reserve import Wish, reserve
from core.actor import SYSTEM, Actor, Channel, Grant
from core.ids import new_id

NOW = datetime(2026, 11, 24, 3, 20, tzinfo=UTC)  # a Tuesday, 11:20 in 兰州
LUNCH = datetime(2026, 11, 24, 3, 30, tzinfo=UTC)
TODAY = date(2026, 11, 24)
DAY = timedelta(days=1)


def minutes(number: int) -> timedelta:
    return timedelta(minutes=number)


async def offering_of(session: Any, site_id: UUID, **said: Any) -> Offering:
    """Lunch at a site, exactly as ``said`` otherwise."""
    one = Offering(
        **{
            "id": new_id(),
            "site_id": site_id,
            "kind": "meal",
            "shape": "counted",
            "status": "active",
            "title": "午餐",
            "modes": ["dine_in", "pick_up"],
            "party_max": 4,
            "assurance": "phone",
            "price_fen": 1200,
            "rules": {},
            "created_at": NOW,
            "updated_at": NOW,
        }
        | said
    )
    session.add(one)
    await session.flush()
    return one


async def slot_of(
    session: Any, offering: Offering, *, at: datetime = LUNCH, length: int = 90, **places: int
) -> Slot:
    """A slot with buckets by tier; ten places for everyone unless said."""
    one = Slot(
        id=new_id(),
        offering_id=offering.id,
        on_date=(at + timedelta(hours=8)).date(),
        starts_at=at,
        ends_at=at + minutes(length),
        opens_at=at - 7 * DAY,
        closes_at=at,
    )
    session.add(one)
    await session.flush()
    for tier, capacity in (places or {"general": 10}).items():
        session.add(SlotBucket(slot_id=one.id, tier=tier, capacity=capacity))
    await session.flush()
    return one


async def person_of(
    session: Any, ring: Any, name: str = "王秀英", phone: str | None = "+8613800000001", *tags: str
) -> Person:
    """Somebody registered."""
    one = Person(id=new_id(), created_at=NOW, version=1)
    set_name(ring, one, name)
    set_phone(ring, one, phone)
    session.add(one)
    await session.flush()
    granted_by = (await staff_of(session)).account_id if tags else None
    for tag in tags:
        session.add(
            PersonTag(
                id=new_id(),
                person_id=one.id,
                tag=tag,
                evidence=b"-",
                from_on=TODAY - 30 * DAY,
                granted_by=granted_by,
                granted_at=NOW,
            )
        )
    await session.flush()
    return one


async def staff_of(session: Any, *grants: Grant, channel: str = "web") -> Actor:
    """A member of staff with an account."""
    account_id = uuid4()
    session.add(Account(id=account_id, kind="staff", assurance="phone", created_at=NOW))
    await session.flush()
    return Actor(f"account:{account_id}", channel, account_id=account_id, grants=grants)


def clerk_of(site_id: UUID) -> Grant:
    return Grant("site_staff", "site", str(site_id))


@dataclass
class Desk:
    """A site with its clerk, and how to fill it."""

    session: Any
    ring: Any
    site_id: UUID
    site_name: str
    clerk: Actor
    offering: Offering
    slot: Slot

    async def book(
        self,
        person: Person | None = None,
        *,
        slot: Slot | None = None,
        now: datetime = NOW - DAY,
        **said: Any,
    ) -> Reservation:
        """A reservation by phone, or at the counter without a name, as made the day before."""
        channel: Channel = "counter" if person is None else "phone"
        wish = Wish(
            **{
                "person_id": None if person is None else person.id,
                "slot_id": (slot or self.slot).id,
                "mode": "dine_in",
            }
            | said
        )
        actor = Actor(self.clerk.name, channel, account_id=self.clerk.account_id, grants=self.clerk.grants)
        return await reserve(self.session, actor, ring=self.ring, wish=wish, now=now)

    async def guest(
        self, name: str = "王秀英", phone: str | None = "+8613800000001", *tags: str
    ) -> Reservation:
        """Somebody new with a reservation for lunch."""
        return await self.book(await person_of(self.session, self.ring, name, phone, *tags))

    async def buckets(self, slot: Slot | None = None) -> dict[str, tuple[int, int]]:
        """Held and confirmed by tier."""
        rows = await self.session.execute(
            select(SlotBucket.tier, SlotBucket.held, SlotBucket.confirmed).where(
                SlotBucket.slot_id == (slot or self.slot).id
            )
        )
        return {row.tier: (row.held, row.confirmed) for row in rows}


async def desk_of(session: Any, ring: Any, site: Any, **said: Any) -> Desk:
    """A desk with lunch."""
    places = said.pop("places", {"general": 10})
    clerk = await staff_of(session, clerk_of(site.id))
    offering = await offering_of(session, site.id, **said)
    slot = await slot_of(session, offering, **places)
    return Desk(session, ring, site.id, site.name, clerk, offering, slot)


__all__ = ["SYSTEM", "Desk", "clerk_of", "desk_of", "offering_of", "person_of", "slot_of", "staff_of"]
