"""A slot's queue: joining it and leaving it, under the locks of the slot's buckets."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from booking.attendance.marks import check_blocked
from booking.capacity.buckets import Buckets, choose, lock_buckets
from booking.capacity.seats import WHEELCHAIR
from booking.errors import (
    AlreadyWaiting,
    InvalidWish,
    LimitReached,
    NotWaitable,
    PersonBusy,
    PlacesLeft,
    WaitlistEntryNotFound,
    WrongEntryState,
)
from booking.events import emit
from booking.models import Offering, PersonCommitment, PersonQuota, Reservation, Slot, WaitlistEntry
from booking.people.delegations import allows, reach
from booking.recording.entitlement import Entitlement, details_of, entitle
from booking.recording.record import booker_of
from booking.recording.targets import DESK_CHANNELS, Target, load_target, needs_of, require_bookable, scope_of
from booking.rules.reading import GENERAL
from booking.waitlist.promote import could_ever_fit, promote
from core.actor import Actor
from core.keyring import KeyRing
from core.permissions import covers, may
from geo.sites.places import find_place

# Held places nobody confirmed in time, by bucket. Uses reservation_held_idx and allocation_reservation_id_idx.
LAPSED = text(
    """
    select allocation.slot_id, allocation.tier, sum(allocation.held)::int as held
    from reservation join allocation on allocation.reservation_id = reservation.id
    where reservation.slot_id = :slot_id and reservation.state = 'held' and reservation.expires_at <= :now
    group by allocation.slot_id, allocation.tier
    """
)
STATE_WORDS: Mapping[str, tuple[str, str]] = {
    "waiting": ("候补中", "waiting"),
    "offered": ("已有名额，待确认", "offered a place"),
    "accepted": ("已接受", "accepted"),
    "declined": ("已放弃", "declined"),
    "expired": ("逾期未确认", "not accepted in time"),
    "left": ("已退出", "left"),
    "passed": ("未能安排", "passed over"),
    "closed": ("候补已结束", "closed"),
}


@dataclass(frozen=True, slots=True)
class Joining:
    """What somebody wants to wait for."""

    slot_id: UUID
    person_id: UUID
    party_size: int = 1
    mode: str | None = None
    wheelchair: bool = False


async def join(
    session: AsyncSession, actor: Actor, *, ring: KeyRing, wish: Joining, now: datetime
) -> WaitlistEntry:
    """Put a party at the end of a slot's queue.

    Raises what reserving does, NotWaitable, PlacesLeft while the party could just book, AlreadyWaiting.
    """
    target = await load_target(session, slot_id=wish.slot_id)
    offering, slot = target.offering, target.slot
    if offering.shape == "interval":
        raise InvalidWish(
            "按时段使用的场地不设候补。", "There is no waiting list for what is booked from to."
        )
    if not target.rules.waitlist.enabled:
        raise NotWaitable("请选其他时段。", "Choose another slot.")
    if wish.wheelchair and offering.shape != "seated":
        raise InvalidWish("该项目不选座位。", "There are no seats to choose here.")
    require_bookable(target, actor, now=now)
    if now >= slot.closes_at:
        raise NotWaitable("预约已截止。", "Booking has closed.")
    entitled = await entitle(
        session,
        actor,
        ring=ring,
        target=target,
        person_id=wish.person_id,
        party_size=wish.party_size,
        mode=wish.mode,
        now=now,
    )
    assert entitled.person is not None
    if actor.channel not in DESK_CHANNELS:
        await check_blocked(session, person_id=wish.person_id, target=target, who=entitled.who, now=now)
    await _check_free(session, target, entitled, person_id=wish.person_id, now=now)
    mode = wish.mode or (offering.modes[0] if len(offering.modes) == 1 else None)
    entry = WaitlistEntry(
        slot_id=slot.id,
        person_id=wish.person_id,
        account_id=actor.account_id,
        party_size=wish.party_size,
        mode=mode,
        channel=actor.channel,
        tiers=list(_tiers(target, wish, entitled)),
        wheelchair=wish.wheelchair,
        price_fen=entitled.price.fen,
        details=details_of(target, entitled, wheelchair=wish.wheelchair),
        joined_at=now,
    )
    needs = [
        (one.needs_slot_id, wish.party_size if one.per == "person" else 1)
        for one in await needs_of(session, slot_id=slot.id)
        if not one.modes or mode in one.modes
    ]
    # From here on nothing is freed or joined unseen: the number is drawn under these locks, so it is the commit's order.
    buckets = await lock_buckets(session, [slot.id, *(needed for needed, _ in needs)])
    await _check_waiting(session, entry)
    here = [one for one in buckets.values() if one.slot_id == slot.id]
    if not could_ever_fit(here, entry.tiers, entry.party_size, slot.closes_at):
        raise NotWaitable("该时段没有这么多名额。", "The slot does not have as many places.")
    if await _could_book(session, target, entry, buckets, needs, now=now):
        raise PlacesLeft("请直接预约。", "Book it now.", slot_id=slot.id)
    session.add(entry)
    await session.flush()
    await emit(
        session,
        kind="waitlist_joined",
        person_id=entry.person_id,
        account_id=booker_of(entry.account_id, entry.channel),
        subject_id=entry.id,
        data={
            "entry_id": str(entry.id),
            "offering_id": str(offering.id),
            "slot_id": str(slot.id),
            "starts_at": slot.starts_at.isoformat(),
            "ends_at": slot.ends_at.isoformat(),
            "party_size": entry.party_size,
        },
        now=now,
    )
    return entry


async def leave(session: AsyncSession, actor: Actor, *, entry_id: UUID, now: datetime) -> WaitlistEntry:
    """Wait no longer; what was kept for this party goes to the next. Left already: nothing changes.

    Raises WaitlistEntryNotFound, WrongEntryState (an offer is declined instead).
    """
    entry = await get_entry(session, actor, entry_id=entry_id, change=True, now=now)
    await lock_buckets(session, [entry.slot_id])
    await session.refresh(entry)
    if entry.state == "left":
        return entry
    if entry.state != "waiting":
        raise wrong(entry.state)
    entry.state, entry.decided_at = "left", now
    await session.flush()
    await promote(session, slot_ids=[entry.slot_id], now=now)
    return entry


async def get_entry(
    session: AsyncSession, actor: Actor, *, entry_id: UUID, change: bool = False, now: datetime
) -> WaitlistEntry:
    """An entry of one's own, of somebody who delegated, or of a site one runs. Raises WaitlistEntryNotFound."""
    row = (
        await session.execute(
            select(WaitlistEntry, Offering)
            .join(Slot, Slot.id == WaitlistEntry.slot_id)
            .join(Offering, Offering.id == Slot.offering_id)
            .where(WaitlistEntry.id == entry_id)
        )
    ).one_or_none()
    if row is not None:
        entry, offering = row
        scopes = (
            (await reach(session, actor.account_id, now=now)).get(entry.person_id)
            if actor.account_id is not None
            else None
        )
        if scopes is not None and allows(scopes, scope_of(offering.kind) if change else "view"):
            return entry
        if may(actor, "desk.run"):
            place = await find_place(session, site_id=offering.site_id)
            if place is not None and covers(actor, "desk.run", place):
                return entry
    raise WaitlistEntryNotFound(
        "请核对编号；授权可能已结束。", "Check the id; the delegation may have ended."
    )


def wrong(state: str) -> WrongEntryState:
    """The refusal that names the state."""
    zh, en = STATE_WORDS[state]
    return WrongEntryState(f"当前状态：{zh}。", f"It is {en}.", state=state)


def _tiers(target: Target, wish: Joining, entitled: Entitlement) -> tuple[str, ...]:
    """The buckets a party may take from; those of a hall are told apart by kind of seat."""
    if target.offering.shape != "seated":
        return entitled.tiers
    return (WHEELCHAIR, GENERAL) if wish.wheelchair else (GENERAL,)


async def _check_free(
    session: AsyncSession, target: Target, entitled: Entitlement, *, person_id: UUID, now: datetime
) -> None:
    """Raises PersonBusy, LimitReached: whoever could not take an offer need not wait for one. Constraints guard it later.

    Holds that ran out bind nobody, whether or not they were ended already.
    """
    slot = target.slot
    query = select(Reservation).where(
        Reservation.person_id == person_id, Reservation.state == "held", Reservation.expires_at <= now
    )
    over = (await session.scalars(query)).all()
    if target.offering.exclusive:
        span = func.tstzrange(slot.starts_at, slot.ends_at)
        busy = select(PersonCommitment.id).where(
            PersonCommitment.person_id == person_id,
            PersonCommitment.during.op("&&")(span),
            PersonCommitment.subject_id.not_in([one.id for one in over]),
        )
        if await session.scalar(busy.limit(1)) is not None:
            raise PersonBusy("请先取消或改期那个预约。", "Cancel or move that one first.")
    most = {(one.scope, one.period_on): one.most for one in entitled.quotas}
    freed = Counter(
        (scope, date.fromisoformat(day)) for one in over for scope, day in one.details.get("quotas", ())
    )
    used = await session.execute(
        select(PersonQuota.scope, PersonQuota.period_on, PersonQuota.used).where(
            PersonQuota.person_id == person_id,
            tuple_(PersonQuota.scope, PersonQuota.period_on).in_(list(most)),
        )
    )
    for scope, period_on, count in used:
        if count - freed[scope, period_on] >= most[scope, period_on]:
            raise LimitReached("请改约其他日期。", "Choose another date.")


async def _check_waiting(session: AsyncSession, entry: WaitlistEntry) -> None:
    """Raises AlreadyWaiting. Uses waitlist_entry_person_key."""
    waiting = await session.scalar(
        select(WaitlistEntry.id).where(
            WaitlistEntry.slot_id == entry.slot_id,
            WaitlistEntry.person_id == entry.person_id,
            WaitlistEntry.state.in_(("waiting", "offered")),
        )
    )
    if waiting is not None:
        raise AlreadyWaiting("请在候补列表中查看。", "Look at the waiting list.", entry_id=waiting)


async def _could_book(
    session: AsyncSession,
    target: Target,
    entry: WaitlistEntry,
    buckets: Buckets,
    needs: list[tuple[UUID, int]],
    *,
    now: datetime,
) -> bool:
    """Whether the whole party could book at this moment. Holds that ran out count as free, unless somebody waits."""
    waits = await session.scalar(
        select(WaitlistEntry.id)
        .where(WaitlistEntry.slot_id == entry.slot_id, WaitlistEntry.state == "waiting")
        .limit(1)
    )
    if waits is None:
        lapsed = await session.execute(LAPSED, {"slot_id": entry.slot_id, "now": now})
        back = {(row.slot_id, row.tier): row.held for row in lapsed}
        buckets = {key: replace(one, held=one.held - back.get(key, 0)) for key, one in buckets.items()}
    return all(
        choose(buckets, slot_id=slot_id, tiers=tiers, places=places, now=now) is not None
        for slot_id, tiers, places in _wanted(target, entry, needs)
        if places
    )


def _wanted(
    target: Target, entry: WaitlistEntry, needs: list[tuple[UUID, int]]
) -> list[tuple[UUID, tuple[str, ...], int]]:
    slot_id, tiers = entry.slot_id, tuple(entry.tiers)
    supplies = [(needed, tiers, places) for needed, places in needs]
    if target.offering.shape == "seated" and entry.wheelchair:
        return [(slot_id, (WHEELCHAIR,), 1), (slot_id, (GENERAL,), entry.party_size - 1), *supplies]
    return [(slot_id, tiers, entry.party_size), *supplies]
