"""Something bookable and people who are signed in, committed to a test's own database; and ways to take guards away."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import psycopg

from api.identity.tokens import AccessTokens
from booking.checking.checks import Check, Outcome, open_snapshot, run_check
from booking.checking.history import HISTORY
from booking.checking.reconcile import RECONCILE
from booking.models import Offering, Seat, Slot, SlotBucket, SlotNeed, SlotSeat
from booking.people.models import Account, Person, PersonTag
from booking.people.persons import set_name
from core import clock
from core.actor import Channel, Grant
from core.database import Database
from core.ids import new_id
from core.keyring import KeyRing
from core.settings import Settings
from tests.api.people import SESSION, sign_in
from tests.api.running import Running, serving
from tests.booking.bookable import Bookable
from tests.conftest import TEST_RING, create_database, drop_database, url_of

RING = KeyRing.parse(TEST_RING)
TAG = "low_income"
T = TypeVar("T")


@dataclass(frozen=True)
class Client:
    """Somebody signed in; ``person_id`` is who they book for."""

    account_id: UUID
    person_id: UUID
    headers: dict[str, str]
    session_id: UUID
    channel: Channel

    def sign_in(self) -> None:
        """A new access token, which lasts a quarter of an hour."""
        token = _token(self.account_id, self.session_id, self.channel, clock.now())
        self.headers["Authorization"] = f"Bearer {token}"


class World:
    """A site in ``database_url``, a migrated database."""

    def __init__(self, database_url: str) -> None:
        self.database_url = database_url
        self.site_id: UUID | None = None
        # Tomorrow at a full hour: open for a long time yet, whatever the hour is now.
        self.start = (clock.now() + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
        self.site_id = self.make(self._open)

    def make(self, work: Callable[[Bookable], Awaitable[T]]) -> T:
        """What ``work`` makes, committed."""

        async def run() -> T:
            async with (
                Database(Settings(database_url=self.database_url)) as database,
                database.transaction() as session,
            ):
                rows = Bookable(session, RING)
                if self.site_id is not None:
                    rows.site_id = self.site_id
                return await work(rows)

        return asyncio.run(run())

    async def _open(self, rows: Bookable) -> UUID:
        return (await rows.open()).site_id

    def offering(self, **more: Any) -> Offering:
        said = {"updated_at": clock.now() - timedelta(days=1), "hold_seconds": 86_400, **more}
        return self.make(lambda rows: rows.offering(**said))

    def slot(
        self,
        offering: Offering,
        places: dict[str, int] | None = None,
        *,
        hours: float = 0,
        seats: list[str] | None = None,
        needs: tuple[Slot, str, list[str]] | None = None,
        **more: Any,
    ) -> Slot:
        """``hours`` after the start; ``needs``: a supply slot, per what, in which modes."""

        async def work(rows: Bookable) -> Slot:
            starts_at = self.start + timedelta(hours=hours)
            said = {"opens_at": clock.now() - timedelta(days=1), "closes_at": starts_at, **more}
            one = await rows.slot(offering, places, starts_at=starts_at, **said)
            if seats is not None:
                await hall(rows, one, seats)
            if needs is not None:
                supply, per, modes = needs
                rows.session.add(SlotNeed(slot_id=one.id, needs_slot_id=supply.id, per=per, modes=modes))
            return one

        return self.make(work)

    def resources(self, offering: Offering, count: int, role: str = "place") -> None:
        async def work(rows: Bookable) -> None:
            for number in range(count):
                await rows.resource(offering, f"{role} {number}", role)

        self.make(work)

    def people(self, count: int, *tags: str, channel: Channel = "app") -> list[Client]:
        """Residents, each with a person of their own, who hold ``tags``."""
        now = clock.now()
        accounts = [Account(id=new_id(), kind="resident", created_at=now) for _ in range(count)]
        persons = [Person(id=new_id(), account_id=one.id, created_at=now) for one in accounts]

        async def work(rows: Bookable) -> None:
            rows.session.add_all(accounts)
            await rows.session.flush()
            for person in persons:
                set_name(RING, person, "王秀英")
            rows.session.add_all(persons)
            await rows.session.flush()
            for person in persons:
                for tag in tags:
                    rows.session.add(_tag(person, tag, now))

        self.make(work)
        sessions = [(new_id(), one.id) for one in accounts]
        with psycopg.connect(self.database_url) as connection, connection.cursor() as cursor:
            cursor.executemany(
                SESSION,
                [
                    (session_id, account_id, channel, session_id.bytes, now, now, now + timedelta(days=30))
                    for session_id, account_id in sessions
                ],
            )
        clients = [
            Client(account_id, person.id, {}, session_id, channel)
            for (session_id, account_id), person in zip(sessions, persons, strict=True)
        ]
        for one in clients:
            one.sign_in()
        return clients

    def clerk(self) -> dict[str, str]:
        """Headers of staff at the site's desk."""
        return sign_in(self.database_url, Grant("site_staff", "site", str(self.site_id)), channel="counter")

    def delegate(self, person_id: UUID, account_id: UUID) -> None:
        """Let an account book everything for a person."""
        self.sql(
            "insert into delegation (id, person_id, grantee_id, relation, scopes, state, way, until_on, offered_at)"
            " values (%s, %s, %s, 'child', '{book.all}', 'active', 'app', current_date + 30, now())",
            new_id(),
            person_id,
            account_id,
        )

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a statement answers, committed."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(statement, values or None)
            return [] if cursor.description is None else cursor.fetchall()

    def value(self, statement: str, *values: Any) -> Any:
        return self.sql(statement, *values)[0][0]

    def findings(self) -> dict[str, int]:
        """Code -> how many differences, of all checks on the books that find any."""
        return {one.check.code: one.count for one in self.outcomes() if one.count}

    def outcomes(self, *checks: Check) -> list[Outcome]:
        return asyncio.run(self._check(checks or (*RECONCILE, *HISTORY)))

    async def _check(self, checks: tuple[Check, ...]) -> list[Outcome]:
        values = {"now": clock.now(), "slack": timedelta(minutes=1)}
        async with (
            Database(Settings(database_url=self.database_url)) as database,
            database.transaction() as session,
        ):
            await open_snapshot(session)
            return [await run_check(session, check, values=values) for check in checks]


def _token(account_id: UUID, session_id: UUID, channel: Channel, now: datetime) -> str:
    token, _ = AccessTokens(RING, environment="production").issue(
        account_id=account_id,
        session_id=session_id,
        assurance="phone",
        channel=channel,
        grants=(Grant("resident", "own"),),
        now=now,
    )
    return token


async def hall(rows: Bookable, slot: Slot, drawn: list[str]) -> dict[str, UUID]:
    """A hall of its own for a slot, drawn as ``Bookable.seats`` does it: ids by row and number, ``1-3``."""
    kinds = {"o": "standard", "w": "wheelchair", "c": "companion"}
    seats = {}
    for rank, row in enumerate(drawn, 1):
        places = [(x, sign) for x, sign in enumerate(row) if sign != " "]
        for number, (x, sign) in enumerate(places, 1):
            seats[f"{rank}-{number}"] = Seat(
                id=new_id(),
                site_id=rows.site_id,
                map=f"hall {slot.id}",
                row_name=str(rank),
                row_rank=rank,
                number=str(number),
                x=x,
                kind=kinds[sign],
            )
    rows.session.add_all(seats.values())
    await rows.session.flush()
    wheelchairs = sum(seat.kind == "wheelchair" for seat in seats.values())
    rows.session.add_all(SlotSeat(slot_id=slot.id, seat_id=seat.id) for seat in seats.values())
    for tier, capacity in (("general", len(seats) - wheelchairs), ("wheelchair", wheelchairs)):
        rows.session.add(SlotBucket(slot_id=slot.id, tier=tier, capacity=capacity))
    await rows.session.flush()
    return {name: seat.id for name, seat in seats.items()}


def _tag(person: Person, tag: str, now: datetime) -> PersonTag:
    tag_id = new_id()
    return PersonTag(
        id=tag_id,
        person_id=person.id,
        tag=tag,
        evidence=RING.encrypt("person_tag.evidence", tag_id, "2026-001"),
        from_on=now.date() - timedelta(days=1),
        granted_by=person.account_id,
        granted_at=now,
    )


@contextmanager
def served_world(
    log_path: Path, server_url: str, template: str, redis_url: str
) -> Iterator[tuple[Running, World]]:
    """One server process on a new database of its own."""
    name = create_database(server_url, template)
    url = url_of(server_url, name)
    try:
        with serving(log_path, database_url=url, redis_url=redis_url) as one:
            yield one, World(url)
    finally:
        drop_database(server_url, name)


def unlock(
    connection: psycopg.Connection[Any], table: str, *added: str, pause: float = 0.05, writes: bool = True
) -> None:
    """Take the guard of a table's rows away: nobody can lock one, and an update never looks again before it writes.

    The table becomes a view of itself through a function, which PostgreSQL cannot lock (FOR UPDATE passes over it).
    Columns in ``added`` are changed by the difference, as counters are, all others set, after ``pause`` seconds in which
    others can read what was. Code that reads and then writes is as it would be without its guard; nothing of ours is
    replaced. CHECKs of the table go too. Without ``writes`` updates change nothing, and nobody waits for a row either.
    """
    for (name,) in connection.execute(
        "select conname from pg_constraint where conrelid = %s::regclass and contype = 'c'", (table,)
    ).fetchall():
        connection.execute(f'alter table {table} drop constraint "{name}"')
    columns = [
        row[0]
        for row in connection.execute(
            "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped",
            (table,),
        ).fetchall()
    ]
    keys = [
        row[0]
        for row in connection.execute(
            "select attname from pg_index join pg_attribute on attrelid = indrelid and attnum = any(indkey)"
            " where indrelid = %s::regclass and indisprimary",
            (table,),
        ).fetchall()
    ]
    sets = ", ".join(
        f"{one} = real.{one} + (new.{one} - old.{one})" if one in added else f"{one} = new.{one}"
        for one in columns
        if one not in keys
    )
    same = " and ".join(f"real.{one} = old.{one}" for one in keys)
    update = f"update {table}_rows as real set {sets} where {same};"
    connection.execute(f"alter table {table} rename to {table}_rows")
    connection.execute(
        f"create function {table}_read() returns setof {table}_rows language sql volatile as 'select * from {table}_rows'"
    )
    connection.execute(f"create view {table} as select * from {table}_read()")
    connection.execute(
        f"create function {table}_write() returns trigger language plpgsql as $$ begin"
        f" perform pg_sleep({pause}); {update if writes else ''} return new; end $$"
    )
    connection.execute(
        f"create trigger {table}_write instead of update on {table} for each row execute function {table}_write()"
    )


def pause_before(connection: psycopg.Connection[Any], table: str, seconds: float = 0.05) -> None:
    """Whoever inserts into a table waits a moment first, so that others look before it is there."""
    connection.execute(
        f"create function {table}_pause() returns trigger language plpgsql as"
        f" $$ begin perform pg_sleep({seconds}); return new; end $$"
    )
    connection.execute(
        f"create trigger {table}_pause before insert on {table} for each row execute function {table}_pause()"
    )
