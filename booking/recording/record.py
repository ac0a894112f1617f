"""The rows of a new reservation, in one statement: what it is, its first step, what it binds the person to.

Constraints guard what was only read before: one place at a time (``person_commitment``), so many in a period
(``person_quota``), one code a slot. ``refusals()`` turns their errors into ours.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from psycopg import errors as pg
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from booking.errors import LimitReached, PersonBusy, ResourceTaken, SlotFull
from booking.models import Reservation
from booking.recording.targets import DESK_CHANNELS
from booking.rules.limits import Quota
from core.actor import Actor
from core.database import driver_connection
from core.errors import DomainError
from core.ids import new_id

CODE_DIGITS = 6
# What binds a person: their time, and one more of each limit.
BOUND = """committed as (
    insert into person_commitment (id, person_id, kind, subject_id, during)
    select %(commitment_id)s, %(person_id)s, 'reservation', %(id)s,
        tstzrange(%(starts_at)s::timestamptz, %(ends_at)s::timestamptz)
    from took where %(exclusive)s
), used as (
    insert into person_quota (person_id, scope, period_on, used, most)
    select %(person_id)s, quota.scope, quota.period_on, 1, quota.most
    from took, unnest(%(quota_scopes)s::varchar[], %(quota_days)s::date[], %(quota_most)s::int[])
        as quota(scope, period_on, most)
    on conflict (person_id, scope, period_on) do update set used = person_quota.used + 1, most = excluded.most
)"""
# Common table expressions, each fed by ``took``: no row in it, no row anywhere. Written for psycopg, since the hot path
# (booking/reservations/hot.py) runs the same text as one statement.
ROWS = f"""
reserved as (
    insert into reservation (id, slot_id, offering_id, person_id, account_id, party_size, mode, state, channel, code,
        starts_at, ends_at, expires_at, price_fen, details, created_at)
    select %(id)s, %(slot_id)s, %(offering_id)s, %(person_id)s, %(account_id)s, %(party_size)s, %(mode)s, %(state)s,
        %(channel)s, %(code)s, %(starts_at)s, %(ends_at)s, %(expires_at)s, %(price_fen)s, %(details)s::jsonb, %(now)s
    from took
), stepped as (
    insert into reservation_step (reservation_id, number, at, state, slot_id, actor, channel, why)
    select %(id)s, 1, %(now)s, %(state)s, %(slot_id)s, %(actor)s, %(channel)s, %(why)s from took
), {BOUND}, told as (
    insert into event (id, kind, person_id, account_id, subject_id, data, created_at)
    select %(event_id)s, %(event_kind)s, %(person_id)s, %(booker_id)s, %(id)s, %(event_data)s::jsonb, %(now)s
    from took where %(event_kind)s::varchar is not null
)
"""
RECORD = f"with took as (select 1), {ROWS} select 1"
BIND = f"with took as (select 1), {BOUND} select 1"
CODE_TAKEN = "reservation_slot_id_code_key"
# With 1,000 bookings in a slot one code in a thousand is taken.
CODES_TRIED = 5


@dataclass(frozen=True, slots=True)
class Draft:
    """A reservation to be. ``tells`` False: nobody is told, as when they stand at the desk."""

    slot_id: UUID
    offering_id: UUID
    person_id: UUID | None
    account_id: UUID | None
    party_size: int
    mode: str | None
    state: str
    starts_at: datetime
    ends_at: datetime
    expires_at: datetime | None
    price_fen: int | None
    exclusive: bool
    quotas: Sequence[Quota] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    why: str = "booked"
    tells: bool = True
    id: UUID = field(default_factory=new_id)
    code: str = field(default_factory=lambda: new_code())


def new_code() -> str:
    """Digits said at the desk."""
    return f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"


def is_code_taken(error: IntegrityError) -> bool:
    """Whether somebody else in the slot has the code."""
    return isinstance(error.orig, pg.UniqueViolation) and error.orig.diag.constraint_name == CODE_TAKEN


def booker_of(account_id: UUID | None, channel: str) -> UUID | None:
    """The account that is told beside the person: whoever booked, unless it was staff at the desk."""
    return None if channel in DESK_CHANNELS else account_id


def values_of(draft: Draft, actor: Actor, *, now: datetime) -> dict[str, Any]:
    """The parameters of ``ROWS``."""
    quotas = draft.quotas if draft.person_id is not None else ()
    details = {**draft.details, "quotas": noted(quotas)}
    told = {
        "reservation_id": draft.id,
        "offering_id": draft.offering_id,
        "slot_id": draft.slot_id,
        "starts_at": draft.starts_at.isoformat(),
        "ends_at": draft.ends_at.isoformat(),
        "party_size": draft.party_size,
        "expires_at": draft.expires_at and draft.expires_at.isoformat(),
        "why": draft.why,
    }
    return {
        "id": draft.id,
        "slot_id": draft.slot_id,
        "offering_id": draft.offering_id,
        "person_id": draft.person_id,
        "account_id": draft.account_id,
        "party_size": draft.party_size,
        "mode": draft.mode,
        "state": draft.state,
        "channel": actor.channel,
        "code": draft.code,
        "starts_at": draft.starts_at,
        "ends_at": draft.ends_at,
        "expires_at": draft.expires_at,
        "price_fen": draft.price_fen,
        "details": orjson.dumps(details).decode(),
        "now": now,
        "actor": actor.name,
        "why": draft.why,
        **_binding(quotas, exclusive=draft.exclusive and draft.person_id is not None),
        "event_id": new_id(),
        "booker_id": booker_of(draft.account_id, actor.channel),
        "event_kind": f"reservation_{draft.state}" if draft.tells and draft.person_id is not None else None,
        "event_data": orjson.dumps(told).decode(),
    }


def _binding(quotas: Sequence[Quota], *, exclusive: bool) -> dict[str, Any]:
    return {
        "commitment_id": new_id(),
        "exclusive": exclusive,
        "quota_scopes": [one.scope for one in quotas],
        "quota_days": [one.period_on for one in quotas],
        "quota_most": [one.most for one in quotas],
    }


def noted(quotas: Sequence[Quota]) -> list[list[str]]:
    """As a reservation remembers which limits it counts against."""
    return [[one.scope, one.period_on.isoformat()] for one in quotas]


async def bind_person(
    session: AsyncSession, reservation: Reservation, *, quotas: Sequence[Quota], exclusive: bool
) -> None:
    """Bind the person to the reservation's time, and count it. Raises PersonBusy, LimitReached."""
    connection = await driver_connection(session)
    values = {
        "id": reservation.id,
        "person_id": reservation.person_id,
        "starts_at": reservation.starts_at,
        "ends_at": reservation.ends_at,
        **_binding(quotas, exclusive=exclusive),
    }
    with refusals():
        await connection.execute(BIND, values)


async def record(session: AsyncSession, actor: Actor, draft: Draft, *, now: datetime) -> Reservation:
    """Write ``draft`` down; its places, seats or spans are the caller's to take. Raises PersonBusy, LimitReached.

    Whoever sees a code that somebody else has in this slot gets another one.
    """
    values = values_of(draft, actor, now=now)
    for left in reversed(range(CODES_TRIED)):
        try:
            with refusals():
                async with session.begin_nested():
                    connection = await driver_connection(session)  # asked here, or there is no savepoint yet
                    await connection.execute(RECORD, values)
            break
        except pg.UniqueViolation as error:
            if error.diag.constraint_name != CODE_TAKEN or not left:
                raise
            values["code"] = new_code()
    reservation = await session.get(Reservation, draft.id)
    assert reservation is not None
    return reservation


@contextmanager
def refusals() -> Iterator[None]:
    """Errors of the guarding constraints as PersonBusy, LimitReached, SlotFull, ResourceTaken."""
    try:
        yield
    except pg.IntegrityError as error:
        refused = refusal_of(error)
        if refused is None:
            raise
        raise refused from error
    except DBAPIError as error:
        refused = refusal_of(error.orig) if isinstance(error.orig, pg.IntegrityError) else None
        if refused is None:
            raise
        raise refused from error


def refusal_of(error: pg.IntegrityError) -> DomainError | None:
    """The refusal that a broken constraint stands for; None when it stands for none."""
    match error.diag.constraint_name:
        case "person_commitment_overlap_excl":
            return PersonBusy("请先取消或改期那个预约。", "Cancel or move that one first.")
        case "person_quota_most_check":
            return LimitReached("请改约其他日期。", "Choose another date.")
        case "slot_bucket_capacity_check":
            return SlotFull("请选其他时段。", "Choose another slot.")
        case "resource_span_overlap_excl":
            return ResourceTaken("请换一个时间或场地。", "Try another time or another one.")
    return None
