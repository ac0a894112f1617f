"""Whom the closing of a slot concerns."""

from uuid import UUID

from sqlalchemy import Select, any_, or_, select, union_all

from booking.models import Reservation, Slot, SlotNeed


def affected_query(slot_id: UUID) -> Select[UUID]:
    """Reservations that have places of a slot and are not used yet: in it, or in one that takes it along as a supply,
    unless that was over when the supply closed.

    Uses reservation_slot_id_code_key and slot_need_needs_slot_id_idx.
    """
    in_it = select(Reservation.id).where(Reservation.slot_id == slot_id)
    take_it = (
        select(Reservation.id)
        .join(SlotNeed, SlotNeed.slot_id == Reservation.slot_id)
        .join(Slot, Slot.id == SlotNeed.needs_slot_id)
        .where(
            SlotNeed.needs_slot_id == slot_id,
            Reservation.ends_at > Slot.closed_at,
            or_(SlotNeed.modes == [], Reservation.mode == any_(SlotNeed.modes)),
        )
    )
    both = union_all(in_it, take_it).subquery()
    return select(Reservation.id).where(
        Reservation.id.in_(select(both.c.id)), Reservation.state.in_(("held", "confirmed"))
    )
