"""Reservations as answers."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeVar, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api.schemas.reservations import ReservationOut, ResourceBriefOut, SeatOut, SiteBriefOut, State, StepOut
from booking.models import (
    Offering,
    Reservation,
    ReservationStep,
    Resource,
    ResourceSpan,
    Seat,
    SlotSeat,
)
from booking.recording.record import Draft
from booking.recording.targets import DESK_CHANNELS
from booking.reservations.states import NAMES
from geo.models import Site

Row = TypeVar("Row", Offering, Site)


def reservation_out(
    one: Reservation | Draft,
    offering: Offering,
    site: Site,
    *,
    channel: str,
    created_at: datetime,
    version: int = 1,
    seats: Sequence[Seat] = (),
    resources: Sequence[Resource] = (),
) -> ReservationOut:
    """``one`` as its owner sees it, times by the clock of the site."""
    zone = ZoneInfo(site.zone)
    zh, en = NAMES[one.state]
    return ReservationOut(
        id=one.id,
        state=cast(State, one.state),
        state_zh=zh,
        state_en=en,
        code=one.code,
        offering_id=one.offering_id,
        kind=offering.kind,
        title=offering.title,
        title_en=offering.title_en,
        site=SiteBriefOut(id=site.id, name=site.name, address=site.address),
        slot_id=one.slot_id,
        person_id=one.person_id,
        party_size=one.party_size,
        mode=one.mode,
        starts_at=one.starts_at.astimezone(zone),
        ends_at=one.ends_at.astimezone(zone),
        expires_at=one.expires_at and one.expires_at.astimezone(zone),
        cancel_until=(one.starts_at - timedelta(minutes=offering.cancel_minutes_before)).astimezone(zone),
        price_fen=one.price_fen,
        price_lines=one.details.get("price", []),
        seats=[SeatOut(id=seat.id, row=seat.row_name, number=seat.number, kind=seat.kind) for seat in seats],
        resources=[ResourceBriefOut(id=each.id, name=each.name, role=each.role) for each in resources],
        channel=channel,
        created_at=created_at,
        version=version,
    )


async def reservations_out(session: AsyncSession, found: Collection[Reservation]) -> list[ReservationOut]:
    """All of ``found`` with what belongs to them; five queries, however many they are."""
    if not found:
        return []
    ids = [one.id for one in found]
    offerings = await _by_id(session, Offering, {one.offering_id for one in found})
    sites = await _by_id(session, Site, {one.site_id for one in offerings.values()})
    seats: dict[UUID, list[Seat]] = {}
    for reservation_id, seat in await session.execute(
        select(SlotSeat.reservation_id, Seat)
        .join(Seat, Seat.id == SlotSeat.seat_id)
        .where(SlotSeat.reservation_id.in_(ids))
        .order_by(Seat.row_rank, Seat.x)
    ):
        seats.setdefault(cast(UUID, reservation_id), []).append(seat)
    resources: dict[UUID, list[Resource]] = {}
    for reservation_id, resource in await session.execute(
        select(ResourceSpan.reservation_id, Resource)
        .join(Resource, Resource.id == ResourceSpan.resource_id)
        .where(ResourceSpan.reservation_id.in_(ids))
        .order_by(Resource.role, Resource.position)
    ):
        resources.setdefault(reservation_id, []).append(resource)
    return [
        reservation_out(
            one,
            offerings[one.offering_id],
            sites[offerings[one.offering_id].site_id],
            channel=one.channel,
            created_at=one.created_at,
            version=one.version,
            seats=seats.get(one.id, ()),
            resources=resources.get(one.id, ()),
        )
        for one in found
    ]


async def whole_out(session: AsyncSession, one: Reservation) -> ReservationOut:
    """``one`` with its history."""
    out = (await reservations_out(session, [one]))[0]
    steps = await session.scalars(
        select(ReservationStep)
        .where(ReservationStep.reservation_id == one.id)
        .order_by(ReservationStep.number)
    )
    return out.model_copy(update={"history": [_step_out(step, one) for step in steps]})


def _step_out(step: ReservationStep, one: Reservation) -> StepOut:
    by = "other"
    if step.channel == "system":
        by = "system"
    elif step.channel in DESK_CHANNELS:
        by = "staff"
    elif step.actor == f"account:{one.account_id}":
        by = "booker"
    return StepOut(
        number=step.number,
        at=step.at,
        state=cast(State, step.state),
        channel=step.channel,
        by=cast(Literal["booker", "other", "staff", "system"], by),
        why=step.why,
    )


async def _by_id(session: AsyncSession, model: type[Row], ids: Collection[UUID]) -> Mapping[UUID, Row]:
    return {one.id: one for one in await session.scalars(select(model).where(model.id.in_(ids)))}
