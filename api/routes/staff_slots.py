"""Staff see and change single slots: places, closing, lent blocks; seats and resources; warnings."""

from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Query
from starlette.responses import Response

from api.access import allowed
from api.conditional import private
from api.idempotency import ONCE_ERRORS, Once, OnceRequired
from api.limits import LIMIT_ERRORS, limited
from api.problems import responses
from api.runtime import Session
from api.schemas.staff_slots import (
    AllotmentOut,
    BlockIn,
    BucketOut,
    ClosedSlotOut,
    CloseIn,
    ComparedOut,
    PlacesIn,
    ResourceOut,
    ResourcesIn,
    ResourcesOut,
    SeatMapIn,
    SeatMapOut,
    SeatOut,
    SlotsParameters,
    StaffSlotOut,
    StaffSlotPage,
    UsedIn,
    WarningOut,
    WarningPage,
    WarningsParameters,
)
from booking.closing.slots import close_slot
from booking.errors import OfferingNotFound, SlotNotFound
from booking.offerings.allotments import reconcile_block, take_block
from booking.offerings.errors import (
    AllotmentNotFound,
    AllotmentReturned,
    PlacesTaken,
    ResourcesInvalid,
    SeatsInvalid,
    SeatsTaken,
    SlotInvalid,
    SlotOver,
)
from booking.offerings.resources import put_resources
from booking.offerings.seats import put_seat_map
from booking.offerings.slots import SlotRow, TierSize, change_places, keep_slot, list_slots, show_slot
from booking.offerings.warnings import LABELS, MISFIT, warnings_query
from booking.waitlist.promote import promote
from core import clock
from core.actor import Actor
from core.errors import InvalidCursor
from core.paging import next_cursor, read_cursor
from core.permissions import NotAllowed, NotSignedIn
from geo.errors import SiteNotFound

router = APIRouter(tags=["staff"])

SIGNED_IN = (NotSignedIn, NotAllowed)
FOUND = (*SIGNED_IN, SlotNotFound)
CHANGES = (*LIMIT_ERRORS, *FOUND, SlotOver, SlotInvalid)
MOST_DAYS = 92

Manages = Annotated[Actor, allowed("offering.manage")]


@router.get(
    "/v1/staff/slots",
    response_model=StaffSlotPage,
    responses=responses(*SIGNED_IN, OfferingNotFound, SlotInvalid, InvalidCursor),
)
async def list_slots_of_offering(
    actor: Manages, session: Session, asked: Annotated[SlotsParameters, Query()]
) -> Response:
    """Slots of an offering with their places and warnings."""
    if not asked.from_ <= asked.to <= asked.from_ + timedelta(days=MOST_DAYS):
        raise SlotInvalid(
            f"to 应不早于 from，且最多晚 {MOST_DAYS} 天。",
            f"`to` is not before `from`, and at most {MOST_DAYS} days after it.",
        )
    fingerprint = orjson.dumps(["staff_slots", asked.model_dump(mode="json", exclude={"next", "limit"})])
    rows = await list_slots(
        session,
        actor,
        offering_id=asked.offering_id,
        first=asked.from_,
        last=asked.to,
        after=_after(read_cursor(fingerprint, asked.next, datetime.fromisoformat, UUID)),
        limit=asked.limit + 1,
    )
    following = next_cursor(fingerprint, rows, asked.limit, lambda row: [row.slot.starts_at, row.slot.id])
    return private(StaffSlotPage(items=[_out(row) for row in rows[: asked.limit]], next=following))


@router.put(
    "/v1/staff/slots/{slot_id}",
    dependencies=[limited("writes")],
    response_model=StaffSlotOut,
    responses=responses(*CHANGES, PlacesTaken),
)
async def put_places(actor: Manages, session: Session, slot_id: UUID, body: PlacesIn) -> Response:
    """More or fewer places, never fewer than are taken. New ones go to those who wait."""
    now = clock.now()
    tiers = {tier: TierSize(one.capacity, one.release_minutes) for tier, one in body.tiers.items()}
    resized = await change_places(session, actor, slot_id=slot_id, tiers=tiers, now=now)
    await promote(session, slot_ids=resized.promotable, now=now)
    return private(_out(await show_slot(session, slot_id=slot_id)))


@router.post(
    "/v1/staff/slots/{slot_id}/close",
    dependencies=[limited("writes")],
    response_model=ClosedSlotOut,
    responses=responses(*CHANGES, *ONCE_ERRORS),
)
async def close(
    actor: Manages, session: Session, slot_id: UUID, body: CloseIn, once: OnceRequired
) -> Response:
    """Close one slot. Those who booked are moved to `move_to` or cancelled by the worker, and each is told."""
    closed = await close_slot(
        session, actor, slot_id=slot_id, reason=body.reason, move_to=body.move_to, now=clock.now()
    )
    shown = _out(await show_slot(session, slot_id=slot_id))
    return await once.answer(ClosedSlotOut(**shown.model_dump(), reservations=closed.reservations))


@router.post(
    "/v1/staff/slots/{slot_id}/keep",
    dependencies=[limited("writes")],
    response_model=StaffSlotOut,
    responses=responses(*LIMIT_ERRORS, *FOUND, SlotOver, *ONCE_ERRORS),
)
async def keep(actor: Manages, session: Session, slot_id: UUID, once: Once) -> Response:
    """Keep a booked slot that no longer fits its template; it takes place as booked."""
    await keep_slot(session, actor, slot_id=slot_id, now=clock.now())
    return await once.answer(_out(await show_slot(session, slot_id=slot_id)))


@router.put(
    "/v1/staff/slots/{slot_id}/allotment",
    dependencies=[limited("writes")],
    response_model=StaffSlotOut,
    responses=responses(*CHANGES, PlacesTaken, AllotmentReturned),
)
async def put_block(actor: Manages, session: Session, slot_id: UUID, body: BlockIn) -> Response:
    """Take in a block that another system lends for this slot, or say anew how large it is."""
    now = clock.now()
    resized = await take_block(
        session,
        actor,
        slot_id=slot_id,
        lender=body.lender,
        reference=body.reference,
        lent=body.lent,
        return_at=body.return_at,
        now=now,
    )
    await promote(session, slot_ids=resized.promotable, now=now)
    return private(_out(await show_slot(session, slot_id=slot_id)))


@router.post(
    "/v1/staff/slots/{slot_id}/reconcile",
    dependencies=[limited("writes")],
    response_model=ComparedOut,
    responses=responses(*LIMIT_ERRORS, *FOUND, AllotmentNotFound, *ONCE_ERRORS),
)
async def reconcile(actor: Manages, session: Session, slot_id: UUID, body: UsedIn, once: Once) -> Response:
    """Enter what the lender says was used, and see how it differs from what we have."""
    compared = await reconcile_block(session, actor, slot_id=slot_id, used=body.used, now=clock.now())
    return await once.answer(ComparedOut.model_validate(compared))


@router.put(
    "/v1/staff/sites/{site_id}/seats",
    dependencies=[limited("writes")],
    response_model=SeatMapOut,
    responses=responses(*LIMIT_ERRORS, *SIGNED_IN, SiteNotFound, SeatsInvalid, SeatsTaken),
)
async def put_seats(actor: Manages, session: Session, site_id: UUID, body: SeatMapIn) -> Response:
    """Put the plan of a hall, whole. Slots ahead follow it; a seat that is booked can neither go nor change its kind."""
    plan = await put_seat_map(
        session, actor, site_id=site_id, name=body.map, seats=body.seats, now=clock.now()
    )
    seats = [
        SeatOut(id=one.id, row=one.row_name, number=one.number, x=one.x, kind=one.kind) for one in plan.seats
    ]
    return private(SeatMapOut(map=plan.name, seats=seats, slots=plan.slots))


@router.put(
    "/v1/staff/offerings/{offering_id}/resources",
    dependencies=[limited("writes")],
    response_model=ResourcesOut,
    responses=responses(*LIMIT_ERRORS, *SIGNED_IN, OfferingNotFound, ResourcesInvalid),
)
async def put_resources_of_offering(
    actor: Manages, session: Session, offering_id: UUID, body: ResourcesIn
) -> Response:
    """Put its courts, rooms or practitioners. One left out takes no new bookings and keeps those it has."""
    rows = await put_resources(
        session, actor, offering_id=offering_id, resources=body.resources, now=clock.now()
    )
    items = [
        ResourceOut(
            id=one.id,
            role=one.role,
            name=one.name,
            name_en=one.name_en,
            position=one.position,
            status=one.status,
            booked_ahead=count,
        )
        for one, count in rows
    ]
    return private(ResourcesOut(items=items))


@router.get(
    "/v1/staff/offering-warnings", response_model=WarningPage, responses=responses(*SIGNED_IN, InvalidCursor)
)
async def list_warnings(
    actor: Manages, session: Session, asked: Annotated[WarningsParameters, Query()]
) -> Response:
    """Dates without slots and why, and booked slots that no longer fit; the soonest first."""
    fingerprint = orjson.dumps(
        ["offering_warnings", asked.model_dump(mode="json", exclude={"next", "limit"})]
    )
    after = read_cursor(fingerprint, asked.next, date.fromisoformat, UUID, str)
    query = warnings_query(
        actor,
        site_id=asked.site_id,
        offering_id=asked.offering_id,
        after=None if after is None else (after[0], after[1], after[2]),
        limit=asked.limit + 1,
    )
    rows = (await session.execute(query)).all()
    items = [
        WarningOut(
            offering_id=offering.id,
            offering_title=offering.title,
            site_id=offering.site_id,
            template_id=one.template_id,
            on_date=one.on_date,
            code=one.code,
            label_zh=LABELS[one.code][0],
            label_en=LABELS[one.code][1],
            slot_id=one.slot_id,
            found_at=one.found_at,
        )
        for one, offering in rows[: asked.limit]
    ]
    following = next_cursor(
        fingerprint, rows, asked.limit, lambda row: [row[0].on_date, row[0].template_id, row[0].code]
    )
    return private(WarningPage(items=items, next=following))


def _after(key: tuple[datetime, UUID] | None) -> tuple[datetime, UUID] | None:
    """Raises InvalidCursor for an instant without an offset."""
    if key is not None and key[0].tzinfo is None:
        raise InvalidCursor("翻页标记无效，请从第一页重新查询。", "This cursor is not valid; start again.")
    return key


def _out(row: SlotRow) -> StaffSlotOut:
    slot = row.slot
    return StaffSlotOut(
        id=slot.id,
        offering_id=slot.offering_id,
        template_id=slot.template_id,
        on_date=slot.on_date,
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        opens_at=slot.opens_at,
        closes_at=slot.closes_at,
        state=slot.state,
        closed_reason=slot.closed_reason,
        moved_to=slot.moved_to,
        settled=slot.settled_at is not None,
        edited=slot.edited,
        warnings=[MISFIT] if row.does_not_fit else [],
        buckets=[BucketOut(**bucket) for bucket in row.buckets],
        allotment=None if row.allotment is None else AllotmentOut.model_validate(row.allotment),
    )
