"""What the worker does for slots: makes them, closes and settles them, gives lent places back."""

import logging
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from procrastinate import App

from booking.closing.settle import end_queue, find_affected, find_unsettled, finish, settle_reservation
from booking.closing.sites import close_slots_of_all
from booking.offerings.allotments import return_blocks
from booking.offerings.generate import AT_ONCE, find_templates, generate_slots
from booking.offerings.warnings import forget_past
from core import clock
from core.actor import SYSTEM, Actor
from core.database import Database
from core.keyring import KeyRing, load_key_ring
from core.settings import Settings

log = logging.getLogger(__name__)
# Closed slots that one run settles; the next one goes on.
MOST_SETTLED = 5_000

Tell = Callable[[int], None]


def add_booking_tasks(jobs: App, settings: Settings) -> None:
    """Slots each hour; what must not wait, each minute."""

    @jobs.periodic(cron="7 * * * *")
    @jobs.task(name="generate_slots", queueing_lock="generate_slots")
    async def generate(timestamp: int) -> None:
        """Make the slots of the days ahead, and compare those that are there with their templates."""
        async with Database(settings) as database:
            made = await generate_all(database, SYSTEM, region=settings.region, days=None, now=clock.now())
            async with database.transaction() as session:
                await forget_past(session, now=clock.now())
        if made:
            log.info("slots made", extra={"slots": made})

    @jobs.periodic(cron="* * * * *")
    @jobs.task(name="close_slots", queueing_lock="close_slots")
    async def close(timestamp: int) -> None:
        """Close what closures and sites say, then move or cancel everybody who was booked there."""
        ring = load_key_ring(settings)
        async with Database(settings) as database:
            async with database.transaction() as session:
                followed = await close_slots_of_all(session, now=clock.now())
            settled = await settle_all(database, ring, now=clock.now())
        if followed.closed or settled:
            log.info("slots closed", extra={"slots": followed.closed, "reservations": settled})

    @jobs.periodic(cron="* * * * *")
    @jobs.task(name="return_blocks", queueing_lock="return_blocks")
    async def return_lent(timestamp: int) -> None:
        """Give back what is unused of blocks whose time has come."""
        async with Database(settings) as database:
            while True:
                async with database.transaction() as session:
                    returned = await return_blocks(session, SYSTEM, now=clock.now())
                if not returned:
                    break
                log.info("lent places returned", extra={"slots": len(returned)})


async def generate_all(
    database: Database,
    actor: Actor,
    *,
    region: str,
    days: int | None,
    now: datetime,
    found: Tell = lambda _: None,
    tell: Tell = lambda _: None,
) -> int:
    """Make the slots of all templates, some templates a transaction; how many are new.

    ``found`` hears how many templates there are, ``tell`` how many are done with each transaction.
    """
    async with database.transaction() as session:
        template_ids = await find_templates(session, now=now)
    found(len(template_ids))
    made = 0
    for at in range(0, len(template_ids), AT_ONCE):
        some = template_ids[at : at + AT_ONCE]
        async with database.transaction() as session:
            done = await generate_slots(session, actor, template_ids=some, region=region, days=days, now=now)
        made += done.made
        tell(len(some))
    return made


async def settle_all(database: Database, ring: KeyRing, *, now: datetime) -> int:
    """Move or cancel everybody in closed slots, each in a transaction of its own; how many.

    What goes wrong with one is logged and tried again by the next sweep; the others go on.
    """
    count, done = 0, set[UUID]()
    while len(done) < MOST_SETTLED:
        async with database.transaction() as session:
            slot_ids = await find_unsettled(session, but=done)
        if not slot_ids:
            break
        done.update(slot_ids)
        for slot_id in slot_ids:
            async with database.transaction() as session:
                await end_queue(session, slot_id=slot_id, now=now)
            count += await _settle_slot(database, ring, slot_id, now)
            async with database.transaction() as session:
                await finish(session, slot_id=slot_id, now=now)
    return count


async def _settle_slot(database: Database, ring: KeyRing, slot_id: UUID, now: datetime) -> int:
    count = 0
    tried: set[UUID] = set()
    while True:
        async with database.transaction() as session:
            affected = [one for one in await find_affected(session, slot_id=slot_id) if one not in tried]
        if not affected:
            return count
        for reservation_id in affected:
            tried.add(reservation_id)
            try:
                async with database.transaction() as session:
                    outcome = await settle_reservation(
                        session, ring=ring, slot_id=slot_id, reservation_id=reservation_id, now=now
                    )
            except Exception:  # whatever is wrong with one reservation, the others are cancelled and told
                log.exception("a reservation in a closed slot", extra={"reservation": str(reservation_id)})
                continue
            count += outcome != "nothing"
