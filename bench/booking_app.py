"""What booking is measured against: an empty POST of the same app, and the same statement behind a bare handler."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi import FastAPI, Request, Response
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from api.app import create_app
from api.kept_answers import KEEP
from booking.people.dates import local_date
from booking.recording.record import Draft, values_of
from booking.reservations.hot import RESERVE
from core.actor import Actor
from core.ids import new_id
from core.settings import Settings


def make_app() -> FastAPI:
    """The served app with an endpoint that does nothing."""
    app = create_app(Settings())

    @app.post("/bench/empty", include_in_schema=False, openapi_extra={"x-permission": "operation.read"})
    async def empty(request: Request) -> Response:
        await request.body()
        return Response(b"{}", 201, media_type="application/json")

    return app


class Asked(BaseModel):
    """What the bare handler is told, where the real one looks it up."""

    person_id: UUID
    slot_id: UUID


def make_bare_app() -> FastAPI:
    """FastAPI, psycopg and the statement: no token, no rules, no encryption. The least that books the same rows."""
    known: dict[str, Any] = {}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
            os.environ["XINBAN_DATABASE_URL"], min_size=8, max_size=8, open=False, kwargs={"autocommit": True}
        )
        async with pool:
            async with pool.connection() as connection:
                rows = await (
                    await connection.execute("select id, offering_id, starts_at, ends_at from slot")
                ).fetchall()
                accounts = await (
                    await connection.execute("select id, account_id from person where account_id is not null")
                ).fetchall()
            known.update(
                count=0,
                pool=pool,
                slots={row[0]: row for row in rows},
                accounts={row[0]: row[1] for row in accounts},
            )
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/readyz")
    async def ready() -> dict[str, str]:
        return {}

    @app.post("/v1/reservations", status_code=201)
    async def reserve(asked: Asked) -> Response:
        now = datetime.now(UTC)
        _, offering_id, starts_at, ends_at = known["slots"][asked.slot_id]
        account_id = known["accounts"][asked.person_id]
        draft = Draft(
            slot_id=asked.slot_id,
            offering_id=offering_id,
            person_id=asked.person_id,
            account_id=account_id,
            party_size=1,
            mode=None,
            state="confirmed",
            starts_at=starts_at,
            ends_at=ends_at,
            expires_at=None,
            price_fen=None,
            exclusive=True,
            code=str(now.timestamp()) + str(known["count"]),  # ours draws again when a code is taken
        )
        known["count"] += 1
        kept = {
            "id": new_id(),
            "key_blind": draft.id.bytes * 2,
            "request_blind": draft.id.bytes * 2,
            "route": "bench",
            "status": 201,
            "answer": bytes(700),
            "created_at": now,
            "expires_at": now + timedelta(days=1),
        }
        values = {
            **values_of(draft, Actor(name=f"account:{account_id}", channel="app"), now=now),
            "today": local_date(now),
            "scopes": ["book.meal", "book.all"],
            "offering_version": 1,
            "tiers": ["general"],
            "held": 0,
            "confirmed": 1,
            **{f"kept_{name}": value for name, value in kept.items()},
        }
        async with known["pool"].connection() as connection:
            cursor = await connection.execute(RESERVE + KEEP + "select 1 from took", values)
            done = await cursor.fetchone()
        return Response(b'{"id":"%s"}' % str(draft.id).encode(), 201 if done else 409)

    return app
