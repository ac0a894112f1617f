"""What a process holds while it runs, and the dependencies that hand it to routes."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from api.free_sites import FreeSites
from api.identity.ended import EndedSessions
from api.identity.external import ExternalSignIn
from api.identity.tokens import AccessTokens
from core.database import Database
from core.keyring import KeyRing
from core.settings import Settings
from geo.nearby.feed import IndexFeed, Loaded


class NotLoaded(Exception):
    """The nearby index is not there yet; answered 503."""


@dataclass(frozen=True)
class Runtime:
    """Opened by the app's lifespan; routes reach it through ``runtime_of``."""

    settings: Settings
    database: Database
    redis: Redis
    feed: IndexFeed
    ring: KeyRing
    tokens: AccessTokens
    ended: EndedSessions
    external: ExternalSignIn
    free_sites: FreeSites

    def loaded(self) -> Loaded:
        """The index and the category tree. Raises NotLoaded while the first one is being built."""
        loaded = self.feed.loaded
        if loaded is None:
            raise NotLoaded
        return loaded


def runtime_of(request: Request) -> Runtime:
    """The process' runtime."""
    runtime = request.app.state.runtime
    assert isinstance(runtime, Runtime)
    return runtime


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """One transaction a request."""
    async with runtime_of(request).database.transaction() as session:
        yield session


# FastAPI would run what follows the yield once the response has left, and a failed commit would still answer 201:
# scope="function" ends the transaction before the response is sent.
Session = Annotated[AsyncSession, Depends(get_session, scope="function")]
