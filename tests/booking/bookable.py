"""A site with something bookable, and residents: plain rows, for tests of what is done with them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from shapely import Point
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Offering, Resource, Seat, Slot, SlotBucket, SlotSeat
from booking.people.models import Account, Person
from booking.people.persons import set_name
from core.actor import SYSTEM, Actor, Grant
from core.ids import new_id
from core.keyring import KeyRing
from geo.models import Site
from geo.sites.input import SiteIn
from geo.sites.store import put_sites, put_source

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)  # a Tuesday, 09:00 here
NOON = datetime(2026, 11, 25, 3, 30, tzinfo=UTC)  # the next day, 11:30


@dataclass
class Resident:
    """A person with an account of their own."""

    actor: Actor
    person_id: UUID


class Bookable:
    """Makes rows in ``session``; all offerings belong to ``site_id``."""

    def __init__(self, session: AsyncSession, ring: KeyRing) -> None:
        self.session, self.ring = session, ring
        self.site_id: UUID

    async def open(self) -> "Bookable":
        """Publish the site."""
        await put_source(
            self.session, SYSTEM, code="tests", name="tests", licence="CC0-1.0", attribution=None
        )
        one = SiteIn(
            external_id="hall", category="meal_point", name="试验助餐点", geometry=Point(103.6, 36.5)
        )
        await put_sites(self.session, SYSTEM, source_code="tests", sites=[one], now=NOW)
        found = await self.session.scalar(select(Site.id).where(Site.source_code == "tests"))
        assert found is not None
        self.site_id = found
        return self

    def clerk(self, channel: str = "counter") -> Actor:
        """Staff of this site."""
        return Actor(
            name="account:clerk",
            channel=channel,  # type: ignore[arg-type]  # one of the channels
            grants=(Grant("site_staff", "site", str(self.site_id)),),
        )

    async def resident(self, name: str = "王秀英") -> Resident:
        account = Account(id=new_id(), kind="resident", created_at=NOW)
        person = Person(id=new_id(), account_id=account.id, created_at=NOW)
        set_name(self.ring, person, name)
        self.session.add(account)
        await self.session.flush()
        self.session.add(person)
        await self.session.flush()
        actor = Actor(name=f"account:{account.id}", channel="web", account_id=account.id, assurance="phone")
        return Resident(actor, person.id)

    async def offering(self, **more: object) -> Offering:
        values = {
            "id": new_id(),
            "site_id": self.site_id,
            "kind": "meal",
            "shape": "counted",
            "status": "active",
            "title": "午餐",
            "party_max": 8,
            "rules": {},
            "created_at": NOW,
            "updated_at": NOW,
            **more,
        }
        if values["shape"] == "interval":
            values = {
                "granularity_minutes": 30,
                "shortest_minutes": 30,
                "longest_minutes": 120,
                **values,
            }
        one = Offering(**values)
        self.session.add(one)
        await self.session.flush()
        return one

    async def slot(
        self,
        offering: Offering,
        places: dict[str, int] | None = None,
        *,
        starts_at: datetime = NOON,
        minutes: int = 60,
        released_at: dict[str, datetime] | None = None,
        **more: object,
    ) -> Slot:
        """Bookable since yesterday until it starts, with ``places`` by tier."""
        one = Slot(
            **{
                "id": new_id(),
                "offering_id": offering.id,
                "on_date": starts_at.date(),
                "starts_at": starts_at,
                "ends_at": starts_at + timedelta(minutes=minutes),
                "opens_at": NOW - timedelta(days=1),
                "closes_at": starts_at,
                **more,
            }
        )
        self.session.add(one)
        await self.session.flush()
        for tier, capacity in (places or {}).items():
            self.session.add(
                SlotBucket(
                    slot_id=one.id, tier=tier, capacity=capacity, released_at=(released_at or {}).get(tier)
                )
            )
        await self.session.flush()
        return one

    async def seats(self, slot: Slot, rows: list[str]) -> dict[str, UUID]:
        """Seats drawn row by row, the stage above: ``o`` standard, ``w`` wheelchair, ``c`` companion, space a gap.

        Ids by row and number from 1: ``1-3``. The slot gets the buckets that count them.
        """
        ids, counts = {}, {"general": 0, "wheelchair": 0}
        for rank, drawn in enumerate(rows, 1):
            number = 0
            for x, sign in enumerate(drawn):
                if sign == " ":
                    continue
                number += 1
                kind = {"o": "standard", "w": "wheelchair", "c": "companion"}[sign]
                seat = Seat(
                    id=new_id(),
                    site_id=self.site_id,
                    map="hall",
                    row_name=str(rank),
                    row_rank=rank,
                    number=str(number),
                    x=x,
                    kind=kind,
                )
                self.session.add(seat)
                ids[f"{rank}-{number}"] = seat.id
                counts["wheelchair" if kind == "wheelchair" else "general"] += 1
        await self.session.flush()
        for seat_id in ids.values():
            self.session.add(SlotSeat(slot_id=slot.id, seat_id=seat_id))
        for tier, capacity in counts.items():
            self.session.add(SlotBucket(slot_id=slot.id, tier=tier, capacity=capacity))
        await self.session.flush()
        return ids

    async def resource(self, offering: Offering, name: str, role: str = "place") -> Resource:
        one = Resource(id=new_id(), offering_id=offering.id, name=name, role=role)
        self.session.add(one)
        await self.session.flush()
        return one

    async def counts(self, slot: Slot) -> dict[str, tuple[int, int, int]]:
        """Tier -> held, confirmed, set aside, each as the bucket and the ledger say; fails when these differ."""
        said = {
            row.tier: (row.held, row.confirmed, row.set_aside)
            for row in await self.session.execute(
                text("select tier, held, confirmed, set_aside from slot_bucket where slot_id = :slot"),
                {"slot": slot.id},
            )
        }
        ledger = {
            row.tier: (int(row.held), int(row.confirmed), int(row.set_aside))
            for row in await self.session.execute(
                text(
                    "select tier, sum(held) held, sum(confirmed) confirmed, sum(set_aside) set_aside"
                    " from allocation where slot_id = :slot group by tier"
                ),
                {"slot": slot.id},
            )
        }
        assert {tier: ledger.get(tier, (0, 0, 0)) for tier in said} == said
        return said
