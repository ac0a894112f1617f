"""What happened that people must be told: written in the transaction that did it, passed on by the worker."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from booking.models import Event, Reservation
from core.ids import new_id

Kind = Literal[
    "reservation_held",
    "reservation_confirmed",
    "reservation_changed",
    "reservation_moved",
    "reservation_cancelled",
    "reservation_expired",
    "reservation_reminder",
    "slot_closed",
    "checked_in",
    "no_show",
    "rating_invited",
    "waitlist_joined",
    "waitlist_offer",
    "waitlist_expired",
    "waitlist_passed",
    "waitlist_closed",
    "standing_booked",
    "standing_failed",
    "appeal_answered",
    "complaint_answered",
    "correction_answered",
]
KINDS: tuple[str, ...] = get_args(Kind)


async def emit(
    session: AsyncSession,
    *,
    kind: Kind,
    person_id: UUID | None,
    account_id: UUID | None,
    subject_id: UUID,
    data: Mapping[str, Any],
    dedupe: str | None = None,
    now: datetime,
) -> None:
    """Have the person, and whoever did it, told. ``data``: ids, codes and ISO instants, never personal data.

    With ``dedupe`` the same is told once, whoever says it again.
    """
    await session.execute(
        insert(Event)
        .values(
            id=new_id(),
            kind=kind,
            person_id=person_id,
            account_id=account_id,
            subject_id=subject_id,
            data=dict(data),
            dedupe=dedupe,
            created_at=now,
        )
        .on_conflict_do_nothing()
    )


def said_of(reservation: Reservation, why: str) -> dict[str, Any]:
    """``data`` of events about a reservation."""
    return {
        "reservation_id": str(reservation.id),
        "offering_id": str(reservation.offering_id),
        "slot_id": str(reservation.slot_id),
        "starts_at": reservation.starts_at.isoformat(),
        "ends_at": reservation.ends_at.isoformat(),
        "party_size": reservation.party_size,
        "why": why,
    }
