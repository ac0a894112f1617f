"""What a device did without a network, sent in when it has one again: each item once, and none of them lost.

One transaction a batch; an item that cannot be is rolled back to its savepoint and reported. The batch's items are
written down first, in order: a second copy that arrives meanwhile waits there, and finds them done. What the batch will
touch is locked before the first item is applied, in the written order of locks: persons, reservations, buckets.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, delete, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from booking.capacity.buckets import lock_buckets
from booking.desk.check_ins import CheckedIn, check_in, mark_absent, undo
from booking.desk.found import Shown, instant_of
from booking.desk.models import DeskSyncItem
from booking.desk.places import ACTION, get_desk
from booking.desk.tickets import read_ticket
from booking.desk.walk_ins import walk_in
from booking.errors import CheckedInElsewhere, InvalidTicket, ReservationNotFound, SlotFull
from booking.models import Reservation, SlotNeed
from core import audit
from core.actor import Actor
from core.errors import DomainError
from core.keyring import KeyRing

MOST_ITEMS = 500
OVER_CAPACITY = "over-capacity"
LOCK_PERSONS = text("select 1 from person where id = any(:ids) order by id for no key update")
LOCK_RESERVATIONS = text("select 1 from reservation where id = any(:ids) order by id for update")

Kind = Literal["check_in", "walk_in", "no_show", "undo"]
Result = Literal["done", "already", "conflict", "later"]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing done. ``shown``: whose check-in, absence or undo it is; ``undoes``: or the item that it takes back."""

    id: UUID
    kind: Kind
    at: datetime
    shown: Shown = field(default_factory=Shown)
    undoes: UUID | None = None
    slot_id: UUID | None = None
    party_size: int = 1
    mode: str | None = None
    person_id: UUID | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What became of an item. ``conflict``: ``code``, ``detail_zh``, ``detail_en`` and what else helps to settle it."""

    id: UUID
    result: Result
    reservation_id: UUID | None = None
    conflict: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Whose items are applied, and when they came."""

    actor: Actor
    ring: KeyRing
    site_id: UUID
    device_id: str
    now: datetime


async def sync(
    session: AsyncSession,
    actor: Actor,
    *,
    ring: KeyRing,
    site_id: UUID,
    device_id: str,
    items: Sequence[Item],
    roster_id: UUID | None = None,
    out_of_time: Callable[[], bool] = lambda: False,
    now: datetime,
) -> list[Report]:
    """Apply ``items`` in their order; a report for each. Raises SiteNotFound, NotAllowed.

    The first is applied in any case; what comes once ``out_of_time`` is to be sent again, so that a long batch on a busy
    day is done in parts instead of never.
    """
    await get_desk(session, actor, site_id=site_id)
    batch = Batch(actor, ring, site_id, device_id, now)
    items = list({one.id: one for one in reversed(items)}.values())[::-1]  # the first of two with one id
    new = await _write_down(session, batch, items, roster_id)
    await _lock(session, batch, [one for one in items if one.id in new])
    reports: list[Report] = []
    later: list[UUID] = []
    for one in items:
        if one.id not in new:
            reports.append(await _repeat(session, batch, one))
        elif later or (len(reports) > 0 and out_of_time()):
            later.append(one.id)
            reports.append(Report(one.id, "later"))
        else:
            reports.append(await _apply(session, batch, one))
    if later:
        await session.execute(delete(DeskSyncItem).where(*_of(batch), DeskSyncItem.item_id.in_(later)))
    await audit.record(
        session,
        actor,
        action=ACTION,
        object_kind="site",
        object_id=site_id,
        detail={
            "act": "sync",
            "device_id": device_id,
            "roster_id": None if roster_id is None else str(roster_id),
            **Counter(one.result for one in reports),
        },
        now=now,
    )
    return reports


def _of(batch: Batch) -> tuple[ColumnElement[bool], ...]:
    """Items of the batch's device."""
    return DeskSyncItem.site_id == batch.site_id, DeskSyncItem.device_id == batch.device_id


async def _write_down(
    session: AsyncSession, batch: Batch, items: Sequence[Item], roster_id: UUID | None
) -> frozenset[UUID]:
    """The items that nobody sent before. A copy under way elsewhere is waited for."""
    if not items:
        return frozenset()
    rows = [
        {
            "site_id": batch.site_id,
            "device_id": batch.device_id,
            "item_id": one.id,
            "roster_id": roster_id,
            "kind": one.kind,
            "at": one.at,
            "received_at": batch.now,
            "actor": batch.actor.name,
        }
        for one in sorted(items, key=lambda one: one.id)
    ]
    made = await session.scalars(
        insert(DeskSyncItem).values(rows).on_conflict_do_nothing().returning(DeskSyncItem.item_id)
    )
    return frozenset(made)


async def _lock(session: AsyncSession, batch: Batch, items: Sequence[Item]) -> None:
    """Persons, reservations, buckets: all at once, since items come in any order."""
    ids: set[UUID] = set()
    codes: list[tuple[UUID, str]] = []
    for one in items:
        shown = one.shown
        if shown.ticket is not None:
            try:
                ids.add(read_ticket(batch.ring, shown.ticket))
            except InvalidTicket:
                continue  # reported when it is its turn
        elif shown.reservation_id is not None:
            ids.add(shown.reservation_id)
        elif shown.code is not None and shown.slot_id is not None:
            codes.append((shown.slot_id, shown.code))
    undone = [one.undoes for one in items if one.undoes is not None]
    if undone:
        earlier = await session.scalars(
            select(DeskSyncItem.reservation_id).where(
                *_of(batch),
                DeskSyncItem.item_id.in_(undone),
                DeskSyncItem.reservation_id.is_not(None),
            )
        )
        ids.update(one for one in earlier if one is not None)
    rows = (
        await session.execute(
            select(Reservation.id, Reservation.person_id, Reservation.slot_id).where(
                Reservation.id.in_(ids) | tuple_(Reservation.slot_id, Reservation.code).in_(codes)
            )
        )
    ).all()
    persons = {row.person_id for row in rows} | {one.person_id for one in items}
    await session.execute(LOCK_PERSONS, {"ids": [one for one in persons if one is not None]})
    await session.execute(LOCK_RESERVATIONS, {"ids": [row.id for row in rows]})
    # A walk-in takes places, and an undone one gives them back.
    slots = {one.slot_id for one in items if one.kind == "walk_in" and one.slot_id is not None}
    if undone:
        slots |= {row.slot_id for row in rows}
    if slots:
        needed = await session.scalars(select(SlotNeed.needs_slot_id).where(SlotNeed.slot_id.in_(slots)))
        await lock_buckets(session, [*slots, *needed])


async def _repeat(session: AsyncSession, batch: Batch, item: Item) -> Report:
    """What an item that was sent before came to: a conflict stays one."""
    row = await session.get_one(
        DeskSyncItem, (batch.site_id, batch.device_id, item.id), populate_existing=True
    )
    if row.result == "conflict":
        return Report(item.id, "conflict", row.reservation_id, row.conflict)
    return Report(item.id, "already", row.reservation_id)


async def _apply(session: AsyncSession, batch: Batch, item: Item) -> Report:
    try:
        async with session.begin_nested():
            report = await _act(session, batch, item)
    except DomainError as error:
        report = Report(item.id, "conflict", None, _said(error))
    await session.execute(
        update(DeskSyncItem)
        .where(*_of(batch), DeskSyncItem.item_id == item.id)
        .values(
            result=report.result,
            reservation_id=report.reservation_id,
            conflict=None if report.conflict is None else dict(report.conflict),
        )
    )
    return report


async def _act(session: AsyncSession, batch: Batch, item: Item) -> Report:
    """Do it. Raises whatever the same act raises at the desk."""
    actor, now = batch.actor, batch.now
    shown = replace(item.shown, site_id=batch.site_id)
    match item.kind:
        case "check_in":
            done = await check_in(
                session, actor, ring=batch.ring, shown=shown, at=item.at, why=item.why, now=now
            )
            if done.already:
                await _require_ours(session, batch, done)
            return _report(item, done)
        case "no_show":
            return _report(
                item,
                await mark_absent(session, actor, ring=batch.ring, shown=shown, at=item.at, now=now),
            )
        case "walk_in":
            return _report(
                item,
                await walk_in(
                    session,
                    actor,
                    ring=batch.ring,
                    site_id=batch.site_id,
                    slot_id=item.slot_id,
                    party_size=item.party_size,
                    person_id=item.person_id,
                    mode=item.mode,
                    at=item.at,
                    now=now,
                ),
            )
        case "undo":
            return await _undo(session, batch, item)


async def _undo(session: AsyncSession, batch: Batch, item: Item) -> Report:
    """Take back an item of this device, or what it saw of a reservation. One that never was done needs no undoing."""
    instant_of(item.at, now=batch.now)
    reservation_id = item.shown.reservation_id
    if item.undoes is not None:
        earlier = await session.get(
            DeskSyncItem, (batch.site_id, batch.device_id, item.undoes), populate_existing=True
        )
        if earlier is None or earlier.result is None:
            raise ReservationNotFound("没有收到要撤销的那一项。", "The item to take back did not arrive.")
        if earlier.result == "conflict" or earlier.reservation_id is None:
            return Report(item.id, "already")
        reservation_id = earlier.reservation_id
    found = None if reservation_id is None else await session.get(Reservation, reservation_id)
    if found is None:
        raise ReservationNotFound("请核对编号。", "Check the id.")
    if found.state not in ("checked_in", "no_show"):
        return Report(item.id, "already", found.id)
    meant = await undo(
        session,
        batch.actor,
        ring=batch.ring,
        reservation_id=found.id,
        state="checked_in" if found.state == "checked_in" else "no_show",
        at=item.at,
        now=batch.now,
    )
    return Report(item.id, "done", meant.reservation.id)


async def _require_ours(session: AsyncSession, batch: Batch, done: CheckedIn) -> None:
    """Raises CheckedInElsewhere unless it was this device, or this clerk at a desk with a network."""
    device_id = await session.scalar(
        select(DeskSyncItem.device_id)
        .where(
            DeskSyncItem.reservation_id == done.reservation.id,
            DeskSyncItem.kind.in_(("check_in", "walk_in")),
            DeskSyncItem.result == "done",
        )
        .order_by(DeskSyncItem.received_at.desc())
        .limit(1)
    )
    if device_id == batch.device_id or (device_id is None and done.by == batch.actor.name):
        return
    at = done.at.astimezone(done.meant.zone)
    raise CheckedInElsewhere(
        f"{at:%H:%M} 已在另一窗口签到，请核对是否重复领取。",
        f"They were checked in at {at:%H:%M} at another desk; see whether something was given twice.",
        at=at.isoformat(),
        by=done.by,
        device_id=device_id,
        reservation_id=str(done.reservation.id),
    )


def _report(item: Item, done: CheckedIn) -> Report:
    return Report(item.id, "already" if done.already else "done", done.reservation.id)


def _said(error: DomainError) -> dict[str, Any]:
    """A refusal as the device gets it. Whoever ate without a place is on record here; no place is sold twice for it."""
    code = OVER_CAPACITY if isinstance(error, SlotFull) else error.code
    said = {
        **error.fields,
        "code": code,
        "title_zh": error.title_zh,
        "title_en": error.title_en(),
        "detail_zh": error.detail_zh,
        "detail_en": error.detail_en,
    }
    plain: dict[str, Any] = orjson.loads(orjson.dumps(said))  # ids and instants as text
    return plain
