"""Reserving over HTTP, fast where it can be: one statement that books, answers and keeps the answer.

Whatever the one statement does not settle goes the general way, which explains; both are done once under a key.
"""

from fastapi import Request
from psycopg import errors as pg
from starlette.responses import Response

from api.bookings.cards import FULL_FOR, Cards, Full, Who
from api.bookings.kept_keys import KeptKeys
from api.conditional import private
from api.idempotency import Key, execution, key_of
from api.kept_answers import KEEP, KEY, row_of
from api.runtime import Runtime
from api.views.reservations import reservation_out, reservations_out
from booking.errors import SlotFull
from booking.recording.record import CODE_TAKEN, CODES_TRIED
from booking.reservations.expiry import expire_slot
from booking.reservations.hot import Card, draft_for, reserve_counted, tiers_of
from booking.reservations.reserve import Wish, reserve
from core import clock
from core.actor import Actor
from core.errors import DomainError

KEY_TAKEN = "kept_answer_key_blind_key"
# A place of any tier, or a hold, which may have run out: worth asking properly.
HAS_PLACE = """
select from slot_bucket where slot_id = %(slot_id)s
having sum(capacity - confirmed - set_aside) >= %(party_size)s
"""


class Reserving:
    """What one process needs to reserve; made once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._cards = Cards(runtime.database)
        self._kept = KeptKeys(runtime.database)

    async def answer(self, request: Request, actor: Actor, wish: Wish, idempotency_key: str) -> Response:
        """201 with the reservation. Raises what ``reserve`` raises, RequestInProgress, KeyReused, Answered."""
        if wish.slot_id is None:
            return await self._explained(request, actor, wish, idempotency_key)
        card = await self._cards.get(wish.slot_id, now=clock.now())
        if not card.suits(actor, wish):
            return await self._explained(request, actor, wish, idempotency_key)
        key = await key_of(request, actor, idempotency_key)
        who = (wish.slot_id, tiers_of(card, actor))
        if (full := await self._still_full(who, wish.party_size, key)) is not None:
            raise full
        if (fast := await self._at_once(actor, wish, card, key)) is not None:
            return fast
        # When the last place has just gone, hundreds arrive here at once: one is told why, and the others with it.
        async with self._cards.one_by_one(who):
            if (full := await self._still_full(who, wish.party_size, key)) is not None:
                raise full
            try:
                return await self._explained(request, actor, wish, idempotency_key)
            except SlotFull as refusal:
                self._cards.note_full(who, wish.party_size, refusal, now=clock.now())
                raise

    async def _still_full(self, who: Who, party_size: int, key: Key) -> SlotFull | None:
        """The refusal of a moment ago, if it still stands and nothing is kept under the key."""
        now = clock.now()
        noted = self._cards.full(who, party_size, now=now)
        if noted is None:
            return None
        if now >= noted.until:
            if noted.asking or not await self._asked_again(who, party_size, noted):
                return None
            noted.until = clock.now() + FULL_FOR
        # It may be somebody who has a place already, and asks again since the answer was lost.
        ring = self._runtime.ring
        blinds = [blind for owner in key.owners for blind in ring.blinds(KEY, f"{owner}\0{key.key}")]
        return None if await self._kept.known(blinds) else noted.refusal

    async def _asked_again(self, who: Who, party_size: int, noted: Full) -> bool:
        """Whether the slot is full as ever; whoever comes meanwhile asks properly."""
        noted.asking = True
        try:
            async with self._runtime.database.hot() as connection:
                cursor = await connection.execute(HAS_PLACE, {"slot_id": who[0], "party_size": party_size})
                if await cursor.fetchone() is not None:
                    self._cards.note_free(who)
                    return False
        finally:
            noted.asking = False
        return True

    async def _at_once(self, actor: Actor, wish: Wish, card: Card, key: Key) -> Response | None:
        """The answer, if one statement settles it."""
        ring = self._runtime.ring
        for _ in range(CODES_TRIED):
            now = clock.now()
            draft = draft_for(card, actor, wish, now=now)
            out = reservation_out(
                draft, card.target.offering, card.site, channel=actor.channel, created_at=now
            )
            body = out.model_dump_json().encode()
            headers = {"Location": f"/v1/reservations/{draft.id}"}
            kept = row_of(
                ring,
                owner=key.owners[0],
                key=key.key,
                request=key.request,
                route=key.route,
                status=201,
                body=body,
                headers=headers,
                now=now,
            )
            try:
                async with self._runtime.database.hot() as connection:
                    done = await reserve_counted(
                        connection,
                        actor,
                        card=card,
                        draft=draft,
                        also=KEEP,
                        values={f"kept_{name}": value for name, value in kept.items()},
                        now=now,
                    )
            except pg.UniqueViolation as error:
                if error.diag.constraint_name == CODE_TAKEN:
                    continue
                if error.diag.constraint_name == KEY_TAKEN:
                    return None
                raise
            except (DomainError, pg.OperationalError):
                # Refused, or the same sent again, or cut off in the middle: what is kept under the key comes first.
                return None
            if done:
                return private(body, 201, headers)
            self._cards.forget(card.target.slot.id)
            return None
        return None

    async def _explained(self, request: Request, actor: Actor, wish: Wish, idempotency_key: str) -> Response:
        """The general way."""
        database = self._runtime.database
        try:
            async with database.transaction() as session:
                once = await execution(request, session, actor, idempotency_key)
                reservation = await reserve(
                    session, actor, ring=self._runtime.ring, wish=wish, now=clock.now()
                )
                out = (await reservations_out(session, [reservation]))[0]
                return await once.answer(
                    out, status=201, headers={"Location": f"/v1/reservations/{reservation.id}"}
                )
        except SlotFull:
            if wish.slot_id is not None:
                # Holds that ran out were freed for whoever waits, and the refusal undid it: done for good here.
                async with database.transaction() as session:
                    await expire_slot(session, slot_id=wish.slot_id, now=clock.now())
            raise
