"""The application as served, with endpoints that do nothing but what is measured of identity, limits and idempotency."""

from typing import Annotated

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.responses import Response

from api.access import allowed
from api.app import create_app
from api.idempotency import Once
from api.limits import GROUPS, limited
from api.runtime import Session
from core.actor import Actor
from core.logs import configure_logs
from core.settings import Settings

ANSWER = b'{"ok":true}'


class Done(BaseModel):
    """What the endpoints that store answer."""

    ok: bool = True


def make_app() -> FastAPI:
    """``who`` may be asked by anyone, and asks who calls; ``stored`` may be sent with an Idempotency-Key."""
    settings = Settings()
    configure_logs(settings.log_level)
    app = create_app(settings)

    async def who(actor: Annotated[Actor, allowed("locator.read")]) -> Response:
        return Response(ANSWER, media_type="application/json")

    async def stored(session: Session, once: Once) -> Response:
        return await once.answer(Done(), status=201)

    app.add_api_route("/bench/who", who, methods=["GET", "POST"], include_in_schema=False)
    group = max(GROUPS, key=lambda name: GROUPS[name].address[0].amount if GROUPS[name].address else 0)
    app.add_api_route(
        "/bench/limited", who, methods=["POST"], dependencies=[limited(group)], include_in_schema=False
    )
    app.add_api_route("/bench/stored", stored, methods=["POST"], include_in_schema=False)
    return app
