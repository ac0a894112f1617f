"""What every change of a reservation has in common: its history, its places, who is told."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from booking.capacity.buckets import Claim, Move, claims_of, lock_buckets, move
from booking.capacity.seats import free_seats
from booking.capacity.spans import free_spans
from booking.errors import HoldExpired
from booking.events import Kind, emit, said_of
from booking.models import Offering, PersonCommitment, Reservation, ReservationStep, WaitlistEntry
from booking.recording.record import booker_of
from core.actor import Actor

UNUSE = text(
    """
    update person_quota set used = used - 1
    where person_id = :person_id and used > 0
      and (scope, period_on) in (select * from unnest(cast(:scopes as varchar[]), cast(:days as date[])))
    """
)


async def step(
    session: AsyncSession,
    actor: Actor,
    reservation: Reservation,
    *,
    state: str,
    why: str,
    tell: Kind | None,
    now: datetime,
) -> None:
    """Bring ``reservation`` into ``state``, on record; ``tell``: the event that people hear of."""
    reservation.state = state
    reservation.version += 1
    session.add(
        ReservationStep(
            reservation_id=reservation.id,
            number=reservation.version,
            at=now,
            state=state,
            slot_id=reservation.slot_id,
            actor=actor.name,
            channel=actor.channel,
            why=why,
        )
    )
    await session.flush()
    if tell is not None and reservation.person_id is not None:
        await emit(
            session,
            kind=tell,
            person_id=reservation.person_id,
            account_id=booker_of(reservation.account_id, reservation.channel),
            subject_id=reservation.id,
            data={**said_of(reservation, why), "version": reservation.version},
            now=now,
        )


def require_not_over(reservation: Reservation, *, now: datetime) -> None:
    """Raises HoldExpired for a hold that ran out, also before anybody has noted that."""
    ends_at = reservation.expires_at
    if reservation.state == "expired" or (
        reservation.state == "held" and ends_at is not None and ends_at <= now
    ):
        raise HoldExpired("请重新预约。", "Please book again.")


def cut_off(reservation: Reservation, offering: Offering) -> datetime:
    """Until then it can be moved, and cancelled without counting as late."""
    return reservation.starts_at - timedelta(minutes=offering.cancel_minutes_before)


async def lock_places(session: AsyncSession, reservation: Reservation) -> list[Claim]:
    """What ``reservation`` has, its buckets locked in order. The caller holds its row."""
    claims = await claims_of(session, reservation_id=reservation.id)
    await lock_buckets(session, [one.slot_id for one in claims])
    return claims


async def give_back(
    session: AsyncSession, reservation: Reservation, claims: Sequence[Claim], *, now: datetime
) -> bool:
    """Free everything ``reservation`` has. True when places went to those who wait: then ``promote`` must follow.

    The caller holds the locks of all its buckets (``lock_places``).
    """
    waits = await is_waited_for(session, slot_id=reservation.slot_id)
    moves = freeing(reservation, claims, waits=waits)
    await move(session, moves, reservation_id=reservation.id, now=now)
    await free_seats(session, reservation_id=reservation.id)
    await free_spans(session, reservation_id=reservation.id)
    await release_person(session, reservation)
    return waits and bool(claims)


def freeing(reservation: Reservation, claims: Sequence[Claim], *, waits: bool) -> list[Move]:
    """Moves that take ``claims`` from a reservation. Places of its own slot are set aside for those who wait.

    A supply slot has no queue of its own.
    """
    moves = []
    for one in claims:
        aside = one.places if waits and one.slot_id == reservation.slot_id else 0
        if reservation.state == "held":
            moves.append(Move(one.slot_id, one.tier, held=-one.places, set_aside=aside))
        else:
            moves.append(Move(one.slot_id, one.tier, confirmed=-one.places, set_aside=aside))
    return moves


async def settle_offer(session: AsyncSession, reservation_id: UUID, state: str, *, now: datetime) -> bool:
    """Say in the waiting list what became of an offer; False when the reservation was none.

    Uses waitlist_entry_reservation_id_idx.
    """
    entry_id = await session.scalar(
        update(WaitlistEntry)
        .where(WaitlistEntry.reservation_id == reservation_id, WaitlistEntry.state == "offered")
        .values(state=state, decided_at=now)
        .returning(WaitlistEntry.id)
    )
    return entry_id is not None


async def release_person(session: AsyncSession, reservation: Reservation) -> None:
    """The person is free again at that time, and has one more of each limit."""
    await session.execute(delete(PersonCommitment).where(PersonCommitment.subject_id == reservation.id))
    quotas = reservation.details.get("quotas", [])
    if reservation.person_id is not None and quotas:
        await session.execute(
            UNUSE,
            {
                "person_id": reservation.person_id,
                "scopes": [scope for scope, _ in quotas],
                "days": [date.fromisoformat(day) for _, day in quotas],
            },
        )


async def is_waited_for(session: AsyncSession, *, slot_id: UUID) -> bool:
    """Whether anybody waits for a place. Uses waitlist_entry_queue_idx."""
    waiting = select(WaitlistEntry.id).where(
        WaitlistEntry.slot_id == slot_id, WaitlistEntry.state == "waiting"
    )
    return bool(await session.scalar(select(waiting.exists())))
