"""Visits for tests of what comes after one: people who were checked in at a site, put into a database."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from core import clock
from core.ids import new_id
from core.keyring import KeyRing
from tests.api.people import who
from tests.conftest import TEST_RING

OFFERING = """
insert into offering (id, site_id, kind, shape, status, title, created_at, updated_at)
values (%s, %s, 'meal', 'counted', 'active', '午餐', %s, %s)
"""
SLOT = """
insert into slot (id, offering_id, on_date, starts_at, ends_at, opens_at, closes_at) values (%s, %s, %s, %s, %s, %s, %s)
"""
RESERVATION = """
insert into reservation (id, slot_id, offering_id, person_id, account_id, party_size, state, channel, code,
    starts_at, ends_at, created_at) values (%s, %s, %s, %s, %s, 1, %s, 'app', '123456', %s, %s, %s)
"""
PERSON = "insert into person (id, account_id, name, name_blind, created_at) values (%s, %s, %s, %s, %s)"


def visit(
    database_url: str,
    headers: dict[str, str],
    site: str,
    *,
    ago: timedelta = timedelta(hours=1),
    state: str = "checked_in",
) -> str:
    """The id of a reservation of whoever ``headers`` speak for, at a slot of ``site`` that ended ``ago``.

    They get a person of their own if they have none.
    """
    with psycopg.connect(database_url) as connection:
        account_id = who(headers)
        person_id = _own_person(connection, account_id)
        return _put(connection, person_id, account_id, site, ends_at=clock.now() - ago, state=state)


def _own_person(connection: psycopg.Connection[Any], account_id: UUID) -> UUID:
    found = connection.execute("select id from person where account_id = %s", (account_id,)).fetchone()
    if found is not None:
        return UUID(str(found[0]))
    person_id, ring = new_id(), KeyRing.parse(TEST_RING)
    name = ring.encrypt("person.name", person_id, "王秀英")
    blind = ring.blind("person.name", "王秀英")
    connection.execute(PERSON, (person_id, account_id, name, blind, clock.now()))
    return person_id


def _put(
    connection: psycopg.Connection[Any],
    person_id: UUID,
    account_id: UUID,
    site: str,
    *,
    ends_at: datetime,
    state: str,
) -> str:
    offering_id, slot_id, reservation_id = new_id(), new_id(), new_id()
    starts_at = ends_at - timedelta(hours=1)
    opens_at = starts_at - timedelta(days=7)
    connection.execute(OFFERING, (offering_id, site, opens_at, opens_at))
    connection.execute(
        SLOT, (slot_id, offering_id, starts_at.date(), starts_at, ends_at, opens_at, starts_at)
    )
    connection.execute(
        RESERVATION,
        (
            reservation_id,
            slot_id,
            offering_id,
            person_id,
            account_id,
            state,
            starts_at,
            ends_at,
            opens_at,
        ),
    )
    return str(reservation_id)
