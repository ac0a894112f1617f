"""The application as served, with endpoints more to compare nearby with, in the same process."""

from typing import Annotated

from fastapi import FastAPI, Query, Request
from starlette.responses import Response

from api.app import create_app
from api.params import NearbyParameters
from api.query import read_query
from bench.fixed_body import FIXED_BODY
from core.logs import configure_logs
from core.settings import Settings


def make_app() -> FastAPI:
    """``empty`` answers nothing; ``fixed`` takes nearby's parameters as FastAPI reads them and answers 20 fixed items;
    ``fixed-fast`` reads them as nearby itself does."""
    settings = Settings()
    configure_logs(settings.log_level)
    app = create_app(settings)

    @app.get("/bench/empty", include_in_schema=False)
    async def empty() -> Response:
        return Response(b"{}", media_type="application/json")

    @app.get("/bench/fixed", include_in_schema=False)
    async def fixed(_: Annotated[NearbyParameters, Query()]) -> Response:
        return Response(FIXED_BODY, media_type="application/json")

    @app.get("/bench/fixed-fast", include_in_schema=False)
    async def fixed_fast(request: Request) -> Response:
        read_query(NearbyParameters, request)
        return Response(FIXED_BODY, media_type="application/json")

    return app
