"""The application as served, with calls of the tests' own beside its own: what a route does with a guard, seen alone."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from uuid import UUID

import psycopg
import uvicorn
from fastapi import Depends, FastAPI, Response
from pydantic import BaseModel
from sqlalchemy import text

from api.access import allowed
from api.app import create_app
from api.idempotency import Once, OnceRequired
from api.limits import limited
from api.runtime import Session
from core.actor import Actor
from core.errors import Conflict
from core.ids import new_id
from core.logs import configure_logs
from core.settings import Settings
from tests.api.preloaded import Preloaded
from tests.api.running import PATIENCE_SECONDS, Running, answers, environment, free_port, wait_until

TABLE = "create table trial_thing (id uuid primary key, name text not null, actor text not null)"

AnyoneMay = Annotated[Actor, allowed("correction.report")]
SignedIn = Annotated[Actor, allowed("complaint.own")]
StaffMay = Annotated[Actor, allowed("site.edit")]


class Refusal(Conflict):
    """The trial refuses."""

    code = "trial-refused"
    title_zh = "试验拒绝"


class ThingIn(BaseModel):
    """What to store, and how: after a while, or not at all."""

    name: str
    pause_seconds: float = 0
    outcome: str = "stored"


class ThingOut(BaseModel):
    """What was stored."""

    id: UUID
    name: str


def make_app() -> FastAPI:
    """For uvicorn: the app under the environment's settings, with the trial's calls."""
    settings = Settings()
    configure_logs(settings.log_level)
    app = create_app(settings)

    async def store(session, actor: Actor, thing: ThingIn) -> ThingOut:
        out = ThingOut(id=new_id(), name=thing.name)
        await session.execute(
            text("insert into trial_thing values (:id, :name, :actor)"),
            {"id": out.id, "name": out.name, "actor": actor.name},
        )
        await asyncio.sleep(thing.pause_seconds)
        if thing.outcome == "refused":
            raise Refusal("不行。", "No.")
        if thing.outcome == "error":
            raise RuntimeError("the trial fails")
        return out

    async def put(
        session: Session, actor: AnyoneMay, once: Once, thing: ThingIn, x: str | None = None
    ) -> Response:
        out = await store(session, actor, thing)
        headers = {"Location": f"/trial/things/{out.id}", "ETag": '"v1"'}
        return await once.answer(out, status=201, headers=headers)

    async def put_required(session: Session, actor: SignedIn, once: OnceRequired, thing: ThingIn) -> Response:
        return await once.answer(await store(session, actor, thing), status=201)

    async def put_as_staff(session: Session, actor: StaffMay, once: Once, thing: ThingIn) -> Response:
        return await once.answer(await store(session, actor, thing), status=201)

    async def nothing(once: Once, actor: AnyoneMay) -> Response:
        return await once.answer(None, status=204)

    async def ask(actor: AnyoneMay) -> dict[str, str]:
        return {"actor": actor.name}

    for path, function in (
        ("/trial/things", put),
        ("/trial/things/{shelf}", put),
        ("/trial/required", put_required),
        ("/trial/staff", put_as_staff),
        ("/trial/nothing", nothing),
    ):
        app.add_api_route(path, function, methods=["POST"])
    for group in ("corrections", "codes", "writes"):
        app.add_api_route(f"/trial/{group}", ask, methods=["POST"], dependencies=[limited(group)])
    app.add_api_route("/trial/free", ask, methods=["POST"], dependencies=[Depends(lambda: None)])
    return app


@contextmanager
def trial(log_path: Path, *, database_url: str, ready: bool = True, **settings: str) -> Iterator[Running]:
    """The application with the trial's calls on a free port, on a migrated database that gets their table."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(TABLE)
    port = free_port()
    log_path.touch()
    process = Preloaded(
        main,
        ["trial", str(port)],
        environment=environment(database_url=database_url, **settings),
        out=log_path,
        errors=log_path,
    )
    one = Running(process, log_path, f"http://127.0.0.1:{port}")
    try:
        wait_until(lambda: answers(one, "/readyz" if ready else "/healthz"), log_path.read_text())
        yield one
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main() -> None:
    """The process: the app on the port that is its argument."""
    uvicorn.run(
        "tests.api.trial:make_app",
        factory=True,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_config=None,
    )
